// The push on the target against the number of classes for three pools, and which competitors are pushed.
//
// The scores are those before training: the competitors evenly spaced between -1 and 1, the target at 0.

import { objective, row } from "../objectives.js";
import { legend, r, written } from "../kit.js";
import { ofScores } from "./requests.js";

const MEMBERS = ["hinge-sum-margin", "hinge-max", "softplus-lse"];
const LOOKS = [3, 0, 2];
const COUNTS = [2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800, 1200, 2000, 3000, 5000, 10000];
const BARS = 40;

const scoresOf = (classes) => [
  0,
  ...Array.from({ length: classes - 1 }, (_, i) => -1 + (2 * (i + 0.5)) / (classes - 1)),
];

export function explode(figure) {
  const { words, common } = figure;
  const classes = figure.slider("classes", { label: common.classes, min: 2, max: 10000, value: 100, log: true, whole: true, show: String });
  const margin = figure.slider("margin", { label: words.margin, min: 0.1, max: 2, step: 0.1, value: 0.5 });
  const growth = figure.panel({
    title: words.growth,
    alt: words.growth,
    x: { min: 2, max: 10000, log: true, label: common.classes, ticks: [2, 10, 100, 1000, 10000] },
    y: { min: 0.3, max: 10000, log: true, ticks: [1, 10, 100, 1000, 10000], label: common.pushTarget },
    edges: { left: 70, right: 22, top: 12, bottom: 46 },
  });
  const who = figure.panel({ title: words.who, alt: words.who, height: 300, edges: { left: 20, right: 20, top: 10, bottom: 46 } });
  legend(growth, MEMBERS.map((name, n) => [`s${LOOKS[n]} d${n}`, common[name]]));
  MEMBERS.forEach((name, n) => figure.number(`push${n}`, common[name], { key: LOOKS[n] }));

  const cache = new Map();
  const curve = (m) => {
    if (!cache.has(m)) {
      cache.set(m, MEMBERS.map((name) => {
        const chosen = objective(name, { margin: m });
        return COUNTS.map((count) => [count, row(chosen, scoresOf(count), 0).push]);
      }));
    }
    return cache.get(m);
  };

  figure.draw = () => {
    const scores = scoresOf(classes.value);
    const rows = MEMBERS.map((name) => row(objective(name, { margin: margin.value }), scores, 0));
    let marks = "";
    curve(margin.value).forEach((points, n) => {
      marks += `<path class="line s${LOOKS[n]} d${n}" d="${growth.line(points)}"/>`;
    });
    rows.forEach((out, n) => {
      marks += `<circle class="f${LOOKS[n]} spot" cx="${r(growth.x(classes.value))}" cy="${r(growth.y(Math.max(out.push, 0.3)))}" r="6"/>`;
      figure.show(`push${n}`, out.push);
    });
    growth.show(marks);

    // the competitors by score in at most BARS bars; the height of a bar is its largest push
    const count = Math.min(BARS, scores.length - 1);
    who.axes({ min: -1, max: 1, label: words.competitor, ticks: [-1, -0.5, 0, 0.5, 1] }, { min: 0, max: 3, ticks: [] });
    marks = "";
    rows.forEach((out, n) => {
      const base = who.plot.bottom - (2 - n) * 88;
      const pushes = out.gradient.slice(1);
      const bins = new Array(count).fill(0);
      pushes.forEach((push, i) => {
        const bin = Math.floor((i * count) / pushes.length);
        bins[bin] = Math.max(bins[bin], push);
      });
      const largest = Math.max(...bins, 1e-300);
      const room = (who.plot.right - who.plot.left) / count;
      bins.forEach((push, i) => {
        const height = Math.max(push > 0 ? 0.6 : 0, (44 * push) / largest);
        const wide = Math.max(1.5, Math.min(room * 0.72, 40));
        const x = who.plot.left + room * (i + 0.5) - wide / 2;
        marks += `<rect class="f${LOOKS[n]}" x="${r(x)}" y="${r(base - height)}" width="${r(wide)}" height="${r(height)}"/>`;
      });
      marks += `<path class="grid" d="M${who.plot.left} ${base}H${who.plot.right}"/>`;
      const each = written(Math.max(...pushes), 3);
      marks += `<text class="name" x="${who.plot.left}" y="${base - 54}">${common[MEMBERS[n]]}</text><text class="tick" x="${who.plot.right}" y="${base - 54}" text-anchor="end">${words.each} ${each}</text>`;
    });
    who.show(marks);
  };
  figure.requests = () =>
    MEMBERS.map((name, n) =>
      ofScores(name, { margin: margin.value }, scoresOf(classes.value), 0, { "diagnostics.mean_push": `push${n}` }),
    );
}
