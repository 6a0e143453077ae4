// Opens the page of `widemargin explain` in a real browser and holds it to its promises.
//
//   node check.mjs --page DIR --program PATH [--browser PATH] [--pictures DIR] [--only PART,PART] [--figures NAME,NAME]
//
// Both languages, light and dark, on a phone and on a desk: every figure is drawn, every slider changes its figure, the numbers
// beside it are those of the program, nothing is wrong in the console, nothing is asked of a network, everything can be reached
// by the keyboard, axe-core finds nothing, less motion is less motion, and without scripts all text and plain figures are there.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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
    pictures: { type: "string" },
    only: { type: "string" },
    figures: { type: "string" },
  },
});
if (!given.page || !given.program) {
  console.error("usage: node check.mjs --page DIR --program PATH [--browser PATH] [--pictures DIR] [--only PART,PART] [--figures NAME,NAME]");
  process.exit(2);
}

const LANGUAGES = ["index.html", "index.zh.html"];
const DESK = { name: "desk", width: 1280, height: 800, phone: false };
const PHONE = { name: "phone", width: 360, height: 740, phone: true };
const MOST_BYTES = 5_000_000;
const MOST_MILLISECONDS = 2000;
const FRAME = 1000 / 60;
const CLOSE = 1e-6;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// for work on one figure: the parts that go through all take these only
const chosen = (name) => !given.figures || given.figures.split(",").includes(name);

const wrong = [];
const expect = (holds, what) => {
  if (!holds) {
    wrong.push(what);
    console.log(`   WRONG: ${what}`);
  }
};
const told = (text) => console.log(`   ${text}`);

// ---- in the page ----------------------------------------------------------------------------------------------------

/** Waits until a figure has nothing left to draw. */
const settle = `async (name) => {
  const figure = window.widemargin.figures[name];
  const frame = () => new Promise((done) => requestAnimationFrame(() => done()));
  await frame();
  for (let n = 0; n < 600 && (figure.pending || figure.busy); n += 1) await frame();
  await frame();
}`;

/** What a figure looks like: its marks and its pictures. */
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

