// A small gradient descent: class centres learn to classify fixed features with three objectives.
//
// All three have the same start, features and step size; only the gradient differs.

import { evaluate, norm, objective, unit } from "../objectives.js";
import { chance, filled, legend, percent, r, written } from "../kit.js";
import { ofBatch } from "./requests.js";
import { Run } from "./run.js";

const MEMBERS = [
  ["hinge-sum-margin", { margin: 1 }],
  ["hinge-max", { margin: 1 }],
  ["softmax", {}],
];
const LOOKS = [3, 0, 2];
const DIM = 8;
const EACH = 2;
const STEPS = 60;

/** Two samples per class near a random direction, and centres near zero; `src/descent.rs` has the same. */
function problem(classes) {
  const { normal } = chance(7);
  const random = (size) => Array.from({ length: DIM }, () => size * normal());
  const features = [];
  const labels = [];
  for (let label = 0; label < classes; label += 1) {
    const direction = unit(random(1));
    for (let n = 0; n < EACH; n += 1) {
      features.push(unit(direction.map((value) => value + 0.18 * normal())));
      labels.push(label);
    }
  }
  return { features, labels, centres: Array.from({ length: classes }, () => random(0.05)) };
}

export function descent(figure) {
  const { words, common } = figure;
  const classes = figure.slider("classes", { label: common.classes, min: 4, max: 60, step: 2, value: 30, show: String });
  const rate = figure.slider("rate", { label: words.rate, min: 0.05, max: 2, value: 0.6, log: true });
  const right = figure.panel({
    title: words.right,
    alt: words.right,
    x: { min: 0, max: STEPS, label: words.steps, ticks: [0, 20, 40, 60] },
    y: { min: 0, max: 1, percent: true, ticks: [0, 0.25, 0.5, 0.75, 1] },
    edges: { left: 56, right: 16, top: 12, bottom: 46 },
  });
  const size = figure.panel({ title: words.size, alt: words.size, edges: { left: 60, right: 16, top: 12, bottom: 46 } });
  legend(right, MEMBERS.map(([name], n) => [`s${LOOKS[n]} d${n}`, common[name]]));
  legend(size, MEMBERS.map(([name], n) => [`s${LOOKS[n]} d${n}`, common[name]]));
  MEMBERS.forEach(([name], n) => {
    figure.number(`loss${n}`, filled(common.of, { what: common.loss, which: common[name] }), { key: LOOKS[n] });
    figure.number(`right${n}`, filled(common.of, { what: words.rightShort, which: common[name] }), { key: LOOKS[n] });
  });

  const begin = () => {
    const { features, labels, centres } = problem(classes.value);
    const step = rate.value * classes.value;
    return {
      first: { features, labels, each: MEMBERS.map((member) => looked(member, features, centres, labels)) },
      next: (state) => ({
        ...state,
        each: state.each.map((one, n) => {
          const moved = one.centres.map((centre, i) => centre.map((value, a) => value - step * one.out.gradWeights[i][a]));
          return looked(MEMBERS[n], features, moved, labels);
        }),
      }),
    };
  };
  const run = new Run(figure, STEPS, begin);
  figure.changed = () => run.restart();

  figure.draw = () => {
    const states = run.shown();
    const now = states[states.length - 1];
    let [lines, sizes] = ["", ""];
    const lengths = states.flatMap((state) => state.each.map((one) => one.length)).filter((value) => value > 0);
    const high = Math.max(...lengths, 1);
    size.axes(
      { min: 0, max: STEPS, label: words.steps, ticks: [0, 20, 40, 60] },
      { min: 0.001, max: 10 ** Math.ceil(Math.log10(high)), log: true },
    );
    MEMBERS.forEach((_, n) => {
      const look = `s${LOOKS[n]} d${n}`;
      lines += `<path class="line ${look}" d="${right.line(states.map((state, t) => [t, state.each[n].out.accuracy]))}"/>`;
      sizes += `<path class="line ${look}" d="${size.line(states.map((state, t) => [t, state.each[n].length || NaN]))}"/>`;
      const last = states.length - 1;
      lines += `<circle class="f${LOOKS[n]} spot" cx="${r(right.x(last))}" cy="${r(right.y(now.each[n].out.accuracy))}" r="5"/>`;
      figure.show(`loss${n}`, now.each[n].out.loss);
      figure.show(`right${n}`, now.each[n].out.accuracy, percent(now.each[n].out.accuracy));
    });
    right.show(lines);
    size.show(size.cut(sizes));
    const first = states[0].each.map((one) => one.length);
    figure.summarise(
      filled(words.first, { sum: written(first[0], 3), soft: written(first[2], 3), times: written(first[0] / first[2], 3) }),
    );
  };
  figure.requests = () => {
    const states = run.shown();
    const { features, labels, each } = states[states.length - 1];
    return MEMBERS.map(([name, parameters], n) =>
      ofBatch(name, parameters, features, each[n].centres, labels, { loss: `loss${n}`, "diagnostics.accuracy": `right${n}` }),
    );
  };
}

function looked([name, parameters], features, centres, labels) {
  const out = evaluate(objective(name, parameters), features, centres, labels);
  return { centres, out, length: norm(out.gradWeights.flat()) };
}
