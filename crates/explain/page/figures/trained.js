// The members of the chain, trained on the same images: how fast they learn, and how long their gradients are.

import { filled, legend, r, written } from "../kit.js";

const LOOKS = [3, 0, 2, 1];

export function trained(figure) {
  const { words, chain } = figure;
  const edges = { left: 56, right: 16, top: 12, bottom: 46 };
  const question = figure.choice("question", {
    label: words.question,
    options: chain.questions.map(({ id }) => [id, words[`about.${id}`]]),
    value: chain.questions[0].id,
  });
  const epochs = { min: 0, max: chain.epochs, label: words.epochs, ticks: [0, 3, 6, 9, 12].filter((tick) => tick <= chain.epochs) };
  const recall = figure.panel({ title: words.recall, alt: words.recall, x: epochs, y: { min: 0, max: 1, percent: true }, edges });
  const gradient = figure.panel({ title: words.gradient, alt: words.gradient, edges });
  for (const { id, runs } of chain.questions) {
    runs.forEach((run, n) => {
      figure.number(`${id} ${run.name}`, run.title, { key: LOOKS[n] });
      figure.show(`${id} ${run.name}`, run.unseen, `${run.unseen.toFixed(1)} %`);
    });
  }

  figure.draw = () => {
    const { id, runs } = chain.questions.find((one) => one.id === question.value);
    const look = (n) => `s${LOOKS[n]} d${n}`;
    const lines = (panel, values) => {
      const points = (list) => list.map((value, n) => [n + 1, value]);
      return runs
        .map((run, n) => {
          const list = points(values(run));
          const [x, y] = list[list.length - 1];
          return `<path class="line ${look(n)}" d="${panel.line(list)}"/><circle class="f${LOOKS[n]} spot" cx="${r(panel.x(x))}" cy="${r(panel.y(y))}" r="5"/>`;
        })
        .join("");
    };
    for (const panel of [recall, gradient]) legend(panel, runs.map((run, n) => [look(n), run.title]));
    recall.show(lines(recall, (run) => run.recall.map((value) => value / 100)));
    const norms = runs.flatMap((run) => run.gradient);
    gradient.axes(epochs, { min: 10 ** Math.floor(Math.log10(Math.min(...norms))), max: 10 ** Math.ceil(Math.log10(Math.max(...norms))), log: true });
    gradient.show(lines(gradient, (run) => run.gradient));
    for (const [key, number] of Object.entries(figure.numbers)) number.row.toggleAttribute("hidden", !key.startsWith(`${id} `));
    const rest = { untrained: written(chain.untrained, 3), seeds: chain.seeds };
    figure.summarise(`${words[`says.${id}`]} ${filled(words.summary, rest)}`);
  };
}