function ask(request) {
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

const near = (found, wanted) => Math.abs(found - wanted) <= CLOSE * Math.max(1, Math.abs(wanted));
let compared = 0;

/** The numbers of a figure against the program's. */
function compare(where, { numbers, texts, requests }) {
  const covered = new Set();
  for (const request of requests) {
    const answer = ask(request);
    for (const [field, id] of Object.entries(request.wanted)) {
      let wanted;
      if (field === "exp(-loss)") wanted = Math.exp(-answer.loss);
      else wanted = field.split(".").reduce((part, name) => part[name], answer);
      const found = numbers[id];
      if (wanted === null) {
        expect(found === "null", `${where}: ${id} is ${found}, the program says there is none`);
      } else {
        wanted *= request.factors?.[field] ?? 1;
        expect(found !== null && near(Number(found), wanted), `${where}: ${id} is ${found}, the program says ${wanted} (${request.objective ?? "suggest"} ${JSON.stringify(request.parameters ?? request.suggest)})`);
        readable(where, id, texts[id], wanted);
      }
      covered.add(id);
      compared += 1;
    }
    for (const [field, found] of Object.entries(request.gradients ?? {})) {
      const wanted = answer[field].flat();
      const bad = found.flat().findIndex((value, n) => !near(value, wanted[n]));
      expect(bad < 0, `${where}: ${field} ${bad} is ${found.flat()[bad]}, the program says ${wanted[bad]}`);
      compared += 1;
    }
  }
  return covered;
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** What a person reads must be the number too, to the digits that are written. */
function readable(where, id, text, wanted) {
  let plain = text.replace(/−/g, "-").replace(/ %$/, "").replace(/°$/, "");
  const power = / × 10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)$/.exec(plain);
  let unit = text.endsWith("%") ? 0.01 : 1;
  if (power) {
    plain = plain.slice(0, power.index);
    unit *= 10 ** (Number([...power[2]].map((digit) => RAISED.indexOf(digit)).join("")) * (power[1] ? -1 : 1));
  }
  const digits = plain.split(".")[1]?.length ?? 0;
  const room = 0.51 * 10 ** -digits * unit;
  expect(Math.abs(Number(plain) * unit - wanted) <= room + 1e-12, `${where}: ${id} reads '${text}', the program says ${wanted}`);
}

// ---- the checks -----------------------------------------------------------------------------------------------------

const address = (file) => pathToFileURL(resolve(given.page, file)).href;

async function opened(browser, file, { size = DESK, scheme = "light", motion = "no-preference" } = {}) {
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
  expect(page.errors.length === 0, `${where}: the console says ${page.errors.join("; ")}`);
  const outside = page.requests.filter((url) => url !== address(file) && !url.startsWith("data:") && url !== "about:blank");
  expect(outside.length === 0, `${where}: asked for ${outside.join(", ")}`);
}

async function loading(browser) {
  console.log("== loads fast, is small");
  for (const file of LANGUAGES) {
    const bytes = statSync(join(given.page, file)).size;
    expect(bytes < MOST_BYTES, `${file}: ${bytes} bytes, wanted less than ${MOST_BYTES}`);
    const times = [];
    for (let n = 0; n < 3; n += 1) {
      const page = await opened(browser, file);
      times.push(await page.value("performance.getEntriesByType('navigation')[0].loadEventEnd"));
      await page.close();
    }
    times.sort((a, b) => a - b);
    expect(times[1] < MOST_MILLISECONDS, `${file}: loads in ${times[1].toFixed(0)} ms, wanted less than ${MOST_MILLISECONDS}`);
    told(`${file}: ${(bytes / 1e6).toFixed(2)} MB, everything drawn ${times.map((time) => time.toFixed(0)).join(", ")} ms after the start`);
  }
}

async function looks(browser) {
  console.log("== figures are drawn, nothing overflows, nothing in the console, nothing from a network");
  for (const file of LANGUAGES) {
    for (const size of [DESK, PHONE]) {
      for (const scheme of ["light", "dark"]) {
        const where = `${file}, ${size.name}, ${scheme}`;
        const page = await opened(browser, file, { size, scheme });
        await page.ready();
        const [inside, outside] = await page.value("[document.documentElement.clientWidth, document.documentElement.scrollWidth]");
        expect(inside === size.width && outside <= inside, `${where}: ${outside} wide in ${inside}`);
        for (const figure of await page.run(drawn)) {
          const name = `${where}: ${figure.name}`;
          expect(figure.panels.length > 0, `${name} has no panel`);
          for (const [n, panel] of figure.panels.entries()) {
            const picture = figure.canvases.length > 0;
            expect((panel.marks > 4 || picture) && panel.width > 200 && panel.height > 100, `${name}: panel ${n} has ${panel.marks} marks on ${panel.width} x ${panel.height}`);
            expect(!panel.bad, `${name}: panel ${n} has a mark that is no number`);
            expect(panel.cut.length === 0, `${name}: panel ${n} cuts '${panel.cut.join("', '")}'`);
          }
          for (const tones of figure.canvases) expect(tones > 4, `${name}: a picture of ${tones} tones`);
          expect(figure.blank.length === 0, `${name}: no number at ${figure.blank.join(", ")}`);
          expect(!figure.words, `${name} says '${figure.words}'`);
        }
        if (given.pictures) await pictures(page, `${file.includes("zh") ? "zh" : "en"}-${size.name}-${scheme}`);
        quiet(where, page, file);
        await page.close();
      }
    }
  }
}

async function pictures(page, name) {
  mkdirSync(given.pictures, { recursive: true });
  const boxes = await page.value(`[["head", document.querySelector("header")], ...[...document.querySelectorAll("main > section")].map((section) => [section.id, section])].map(([id, part]) => {
    const box = part.getBoundingClientRect();
    return [id, { x: 0, y: box.top + scrollY, width: document.documentElement.clientWidth, height: box.height, scale: 1 }];
  })`);
  for (const [id, clip] of boxes) writeFileSync(join(given.pictures, `${name}-${id}.png`), await page.picture(clip));
}

async function numbers(browser) {
  console.log("== sliders change their figures, numbers are the program's");
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
          // the same here, but not everywhere: with two classes a sum of hinges is its largest
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
      for (const id of start.visible) {
        met.add(id);
        // at its end too if nothing happens in between: from three dimensions on, thousands of classes have the same room
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
      // and back to how it opened, so that one round does not hide behind another
      if (round) await page.run(setChoice, name, round.id, choices.find((choice) => choice.id === round.id).options[0]);
    }
    for (const { id, slider } of controls) {
      if (slider) expect(met.has(id) && seen.has(id), `${name}: the slider ${id} ${met.has(id) ? "changes nothing" : "is never to be seen"}`);
    }
    told(`${name}: ${covered.size} numbers of ${Object.keys((await page.run(shown, name)).numbers).length} are the program's`);
    expect(covered.size > 0, `${name}: none of its numbers is compared with the program`);
  }
  told(`${moved} settings, ${compared} comparisons, ${answers.size} answers of the program`);
  quiet("numbers", page, file);
  await page.close();
}

