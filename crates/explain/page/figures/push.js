// Cross-entropy as many two-class problems: the push of a sample, and how the competitors share it.

import { objective, row, softmax, softplus } from "../objectives.js";
import { legend, percent, r, written } from "../kit.js";
import { ofScores } from "./requests.js";

const START = [2, 1.6, 1.4, 0.3, -1, -2];

export function push(figure) {
  const { words, common } = figure;
  const scores = START.map((value, i) =>
    figure.slider(`score${i}`, {
      label: i === 0 ? words.target : `${words.competitor} ${i}`,
      min: -4,
      max: 4,
      step: 0.1,
      value,
    }),
  );
  const pushes = figure.panel({ title: words.pushes, alt: words.pushes, height: 290, edges: { left: 100, right: 60, top: 6, bottom: 44 } });
  const binary = figure.panel({ title: words.binary, alt: words.binary, height: 290, edges: { left: 100, right: 60, top: 6, bottom: 44 } });
  legend(pushes, [["f2", words.up], ["f3", words.down]]);
  legend(binary, [["f0", words.share], ["f4", words.each]]);
  figure.number("loss", common.loss);
  figure.number("own", words.own);
  figure.number("push", common.push);
  figure.number("effective", words.effective);

  figure.draw = () => {
    const z = scores.map((slider) => slider.value);
    const out = row(objective("softmax"), z, 0);
    const chances = softmax(z);
    const name = (i) => (i === 0 ? words.target : `${words.competitor} ${i}`);
    const lines = { min: 0, max: z.length, ticks: [] };
    pushes.axes({ min: -1, max: 1, ticks: [-1, -0.5, 0, 0.5, 1], label: words.slope }, lines);
    let marks = "";
    z.forEach((_, i) => {
      const value = -out.gradient[i];
      const [zero, end, y] = [pushes.x(0), pushes.x(value), pushes.y(z.length - i - 0.5)];
      marks += `<rect class="f${i === 0 ? 2 : 3}" x="${r(Math.min(zero, end))}" y="${r(y - 11)}" width="${r(Math.abs(end - zero))}" height="22"/>`;
      marks += `<text class="name" x="${pushes.plot.left - 10}" y="${r(y + 5)}" text-anchor="end">${name(i)}</text>`;
      marks += `<text class="value" x="${r(value < 0 ? end - 6 : end + 6)}" y="${r(y + 5)}" text-anchor="${value < 0 ? "end" : "start"}">${written(value, 2)}</text>`;
    });
    pushes.show(`${marks}<path class="axis" d="M${r(pushes.x(0))} ${pushes.plot.top}V${pushes.plot.bottom}"/>`);

    const losses = z.slice(1).map((score) => softplus(score - z[0]));
    const most = Math.max(1, ...losses);
    binary.axes({ min: 0, max: most, label: words.binaryAxis }, { min: 0, max: z.length - 1, ticks: [] });
    marks = "";
    losses.forEach((loss, i) => {
      const y = binary.y(z.length - 1 - i - 0.5);
      const share = out.gradient[i + 1] / out.push;
      marks += `<rect class="f0" x="${binary.plot.left}" y="${r(y - 14)}" width="${r(binary.x(share) - binary.plot.left)}" height="13"/>`;
      marks += `<rect class="f4" x="${binary.plot.left}" y="${r(y + 1)}" width="${r(binary.x(loss) - binary.plot.left)}" height="13"/>`;
      marks += `<text class="name" x="${binary.plot.left - 10}" y="${r(y + 5)}" text-anchor="end">${name(i + 1)}</text>`;
      marks += `<text class="value small" x="${r(binary.x(share) + 5)}" y="${r(y - 3)}">${percent(share)}</text>`;
      marks += `<text class="value small" x="${r(binary.x(loss) + 5)}" y="${r(y + 12)}">${written(loss, 3)}</text>`;
    });
    binary.show(marks);
    figure.show("loss", out.loss);
    figure.show("own", chances[0]);
    figure.show("push", out.push);
    figure.show("effective", out.effective);
  };
  figure.requests = () => [
    ofScores("softmax", {}, scores.map((slider) => slider.value), 0, {
      loss: "loss",
      "diagnostics.mean_push": "push",
      "diagnostics.effective_competitors": "effective",
    }),
  ];
}
