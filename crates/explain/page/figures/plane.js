// The score plane: the loss as a function of two scores, its negative gradient as arrows, and a sample that can be dragged.
//
// With two classes the axes are the scores of the target and the competitor. With three classes they are the scores of both
// competitors, and the target's score is zero: no loss changes when a constant is added to all scores.

import { objective, row } from "../objectives.js";
import { arrow, clamp, colour, r, written } from "../kit.js";
import { ofCosines, ofScores } from "./requests.js";

const MEMBERS = [
  "hinge-sum",
  "hinge-sum-margin",
  "hinge-max",
  "lse-hinge",
  "softmax",
  "tempered-softmax",
  "normalized-softmax",
  "am-softmax",
];
const CELLS = 72;
const ARROWS = 9;
const COSINES = ["normalized-softmax", "am-softmax"];

export function plane(figure) {
  const { words, common } = figure;
  const member = figure.choice("member", {
    label: words.member,
    options: MEMBERS.map((name) => [name, common[name]]),
    value: "hinge-sum",
  });
  const classes = figure.choice("classes", {
    label: words.classes,
    options: [["2", words.classesTwo], ["3", words.classesThree]],
    value: "2",
  });
  const margin = figure.slider("margin", { label: words.margin, min: 0.1, max: 3, step: 0.1, value: 1 });
  const lead = figure.slider("lead", { label: words.lead, min: 0, max: 1, step: 0.05, value: 0.35 });
  const temperature = figure.slider("temperature", { label: common.temperature, min: 0.1, max: 4, value: 0.5, log: true });
  const scale = figure.slider("scale", { label: common.scale, min: 1, max: 64, step: 1, value: 10 });
  const panel = figure.panel({ canvas: [CELLS, CELLS], grid: false, height: 390, edges: { left: 52, right: 16, top: 10, bottom: 50 }, alt: words.alt });
  const bars = figure.panel({ title: words.pushes, height: 340, edges: { left: 44, right: 20, top: 12, bottom: 40 }, alt: words.pushes });
  figure.number("loss", common.loss);
  figure.number("push", common.pushTarget);
  figure.number("first", words.pushFirst);
  figure.number("second", words.pushSecond);

  const spot = { dot: [0.8, 1.6], cosine: [0.5, 0.3] };
  const kind = () => (COSINES.includes(member.value) ? "cosine" : "dot");
  const reach = () => (kind() === "cosine" ? 1 : 4);
  const parameters = () => {
    switch (member.value) {
      case "hinge-sum-margin":
      case "hinge-max":
        return { margin: margin.value };
      case "tempered-softmax":
        return { temperature: temperature.value };
      case "normalized-softmax":
        return { scale: scale.value };
      case "am-softmax":
        return { scale: scale.value, margin: lead.value };
      default:
        return {};
    }
  };
  // all scores at a point of the plane, the target's first
  const scores = ([a, b]) => (classes.value === "2" ? [a, b] : [0, a, b]);
  const downhill = (out) => (classes.value === "2" ? [-out.gradient[0], -out.gradient[1]] : [-out.gradient[1], -out.gradient[2]]);

  const handle = panel.handle({
    label: words.sample,
    get: () => spot[kind()].map((value, n) => (n === 0 ? panel.x(value) : panel.y(value))),
    set: (px, py) => {
      spot[kind()] = panel.at(px, py).map((value) => r(clamp(value, -reach(), reach())));
    },
    nudge: (dx, dy) => {
      const step = reach() / 40;
      spot[kind()] = spot[kind()].map((value, n) => r(clamp(value + step * [dx, dy][n], -reach(), reach())));
    },
    now: () => [spot[kind()][0], -reach(), reach()],
    describe: () => `${panel.xAxis.label} ${written(spot[kind()][0], 3)}, ${panel.yAxis.label} ${written(spot[kind()][1], 3)}`,
  });

  let surface = null;
  const survey = (chosen, key) => {
    if (surface?.key === key) return surface;
    const end = reach();
    const values = new Float64Array((CELLS + 1) * (CELLS + 1));
    let largest = 0;
    for (let j = 0; j <= CELLS; j += 1) {
      for (let i = 0; i <= CELLS; i += 1) {
        const at = [-end + (2 * end * i) / CELLS, -end + (2 * end * j) / CELLS];
        const { loss } = row(chosen, scores(at), 0);
        values[j * (CELLS + 1) + i] = loss;
        largest = Math.max(largest, loss);
      }
    }
    const slopes = [];
    for (let j = 0; j < ARROWS; j += 1) {
      for (let i = 0; i < ARROWS; i += 1) {
        const at = [i, j].map((n) => -end + (2 * end * (n + 0.5)) / ARROWS);
        slopes.push([at, downhill(row(chosen, scores(at), 0))]);
      }
    }
    surface = { key, values, largest, slopes, marks: contours(panel, values, largest, end) };
    return surface;
  };

  figure.draw = () => {
    const name = member.value;
    margin.visible(["hinge-sum-margin", "hinge-max"].includes(name));
    lead.visible(name === "am-softmax");
    temperature.visible(name === "tempered-softmax");
    scale.visible(COSINES.includes(name));
    const end = reach();
    const three = classes.value === "3";
    const cosine = kind() === "cosine";
    const axis = (label) => ({ min: -end, max: end, label, ticks: cosine ? [-1, -0.5, 0, 0.5, 1] : [-4, -2, 0, 2, 4] });
    const [one, two, target] = cosine ? [words.cosineOne, words.cosineTwo, words.cosineTarget] : [words.scoreOne, words.scoreTwo, words.scoreTarget];
    panel.axes(axis(three ? one : target), axis(three ? two : one));
    const chosen = objective(name, parameters());
    const paint = document.documentElement.dataset.shade;
    const found = survey(chosen, JSON.stringify([name, parameters(), classes.value, paint]));
    shade(panel.canvas, found, paint);

    const longest = Math.max(...found.slopes.map(([, slope]) => Math.hypot(...slope)), 1e-12);
    const room = (panel.plot.right - panel.plot.left) / ARROWS;
    let marks = found.marks;
    for (const [at, slope] of found.slopes) {
      const size = (Math.hypot(...slope) / longest) ** 0.5;
      if (size < 0.03) continue;
      const turn = Math.hypot(...slope);
      const [cx, cy] = [panel.x(at[0]), panel.y(at[1])];
      const [dx, dy] = [(slope[0] / turn) * size * room * 0.42, (-slope[1] / turn) * size * room * 0.42];
      marks += arrow([cx - dx, cy - dy], [cx + dx, cy + dy], "quiet", 6);
    }
    // the boundary where the target equals its largest competitor
    if (!three) marks += `<path class="rule" d="${panel.line([[-end, -end], [end, end]])}"/>`;
    else marks += `<path class="rule" d="${panel.line([[-end, 0], [0, 0], [0, -end]])}"/>`;
    const here = row(chosen, scores(spot[kind()]), 0);
    const way = downhill(here);
    const length = Math.hypot(...way);
    if (length > 1e-9) {
      const size = 26 + 40 * (length / longest) ** 0.5;
      const [x, y] = [panel.x(spot[kind()][0]), panel.y(spot[kind()][1])];
      marks += arrow([x, y], [x + (way[0] / length) * size, y - (way[1] / length) * size], "strong", 12);
    }
    panel.show(panel.cut(marks));
    handle.place();

    const unit = chosen.score.scale;
    figure.show("loss", here.loss);
    figure.show("push", here.push);
    figure.show("first", -here.gradient[1] / unit);
    figure.numbers.second.row.toggleAttribute("hidden", !three);
    figure.show("second", three ? -here.gradient[2] / unit : 0);
    drawPushes(bars, here, unit, words, three);
    figure.summarise(here.push === 0 ? words.rest : here.correct ? words.leads : words.trails);
  };
  figure.requests = () => {
    const request = kind() === "cosine" ? ofCosines : ofScores;
    return [request(member.value, parameters(), scores(spot[kind()]), 0, { loss: "loss", "diagnostics.mean_push": "push" })];
  };
}