async function hands(browser) {
  console.log("== points can be dragged and moved by keys");
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
  console.log("== sliders and what plays, at 60 frames a second");
  const file = LANGUAGES[0];
  const page = await opened(browser, file);
  await page.ready();
  // sliders of every figure, moved as a hand moves them
  for (const { name, controls } of await page.run(inventory)) {
    if (!chosen(name)) continue;
    // the last of each choice has the most sliders and the most to draw
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

/** Work of the script in a frame, and time between frames. A frame is 16.7 ms; the picture itself is made by other threads. */
function report(name, how, [work, times]) {
  const sorted = (values) => [...values].sort((a, b) => a - b);
  const at = (values, share) => values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
  const [done, gaps] = [sorted(work), sorted(times.slice(1).map((time, n) => time - times[n]))];
  expect(done.length > 0, `${name}, ${how}: no frame was drawn`);
  expect(at(done, 0.5) < FRAME / 2 && at(done, 0.95) < FRAME, `${name}, ${how}: the script takes ${at(done, 0.5).toFixed(1)} ms a frame, 95 % within ${at(done, 0.95).toFixed(1)} ms`);
  told(`${name}, ${how}: script ${at(done, 0.5).toFixed(1)} ms a frame (95 %: ${at(done, 0.95).toFixed(1)}), frames every ${at(gaps, 0.5).toFixed(1)} ms`);
}

async function access(browser) {
  console.log("== axe-core");
  for (const file of LANGUAGES) {
    for (const [scheme, size] of [["light", DESK], ["dark", DESK], ["light", PHONE], ["dark", PHONE]]) {
      const page = await opened(browser, file, { scheme, size });
      await page.ready();
      await page.value(`${AXE}; 0`);
      const found = await page.value("axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => ({ passes: passes.length, violations: violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? node.all[0]?.message ?? '')).join(' | ')}`) }))");
      for (const violation of found.violations) expect(false, `${file}, ${scheme}, ${size.name}: ${violation}`);
      told(`${file}, ${scheme}, ${size.name}: ${found.passes} rules hold, ${found.violations.length} do not`);
      await page.close();
    }
  }
}

async function focus(browser) {
  console.log("== the toggle, and the keyboard");
  const page = await opened(browser, LANGUAGES[0]);
  await page.ready();
  const paper = () => page.value("getComputedStyle(document.body).backgroundColor");
  const light = await paper();
  await page.value("document.getElementById('shade').click()");
  const dark = await paper();
  await page.value("document.getElementById('shade').click()");
  expect(light !== dark && (await paper()) === light, "the toggle does not turn the page dark and light again");

  // Tab goes through everything that can be used, in the order of the text, and shows where it is
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
  expect(backwards === 0, `Tab goes backwards ${backwards} times`);
  expect(unseen.length === 0, `no sign of the focus at ${unseen[0]}`);
  told(`Tab visits ${visited} elements in their order, each marked`);
  await page.close();
}

async function motion(browser) {
  console.log("== less motion");
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
  expect(jumps[0] <= 2 && jumps[1] === jumps[0] && jumps[2] === "auto", `less motion: ${jumps[1]} frames were drawn, scrolling is ${jumps[2]}`);
  told(`less motion: playing is a jump of ${jumps[1]} frame`);
  await calm.close();
}

async function scriptless(browser) {
  console.log("== without scripts");
  for (const file of LANGUAGES) {
    for (const size of [DESK, PHONE]) {
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
        expect(found.figures.length === 13, `${where}: ${found.figures.length} figures`);
        for (const [id, plain, bad] of found.figures) {
          expect(plain.length > 0 && plain.every((marks) => marks > 8) && !bad, `${where}: ${id} has ${JSON.stringify(plain)} marks`);
        }
        expect(found.live === 0, `${where}: ${found.live} live parts are to be seen`);
        expect(found.sections.every((letters) => letters > 150), `${where}: a chapter is nearly empty`);
        expect(found.formulas === 0, `${where}: ${found.formulas} formulas take no room`);
        expect(found.widths[1] <= found.widths[0], `${where}: ${found.widths[1]} wide in ${found.widths[0]}`);
        expect(found.links.length === 1 && LANGUAGES.some((other) => other !== file && address(other) === found.links[0]), `${where}: no link to the other language`);
        expect(/rgb\((\d+)/.exec(found.background)[1] > 128 === (scheme === "light"), `${where}: the page is ${found.background}`);
        if (given.pictures && size === DESK) await pictures(page, `plain-${file.includes("zh") ? "zh" : "en"}-${scheme}`);
        quiet(where, page, file);
        await page.close();
      }
    }
  }
  told("all text and plain figures are there");
}

const PARTS = { loading, looks, numbers, hands, speed, access, focus, motion, scriptless };
const parts = given.only?.split(",") ?? Object.keys(PARTS);
const unknown = parts.find((part) => !PARTS[part]);
if (unknown) {
  console.error(`--only: found '${unknown}', wanted some of ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}
const browser = new Browser(given.browser);
try {
  for (const part of parts) await PARTS[part](browser);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(wrong.length === 0 ? "the page holds" : `${wrong.length} things are wrong`);
process.exit(wrong.length === 0 ? 0 : 1);
