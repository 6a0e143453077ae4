// A network undoes its temperature: with dot products the centres keep growing during training, which lowers the effective
// temperature. Normalised centres only turn.

import { evaluate, norm, objective, unit } from "../objectives.js";
import { chance, filled, legend, r, written } from "../kit.js";
import { ofBatch } from "./requests.js";
import { Run } from "./run.js";

const STEPS = 120;
const RATE = 2;
const CLASSES = 3;
const EACH = 6;

/** Three classes in the plane, six unit features each; `src/descent.rs` has the same. */
function problem() {
  const { normal } = chance(3);
  const features = [];
  const labels = [];
  for (let label = 0; label < CLASSES; label += 1) {
    for (let n = 0; n < EACH; n += 1) {
      const angle = 0.4 + (2 * Math.PI * label) / CLASSES + 0.3 * normal();
      features.push([Math.cos(angle), Math.sin(angle)]);
      labels.push(label);
    }
  }
  const centres = Array.from({ length: CLASSES }, () => [0.3 * normal(), 0.3 * normal()]);
  return { features, labels, centres };
}

export function growth(figure) {
  const { words, common } = figure;
  const t = figure.slider("temperature", { label: common.temperature, min: 0.1, max: 4, value: 1, log: true });
  const s = figure.slider("scale", { label: words.scale, min: 1, max: 30, step: 1, value: 10 });
  const lengths = figure.panel({ title: words.lengths, alt: words.lengths, edges: { left: 44, right: 16, top: 12, bottom: 46 } });
  const sharp = figure.panel({ title: words.sharp, alt: words.sharp, edges: { left: 54, right: 16, top: 12, bottom: 46 } });
  const keys = [["s3 d0", words.dot], ["s0 d1", words.cosine]];
  legend(lengths, keys);
  legend(sharp, keys);
  figure.number("loss", filled(common.of, { what: common.loss, which: words.dot }), { key: 3 });
  figure.number("length", words.lengthNow, { key: 3 });
  figure.number("effect", words.effectNow, { key: 3 });
  figure.number("normalised", filled(common.of, { what: common.loss, which: words.cosine }), { key: 0 });

  const { features, labels, centres } = problem();
  const begin = () => {
    const free = objective("tempered-softmax", { temperature: t.value });
    const bound = objective("normalized-softmax", { scale: s.value });
    const look = (dot, cosine) => ({
      dot: { centres: dot, out: evaluate(free, features, dot, labels) },
      cosine: { centres: cosine, out: evaluate(bound, features, cosine, labels) },
      length: dot.reduce((sum, centre) => sum + norm(centre), 0) / CLASSES,
    });
    const moved = (one, rate) => one.centres.map((centre, i) => centre.map((value, a) => value - rate * one.out.gradWeights[i][a]));
    return {
      first: look(centres, centres.map(unit)),
      next: (state) => look(moved(state.dot, RATE), moved(state.cosine, RATE / s.value).map(unit)),
    };
  };
  const run = new Run(figure, STEPS, begin);
  figure.changed = () => run.restart();

  figure.draw = () => {
    const states = run.shown();
    const now = states[states.length - 1];
    const last = states.length - 1;
    const x = { min: 0, max: STEPS, label: words.steps, ticks: [0, 30, 60, 90, 120] };
    const most = Math.max(...states.map((state) => state.length), 1.5);
    lengths.axes(x, { min: 0, max: Math.ceil(most * 1.05) });
    lengths.show(
      `<path class="line s0 d1" d="${lengths.line(states.map((_, i) => [i, 1]))}"/><path class="line s3 d0" d="${lengths.line(states.map((state, i) => [i, state.length]))}"/><circle class="f3 spot" cx="${r(lengths.x(last))}" cy="${r(lengths.y(now.length))}" r="5"/>`,
    );
    sharp.axes(x, { min: 0.01, max: 30, log: true, ticks: [0.01, 0.1, 1, 10] });
    sharp.show(
      sharp.cut(
        `<path class="line s0 d1" d="${sharp.line(states.map((_, i) => [i, 1 / s.value]))}"/><path class="line s3 d0" d="${sharp.line(states.map((state, i) => [i, t.value / state.length]))}"/><circle class="f3 spot" cx="${r(sharp.x(last))}" cy="${r(sharp.y(t.value / now.length))}" r="5"/>`,
      ),
    );
    figure.show("loss", now.dot.out.loss);
    figure.show("length", now.length);
    figure.show("effect", t.value / now.length);
    figure.show("normalised", now.cosine.out.loss);
    figure.summarise(filled(words.summary, { first: written(t.value / states[0].length, 3), now: written(t.value / now.length, 3) }));
  };
  figure.requests = () => {
    const states = run.shown();
    const now = states[states.length - 1];
    return [
      ofBatch("tempered-softmax", { temperature: t.value }, features, now.dot.centres, labels, { loss: "loss" }),
      ofBatch("normalized-softmax", { scale: s.value }, features, now.cosine.centres, labels, { loss: "normalised" }),
    ];
  };
}
