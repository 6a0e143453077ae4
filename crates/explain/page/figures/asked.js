// What a figure's numbers are numbers of: the question that `widemargin loss` answers with the same ones. The browser test
// asks it, and so can a reader, from the console: `widemargin.figures.plane.requests()`.

import { evaluate, objective, simplex } from "../objectives.js";

/** Any scores: one feature of length one in one dimension, centres that are the scores. */
export function ofScores(name, parameters, scores, label, wanted, factors = {}) {
  return ofBatch(name, parameters, [[1]], scores.map((score) => [score]), [label], wanted, factors);
}

/** Any cosines: a feature along the first axis, centres at their angles from it. */
export function ofCosines(name, parameters, cosines, label, wanted) {
  const centres = cosines.map((cosine) => [cosine, Math.sqrt(Math.max(0, 1 - cosine * cosine))]);
  return ofBatch(name, parameters, [[1, 0]], centres, [label], wanted);
}

/** `wanted` maps fields of the answer to numbers of the figure; `factors` tell what the answer is to be multiplied by. */
export function ofBatch(name, parameters, features, weights, labels, wanted, factors = {}) {
  const out = evaluate(objective(name, parameters), features, weights, labels);
  return {
    objective: name,
    parameters,
    input: { features, weights, labels },
    wanted,
    factors,
    gradients: { grad_features: out.gradFeatures, grad_weights: out.gradWeights },
  };
}

/** The centres of a regular simplex, a feature on the first. */
export function ofSimplex(name, parameters, classes, wanted) {
  const centres = simplex(classes);
  return ofBatch(name, parameters, [centres[0]], centres, [0], wanted);
}

/** What `widemargin suggest` is asked. */
export function ofSuggestion(classes, dim, probability, wanted) {
  return { suggest: { classes, dim, probability }, wanted };
}
