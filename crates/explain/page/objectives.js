// The mathematics of the page: scores, margins, pools, links, their gradients, and the bounds for scale and margin.
//
// Every number and every line on the page comes from here. This file repeats the family of the crate widemargin-objective in
// plain JavaScript, without touching the page:
//
//     loss = link( pool over i != y of score_i, less (score_y - margin) )
//
// A test compares it with the crate at thousands of random points. Everything is computed from the leads
// d_i = scale (similarity_i - target) + margin in score. Differences come first, the largest lead is taken out of every
// exponential, and the loss is log1p of a sum: at large scales it is far below the spacing of floating-point numbers near 1.

const SINE_SQUARED_FLOOR = 1e-9;
const NORM_FLOOR = 1e-12;

// ---- smooth maximum ---------------------------------------------------------------------------------------------

/** T log(1 + e^(u/T)): a smooth max(u, 0). */
export function softplus(u, temperature = 1) {
  const v = u / temperature;
  return temperature * (v > 0 ? v + Math.log1p(Math.exp(-v)) : Math.log1p(Math.exp(v)));
}

/** The derivative of softplus. */
export function logistic(u, temperature = 1) {
  const v = u / temperature;
  if (v >= 0) return 1 / (1 + Math.exp(-v));
  const e = Math.exp(v);
  return e / (1 + e);
}

/** T log sum e^(a/T): a smooth maximum. Minus infinity if there are no values. */
export function logSumExp(values, temperature = 1) {
  const largest = maximum(values);
  if (largest === -Infinity) return largest;
  let sum = 0;
  for (const value of values) sum += Math.exp((value - largest) / temperature);
  return largest + temperature * Math.log(sum);
}

export function maximum(values) {
  let largest = -Infinity;
  for (const value of values) if (value > largest) largest = value;
  return largest;
}

