// Classification is not ranking: features that are all classified correctly but closer to other classes than to their own,
// and the same features after steps along the gradient of AM-Softmax.

import { evaluate, objective } from "../objectives.js";
import { chance, degrees, filled, legend, percent, r } from "../kit.js";
import { ofBatch } from "./requests.js";

const CLASSES = 6;
const EACH = 9;
const TURN = 2 * Math.PI;
const STEPS = 40;
const RADIUS = 140;
const MIDDLE = 165;
const BINS = 36;

const centreAt = (i) => Math.PI / 2 + (TURN * i) / CLASSES;
const onCircle = (angle) => [Math.cos(angle), Math.sin(angle)];
const CENTRES = Array.from({ length: CLASSES }, (_, i) => onCircle(centreAt(i)));
const LABELS = Array.from({ length: CLASSES * EACH }, (_, n) => Math.floor(n / EACH));

/** Angles of the features: each class fills its sector from -spread to +spread around its centre. */
function start(spread) {
  const { uniform } = chance(11);
  return LABELS.map((label, n) => {
    const nth = n % EACH;
    const even = (2 * nth) / (EACH - 1) - 1;
    const jitter = nth === 0 || nth === EACH - 1 ? 0 : 0.15 * (uniform() - 0.5);
    return centreAt(label) + (even + jitter) * spread;
  });
}

/** Gradient descent on the features, which turns them. */
function descend(angles, chosen, scale) {
  let now = angles;
  for (let step = 0; step < STEPS; step += 1) {
    const features = now.map(onCircle);
    const out = evaluate(chosen, features, CENTRES, LABELS);
    now = now.map((angle, n) => {
      const [gx, gy] = out.gradFeatures[n];
      const turn = gx * -Math.sin(angle) + gy * Math.cos(angle);
      return angle - (0.02 * LABELS.length * turn) / scale;
    });
  }
  return now;
}

/** Angles of same-class and different-class pairs, and how often a different-class pair is closer than a same-class pair. */
function compared(angles) {
  const within = [];
  const between = [];
  for (let a = 0; a < angles.length; a += 1) {
    for (let b = 0; b < a; b += 1) {
      const apart = Math.acos(Math.min(1, Math.max(-1, Math.cos(angles[a] - angles[b]))));
      (LABELS[a] === LABELS[b] ? within : between).push(apart);
    }
  }
  within.sort((a, b) => a - b);
  between.sort((a, b) => a - b);
  let [wrong, at] = [0, 0];
  for (const apart of within) {
    while (at < between.length && between[at] < apart) at += 1;
    wrong += at;
  }
  return { within, between, widest: within[within.length - 1], closest: between[0], wrong: wrong / (within.length * between.length) };
}

export function ranking(figure) {
  const { words, common } = figure;
  const spread = figure.slider("spread", { label: words.spread, min: 5, max: 29, step: 1, value: 27, show: (v) => `${v}°` });
  const margin = figure.slider("margin", { label: common.margin, min: 0, max: 0.5, step: 0.05, value: 0.35 });
  const scale = figure.slider("scale", { label: common.scale, min: 5, max: 64, step: 1, value: 30 });
  const rounds = ["before", "after"].map((key) =>
    figure.panel({ title: words[key], alt: words[key], height: 330, edges: { left: 0, right: 0, top: 0, bottom: 0 } }),
  );
  const pairs = ["pairsBefore", "pairsAfter"].map((key) =>
    figure.panel({ title: words[key], alt: words[key], height: 220, edges: { left: 24, right: 24, top: 10, bottom: 46 } }),
  );
  pairs.forEach((panel) => legend(panel, [["f2", words.within], ["f3", words.between]]));
  figure.list.classList.add("pairs");
  for (const key of ["accuracy", "widest", "closest", "wrong", "loss"]) {
    figure.number(`${key}Before`, filled(common.at, { what: words[key], when: words.beforeShort }));
    figure.number(`${key}After`, filled(common.at, { what: words[key], when: words.afterShort }));
  }

  const look = () => {
    const chosen = objective("am-softmax", { scale: scale.value, margin: margin.value });
    const before = start((spread.value * Math.PI) / 180);
    return [before, descend(before, chosen, scale.value)].map((angles) => ({
      angles,
      out: evaluate(chosen, angles.map(onCircle), CENTRES, LABELS),
      ...compared(angles),
    }));
  };

  figure.draw = () => {
    look().forEach((side, n) => {
      const name = ["Before", "After"][n];
      let marks = `<circle class="grid hollow" cx="200" cy="${MIDDLE}" r="${RADIUS}"/>`;
      for (let i = 0; i < CLASSES; i += 1) {
        const edge = onCircle(centreAt(i) + TURN / CLASSES / 2);
        marks += `<path class="rule" d="M200 ${MIDDLE}L${r(200 + 162 * edge[0])} ${r(MIDDLE - 162 * edge[1])}"/>`;
      }
      side.angles.forEach((angle, k) => {
        const [x, y] = onCircle(angle);
        marks += `<circle class="f${LABELS[k]} spot" cx="${r(200 + RADIUS * x)}" cy="${r(MIDDLE - RADIUS * y)}" r="5.5"/>`;
      });
      rounds[n].show(marks);

      const panel = pairs[n];
      panel.axes({ min: 0, max: 180, degrees: true, label: words.apart, ticks: [0, 45, 90, 135, 180] }, { min: 0, max: 1, ticks: [] });
      const counts = [side.within, side.between].map((values) => {
        const bins = new Array(BINS).fill(0);
        for (const value of values) bins[Math.min(BINS - 1, Math.floor((value / Math.PI) * BINS))] += 1;
        return bins;
      });
      marks = "";
      counts.forEach((bins, kind) => {
        const most = Math.max(...bins);
        bins.forEach((count, bin) => {
          if (count === 0) return;
          const [from, to] = [panel.x((180 * bin) / BINS), panel.x((180 * (bin + 1)) / BINS)];
          const y = panel.y((0.96 * count) / most);
          marks += `<rect class="f${kind === 0 ? 2 : 3} glass" x="${r(from + 0.5)}" width="${r(to - from - 1)}" y="${r(y)}" height="${r(panel.plot.bottom - y)}"/>`;
        });
      });
      const [widest, closest] = [degrees(side.widest), degrees(side.closest)];
      marks += `<path class="gapmark" d="M${r(panel.x(widest))} ${panel.plot.top}V${panel.plot.bottom}"/><path class="rule" d="M${r(panel.x(closest))} ${panel.plot.top}V${panel.plot.bottom}"/>`;
      panel.show(marks);
      figure.show(`accuracy${name}`, side.out.accuracy, percent(side.out.accuracy));
      figure.show(`widest${name}`, widest, `${widest.toFixed(1)}°`);
      figure.show(`closest${name}`, closest, `${closest.toFixed(1)}°`);
      figure.show(`wrong${name}`, side.wrong, percent(side.wrong));
      figure.show(`loss${name}`, side.out.loss);
      if (n === 1) figure.summarise(side.wrong === 0 ? words.ranked : words.unranked);
    });
  };
  figure.requests = () =>
    look().map(({ angles }, n) => {
      const name = ["Before", "After"][n];
      return ofBatch("am-softmax", { scale: scale.value, margin: margin.value }, angles.map(onCircle), CENTRES, LABELS, {
        loss: `loss${name}`,
        "diagnostics.accuracy": `accuracy${name}`,
      });
    });
}
