// Tests the page of `widemargin explain` in a real browser.
//
//   node check.mjs --page DIR --program PATH [--browser PATH] [--screenshots DIR] [--only PART,PART] [--figures NAME,NAME]
//
// In both languages, light and dark, on a phone and on a desktop: every figure is drawn, every slider changes its figure, the
// numbers below it equal the program's, the console has no error, nothing is requested from a network, the keyboard reaches
// every control, axe-core finds no violation, reduced motion is respected, and without scripts all text and static figures are
// shown.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { Browser } from "./browser.mjs";

const { values: given } = parseArgs({
  options: {
    page: { type: "string" },
    program: { type: "string" },
    browser: { type: "string", default: "chromium" },
    screenshots: { type: "string" },
    only: { type: "string" },
    figures: { type: "string" },
  },
});
if (!given.page || !given.program) {
  console.error("usage: node check.mjs --page DIR --program PATH [--browser PATH] [--screenshots DIR] [--only PART,PART] [--figures NAME,NAME]");
  process.exit(2);
}

const LANGUAGES = ["index.html", "index.zh.html"];
const DESKTOP = { name: "desktop", width: 1280, height: 800, phone: false };
const PHONE = { name: "phone", width: 360, height: 740, phone: true };
const MOST_BYTES = 5_000_000;
const MOST_MILLISECONDS = 2000;
const FRAME = 1000 / 60;
const CLOSE = 1e-6;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// --figures limits the parts that visit every figure
const chosen = (name) => !given.figures || given.figures.split(",").includes(name);

// Runs that were trained in advance: the figure shows what the file says.
const CHAIN = JSON.parse(readFileSync(new URL("../data/chain.json", import.meta.url), "utf8"));
const RECORDED = { trained: (id) => CHAIN.runs.find(({ name }) => id.endsWith(` ${name}`))?.unseen };

const wrong = [];
const expect = (holds, what) => {
  if (!holds) {
    wrong.push(what);
    console.log(`   FAILED: ${what}`);
  }
};
const note = (text) => console.log(`   ${text}`);

// ---- functions that run in the page ----------------------------------------------------------------------------------------------------

/** Waits until a figure has finished drawing. */
const settle = `async (name) => {
  const figure = window.widemargin.figures[name];
  const frame = () => new Promise((done) => requestAnimationFrame(() => done()));
  await frame();
  for (let n = 0; n < 600 && (figure.pending || figure.busy); n += 1) await frame();
  await frame();
}`;

/** The appearance of a figure: its SVG marks and its canvases. */
const look = `(name) => {
  const root = document.querySelector('[data-figure="' + name + '"]');
  const canvases = [...root.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL());
  return [...root.querySelectorAll(".stage > svg")].map((svg) => svg.innerHTML).join() + canvases.join();
}`;

const inventory = `() => Object.entries(window.widemargin.figures).map(([name, figure]) => ({
  name,
  controls: Object.entries(figure.controls).map(([id, control]) => ({ id, slider: Boolean(control.input), options: control.inputs ? Object.keys(control.inputs) : [] })),
}))`;

const setSlider = `async (name, id, share) => {
  const control = window.widemargin.figures[name].controls[id];
  control.input.value = Math.round(control.input.max * share);
  control.input.dispatchEvent(new Event("input", { bubbles: true }));
  await (${settle})(name);
  return control.value;
}`;

const setChoice = `async (name, id, option) => {
  window.widemargin.figures[name].controls[id].inputs[option].click();
  await (${settle})(name);
}`;

const shown = `(name) => {
  const figure = window.widemargin.figures[name];
  return {
    visible: Object.entries(figure.controls).filter(([, control]) => control.input && control.row.offsetParent).map(([id]) => id),
    numbers: Object.fromEntries(Object.entries(figure.numbers).map(([id, number]) => [id, number.element.getAttribute("data-value")])),
    texts: Object.fromEntries(Object.entries(figure.numbers).map(([id, number]) => [id, number.element.textContent])),
    requests: figure.requests(),
  };
}`;

