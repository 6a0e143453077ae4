// Builds the interactive figures and switches between the light and the dark theme.

import { Figure } from "./kit.js";
import { choose } from "./figures/choose.js";
import { circle } from "./figures/circle.js";
import { curves } from "./figures/curves.js";
import { descent } from "./figures/descent.js";
import { explode } from "./figures/explode.js";
import { features } from "./figures/features.js";
import { growth } from "./figures/growth.js";
import { plane } from "./figures/plane.js";
import { push } from "./figures/push.js";
import { ranking } from "./figures/ranking.js";
import { scale } from "./figures/scale.js";
import { smooth } from "./figures/smooth.js";
import { temperature } from "./figures/temperature.js";
import { trained } from "./figures/trained.js";

const BUILDERS = { plane, explode, descent, smooth, push, temperature, growth, scale, curves, circle, ranking, features, trained, choose };

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const words = read("page-words");
const data = read("page-features");
const chain = read("page-chain");

/** The texts whose keys start with a prefix. */
const below = (prefix) =>
  Object.fromEntries(
    Object.entries(words)
      .filter(([key]) => key.startsWith(`${prefix}.`))
      .map(([key, text]) => [key.slice(prefix.length + 1), text]),
  );

const root = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const toggle = document.getElementById("shade");
const figures = {};

const shaded = () => {
  const shade = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  root.dataset.shade = shade;
  toggle.textContent = shade === "dark" ? toggle.dataset.light : toggle.dataset.dark;
  for (const figure of Object.values(figures)) figure.later();
};
toggle.hidden = false;
toggle.addEventListener("click", () => {
  root.dataset.theme = root.dataset.shade === "dark" ? "light" : "dark";
  shaded();
});
dark.addEventListener("change", shaded);
shaded();

const common = below("common");
for (const place of document.querySelectorAll("[data-figure]")) {
  const name = place.dataset.figure;
  const figure = new Figure(place, name, below(name), common);
  Object.assign(figure, { data, chain });
  BUILDERS[name](figure);
  figure.now();
  figures[name] = figure;
}

// keeps the reader at the same chapter when the language changes
for (const link of document.querySelectorAll("a[data-language]")) {
  link.addEventListener("click", () => {
    link.href = link.dataset.language + window.location.hash;
  });
}

/** For the console, and for the browser test that compares the page with the program. */
window.widemargin = { figures };
