// The target score under each margin against the angle to the target's centre, and the resulting loss.

import { objective, row, underMargin } from "../objectives.js";
import { filled, legend, r } from "../kit.js";
import { ofCosines } from "./requests.js";

const LOOKS = [5, 3, 0, 2, 4];

export function curves(figure) {
  const { words, common } = figure;
  const angle = figure.slider("angle", { label: words.angle, min: 0, max: 180, step: 1, value: 50, show: (v) => `${v}°` });
  const am = figure.slider("am", { label: words.am, min: 0, max: 1, step: 0.05, value: 0.35 });
  const arc = figure.slider("arc", { label: words.arc, min: 0, max: 1.5, step: 0.05, value: 0.5 });
  const sphere = figure.slider("sphere", { label: words.sphere, min: 1, max: 6, step: 1, value: 4 });
  const combined = figure.slider("combined", { label: words.combined, min: 0, max: 1, step: 0.05, value: 0.3 });
  const s = figure.slider("scale", { label: common.scale, min: 1, max: 64, step: 1, value: 10 });
  const competitor = figure.slider("competitor", { label: words.competitor, min: 10, max: 180, step: 5, value: 90, show: (v) => `${v}°` });
  const members = () => [
    ["normalized-softmax", { scale: s.value }],
    ["am-softmax", { scale: s.value, margin: am.value }],
    ["arcface", { scale: s.value, margin: arc.value }],
    ["sphereface", { scale: s.value, margin: sphere.value }],
    ["combined-margin", { scale: s.value, angle_margin: combined.value }],
  ];
  const target = figure.panel({ title: words.target, alt: words.target, height: 320, edges: { left: 48, right: 18, top: 12, bottom: 46 } });
  const loss = figure.panel({ title: words.losses, alt: words.losses, height: 320, edges: { left: 52, right: 18, top: 12, bottom: 46 } });
  const keys = members().map(([name], n) => [`s${LOOKS[n]} d${n}`, common[name]]);
  legend(target, keys);
  legend(loss, keys);
  members().forEach(([name], n) => figure.number(`loss${n}`, filled(common.of, { what: common.loss, which: common[name] }), { key: LOOKS[n] }));

  figure.draw = () => {
    const x = { min: 0, max: 180, degrees: true, label: words.angle, ticks: [0, 45, 90, 135, 180] };
    target.axes(x, { min: -4, max: 1, ticks: [-4, -3, -2, -1, 0, 1] });
    const other = Math.cos((competitor.value * Math.PI) / 180);
    let [left, right, most] = ["", "", 1];
    const lines = members().map(([name, parameters]) => {
      const chosen = objective(name, parameters);
      return Array.from({ length: 181 }, (_, i) => {
        const cosine = Math.cos((i * Math.PI) / 180);
        return [i, underMargin(chosen.margin, cosine).value, row(chosen, [cosine, other], 0).loss];
      });
    });
    lines.forEach((points, n) => {
      most = Math.max(most, n === 3 ? 0 : points[180][2]);
      left += `<path class="line s${LOOKS[n]} d${n}" d="${target.line(points)}"/>`;
    });
    loss.axes(x, { min: 0, max: most * 1.02 });
    members().forEach(([name, parameters], n) => {
      right += `<path class="line s${LOOKS[n]} d${n}" d="${loss.line(lines[n].map(([at, , value]) => [at, value]))}"/>`;
      const chosen = objective(name, parameters);
      const cosine = Math.cos((angle.value * Math.PI) / 180);
      const out = row(chosen, [cosine, other], 0);
      left += `<circle class="f${LOOKS[n]} spot" cx="${r(target.x(angle.value))}" cy="${r(target.y(underMargin(chosen.margin, cosine).value))}" r="5"/>`;
      right += `<circle class="f${LOOKS[n]} spot" cx="${r(loss.x(angle.value))}" cy="${r(loss.y(out.loss))}" r="5"/>`;
      figure.show(`loss${n}`, out.loss);
    });
    const rule = (panel) => `<path class="rule" d="M${r(panel.x(angle.value))} ${panel.plot.top}V${panel.plot.bottom}"/>`;
    target.show(target.cut(rule(target) + left));
    loss.show(loss.cut(rule(loss) + right));
  };
  figure.requests = () => {
    const cosines = [angle.value, competitor.value].map((value) => Math.cos((value * Math.PI) / 180));
    return members().map(([name, parameters], n) => ofCosines(name, parameters, cosines, 0, { loss: `loss${n}` }));
  };
}