const drawn = `() => Object.keys(window.widemargin.figures).map((name) => {
  const root = document.querySelector('[data-figure="' + name + '"]');
  const panels = [...root.querySelectorAll(".stage > svg")].map((svg) => {
    const marks = svg.querySelectorAll("path, rect, circle, text").length;
    const box = svg.getBoundingClientRect();
    const bad = /NaN|undefined|Infinity/.test(svg.innerHTML);
    const cut = [...svg.querySelectorAll("text")].filter((text) => {
      const at = text.getBoundingClientRect();
      return at.width > 0 && (at.left < box.left - 2 || at.right > box.right + 2 || at.top < box.top - 2 || at.bottom > box.bottom + 2);
    }).map((text) => text.textContent);
    return { marks, width: box.width, height: box.height, bad, cut };
  });
  const canvases = [...root.querySelectorAll("canvas")].map((canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const tones = new Set();
    for (let at = 0; at < data.length; at += 4) tones.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return tones.size;
  });
  const blank = Object.entries(window.widemargin.figures[name].numbers).filter(([, number]) => number.element.textContent === "").map(([id]) => id);
  const words = /undefined|NaN|\\{\\w+\\}/.exec(root.innerText);
  return { name, panels, canvases, blank, words: words && words[0] };
})`;

// ---- the program ----------------------------------------------------------------------------------------------------

const folder = mkdtempSync(join(tmpdir(), "widemargin-check-"));
const answers = new Map();

function programOutput(request) {
  const key = JSON.stringify(request.suggest ?? [request.objective, request.parameters, request.input]);
  if (!answers.has(key)) {
    let words;
    if (request.suggest) {
      const { classes, dim, probability } = request.suggest;
      words = ["suggest", "--classes", classes, "--dim", dim, "--probability", probability, "--json"];
    } else {
      const file = join(folder, "input.json");
      writeFileSync(file, JSON.stringify(request.input));
      words = ["loss", "--objective", request.objective, "--parameters", JSON.stringify(request.parameters), file];
    }
    const output = execFileSync(given.program, words.map(String), { encoding: "utf8", maxBuffer: 1 << 28 });
    answers.set(key, JSON.parse(output));
  }
  return answers.get(key);
}

const near = (found, expected) => Math.abs(found - expected) <= CLOSE * Math.max(1, Math.abs(expected));
let compared = 0;

/** Compares the numbers of a figure with the program. */
function compare(where, { numbers, texts, requests }) {
  const covered = new Set();
  for (const request of requests) {
    const answer = programOutput(request);
    for (const [field, id] of Object.entries(request.expected)) {
      let expected;
      if (field === "exp(-loss)") expected = Math.exp(-answer.loss);
      else expected = field.split(".").reduce((part, name) => part[name], answer);
      const found = numbers[id];
      if (expected === null) {
        expect(found === "null", `${where}: ${id} is ${found}, but the program gives null`);
      } else {
        expected *= request.factors?.[field] ?? 1;
        expect(found !== null && near(Number(found), expected), `${where}: ${id} is ${found}, but the program gives ${expected} (${request.objective ?? "suggest"} ${JSON.stringify(request.parameters ?? request.suggest)})`);
        readable(where, id, texts[id], expected);
      }
      covered.add(id);
      compared += 1;
    }
    for (const [field, found] of Object.entries(request.gradients ?? {})) {
      const expected = answer[field].flat();
      const bad = found.flat().findIndex((value, n) => !near(value, expected[n]));
      expect(bad < 0, `${where}: ${field} ${bad} is ${found.flat()[bad]}, but the program gives ${expected[bad]}`);
      compared += 1;
    }
  }
  return covered;
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** The text that a reader sees must be the same number, to the digits shown. */
function readable(where, id, text, expected) {
  let plain = text.replace(/−/g, "-").replace(/ %$/, "").replace(/°$/, "");
  const power = / × 10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)$/.exec(plain);
  let unit = text.endsWith("%") ? 0.01 : 1;
  if (power) {
    plain = plain.slice(0, power.index);
    unit *= 10 ** (Number([...power[2]].map((digit) => RAISED.indexOf(digit)).join("")) * (power[1] ? -1 : 1));
  }
  const digits = plain.split(".")[1]?.length ?? 0;
  const room = 0.51 * 10 ** -digits * unit;
  expect(Math.abs(Number(plain) * unit - expected) <= room + 1e-12, `${where}: ${id} reads '${text}', but the program gives ${expected}`);
}

