// Temperature: from the hard maximum to the mean, and why the length of the vectors undoes the choice.

import { objective, row, softmax } from "../objectives.js";
import { legend, percent, r, written } from "../kit.js";
import { ofScores } from "./requests.js";

const BASE = [2, 1.6, 1.4, -1];

export function temperature(figure) {
  const { words, common } = figure;
  const t = figure.slider("temperature", { label: common.temperature, min: 0.03, max: 10, value: 1, log: true });
  const k = figure.slider("length", { label: words.length, min: 0.1, max: 20, value: 1, log: true });
  const loss = figure.panel({ title: words.losses, alt: words.losses, edges: { left: 48, right: 16, top: 12, bottom: 46 } });
  const shares = figure.panel({ title: words.chances, alt: words.chances, edges: { left: 50, right: 16, top: 22, bottom: 46 } });
  legend(loss, [["s2 d0", words.chosen], ["s0 d1", words.hard]]);
  figure.number("loss", common.loss);
  figure.number("effect", words.effect);
  figure.number("own", words.own);
  figure.number("competitors", words.competitors);

  figure.draw = () => {
    const scores = BASE.map((score) => score * k.value);
    const tempered = objective("tempered-softmax", { temperature: t.value });
    const hard = objective("hinge-max");
    const end = 6;
    loss.axes({ min: -2, max: end, label: words.target }, { min: 0, max: Math.max(6, 1.1 * row(tempered, [-2, ...scores.slice(1)], 0).loss), label: common.loss });
    const points = (chosen) =>
      Array.from({ length: 121 }, (_, i) => {
        const target = -2 + (i * (end + 2)) / 120;
        return [target, row(chosen, [target, ...scores.slice(1)], 0).loss];
      });
    const out = row(tempered, scores, 0);
    let marks = `<path class="line s0 d1" d="${loss.line(points(hard))}"/><path class="line s2 d0" d="${loss.line(points(tempered))}"/>`;
    if (scores[0] <= end) marks += `<circle class="f2 spot" cx="${r(loss.x(scores[0]))}" cy="${r(loss.y(out.loss))}" r="6"/>`;
    loss.show(loss.cut(marks));

    const chances = softmax(scores, t.value);
    shares.axes({ min: -0.6, max: BASE.length - 0.4, ticks: [] }, { min: 0, max: 1, percent: true, ticks: [0, 0.25, 0.5, 0.75, 1] });
    marks = "";
    chances.forEach((share, i) => {
      const [x, y] = [shares.x(i), shares.y(share)];
      marks += `<rect class="f${i === 0 ? 2 : 3}" x="${r(x - 27)}" width="54" y="${r(y)}" height="${r(shares.plot.bottom - y)}"/>`;
      marks += `<text class="value" x="${r(x)}" y="${r(y - 7)}" text-anchor="middle">${percent(share)}</text>`;
      marks += `<text class="name" x="${r(x)}" y="${shares.plot.bottom + 18}" text-anchor="middle">${i === 0 ? words.targetShort : `${words.competitorShort} ${i}`}</text>`;
      marks += `<text class="tick" x="${r(x)}" y="${shares.plot.bottom + 36}" text-anchor="middle">${written(scores[i], 3)}</text>`;
    });
    shares.show(`${marks}<path class="axis" d="M${shares.plot.left} ${shares.plot.bottom}H${shares.plot.right}"/>`);
    figure.show("loss", out.loss);
    figure.show("effect", t.value / k.value);
    figure.show("own", chances[0]);
    figure.show("competitors", out.effective);
    const sharp = t.value / k.value;
    figure.summarise(sharp < 0.12 ? words.isHard : sharp > 3 ? words.isFlat : words.between);
  };
  figure.requests = () => [
    ofScores("tempered-softmax", { temperature: t.value }, BASE.map((score) => score * k.value), 0, {
      loss: "loss",
      "diagnostics.effective_competitors": "competitors",
    }),
    // the target probability is e^(-cross-entropy), and `softmax` at this temperature is that cross-entropy
    {
      ...ofScores("softmax", { temperature: t.value }, BASE.map((score) => score * k.value), 0, { "exp(-loss)": "own" }),
    },
  ];
}
