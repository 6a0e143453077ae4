// Real data: features of clothing images on the circle and on the sphere, trained with each objective.

import { dot, evaluate, objective, unit } from "../objectives.js";
import { arrow, clamp, colour, element, filled, percent, r, written } from "../kit.js";
import { ofBatch } from "./requests.js";

const LOOKS = 7;
const RADIUS = 145;
const MIDDLE = 170;

export function features(figure) {
  const { words, common, data } = figure;
  const names = data.runs.filter((run) => run.dim === 2).map((run, n) => [String(n), titled(run, common)]);
  const chosen = figure.choice("run", { label: words.run, options: names, value: "3" });
  const unseen = figure.choice("classes", {
    label: words.classes,
    options: [["known", words.known], ["unseen", words.unseen], ["both", words.both]],
    value: "known",
  });
  const circle = figure.panel({ title: words.circle, alt: words.circleAlt, height: 340, edges: { left: 0, right: 0, top: 0, bottom: 0 } });
  const sphere = figure.panel({ title: words.sphere, alt: words.sphereAlt, height: 340, canvas: [800, 680], edges: { left: 0, right: 0, top: 0, bottom: 0 } });
  const turn = figure.slider("turn", { label: words.turn, min: -180, max: 180, step: 1, value: 30, show: (v) => `${v}°` });
  const tilt = figure.slider("tilt", { label: words.tilt, min: -90, max: 90, step: 1, value: 20, show: (v) => `${v}°` });
  const scale = figure.slider("scale", { label: words.scale, min: 1, max: 64, step: 1, value: 30 });
  const margin = figure.slider("margin", { label: words.margin, min: 0, max: 1, step: 0.05, value: 0.35 });
  figure.list.classList.add("pairs");
  for (const key of ["accuracy", "within", "between", "known", "unseen", "loss"]) {
    for (const dim of [2, 3]) {
      figure.number(`${key}${dim}`, filled(words[`${key}Number`], { dim: String(dim) }));
    }
  }
  figure.root.append(legendOf(data, words), element("p", { class: "note" }, filled(words.source, data)));

  const runs = data.runs.map((run) => {
    const rows = (flat) => Array.from({ length: flat.length / run.dim }, (_, n) => unit(flat.slice(n * run.dim, (n + 1) * run.dim)));
    return { ...run, points: run.points.map(rows), centres: rows(run.centres), measured: null };
  });
  const known = data.classes.filter((one) => !one.unseen).length;
  const pick = (dim) => runs.filter((run) => run.dim === dim)[Number(chosen.value)];
  const visible = (i) => unseen.value === "both" || data.classes[i].unseen === (unseen.value === "unseen");

  // dragging anywhere on the sphere turns it
  const stage = sphere.svg;
  stage.classList.add("turnable");
  stage.setAttribute("tabindex", "0");
  stage.setAttribute("role", "slider");
  stage.setAttribute("aria-roledescription", words.turning);
  stage.setAttribute("aria-label", words.sphereAlt);
  stage.setAttribute("aria-valuemin", "-180");
  stage.setAttribute("aria-valuemax", "180");
  const turned = (dx, dy) => {
    turn.set(((((turn.value + dx + 180) % 360) + 360) % 360) - 180);
    tilt.set(clamp(tilt.value + dy, -90, 90));
    figure.later();
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    const size = 180 / stage.clientWidth;
    const move = (next) => {
      const [dx, dy] = [Math.round((next.clientX - x) * size), Math.round((next.clientY - y) * size)];
      if (dx === 0 && dy === 0) return;
      [x, y] = [x + dx / size, y + dy / size];
      turned(dx, dy);
    };
    const up = () => {
      for (const name of ["pointermove", "pointerup", "pointercancel"]) stage.removeEventListener(name, name === "pointermove" ? move : up);
    };
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", up);
  });
  stage.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!way) return;
    event.preventDefault();
    turned(...way);
  });

  let drawnCircle = "";
  figure.draw = () => {
    stage.setAttribute("aria-valuenow", String(turn.value));
    stage.setAttribute("aria-valuetext", `${turn.value}°, ${tilt.value}°`);
    const key = `${chosen.value} ${unseen.value}`;
    if (key !== drawnCircle) {
      drawnCircle = key;
      circle.show(onCircle(pick(2), visible));
    }
    paint(sphere.canvas, pick(3), visible, (turn.value * Math.PI) / 180, (tilt.value * Math.PI) / 180);
    const measure = objective("am-softmax", { scale: scale.value, margin: margin.value });
    for (const dim of [2, 3]) {
      const run = pick(dim);
      run.measured ??= measured(run, known);
      const { within, between, ranked, rankedUnseen, batch } = run.measured;
      const out = evaluate(measure, batch.features, run.centres, batch.labels);
      figure.show(`accuracy${dim}`, run.accuracy, percent(run.accuracy));
      figure.show(`within${dim}`, within);
      figure.show(`between${dim}`, between);
      figure.show(`known${dim}`, ranked, percent(ranked));
      figure.show(`unseen${dim}`, rankedUnseen, percent(rankedUnseen));
      figure.show(`loss${dim}`, out.loss);
    }
    figure.summarise(filled(words.summary, { norm: written(pick(2).centre_norm, 3), feature: written(pick(2).feature_norm, 3) }));
  };
  figure.requests = () =>
    [2, 3].map((dim) => {
      const run = pick(dim);
      const { batch } = measured(run, known);
      return ofBatch("am-softmax", { scale: scale.value, margin: margin.value }, batch.features, run.centres, batch.labels, { loss: `loss${dim}` });
    });
}