// ---- the checks -----------------------------------------------------------------------------------------------------

const address = (file) => pathToFileURL(resolve(given.page, file)).href;

async function opened(browser, file, { size = DESKTOP, scheme = "light", motion = "no-preference" } = {}) {
  const page = await browser.open();
  await page.size(size.width, size.height, size.phone);
  await page.media({ "prefers-color-scheme": scheme, "prefers-reduced-motion": motion });
  await page.go(address(file));
  page.ready = async () => {
    expect(await page.value("typeof window.widemargin") === "object", `${file}: the script has not run`);
    for (const { name } of await page.run(inventory)) await page.run(settle, name);
  };
  return page;
}

function quiet(where, page, file) {
  expect(page.errors.length === 0, `${where}: the console reports ${page.errors.join("; ")}`);
  const outside = page.requests.filter((url) => url !== address(file) && !url.startsWith("data:") && url !== "about:blank");
  expect(outside.length === 0, `${where}: requested ${outside.join(", ")}`);
}

async function loading(browser) {
  console.log("== loading time and size");
  for (const file of LANGUAGES) {
    const bytes = statSync(join(given.page, file)).size;
    expect(bytes < MOST_BYTES, `${file}: ${bytes} bytes, expected less than ${MOST_BYTES}`);
    const times = [];
    for (let n = 0; n < 3; n += 1) {
      const page = await opened(browser, file);
      times.push(await page.value("performance.getEntriesByType('navigation')[0].loadEventEnd"));
      await page.close();
    }
    times.sort((a, b) => a - b);
    expect(times[1] < MOST_MILLISECONDS, `${file}: loads in ${times[1].toFixed(0)} ms, expected less than ${MOST_MILLISECONDS}`);
    note(`${file}: ${(bytes / 1e6).toFixed(2)} MB, loaded and drawn in ${times.map((time) => time.toFixed(0)).join(", ")} ms`);
  }
}

async function looks(browser) {
  console.log("== figures are drawn, nothing overflows, no console errors, no network requests");
  for (const file of LANGUAGES) {
    for (const size of [DESKTOP, PHONE]) {
      for (const scheme of ["light", "dark"]) {
        const where = `${file}, ${size.name}, ${scheme}`;
        const page = await opened(browser, file, { size, scheme });
        await page.ready();
        const [inside, outside] = await page.value("[document.documentElement.clientWidth, document.documentElement.scrollWidth]");
        expect(inside === size.width && outside <= inside, `${where}: the content is ${outside} pixels wide, the window ${inside}`);
        for (const figure of await page.run(drawn)) {
          const name = `${where}: ${figure.name}`;
          expect(figure.panels.length > 0, `${name} has no panel`);
          for (const [n, panel] of figure.panels.entries()) {
            const painted = figure.canvases.length > 0;
            expect((panel.marks > 4 || painted) && panel.width > 200 && panel.height > 100, `${name}: panel ${n} has ${panel.marks} marks on ${panel.width} x ${panel.height}`);
            expect(!panel.bad, `${name}: panel ${n} has a coordinate that is not a number`);
            expect(panel.cut.length === 0, `${name}: panel ${n} cuts off '${panel.cut.join("', '")}'`);
          }
          for (const tones of figure.canvases) expect(tones > 4, `${name}: a canvas with ${tones} colours`);
          expect(figure.blank.length === 0, `${name}: empty numbers ${figure.blank.join(", ")}`);
          expect(!figure.words, `${name} shows '${figure.words}'`);
        }
        if (given.screenshots) await page.sections(given.screenshots, `${file.includes("zh") ? "zh" : "en"}-${size.name}-${scheme}`);
        quiet(where, page, file);
        await page.close();
      }
    }
  }
}

