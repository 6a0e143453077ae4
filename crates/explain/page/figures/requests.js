// The inputs behind the numbers of a figure, in the form of `widemargin loss` and `widemargin suggest`. The browser test runs
// the program with them and compares. A reader can print them in the console: `widemargin.figures.plane.requests()`.

import { evaluate, objective, simplex } from "../objectives.js";

/** Any scores: the feature [1] in one dimension, and the scores as centres. */
export function ofScores(name, parameters, scores, label, expected, factors = {}) {
  return ofBatch(name, parameters, [[1]], scores.map((score) => [score]), [label], expected, factors);
}

/** Any cosines: a feature along the first axis, and centres at the given angles from it. */
export function ofCosines(name, parameters, cosines, label, expected) {
  const centres = cosines.map((cosine) => [cosine, Math.sqrt(Math.max(0, 1 - cosine * cosine))]);
  return ofBatch(name, parameters, [[1, 0]], centres, [label], expected);
}

/** `expected` maps fields of the program's output to numbers of the figure; `factors` multiply the output first. */
export function ofBatch(name, parameters, features, weights, labels, expected, factors = {}) {
  const out = evaluate(objective(name, parameters), features, weights, labels);
  return {
    objective: name,
    parameters,
    input: { features, weights, labels },
    expected,
    factors,
    gradients: { grad_features: out.gradFeatures, grad_weights: out.gradWeights },
  };
}

/** The centres of a regular simplex, and a feature on the first centre. */
export function ofSimplex(name, parameters, classes, expected) {
  const centres = simplex(classes);
  return ofBatch(name, parameters, [centres[0]], centres, [0], expected);
}

/** A request to `widemargin suggest`. */
export function ofSuggestion(classes, dim, probability, expected) {
  return { suggest: { classes, dim, probability }, expected };
}
