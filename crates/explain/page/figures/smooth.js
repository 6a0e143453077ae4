// Log-sum-exp and the maximum: the gap between them, its bound, and the implicit margin.

import { logSumExp, maximum } from "../objectives.js";
import { filled, legend, r, written } from "../kit.js";
import { ofScores } from "./requests.js";

/** Competitors evenly spaced from 0 down to -spread. */
const others = (count, spread) => Array.from({ length: count }, (_, i) => (count === 1 ? 0 : (-spread * i) / (count - 1)));

export function smooth(figure) {
  const { words, common } = figure;
  const count = figure.slider("count", { label: words.count, min: 1, max: 1000, value: 9, log: true, whole: true, show: String });
  const spread = figure.slider("spread", { label: words.spread, min: 0, max: 5, step: 0.1, value: 1.5 });
  const temperature = figure.slider("temperature", { label: common.temperature, min: 0.05, max: 4, value: 1, log: true });
  const curve = figure.panel({ title: words.curve, alt: words.curve, edges: { left: 48, right: 16, top: 12, bottom: 46 } });
  const gap = figure.panel({ title: words.gap, alt: words.gap, edges: { left: 48, right: 22, top: 12, bottom: 46 } });
  legend(curve, [["s2 d0", words.soft], ["s0 d1", words.hard]]);
  legend(gap, [["s2 d0", words.gapLine], ["s3 d1", words.bound]]);
  figure.number("max", words.max);
  figure.number("soft", words.soft);
  figure.number("gap", words.gapNumber);
  figure.number("bound", words.bound);
  figure.number("hard", words.lossHard);
  figure.number("loss", words.lossSoft);

  figure.draw = () => {
    const t = temperature.value;
    const scores = others(count.value, spread.value);
    const [max, soft] = [maximum(scores), logSumExp(scores, t)];
    const top = Math.max(4, Math.ceil(soft + 1));
    curve.axes({ min: -5, max: 4, label: words.moving, ticks: [-4, -2, 0, 2, 4] }, { min: -1, max: top, label: words.value });
    const rest = scores.slice(1);
    const points = (pool) =>
      Array.from({ length: 91 }, (_, i) => {
        const moving = -5 + i / 10;
        return [moving, pool([moving, ...rest])];
      });
    const [x, hard, high] = [curve.x(0), curve.y(max), curve.y(soft)];
    let marks = `<path class="line s0 d1" d="${curve.line(points(maximum))}"/><path class="line s2 d0" d="${curve.line(points((values) => logSumExp(values, t)))}"/>`;
    marks += `<path class="gapmark" d="M${r(x)} ${r(hard)}V${r(high)}"/><circle class="f0 spot" cx="${r(x)}" cy="${r(hard)}" r="5"/><circle class="f2 spot" cx="${r(x)}" cy="${r(high)}" r="5"/>`;
    curve.show(curve.cut(marks));

    const most = t * Math.log(1000);
    gap.axes(
      { min: 1, max: 1000, log: true, label: words.count, ticks: [1, 10, 100, 1000] },
      { min: 0, max: Math.max(most * 1.05, 0.5), label: words.gapNumber },
    );
    const counts = Array.from({ length: 61 }, (_, i) => Math.round(10 ** (i / 20)));
    const of = (n) => logSumExp(others(n, spread.value), t);
    marks = `<path class="line s3 d1" d="${gap.line(counts.map((n) => [n, t * Math.log(n)]))}"/><path class="line s2 d0" d="${gap.line(counts.map((n) => [n, of(n)]))}"/>`;
    marks += `<circle class="f2 spot" cx="${r(gap.x(count.value))}" cy="${r(gap.y(soft - max))}" r="6"/>`;
    gap.show(marks);

    figure.show("max", max);
    figure.show("soft", soft);
    figure.show("gap", soft - max);
    figure.show("bound", t * Math.log(count.value));
    figure.show("hard", Math.max(max - max, 0));
    figure.show("loss", Math.max(soft - max, 0));
    figure.summarise(filled(words.summary, { gap: written(soft - max, 3) }));
  };
  // the target equals the largest competitor; for T other than 1 the scores are divided by T and the loss is multiplied by T
  figure.requests = () => {
    const t = temperature.value;
    const scores = others(count.value, spread.value);
    return [
      ofScores("lse-hinge", {}, [0, ...scores].map((score) => score / t), 0, { loss: "loss" }, { loss: t }),
      ofScores("hinge-max", {}, [0, ...scores], 0, { loss: "hard" }),
    ];
  };
}