async function numbers(browser) {
  console.log("== sliders change their figures, and the numbers equal those of the program");
  const file = LANGUAGES[0];
  const page = await opened(browser, file);
  await page.ready();
  let moved = 0;
  for (const { name, controls } of await page.run(inventory)) {
    if (!chosen(name)) continue;
    const choices = controls.filter((control) => !control.slider);
    const rounds = choices.length === 0 ? [null] : choices.flatMap(({ id, options }) => options.map((option) => ({ id, option })));
    const covered = new Set();
    const seen = new Set();
    const met = new Set();
    for (const round of rounds) {
      if (round) {
        const before = await page.run(look, name);
        const checked = await page.run("(name, id) => window.widemargin.figures[name].controls[id].value", name, round.id);
        await page.run(setChoice, name, round.id, round.option);
        if (checked !== round.option && (await page.run(look, name)) === before) {
          // some members coincide for some settings: with two classes the sum of hinges has only one term
          let differs = false;
          for (const other of choices.filter((choice) => choice.id !== round.id)) {
            await page.run(setChoice, name, other.id, other.options.at(-1));
            const chosenHere = await page.run(look, name);
            await page.run(setChoice, name, round.id, checked);
            differs ||= (await page.run(look, name)) !== chosenHere;
            await page.run(setChoice, name, round.id, round.option);
            await page.run(setChoice, name, other.id, other.options[0]);
          }
          expect(differs, `${name}: choosing ${round.option} changes nothing`);
        }
      }
      const where = round ? `${name}, ${round.option}` : name;
      const start = await page.run(shown, name);
      for (const id of compare(where, start)) covered.add(id);
      for (const [id, found] of Object.entries(RECORDED[name] ? start.numbers : {})) {
        const recorded = RECORDED[name](id);
        expect(Number(found) === recorded && start.texts[id] === `${recorded.toFixed(1)} %`, `${where}: ${id} reads '${start.texts[id]}', but the file has ${recorded}`);
        covered.add(id);
        compared += 1;
      }
      for (const id of start.visible) {
        met.add(id);
        // also at its lower end if nothing changed before: some sliders have an effect only near an end
        for (const share of [0.2, 0.85, 0]) {
          if (share === 0 && seen.has(id)) continue;
          const before = await page.run(look, name);
          const wasNumbers = JSON.stringify((await page.run(shown, name)).numbers);
          const value = await page.run(setSlider, name, id, share);
          const state = await page.run(shown, name);
          const changed = (await page.run(look, name)) !== before || JSON.stringify(state.numbers) !== wasNumbers;
          if (changed) seen.add(id);
          for (const number of compare(`${where}, ${id} ${value}`, state)) covered.add(number);
          moved += 1;
        }
      }
      // back to the initial choice, so that rounds do not affect each other
      if (round) await page.run(setChoice, name, round.id, choices.find((choice) => choice.id === round.id).options[0]);
    }
    for (const { id, slider } of controls) {
      if (slider) expect(met.has(id) && seen.has(id), `${name}: the slider ${id} ${met.has(id) ? "changes nothing" : "is never visible"}`);
    }
    note(`${name}: ${covered.size} of ${Object.keys((await page.run(shown, name)).numbers).length} numbers compared with the program${RECORDED[name] ? "'s records" : ""}`);
    expect(covered.size > 0, `${name}: none of its numbers is compared with the program`);
  }
  note(`${moved} settings, ${compared} comparisons, ${answers.size} runs of the program`);
  quiet("numbers", page, file);
  await page.close();
}