function drawPushes(panel, here, unit, words, three) {
  const names = [words.target, words.one, ...(three ? [words.two] : [])];
  const values = names.map((_, i) => -here.gradient[i] / unit);
  const end = Math.max(1, Math.ceil(Math.max(...values.map(Math.abs))));
  panel.axes({ min: -0.5, max: names.length - 0.5, ticks: [] }, { min: -1.2 * end, max: 1.2 * end, ticks: [-end, 0, end] });
  let marks = "";
  values.forEach((value, i) => {
    const [x, zero, y] = [panel.x(i), panel.y(0), panel.y(value)];
    marks += `<rect class="f${i === 0 ? 2 : 3}" x="${r(x - 26)}" width="52" y="${r(Math.min(zero, y))}" height="${r(Math.abs(zero - y))}"/>`;
    marks += `<text class="value" x="${r(x)}" y="${r(value < 0 ? y + 17 : y - 7)}" text-anchor="middle">${written(value, 3)}</text>`;
    marks += `<text class="name" x="${r(x)}" y="${panel.height - 8}" text-anchor="middle">${names[i]}</text>`;
  });
  panel.show(`${marks}<path class="axis" d="M${panel.plot.left} ${r(panel.y(0))}H${panel.plot.right}"/>`);
}

/** Paints the loss: blank where it is zero, darker where it is larger. */
function shade(canvas, { key, values, largest }, paint) {
  if (canvas.dataset.key === key + paint) return;
  canvas.dataset.key = key + paint;
  const [from, to] = [colour("paper"), colour("land")];
  const context = canvas.getContext("2d");
  const image = context.createImageData(CELLS, CELLS);
  for (let j = 0; j < CELLS; j += 1) {
    for (let i = 0; i < CELLS; i += 1) {
      const share = Math.sqrt(values[(CELLS - 1 - j) * (CELLS + 1) + i] / (largest || 1));
      const at = 4 * (j * CELLS + i);
      for (let c = 0; c < 3; c += 1) image.data[at + c] = from[c] + share * (to[c] - from[c]);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** Contour lines of the loss, cell by cell. */
function contours(panel, values, largest, end) {
  const wide = CELLS + 1;
  const at = (n) => -end + (2 * end * n) / CELLS;
  let path = "";
  for (const share of [0.005, 0.04, 0.12, 0.25, 0.4, 0.6, 0.8]) {
    const level = share * largest;
    for (let j = 0; j < CELLS; j += 1) {
      for (let i = 0; i < CELLS; i += 1) {
        const [a, b, c, d] = [values[j * wide + i], values[j * wide + i + 1], values[(j + 1) * wide + i + 1], values[(j + 1) * wide + i]];
        const above = (a > level) + (b > level) + (c > level) + (d > level);
        if (above === 0 || above === 4) continue;
        const ends = [];
        const cross = (u, v, x, y, dx, dy) => {
          if (u > level !== v > level) {
            const t = (level - u) / (v - u);
            ends.push([panel.x(at(x + t * dx)), panel.y(at(y + t * dy))]);
          }
        };
        cross(a, b, i, j, 1, 0);
        cross(b, c, i + 1, j, 0, 1);
        cross(d, c, i, j + 1, 1, 0);
        cross(a, d, i, j, 0, 1);
        for (let n = 0; n + 1 < ends.length; n += 2) {
          path += `M${r(ends[n][0])} ${r(ends[n][1])}L${r(ends[n + 1][0])} ${r(ends[n + 1][1])}`;
        }
      }
    }
  }
  return `<path class="contour" d="${path}"/>`;
}
