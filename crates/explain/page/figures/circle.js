// Margins on the circle: where each class meets the margin, the loss in each direction, and which margins are impossible.
//
// The class centres are evenly spaced. A direction belongs to a class if a sample of that class meets the margin there; the
// regions are separated by gaps that belong to no class.

import { marginBound, objective, row } from "../objectives.js";
import { arrow, clamp, degrees, filled, legend, r, written } from "../kit.js";
import { ofBatch, ofSuggestion } from "./requests.js";

const TURN = 2 * Math.PI;
const CENTRE = [200, 200];
const RADIUS = 112;
const LOOKS = 7;

export function circle(figure) {
  const { words, common } = figure;
  const member = figure.choice("member", {
    label: words.member,
    options: ["normalized-softmax", "am-softmax", "arcface"].map((name) => [name, common[name]]),
    value: "am-softmax",
  });
  const classes = figure.slider("classes", { label: common.classes, min: 2, max: 12, step: 1, value: 3, show: String });
  const scale = figure.slider("scale", { label: common.scale, min: 1, max: 64, step: 1, value: 10 });
  const margin = figure.slider("margin", { label: words.margin, min: 0, max: 1.5, step: 0.05, value: 0.35 });
  const angle = figure.slider("angle", { label: words.angleMargin, min: 0, max: 1.5, step: 0.05, value: 0.5 });
  const round = figure.panel({ title: words.regions, alt: words.regions, height: 400, edges: { left: 10, right: 10, top: 10, bottom: 10 } });
  const room = figure.panel({ title: words.room, alt: words.room, height: 400, edges: { left: 52, right: 18, top: 12, bottom: 46 } });
  legend(round, [["s0", words.region], ["sink", words.lossRing]]);
  legend(room, [["s3 d0", words.boundPlane], ["s2 d1", words.boundSimplex]]);
  figure.number("loss", common.loss);
  figure.number("push", common.push);
  figure.number("gap", words.gap);
  figure.number("bound", words.bound);

  let spot = 0.45;
  const parameters = () => ({
    "normalized-softmax": { scale: scale.value },
    "am-softmax": { scale: scale.value, margin: margin.value },
    arcface: { scale: scale.value, margin: angle.value },
  })[member.value];
  const place = (turned, radius) => [CENTRE[0] + radius * Math.cos(turned), CENTRE[1] - radius * Math.sin(turned)];
  const centre = (i) => Math.PI / 2 + (TURN * i) / classes.value;
  const cosines = (at) => Array.from({ length: classes.value }, (_, i) => Math.cos(at - centre(i)));
  const handle = round.handle({
    label: words.sample,
    get: () => place(centre(0) + spot, RADIUS),
    set: (x, y) => {
      const turned = Math.atan2(CENTRE[1] - y, x - CENTRE[0]) - centre(0);
      spot = r(Math.atan2(Math.sin(turned), Math.cos(turned)));
    },
    nudge: (dx, dy) => {
      spot = r(clamp(spot - 0.04 * dx + 0.04 * dy, -Math.PI, Math.PI));
    },
    now: () => [degrees(spot), -180, 180],
    describe: () => `${Math.round(degrees(spot))}°`,
  });

  /** Half the width of the region of a class; negative if the region is empty. */
  const half = (chosen) => {
    const met = (at) => row(chosen, cosines(centre(0) + at), 0).marginMet;
    if (!met(0)) return -1;
    let [inside, outside] = [0, Math.PI / classes.value];
    if (met(outside - 1e-9)) return outside;
    for (let n = 0; n < 40; n += 1) {
      const middle = (inside + outside) / 2;
      if (met(middle)) inside = middle;
      else outside = middle;
    }
    return inside;
  };
  const arc = (from, to, radius) => {
    const [start, end] = [place(from, radius), place(to, radius)];
    return `M${r(start[0])} ${r(start[1])}A${radius} ${radius} 0 ${to - from > Math.PI ? 1 : 0} 0 ${r(end[0])} ${r(end[1])}`;
  };

  figure.draw = () => {
    margin.visible(member.value === "am-softmax");
    angle.visible(member.value === "arcface");
    const chosen = objective(member.value, parameters());
    const wide = half(chosen);
    let marks = `<circle class="grid hollow" cx="${CENTRE[0]}" cy="${CENTRE[1]}" r="${RADIUS}"/>`;
    for (let i = 0; i < classes.value; i += 1) {
      const look = i % LOOKS;
      if (wide > 0) marks += `<path class="region s${look}" d="${arc(centre(i) - wide, centre(i) + wide, RADIUS)}"/>`;
      marks += arrow(CENTRE, place(centre(i), RADIUS - 14), `c${look}`, 11);
      if (classes.value <= 6) {
        const side = place(centre(i) + 0.3, RADIUS * 0.55);
        marks += `<text class="name" x="${r(side[0])}" y="${r(side[1] + 5)}" text-anchor="middle">${i + 1}</text>`;
      }
    }
    // the loss of a sample of class 1 in each direction, as a distance from the circle
    const losses = Array.from({ length: 181 }, (_, i) => row(chosen, cosines((TURN * i) / 180), 0).loss);
    const most = Math.max(...losses);
    const ring = losses.map((value, i) => place((TURN * i) / 180, RADIUS + 14 + (66 * value) / most));
    marks += `<path class="line sink thin" d="M${ring.map(([x, y]) => `${r(x)} ${r(y)}`).join("L")}z"/>`;
    round.show(marks);
    handle.place();

    const here = row(chosen, cosines(centre(0) + spot), 0);
    const bound = marginBound(classes.value, 2);
    const inAngle = member.value === "arcface";
    const marginNow = member.value === "normalized-softmax" ? 0 : inAngle ? angle.value : margin.value;
    const largest = inAngle ? Math.min(TURN / classes.value, Math.PI) : bound.largest;
    room.axes(
      { min: 2, max: 12, label: common.classes, ticks: [2, 4, 6, 8, 10, 12] },
      { min: 0, max: inAngle ? 3.2 : 2, label: inAngle ? words.angleMargin : common.margin },
    );
    const counts = Array.from({ length: 11 }, (_, i) => i + 2);
    const plane = (c) => (inAngle ? Math.min(TURN / c, Math.PI) : marginBound(c, 2).largest);
    const simplex = (c) => (inAngle ? Math.acos(-1 / (c - 1)) : marginBound(c, c).largest);
    const over = marginNow > largest + 1e-12;
    const [x, y] = [room.x(classes.value), room.y(marginNow)];
    const edge = counts.map((c) => `${r(room.x(c))} ${r(room.y(plane(c)))}`).join("L");
    room.show(
      `<path class="void" d="M${edge}L${room.plot.right} ${room.plot.top}L${r(room.x(2))} ${room.plot.top}z"/><text class="name" x="${room.plot.right - 8}" y="${room.plot.top + 20}" text-anchor="end">${words.noRoom}</text>` +
        `<path class="line s2 d1" d="${room.line(counts.map((c) => [c, simplex(c)]))}"/><path class="line s3 d0" d="${room.line(counts.map((c) => [c, plane(c)]))}"/>` +
        `<circle class="${over ? "f3" : "fink"} spot" cx="${r(x)}" cy="${r(clamp(y, room.plot.top, room.plot.bottom))}" r="7"/>`,
    );
    figure.show("loss", here.loss);
    figure.show("push", here.push);
    const gap = wide < 0 ? 360 / classes.value : degrees(TURN / classes.value - 2 * wide);
    figure.show("gap", gap, `${gap.toFixed(1)}°`);
    figure.show("bound", largest);
    figure.summarise(
      filled(over ? words.none : marginNow === 0 ? words.touching : words.some, {
        margin: written(marginNow, 3),
        bound: written(largest, 3),
        gap: gap.toFixed(1),
      }),
    );
  };
  figure.requests = () => {
    const at = centre(0) + spot;
    const centres = Array.from({ length: classes.value }, (_, i) => [Math.cos(centre(i)), Math.sin(centre(i))]);
    const requests = [
      ofBatch(member.value, parameters(), [[Math.cos(at), Math.sin(at)]], centres, [0], { loss: "loss", "diagnostics.mean_push": "push" }),
    ];
    if (member.value !== "arcface") requests.push(ofSuggestion(classes.value, 2, 0.99, { "margin_bound.largest": "bound" }));
    return requests;
  };
}