async function hands(browser) {
  console.log("== dragging, and the arrow keys");
  const file = LANGUAGES[0];
  const page = await opened(browser, file);
  await page.ready();
  const spots = [
    ["plane", ".handle .dot"],
    ["circle", ".handle .dot"],
    ["features", ".turnable"],
  ];
  for (const [name, selector] of spots) {
    const place = () =>
      page.run(
        `(name, selector) => {
          const found = document.querySelector('[data-figure="' + name + '"] ' + selector);
          found.scrollIntoView({ block: "center", behavior: "instant" });
          const box = found.getBoundingClientRect();
          return [box.left + box.width / 2, box.top + box.height / 2];
        }`,
        name,
        selector,
      );
    const [x, y] = await place();
    const before = await page.run(look, name);
    await page.run(`(name) => {
      const figure = window.widemargin.figures[name];
      figure.frames.length = 0;
      window.times = [];
      const tick = (time) => { window.times.push(time); window.ticking = requestAnimationFrame(tick); };
      window.ticking = requestAnimationFrame(tick);
    }`, name);
    await page.mouse("mousePressed", x, y, 1);
    for (let n = 1; n <= 60; n += 1) {
      await page.mouse("mouseMoved", x + 40 * Math.sin(n / 6), y + 30 * (1 - Math.cos(n / 6)), 1);
      await new Promise((done) => setTimeout(done, 8));
    }
    await page.mouse("mouseReleased", x, y, 0);
    await page.run(settle, name);
    expect((await page.run(look, name)) !== before, `${name}: dragging changes nothing`);
    report(name, "dragged", await page.run(`(name) => { cancelAnimationFrame(window.ticking); return [window.widemargin.figures[name].frames, window.times]; }`, name));
    compare(`${name}, dragged`, await page.run(shown, name));

    await page.run(`(name, selector) => document.querySelector('[data-figure="' + name + '"] ' + selector).closest("[tabindex]").focus()`, name, selector);
    const still = await page.run(look, name);
    for (const key of ["ArrowLeft", "ArrowLeft", "ArrowUp"]) await page.key(key);
    await page.run(settle, name);
    expect((await page.run(look, name)) !== still, `${name}: arrow keys change nothing`);
    compare(`${name}, keys`, await page.run(shown, name));
  }
  quiet("hands", page, file);
  await page.close();
}

async function speed(browser) {
  console.log("== sliders and animations at 60 frames per second");
  const file = LANGUAGES[0];
  const page = await opened(browser, file);
  await page.ready();
  // moves the sliders of every figure in small steps
  for (const { name, controls } of await page.run(inventory)) {
    if (!chosen(name)) continue;
    // the last option of each choice has the most sliders and marks
    for (const { id, slider, options } of controls) if (!slider) await page.run(setChoice, name, id, options.at(-1));
    const result = await page.run(
      `async (name, ids) => {
        const figure = window.widemargin.figures[name];
        figure.root.scrollIntoView({ block: "center", behavior: "instant" });
        figure.frames.length = 0;
        const times = [];
        const frame = () => new Promise((done) => requestAnimationFrame((time) => { times.push(time); done(); }));
        for (const id of ids) {
          const { input, row } = figure.controls[id];
          if (!row.offsetParent) continue;
          for (let n = 0; n < 20; n += 1) {
            input.value = Math.round(input.max * (0.3 + 0.02 * n));
            input.dispatchEvent(new Event("input", { bubbles: true }));
            await frame();
          }
        }
        await (${settle})(name);
        return [figure.frames.slice(), times];
      }`,
      name,
      controls.filter((control) => control.slider).map((control) => control.id),
    );
    report(name, "slid", result);
    const plays = await page.run(
      `async (name) => {
        const figure = window.widemargin.figures[name];
        const button = figure.root.querySelector(".button.main");
        if (!button) return null;
        figure.frames.length = 0;
        const times = [];
        const before = (${look})(name);
        button.click();
        let different = false;
        for (let n = 0; n < 40; n += 1) {
          await new Promise((done) => requestAnimationFrame((time) => { times.push(time); done(); }));
          different ||= (${look})(name) !== before;
        }
        button.click();
        return { frames: figure.frames.slice(), times, different };
      }`,
      name,
    );
    if (plays) {
      expect(plays.different, `${name}: playing changes nothing`);
      report(name, "played", [plays.frames, plays.times]);
    }
  }
  quiet("speed", page, file);
  await page.close();
}