export function titled(run, common) {
  return run.margin === null || run.margin === undefined ? common[run.objective] : `${common[run.objective]}, m = ${run.margin}`;
}

/** Mean cosine to the target's centre and between neighbouring centres, and the ranking of pairs. */
function measured(run, known) {
  const batch = { features: [], labels: [] };
  for (let i = 0; i < known; i += 1) {
    for (const point of run.points[i]) {
      batch.features.push(point);
      batch.labels.push(i);
    }
  }
  let [sum, count] = [0, 0];
  batch.features.forEach((point, n) => {
    sum += dot(point, run.centres[batch.labels[n]]);
    count += 1;
  });
  let nearest = 0;
  run.centres.forEach((centre, i) => {
    nearest += Math.max(...run.centres.filter((_, j) => j !== i).map((other) => dot(centre, other))) / run.centres.length;
  });
  return {
    batch,
    within: sum / count,
    between: nearest,
    ranked: ranked(run.points.slice(0, known)),
    rankedUnseen: ranked(run.points.slice(known)),
  };
}

/** Area under the ROC curve of pairs: how often a same-class pair is closer than a different-class pair. */
function ranked(groups) {
  const BINS = 4000;
  const [genuine, impostor] = [new Float64Array(BINS + 1), new Float64Array(BINS + 1)];
  const all = groups.flatMap((points, label) => points.map((point) => [point, label]));
  for (let a = 0; a < all.length; a += 1) {
    for (let b = 0; b < a; b += 1) {
      const bin = Math.round(((dot(all[a][0], all[b][0]) + 1) / 2) * BINS);
      (all[a][1] === all[b][1] ? genuine : impostor)[clamp(bin, 0, BINS)] += 1;
    }
  }
  let [below, area, pairs, impostors] = [0, 0, 0, 0];
  for (let bin = 0; bin <= BINS; bin += 1) {
    area += genuine[bin] * (below + impostor[bin] / 2);
    below += impostor[bin];
    pairs += genuine[bin];
    impostors += impostor[bin];
  }
  return area / (pairs * impostors);
}

