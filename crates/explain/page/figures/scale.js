// The lower bound of the loss against the scale, and the smallest scale that allows a probability.

import { adacosScale, lossFloor, scaleForLead, simplexLead } from "../objectives.js";
import { filled, legend, percent, r, written } from "../kit.js";
import { ofSimplex, ofSuggestion } from "./requests.js";

const COUNTS = [10, 1000, 100000, 1000000];
const LOOKS = [0, 2, 3, 4];
const LARGEST_SIMPLEX = 200;

export function scale(figure) {
  const { words, common } = figure;
  const s = figure.slider("scale", { label: common.scale, min: 1, max: 80, step: 0.5, value: 30 });
  const classes = figure.slider("classes", { label: common.classes, min: 2, max: 1000000, value: 100, log: true, whole: true, show: String });
  const margin = figure.slider("margin", { label: common.margin, min: 0, max: 0.8, step: 0.05, value: 0 });
  const probability = figure.slider("probability", { label: words.probability, min: 0.5, max: 0.99, step: 0.01, value: 0.99, show: percent });
  const floor = figure.panel({ title: words.floor, alt: words.floor, edges: { left: 54, right: 16, top: 12, bottom: 46 } });
  const chances = figure.panel({ title: words.chances, alt: words.chances, edges: { left: 56, right: 16, top: 12, bottom: 46 } });
  const keys = [...COUNTS.map((count, n) => [`s${LOOKS[n]} d${n}`, `C = ${count.toLocaleString("en").replace(/,/g, "\u202f")}`]), ["sink d0", words.chosen]];
  legend(floor, keys);
  legend(chances, keys);
  figure.number("floor", words.floorNow);
  figure.number("own", words.ownNow);
  figure.number("least", words.least);
  figure.number("adacos", words.adacos);

  figure.draw = () => {
    const m = margin.value;
    const x = { min: 0, max: 80, label: common.scale, ticks: [0, 20, 40, 60, 80] };
    floor.axes(x, { min: 1e-8, max: 30, log: true, ticks: [1e-8, 1e-6, 1e-4, 1e-2, 1] });
    chances.axes(x, { min: 0, max: 1, percent: true, ticks: [0, 0.25, 0.5, 0.75, 1] });
    const at = Array.from({ length: 81 }, (_, i) => Math.max(i, 0.01));
    let [left, right] = ["", ""];
    [...COUNTS, classes.value].forEach((count, n) => {
      const look = n < COUNTS.length ? `s${LOOKS[n]} d${n}` : "sink d0";
      const points = at.map((value) => [value, lossFloor(count, value, m)]);
      left += `<path class="line ${look}" d="${floor.line(points)}"/>`;
      right += `<path class="line ${look}" d="${chances.line(points.map(([value, loss]) => [value, Math.exp(-loss)]))}"/>`;
    });
    const now = lossFloor(classes.value, s.value, m);
    const least = scaleForLead(classes.value, probability.value, simplexLead(classes.value) - m);
    left += `<path class="rule" d="M${r(floor.x(s.value))} ${floor.plot.top}V${floor.plot.bottom}"/><circle class="fink spot" cx="${r(floor.x(s.value))}" cy="${r(floor.y(Math.max(now, 1e-8)))}" r="6"/>`;
    floor.show(floor.cut(left));
    right += `<path class="rule" d="M${chances.plot.left} ${r(chances.y(probability.value))}H${r(chances.x(least ?? 80))}V${chances.plot.bottom}"/><circle class="fink spot" cx="${r(chances.x(s.value))}" cy="${r(chances.y(Math.exp(-now)))}" r="6"/>`;
    chances.show(chances.cut(right));
    figure.show("floor", now);
    figure.show("own", Math.exp(-now), percent(Math.exp(-now)));
    figure.show("least", least);
    figure.show("adacos", adacosScale(classes.value));
    figure.summarise(s.value < least ? filled(words.tooSmall, { least: written(least, 3) }) : words.enough);
  };
  figure.requests = () => {
    const requests = [ofSuggestion(classes.value, 512, probability.value, { adacos_scale: "adacos", ...(margin.value === 0 ? { scale_without_margin: "least" } : {}) })];
    if (classes.value <= LARGEST_SIMPLEX) {
      requests.push(ofSimplex("am-softmax", { scale: s.value, margin: margin.value }, classes.value, { loss: "floor", "exp(-loss)": "own" }));
    }
    return requests;
  };
}
