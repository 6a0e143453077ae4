// Choosing s and m: the output of `widemargin suggest`, with the bounds behind it.

import { reachableLogSum, softplus, suggest } from "../objectives.js";
import { legend, percent, r, written } from "../kit.js";
import { ofSuggestion } from "./requests.js";

export function choose(figure) {
  const { words, common } = figure;
  const classes = figure.slider("classes", { label: common.classes, min: 2, max: 1000000, value: 10000, log: true, whole: true, show: String });
  const dim = figure.slider("dim", { label: words.dim, min: 2, max: 1024, value: 128, log: true, whole: true, show: String });
  const probability = figure.slider("probability", { label: words.probability, min: 0.5, max: 0.999, step: 0.001, value: 0.99, show: percent });
  const panel = figure.panel({ title: words.chances, alt: words.chances, edges: { left: 56, right: 18, top: 12, bottom: 46 } });
  const margins = figure.panel({ title: words.margins, alt: words.margins, edges: { left: 48, right: 22, top: 12, bottom: 46 } });
  legend(panel, [["s2 d0", words.withMargin], ["s0 d1", words.without]]);
  legend(margins, [["s3 d0", words.bound], ["s2 d1", words.margin]]);
  figure.number("scale", words.scale);
  figure.number("margin", words.margin);
  figure.number("angle", words.angle);
  figure.number("without", words.leastWithout);
  figure.number("with", words.leastWith);
  figure.number("adacos", words.adacos);
  figure.number("bound", words.bound);
  figure.number("floor", words.floor);

  figure.draw = () => {
    const found = suggest(classes.value, dim.value, probability.value);
    const at = Array.from({ length: 129 }, (_, i) => Math.max(i, 0.01));
    const lead = found.bound.largest;
    const room = { classes: classes.value, dim: dim.value, reachableMargin: found.reachableMargin };
    const chance = (s, margin) => Math.exp(-softplus(reachableLogSum(room, s, margin)));
    const chances = (margin) => at.map((s) => [s, chance(s, margin)]);
    panel.axes({ min: 0, max: 128, label: common.scale, ticks: [0, 32, 64, 96, 128] }, { min: 0, max: 1, percent: true, ticks: [0, 0.25, 0.5, 0.75, 1] });
    panel.show(
      panel.cut(
        `<path class="rule" d="M${panel.plot.left} ${r(panel.y(probability.value))}H${panel.plot.right}"/><path class="gapmark" d="M${r(panel.x(found.scale))} ${panel.plot.top}V${panel.plot.bottom}"/>` +
          `<path class="line s0 d1" d="${panel.line(chances(0))}"/><path class="line s2 d0" d="${panel.line(chances(found.margin))}"/>` +
          `<circle class="f2 spot" cx="${r(panel.x(found.scale))}" cy="${r(panel.y(found.reachableProbability))}" r="6"/>`,
      ),
    );
    margins.axes({ min: 2, max: 1000000, log: true, label: common.classes, ticks: [2, 100, 10000, 1000000] }, { min: 0, max: 2 });
    const counts = Array.from({ length: 115 }, (_, i) => Math.max(2, Math.round(10 ** (0.3 + i * 0.05))));
    const suggested = counts.map((c) => [c, suggest(c, dim.value, probability.value)]);
    const of = (key) => suggested.map(([c, s]) => [c, key(s)]);
    margins.show(
      margins.cut(
        `<path class="line s3 d0" d="${margins.line(of((s) => s.bound.largest))}"/><path class="line s2 d1" d="${margins.line(of((s) => s.margin))}"/><circle class="f3 spot" cx="${r(margins.x(classes.value))}" cy="${r(margins.y(lead))}" r="6"/><circle class="f2 spot" cx="${r(margins.x(classes.value))}" cy="${r(margins.y(found.margin))}" r="6"/>`,
      ),
    );
    figure.show("scale", found.scale);
    figure.show("margin", found.margin);
    figure.show("angle", found.angleMargin);
    figure.show("without", found.scaleWithoutMargin);
    figure.show("with", found.scaleWithMargin, written(found.scaleWithMargin));
    figure.show("adacos", found.adacosScale);
    figure.show("bound", lead);
    figure.show("floor", found.lossFloor);
    figure.summarise(`${found.reachesTarget ? words.reaches : words.fails} ${found.bound.attained ? words.attained : words.below}`);
  };
  figure.requests = () => [
    ofSuggestion(classes.value, dim.value, probability.value, {
      scale: "scale",
      margin: "margin",
      angle_margin: "angle",
      scale_without_margin: "without",
      scale_with_margin: "with",
      adacos_scale: "adacos",
      "margin_bound.largest": "bound",
      loss_floor: "floor",
    }),
  ];
}