function onCircle(run, visible) {
  let marks = `<circle class="grid hollow" cx="200" cy="${MIDDLE}" r="${RADIUS}"/>`;
  run.points.forEach((points, i) => {
    if (!visible(i)) return;
    let path = "";
    points.forEach(([x, y], n) => {
      // moved slightly in or out, so that points in equal directions do not cover each other
      const out = RADIUS * (1 + 0.13 * (((n * 0.61803398875) % 1) - 0.5));
      path += `M${r(200 + out * x)} ${r(MIDDLE - out * y)}h0.01`;
    });
    marks += `<path class="cloud s${i % LOOKS}${i >= LOOKS ? " late" : ""}" d="${path}"/>`;
  });
  run.centres.forEach(([x, y], i) => {
    if (visible(i)) marks += arrow([200, MIDDLE], [200 + (RADIUS - 16) * x, MIDDLE - (RADIUS - 16) * y], `c${i % LOOKS}`, 11);
  });
  return marks;
}

/** Paints the sphere in parallel projection; its back is faint. */
function paint(canvas, run, visible, turn, tilt) {
  const context = canvas.getContext("2d");
  const [across, down] = [canvas.width / 2, canvas.height / 2];
  const size = 2 * RADIUS;
  const tones = Array.from({ length: LOOKS }, (_, i) => `rgb(${colour(i).join(" ")})`);
  const grid = `rgb(${colour("muted").join(" ")})`;
  const [ct, st, cp, sp] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const seen = ([x, y, z]) => {
    const [a, b] = [x * ct + z * st, z * ct - x * st];
    return [a, y * cp - b * sp, y * sp + b * cp];
  };
  context.clearRect(0, 0, canvas.width, canvas.height);
  const to = ([x, y, z], pen, front) => {
    if (z >= 0 !== front) return false;
    if (pen) context.lineTo(across + size * x, down - size * y);
    else context.moveTo(across + size * x, down - size * y);
    return true;
  };
  const globe = (front) => {
    context.strokeStyle = grid;
    context.lineWidth = 1.2;
    context.globalAlpha = front ? 0.5 : 0.2;
    context.beginPath();
    if (front) context.arc(across, down, size, 0, 2 * Math.PI);
    for (let n = 0; n < 6; n += 1) {
      let pen = false;
      for (let k = 0; k <= 60; k += 1) {
        const a = (2 * Math.PI * k) / 60;
        const b = (Math.PI * n) / 6;
        const meridian = seen([Math.cos(a) * Math.cos(b), Math.sin(a), Math.cos(a) * Math.sin(b)]);
        pen = to(meridian, pen, front);
      }
    }
    context.stroke();
  };
  for (const front of [false, true]) {
    globe(front);
    run.points.forEach((points, i) => {
      if (!visible(i)) return;
      context.fillStyle = tones[i % LOOKS];
      context.strokeStyle = tones[i % LOOKS];
      context.lineWidth = 2;
      context.globalAlpha = front ? 0.8 : 0.18;
      for (const point of points) {
        const [x, y, z] = seen(point);
        if (z >= 0 !== front) continue;
        context.beginPath();
        context.arc(across + size * x, down - size * y, front ? 5.5 : 4.5, 0, 2 * Math.PI);
        if (i >= LOOKS) context.stroke();
        else context.fill();
      }
    });
    run.centres.forEach((centre, i) => {
      const [x, y, z] = seen(centre);
      if (!visible(i) || z >= 0 !== front) return;
      context.globalAlpha = front ? 1 : 0.3;
      context.strokeStyle = tones[i % LOOKS];
      context.lineWidth = 5;
      context.beginPath();
      context.moveTo(across, down);
      context.lineTo(across + size * x, down - size * y);
      context.stroke();
    });
  }
  context.globalAlpha = 1;
}

function legendOf(data, words) {
  const list = element("ul", { class: "legend classes" });
  data.classes.forEach((one, i) => {
    const key = element("i", { class: `key f${i % LOOKS}${i >= LOOKS ? " late" : ""}` });
    const name = words[`class.${one.name}`] ?? one.name;
    list.append(element("li", {}, key, element("span", {}, one.unseen ? filled(words.unseenName, { name }) : name)));
  });
  return list;
}