/** Reports the script time per frame and the time between frames. A frame is 16.7 ms; other threads rasterise it. */
function report(name, how, [work, times]) {
  const sorted = (values) => [...values].sort((a, b) => a - b);
  const at = (values, share) => values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
  const [done, gaps] = [sorted(work), sorted(times.slice(1).map((time, n) => time - times[n]))];
  expect(done.length > 0, `${name}, ${how}: no frame was drawn`);
  expect(at(done, 0.5) < FRAME / 2 && at(done, 0.95) < FRAME, `${name}, ${how}: the script takes ${at(done, 0.5).toFixed(1)} ms per frame (95 %: ${at(done, 0.95).toFixed(1)} ms)`);
  note(`${name}, ${how}: script ${at(done, 0.5).toFixed(1)} ms per frame (95 %: ${at(done, 0.95).toFixed(1)}), frames every ${at(gaps, 0.5).toFixed(1)} ms`);
}

async function access(browser) {
  console.log("== axe-core");
  for (const file of LANGUAGES) {
    for (const [scheme, size] of [["light", DESKTOP], ["dark", DESKTOP], ["light", PHONE], ["dark", PHONE]]) {
      const page = await opened(browser, file, { scheme, size });
      await page.ready();
      await page.value(`${AXE}; 0`);
      const found = await page.value("axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => ({ passes: passes.length, violations: violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? node.all[0]?.message ?? '')).join(' | ')}`) }))");
      for (const violation of found.violations) expect(false, `${file}, ${scheme}, ${size.name}: ${violation}`);
      note(`${file}, ${scheme}, ${size.name}: ${found.passes} rules pass, ${found.violations.length} fail`);
      await page.close();
    }
  }
}

async function focus(browser) {
  console.log("== theme button and keyboard");
  const page = await opened(browser, LANGUAGES[0]);
  await page.ready();
  const paper = () => page.value("getComputedStyle(document.body).backgroundColor");
  const light = await paper();
  await page.value("document.getElementById('shade').click()");
  const dark = await paper();
  await page.value("document.getElementById('shade').click()");
  expect(light !== dark && (await paper()) === light, "the theme button does not switch to dark and back to light");

  // Tab must reach every control in the order of the text and show the focus
  await page.value("document.activeElement.blur(); scrollTo(0, 0)");
  const count = await page.value(`[...document.querySelectorAll('a[href], button, input, [tabindex="0"]')].length`);
  let [last, visited, backwards, unseen] = [-1, 0, 0, []];
  for (let n = 0; n < count + 5; n += 1) {
    await page.key("Tab");
    const at = await page.value(`(() => {
      const active = document.activeElement;
      if (active === document.body) return null;
      const all = [...document.querySelectorAll("*")];
      const marked = active.matches("input[type=radio]") ? active.nextElementSibling : active.matches(".handle") ? active.querySelector(".ring") : active;
      const style = getComputedStyle(marked);
      const seen = style.outlineStyle !== "none" || active.matches(".handle") && style.stroke !== "none";
      return [all.indexOf(active), seen, active.outerHTML.slice(0, 80)];
    })()`);
    if (at === null) break;
    visited += 1;
    if (at[0] <= last) backwards += 1;
    if (!at[1]) unseen.push(at[2]);
    last = at[0];
  }
  expect(visited > 60, `Tab reaches ${visited} elements`);
  expect(backwards === 0, `Tab moves backwards ${backwards} times`);
  expect(unseen.length === 0, `no visible focus at ${unseen[0]}`);
  note(`Tab visits ${visited} elements in order, each with visible focus`);
  await page.close();
}