/** e^(z_i/T) divided by their sum. */
export function softmax(scores, temperature = 1) {
  const largest = maximum(scores);
  const powers = Array.from(scores, (score) => Math.exp((score - largest) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

// ---- margins --------------------------------------------------------------------------------------------------------

/** cos(M t) as a polynomial of cos t, and its derivative with respect to cos t. */
function chebyshev(multiplier, cosine) {
  let [before, beforeSlope, now, nowSlope] = [1, 0, cosine, 1];
  for (let n = 1; n < multiplier; n += 1) {
    const next = 2 * cosine * now - before;
    const nextSlope = 2 * now + 2 * cosine * nowSlope - beforeSlope;
    [before, beforeSlope, now, nowSlope] = [now, nowSlope, next, nextSlope];
  }
  return [now, nowSlope];
}

function underAngle(similarity, cosine, angle) {
  // beyond t = pi - m, where cos(t + m) would rise again
  if (cosine < -Math.cos(angle)) return { value: similarity - angle * Math.sin(angle), slope: 1 };
  const sineSquared = (1 - cosine) * (1 + cosine);
  const sine = Math.sqrt(Math.max(sineSquared, SINE_SQUARED_FLOOR));
  return {
    value: cosine * Math.cos(angle) - Math.sqrt(sineSquared) * Math.sin(angle),
    slope: Math.cos(angle) + (cosine * Math.sin(angle)) / sine,
  };
}

/** The target's cosine after the margin: its value, and the derivative with respect to the cosine. */
export function underMargin(margin, similarity) {
  const cosine = Math.min(1, Math.max(-1, similarity));
  switch (margin.kind) {
    case "cosine":
      return { value: similarity - margin.amount, slope: 1 };
    case "angle":
      if (margin.easy && cosine <= 0) return { value: similarity, slope: 1 };
      if (margin.easy) {
        const sineSquared = (1 - cosine) * (1 + cosine);
        const sine = Math.sqrt(Math.max(sineSquared, SINE_SQUARED_FLOOR));
        return {
          value: cosine * Math.cos(margin.amount) - Math.sqrt(sineSquared) * Math.sin(margin.amount),
          slope: Math.cos(margin.amount) + (cosine * Math.sin(margin.amount)) / sine,
        };
      }
      return underAngle(similarity, cosine, margin.amount);
    case "combined": {
      if (margin.multiplier === 1) {
        const under = underAngle(similarity, cosine, margin.angle);
        return { value: under.value - margin.cosine, slope: under.slope };
      }
      const turned = margin.multiplier * Math.acos(cosine) + margin.angle;
      if (turned > Math.PI) {
        const atPi = Math.cos((Math.PI - margin.angle) / margin.multiplier);
        return { value: similarity - atPi - 1 - margin.cosine, slope: 1 };
      }
      const sine = Math.sqrt(Math.max((1 - cosine) * (1 + cosine), SINE_SQUARED_FLOOR));
      return {
        value: Math.cos(turned) - margin.cosine,
        slope: (margin.multiplier * Math.sin(turned)) / sine,
      };
    }
    case "multiple": {
      const { multiplier, weight } = margin;
      const steps = Math.min(Math.floor((multiplier * Math.acos(cosine)) / Math.PI), multiplier - 1);
      const sign = steps % 2 === 0 ? 1 : -1;
      const [multiple, derivative] = chebyshev(multiplier, cosine);
      return {
        value: (1 - weight) * cosine + weight * (sign * multiple - 2 * steps),
        slope: 1 - weight + weight * sign * derivative,
      };
    }
    default:
      return { value: similarity, slope: 1 };
  }
}

// ---- the family and its named members -------------------------------------------------------------------------------

const plain = (pool, link, margin = 0) => ({
  score: { kind: "dot", scale: 1 },
  margin: margin > 0 ? { kind: "score", amount: margin } : { kind: "none" },
  pool,
  link,
});
const onCosines = (scale, margin) => ({
  score: { kind: "cosine", scale },
  margin,
  pool: { kind: "log-sum-exp", temperature: 1 },
  link: { kind: "softplus", temperature: 1 },
});
const HINGES = { kind: "hinge-sum" };
const HARDEST = { kind: "max" };
const SMOOTH = { kind: "log-sum-exp", temperature: 1 };
const HINGE = { kind: "hinge" };
const SOFTPLUS = { kind: "softplus", temperature: 1 };

const PRESETS = {
  "hinge-sum": ({ margin = 0 }) => plain(HINGES, HINGE, margin),
  "hinge-sum-margin": ({ margin = 1 }) => plain(HINGES, HINGE, margin),
  "hinge-max": ({ margin = 0 }) => plain(HARDEST, HINGE, margin),
  "lse-hinge": ({ margin = 0 }) => plain(SMOOTH, HINGE, margin),
  "softplus-lse": ({ margin = 0 }) => plain(SMOOTH, SOFTPLUS, margin),
  softmax: ({ temperature = 1 }) => ({
    ...plain(SMOOTH, SOFTPLUS),
    score: { kind: "dot", scale: 1 / temperature },
  }),
  "tempered-softmax": ({ temperature = 1 }) =>
    plain({ kind: "log-sum-exp", temperature }, { kind: "softplus", temperature }),
  "normalized-softmax": ({ scale = 30 }) => onCosines(scale, { kind: "none" }),
  "am-softmax": ({ scale = 30, margin = 0.35 }) => onCosines(scale, { kind: "cosine", amount: margin }),
  cosface: ({ scale = 64, margin = 0.35 }) => onCosines(scale, { kind: "cosine", amount: margin }),
  arcface: ({ scale = 64, margin = 0.5, easy_margin: easy = false }) =>
    onCosines(scale, { kind: "angle", amount: margin, easy }),
  "combined-margin": ({ scale = 64, angle_multiplier = 1, angle_margin = 0.3, cosine_margin = 0.2 }) =>
    onCosines(scale, {
      kind: "combined",
      multiplier: angle_multiplier,
      angle: angle_margin,
      cosine: cosine_margin,
    }),
  sphereface: ({ scale = 1, margin = 4, lambda = 0 }) => ({
    ...onCosines(scale, { kind: "multiple", multiplier: margin, weight: 1 / (1 + lambda) }),
    score: { kind: "projection", scale },
  }),
};

/** The names that `objective` accepts; the program uses the same. */
export const NAMES = Object.keys(PRESETS);

/** A named member of the family, with the parameters of `widemargin loss --parameters`. */
export function objective(name, parameters = {}) {
  const preset = PRESETS[name];
  if (!preset) throw new Error(`unknown objective ${name}`);
  return preset(parameters);
}

// ---- one sample -----------------------------------------------------------------------------------------------------

/**
 * One sample against all classes. `similarities[i]` is the dot product or cosine with class i; `length` is |x| for
 * projections. Returns the loss, the pooled lead before the link, the push -d loss / d score_y, the effective number of
 * competitors that share it, and `gradient`, the derivatives with respect to the similarities.
 */
export function row(objective, similarities, label, length = 1) {
  const { score, margin, pool, link } = objective;
  const count = similarities.length;
  const own = similarities[label];
  let target = own;
  let slope = 1;
  let radial = 0;
  let offset = 0;
  if (margin.kind === "score") {
    offset = margin.amount;
  } else if (margin.kind !== "none") {
    const cosine = length > 0 ? own / length : 0;
    const under = underMargin(margin, cosine);
    target = length * under.value;
    slope = under.slope;
    if (length !== 1) radial = under.value - under.slope * cosine;
  }
  const lead = (i) => score.scale * (similarities[i] - target) + offset;

  let hardest = -Infinity;
  let hardestClass = -1;
  let correct = true;
  for (let i = 0; i < count; i += 1) {
    if (i === label) continue;
    const d = lead(i);
    if (d > hardest) [hardest, hardestClass] = [d, i];
    if (i < label ? similarities[i] >= own : similarities[i] > own) correct = false;
  }
  const gradient = new Array(count).fill(0);
  if (hardestClass < 0) {
    return { loss: 0, pooledLead: -Infinity, push: 0, effective: 0, marginMet: true, correct, gradient, lengthSlope: 0 };
  }

  // the pooled lead, and its derivative with respect to each competitor's lead
  let pooled;
  let effective;
  if (pool.kind === "max") {
    [pooled, effective] = [hardest, 1];
    gradient[hardestClass] = 1;
  } else if (pool.kind === "hinge-sum") {
    [pooled, effective] = [0, 0];
    for (let i = 0; i < count; i += 1) {
      if (i === label) continue;
      const d = lead(i);
      if (d > 0) {
        pooled += d;
        effective += 1;
        gradient[i] = 1;
      }
    }
  } else {
    let [sum, moment] = [0, 0];
    for (let i = 0; i < count; i += 1) {
      if (i === label) continue;
      const exponent = (lead(i) - hardest) / pool.temperature;
      const power = Math.exp(exponent);
      gradient[i] = power;
      sum += power;
      if (power > 0) moment += power * exponent;
    }
    for (let i = 0; i < count; i += 1) gradient[i] /= sum;
    pooled = hardest + pool.temperature * Math.log(sum);
    effective = Math.exp(Math.log(sum) - moment / sum);
  }

  let loss;
  let linkSlope;
  if (link.kind === "hinge") {
    [loss, linkSlope] = pooled > 0 ? [pooled, 1] : [0, 0];
  } else {
    loss = softplus(pooled, link.temperature);
    linkSlope = logistic(pooled, link.temperature);
  }
  const push = linkSlope * (pool.kind === "hinge-sum" ? effective : 1);
  for (let i = 0; i < count; i += 1) gradient[i] *= score.scale * linkSlope;
  gradient[label] = -score.scale * push * slope;
  return {
    loss,
    pooledLead: pooled,
    push,
    effective,
    marginMet: hardest <= 0,
    correct,
    gradient,
    lengthSlope: radial === 0 ? 0 : -score.scale * push * radial,
  };
}

// ---- whole batches --------------------------------------------------------------------------------------------------

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}

export function norm(vector) {
  return Math.sqrt(dot(vector, vector));
}

export function unit(vector) {
  const length = Math.max(norm(vector), NORM_FLOOR);
  return vector.map((value) => value / length);
}

/**
 * Evaluates an objective on features `[batch][dim]`, class centres `[classes][dim]` and labels, like `widemargin loss`. The loss
 * and its gradients are batch means.
 */
export function evaluate(objective, features, weights, labels) {
  const kind = objective.score.kind;
  const onUnitCentres = kind !== "dot";
  const dim = weights[0].length;
  const lengths = weights.map((w) => (onUnitCentres ? Math.max(norm(w), NORM_FLOOR) : 1));
  const centres = onUnitCentres ? weights.map((w, i) => w.map((value) => value / lengths[i])) : weights;
  const gradFeatures = features.map(() => new Array(dim).fill(0));
  const gradWeights = weights.map(() => new Array(dim).fill(0));
  const losses = [];
  const means = { push: 0, effective: 0, targetCosine: 0, marginMet: 0, accuracy: 0 };
  const share = 1 / Math.max(features.length, 1);
  features.forEach((feature, n) => {
    const length = Math.max(norm(feature), NORM_FLOOR);
    const x = kind === "cosine" ? feature.map((value) => value / length) : feature;
    const similarities = centres.map((w) => dot(w, x));
    const label = labels[n];
    const out = row(objective, similarities, label, kind === "projection" ? length : 1);
    losses.push(out.loss);
    means.push += out.push * share;
    means.effective += out.effective * share;
    means.targetCosine += (dot(unit(feature), unit(weights[label])) * share);
    means.marginMet += out.marginMet ? share : 0;
    means.accuracy += out.correct ? share : 0;
    for (let i = 0; i < centres.length; i += 1) {
      const g = out.gradient[i] * share;
      if (g === 0) continue;
      for (let a = 0; a < dim; a += 1) {
        // a cosine does not change with the length of either vector
        const alongX = kind === "cosine" ? similarities[i] * x[a] : 0;
        const alongW = onUnitCentres ? similarities[i] * centres[i][a] : 0;
        gradFeatures[n][a] += (g * (centres[i][a] - alongX)) / (kind === "cosine" ? length : 1);
        gradWeights[i][a] += (g * (x[a] - alongW)) / lengths[i];
      }
    }
    if (out.lengthSlope !== 0) {
      for (let a = 0; a < dim; a += 1) {
        gradFeatures[n][a] += (out.lengthSlope * share * feature[a]) / length;
      }
    }
  });
  return { loss: losses.reduce((a, b) => a + b, 0) * share, losses, gradFeatures, gradWeights, ...means };
}

// ---- choosing scale and margin --------------------------------------------------------------------------------------

/** The lead of the target over each competitor, in cosine, when the centres form a regular simplex. */
export function simplexLead(classes) {
  return classes <= 1 ? Infinity : classes / (classes - 1);
}

/** The lower bound of the loss: log(1 + (C - 1) e^(-s (C / (C - 1) - m))). */
export function lossFloor(classes, scale, margin = 0) {
  return classes <= 1 ? 0 : softplus(Math.log(classes - 1) - scale * (simplexLead(classes) - margin));
}

/** The smallest scale at which a target that leads by `lead` reaches `probability`; null if no scale suffices. */
export function scaleForLead(classes, probability, lead) {
  if (classes <= 1) return 0;
  if (lead <= 0) return null;
  return Math.max(0, Math.log(((classes - 1) * probability) / (1 - probability)) / lead);
}

/** The fixed scale of AdaCos. */
export function adacosScale(classes) {
  return classes <= 2 ? 0 : Math.SQRT2 * Math.log(classes - 1);
}

/** The largest margin in cosine that features on their target's centre can meet, and whether an arrangement is known to attain it. */
export function marginBound(classes, dim) {
  const closest = closestCosine(classes, dim);
  return { largest: 1 - closest.cosine, attained: closest.attained };
}

/** Scale and margin for AM-Softmax with the bounds behind them, like `widemargin suggest`. */
export function suggest(classes, dim, probability) {
  const bound = marginBound(classes, dim);
  const reachableMargin = 1 - reachableCosine(classes, dim);
  const room = { classes, dim, reachableMargin };
  const [usualScale, usualMargin, usualAngle] = classes < 10000 ? [30, 0.35, 0.5] : [64, 0.35, 0.5];
  const half = Math.min(usualMargin, 0.5 * reachableMargin);
  const most = Math.min(usualMargin, reachableMargin);
  const enough = (margin) => (sufficientScale(room, probability, margin) ?? Infinity) <= 128;
  const margin = bound.attained || !enough(most) ? half : most;
  const scaleWithMargin = sufficientScale(room, probability, margin);
  const scale = Math.min(Math.max(usualScale, Math.ceil(scaleWithMargin ?? 0)), 128);
  const best = smallestLogSum(classes, dim, scale);
  const reachable = Math.exp(-softplus(reachableLogSum(room, scale, margin)));
  const simplex = scaleForLead(classes, probability, simplexLead(classes));
  return {
    scale,
    margin,
    angleMargin: (usualAngle * margin) / usualMargin,
    bound,
    reachableMargin,
    scaleWithoutMargin: best === null ? simplex : (sufficientScale(room, probability, 0) ?? simplex),
    scaleWithMargin,
    adacosScale: adacosScale(classes),
    lossFloor: best === null ? lossFloor(classes, scale, margin) : softplus(best + scale * margin),
    reachableProbability: reachable,
    reachesTarget: reachable >= probability * (1 - 1e-12),
  };
}

/** The smallest sum over the non-targets, as a logarithm, that some arrangement of the centres certainly has. */
export function reachableLogSum(room, scale, margin) {
  const best = smallestLogSum(room.classes, room.dim, scale);
  if (best !== null) return best + scale * margin;
  const apart = Math.log(room.classes - 1) - scale * (room.reachableMargin - margin);
  return Math.min(apart, randomLogSum(room, scale, margin));
}

function randomLogSum(room, scale, margin) {
  return Math.log(room.classes - 1) + logMeanExponential(room.dim, scale) + scale * margin;
}

/** The smallest scale at which some arrangement certainly gives the probability; null if there is none. */
function sufficientScale(room, probability, margin) {
  const enough = Math.log((1 - probability) / probability);
  if (Math.log(room.classes - 1) <= enough) return 0;
  if (smallestLogSum(room.classes, room.dim, 0) !== null) {
    if (room.reachableMargin <= margin) return null;
    let high = 1;
    while (high < 1e18 && reachableLogSum(room, high, margin) > enough) high *= 2;
    if (reachableLogSum(room, high, margin) > enough) return null;
    return firstBelow(high, (scale) => reachableLogSum(room, scale, margin) - enough);
  }
  const apart = scaleForLead(room.classes, probability, room.reachableMargin - margin);
  let [low, high] = [0, 2048];
  while (high - low > 1e-3) {
    const third = (high - low) / 3;
    if (randomLogSum(room, low + third, margin) < randomLogSum(room, high - third, margin)) high -= third;
    else low += third;
  }
  if (randomLogSum(room, high, margin) > enough) return apart;
  const random = firstBelow(high, (scale) => randomLogSum(room, scale, margin) - enough);
  return apart === null ? random : Math.min(apart, random);
}

/** The smallest argument from 0 to `high` at which a falling function is not above 0; it is not above 0 at `high`. */
function firstBelow(end, value) {
  let [low, high] = [0, end];
  for (let step = 0; step < 100; step += 1) {
    const middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    if (value(middle) <= 0) high = middle;
    else low = middle;
  }
  return high;
}

// ---- sphere packing: the same bounds as widemargin_objective::packing, which explains them --------------------------

const SHARP = new Set(["5 16", "6 27", "21 112", "21 162", "22 100", "22 275"]);

/** A lower bound of the largest cosine between two of `classes` unit vectors, and whether an arrangement attains it. */
export function closestCosine(classes, dim) {
  if (classes <= 1) return { cosine: -1, attained: true };
  if (classes - 1 <= dim) return { cosine: -1 / (classes - 1), attained: true };
  if (dim === 1) return { cosine: 1, attained: true };
  if (dim === 2) return { cosine: Math.cos((2 * Math.PI) / classes), attained: true };
  if (classes <= 2 * dim) return { cosine: 0, attained: true };
  if (dim === 3) {
    const cotangent = 1 / Math.tan((Math.PI * classes) / (6 * (classes - 2)));
    return { cosine: (cotangent * cotangent - 1) / 2, attained: classes === 12 };
  }
  const [a, b, excess] = [dim * (classes - dim - 1), dim * (dim - 1), classes - 2 * dim];
  const root = (2 * excess) / (b + Math.sqrt(b * b + 4 * a * excess));
  const levenshtein = Math.min(root, (Math.sqrt(dim + 3) - 1) / (dim + 2));
  const caps = Math.cos(2 * capRadius(classes, dim));
  return { cosine: Math.max(caps, levenshtein), attained: SHARP.has(`${dim} ${classes}`) };
}

function reachableCosine(classes, dim) {
  const bound = closestCosine(classes, dim);
  return bound.attained ? bound.cosine : Math.cos(capRadius(classes, dim));
}

/** The radius of a cap that covers 1 / classes of the sphere. */
function capRadius(classes, dim) {
  let radius = Math.PI / 2;
  for (let step = 0; step < 200; step += 1) {
    const [share, slope] = logCapShare(radius, dim);
    const next = Math.min(Math.max(radius - (share + Math.log(classes)) / slope, radius / 2), Math.PI / 2);
    if (Math.abs(next - radius) <= 1e-15 * radius) return next;
    radius = next;
  }
  return radius;
}

function logCapShare(radius, dim) {
  const n = dim - 2;
  let twice = n % 2 === 0 ? Math.PI : 2;
  for (let step = n % 2 === 0 ? 2 : 3; step <= n; step += 2) twice *= (step - 1) / step;
  if (radius >= Math.PI / 2) return [Math.log(0.5), 2 / twice];
  const [sine, cosine] = [Math.sin(radius), Math.cos(radius)];
  let [term, sum, k] = [1, 1, 0];
  while (term > 1e-17 * sum) {
    term *= (sine * sine * (n + 2 + 2 * k)) / (n + 3 + 2 * k);
    sum += term;
    k += 1;
  }
  const share = (n + 1) * Math.log(sine) + Math.log((cosine * sum) / ((n + 1) * twice));
  return [share, Math.exp(n * Math.log(sine) - Math.log(twice) - share)];
}

/** ln E e^(s (cos - 1)) for the cosine of a random direction with a fixed one. */
function logMeanExponential(dim, scale) {
  const [half, quarter] = [dim / 2, (scale * scale) / 4];
  let [term, sum, k, log] = [1, 1, 0, -scale];
  while (term > 1e-17 * sum || quarter > (half + k) * (k + 1)) {
    term *= quarter / ((half + k) * (k + 1));
    sum += term;
    k += 1;
    if (sum > 1e200) {
      log += Math.log(sum);
      term /= sum;
      sum = 1;
    }
  }
  return log + Math.log(sum);
}

/** ln of the smallest sum of e^(s (cos - 1)) over the other centres; null where the best arrangement is not known. */
function smallestLogSum(classes, dim, scale) {
  const of = (cosines) => {
    const terms = cosines.map(([count, cosine]) => Math.log(count) + scale * (cosine - 1));
    const largest = terms.reduce((a, b) => Math.max(a, b), -Infinity);
    return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
  };
  if (classes <= 1) return null;
  if (classes - 1 <= dim) return of([[classes - 1, -1 / (classes - 1)]]);
  if (dim === 1) return null;
  if (dim === 2) return polygonLogSum(classes, scale);
  if (classes === 2 * dim) return of([[classes - 2, 0], [1, -1]]);
  if (dim === 3 && classes === 12) return of([[5, Math.sqrt(0.2)], [5, -Math.sqrt(0.2)], [1, -1]]);
  return null;
}

function polygonLogSum(classes, scale) {
  if (classes >= 64 && classes * classes > 100 * scale) {
    const x = 1 / (8 * scale);
    const logMean =
      scale < 500
        ? logMeanExponential(2, scale)
        : Math.log1p(x * (1 + x * (4.5 + x * (37.5 + x * 459.375)))) - 0.5 * Math.log(2 * Math.PI * scale);
    return Math.log(classes * Math.exp(logMean) - 1);
  }
  const exponent = (at) => -2 * scale * Math.sin((Math.PI * at) / classes) ** 2;
  let [sum, at] = [0, 1];
  while (2 * at <= classes) {
    const term = Math.exp(exponent(at) - exponent(1));
    sum += 2 * at === classes ? term : 2 * term;
    if (term < 1e-18 * sum) break;
    at += 1;
  }
  return exponent(1) + Math.log(sum);
}

/** Centres of a regular simplex: C unit vectors in C dimensions; any two have the cosine -1 / (C - 1). */
export function simplex(classes) {
  const share = 1 / classes;
  return Array.from({ length: classes }, (_, i) =>
    unit(Array.from({ length: classes }, (_, j) => (i === j ? 1 - share : -share))),
  );
}