async function motion(browser) {
  console.log("== reduced motion");
  const calm = await opened(browser, LANGUAGES[0], { motion: "reduce" });
  await calm.ready();
  const jumps = await calm.run(`async () => {
    const figure = window.widemargin.figures.descent;
    [...figure.root.querySelectorAll(".button")].at(-1).click();
    await (${settle})("descent");
    figure.frames.length = 0;
    figure.root.querySelector(".button.main").click();
    await (${settle})("descent");
    const last = figure.frames.length;
    for (let n = 0; n < 20; n += 1) await new Promise((done) => requestAnimationFrame(done));
    return [last, figure.frames.length, getComputedStyle(document.documentElement).scrollBehavior];
  }`);
  expect(jumps[0] <= 2 && jumps[1] === jumps[0] && jumps[2] === "auto", `reduced motion: ${jumps[1]} frames were drawn, scroll-behavior is ${jumps[2]}`);
  note(`reduced motion: playing draws ${jumps[1]} frame`);
  await calm.close();
}

async function scriptless(browser) {
  console.log("== without scripts");
  for (const file of LANGUAGES) {
    for (const size of [DESKTOP, PHONE]) {
      for (const scheme of ["light", "dark"]) {
        const where = `${file}, ${size.name}, ${scheme}, without scripts`;
        const page = await browser.open();
        await page.send("Emulation.setScriptExecutionDisabled", { value: true });
        await page.size(size.width, size.height, size.phone);
        await page.media({ "prefers-color-scheme": scheme });
        await page.go(address(file));
        const found = await page.value(`(() => {
          const seen = (part) => part.getBoundingClientRect().width > 100 && part.getBoundingClientRect().height > 60;
          return {
            scripted: document.documentElement.className,
            figures: [...document.querySelectorAll("figure")].map((figure) => [figure.id, [...figure.querySelectorAll(".plain > svg")].map((svg) => seen(svg) && svg.querySelectorAll("path, rect, circle, text").length), /NaN/.test(figure.innerHTML)]),
            live: [...document.querySelectorAll(".live")].filter((part) => part.offsetParent).length,
            sections: [...document.querySelectorAll("main > section")].map((section) => section.innerText.length),
            formulas: [...document.querySelectorAll("math")].filter((formula) => formula.getBoundingClientRect().width < 3).length,
            links: [...document.querySelectorAll("a[data-language]")].map((link) => link.href),
            background: getComputedStyle(document.body).backgroundColor,
            widths: [document.documentElement.clientWidth, document.documentElement.scrollWidth],
          };
        })()`);
        expect(found.scripted === "", `${where}: a script has run`);
        expect(found.figures.length === 14, `${where}: ${found.figures.length} figures`);
        for (const [id, plain, bad] of found.figures) {
          expect(plain.length > 0 && plain.every((marks) => marks > 8) && !bad, `${where}: ${id} has ${JSON.stringify(plain)} marks in its static figures`);
        }
        expect(found.live === 0, `${where}: ${found.live} live parts are visible`);
        expect(found.sections.every((letters) => letters > 150), `${where}: a chapter is nearly empty`);
        expect(found.formulas === 0, `${where}: ${found.formulas} formulas have no width`);
        expect(found.widths[1] <= found.widths[0], `${where}: the content is ${found.widths[1]} pixels wide, the window ${found.widths[0]}`);
        expect(found.links.length === 1 && LANGUAGES.some((other) => other !== file && address(other) === found.links[0]), `${where}: no link to the other language`);
        expect(/rgb\((\d+)/.exec(found.background)[1] > 128 === (scheme === "light"), `${where}: the background is ${found.background}`);
        if (given.screenshots && size === DESKTOP) await page.sections(given.screenshots, `plain-${file.includes("zh") ? "zh" : "en"}-${scheme}`);
        quiet(where, page, file);
        await page.close();
      }
    }
  }
  note("all text and static figures are shown");
}

const PARTS = { loading, looks, numbers, hands, speed, access, focus, motion, scriptless };
const parts = given.only?.split(",") ?? Object.keys(PARTS);
const unknown = parts.find((part) => !PARTS[part]);
if (unknown) {
  console.error(`--only: found '${unknown}', expected some of ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}
const browser = new Browser(given.browser);
try {
  for (const part of parts) await PARTS[part](browser);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(wrong.length === 0 ? "all checks passed" : `${wrong.length} checks failed`);
process.exit(wrong.length === 0 ? 0 : 1);
