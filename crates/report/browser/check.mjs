// Tests a report in a real browser.
//
//   node check.mjs PAGE [--browser PATH] [--screenshots DIR]
//
// On a phone and on a desktop, light and dark: the page is not wider than the window, figures are side by side where there is room,
// the console has no error and nothing is requested from a network. Values appear at the pointer, at a tap and with the arrow keys,
// every figure can be saved as an SVG that can be read, axe-core finds no violation, and without scripts everything is there.

import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { Browser } from "../../explain/browser/browser.mjs";

const { values: given, positionals } = parseArgs({
  options: { browser: { type: "string", default: "chromium" }, screenshots: { type: "string" } },
  allowPositionals: true,
});
if (positionals.length !== 1) {
  console.error("usage: node check.mjs PAGE [--browser PATH] [--screenshots DIR]");
  process.exit(2);
}

const DESKTOP = { name: "desktop", width: 1300, height: 800, phone: false };
const PHONE = { name: "phone", width: 400, height: 800, phone: true };
const MOST_BYTES = 5_000_000;
const address = pathToFileURL(resolve(positionals[0])).href;
const here = createRequire(new URL("../../explain/browser/package.json", import.meta.url));
const AXE = readFileSync(here.resolve("axe-core/axe.min.js"), "utf8");

const wrong = [];
const expect = (holds, what) => {
  if (holds) return;
  wrong.push(what);
  console.log(`   FAILED: ${what}`);
};
const note = (text) => console.log(`   ${text}`);
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function opened(browser, size, { scheme = "light", scripts = true } = {}) {
  const page = await browser.open();
  if (!scripts) await page.send("Emulation.setScriptExecutionDisabled", { value: true });
  await page.size(size.width, size.height, size.phone);
  if (size.phone) await page.send("Emulation.setTouchEmulationEnabled", { enabled: true });
  await page.media({ "prefers-color-scheme": scheme });
  await page.go(address);
  return page;
}

/** Checks that the page had no errors and loaded nothing, and closes it. */
async function closed(page, where) {
  expect(page.errors.length === 0, `${where}: the console reports ${page.errors.join("; ")}`);
  const outside = page.requests.filter((url) => url !== address && !url.startsWith("data:") && !url.startsWith("blob:"));
  expect(outside.length === 0, `${where}: requested ${outside.join(", ")}`);
  await page.close();
}

const TIP = `(() => {
  const tip = document.getElementById("tip");
  const box = tip.getBoundingClientRect();
  const inside = box.left >= 0 && box.right <= document.documentElement.clientWidth + 1;
  const image = tip.querySelector("svg");
  return { shown: !tip.hidden, text: tip.textContent, inside, image: Boolean(image && image.getBoundingClientRect().width > 20) };
})()`;

/** Scrolls an element to the middle of the window; returns its centre once the page is at rest: scrolling hides a value. */
const centre = `async (selector, nth) => {
  const all = document.querySelectorAll(selector);
  const found = all[nth < 0 ? all.length + nth : nth];
  found.scrollIntoView({ block: "center", behavior: "instant" });
  for (let n = 0; n < 3; n += 1) await new Promise((done) => requestAnimationFrame(done));
  const box = found.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}`;

async function looks(browser, where, page, size) {
  const [inside, outside] = await page.value("[document.documentElement.clientWidth, document.documentElement.scrollWidth]");
  expect(inside === size.width && outside <= inside, `${where}: the content is ${outside} pixels wide, the window ${inside}`);
  const found = await page.value(`(() => {
    const figures = [...document.querySelectorAll("figure.chart")].map((figure) => {
      const box = figure.querySelector("svg").getBoundingClientRect();
      return { grid: figure.parentElement.classList.contains("grid"), left: box.left, top: box.top, width: box.width, height: box.height, bad: /NaN|undefined/.test(figure.innerHTML) };
    });
    const images = [...document.querySelectorAll(".tile use")].map((use) => use.getBoundingClientRect()).filter((box) => box.width < 20 || box.height < 20).length;
    return { figures, images, sections: [...document.querySelectorAll("main > section")].map((section) => section.id) };
  })()`);
  expect(found.figures.length >= 8, `${where}: ${found.figures.length} figures`);
  for (const figure of found.figures) {
    expect(figure.width > 240 && figure.height > 100 && !figure.bad, `${where}: a figure of ${figure.width} x ${figure.height}`);
  }
  expect(found.images === 0, `${where}: ${found.images} images are not visible`);
  const rows = new Map();
  for (const figure of found.figures.filter(({ grid }) => grid)) rows.set(figure.top, (rows.get(figure.top) ?? 0) + 1);
  const most = Math.max(...rows.values());
  expect(size.phone ? most === 1 : most >= 2, `${where}: ${most} figures side by side`);
  return found.sections;
}

async function pointer(page) {
  console.log("== values at the pointer and with the arrow keys");
  const kinds = ["#training svg .wm-area", "#verification svg .wm-area", "#retrieval svg .wm-area", "#confusions svg .wm-area", "#neighbours .tile", "#embeddings path.wm-tip"];
  for (const selector of kinds) {
    const [x, y] = await page.run(centre, selector, 1);
    await page.mouse("mouseMoved", x, y);
    const found = await page.value(TIP);
    expect(found.shown && found.inside && /[\p{L}\p{N}]/u.test(found.text), `${selector}: the pointer shows ${JSON.stringify(found)}`);
    const title = await page.run("(selector) => document.querySelectorAll(selector)[1].matches(':has(> title), [title]')", selector);
    expect(!title, `${selector}: the browser would show its title as well`);
    note(`${selector}: ${JSON.stringify(found.text)}${found.image ? " with an image" : ""}`);
  }
  await page.mouse("mouseMoved", 2, 2);
  expect(!(await page.value(TIP)).shown, "a value stays when the pointer has left");

  await page.run(centre, "#training svg", 0);
  await page.value(`document.querySelector("#training svg").focus({ preventScroll: true })`);
  await page.key("ArrowRight");
  const first = await page.value(TIP);
  await page.key("ArrowRight");
  const second = await page.value(TIP);
  expect(first.shown && second.shown && first.text !== second.text, `arrow keys show ${first.text}, then ${second.text}`);
  await page.value("document.activeElement.blur()");
  expect(!(await page.value(TIP)).shown, "a value stays when its figure has lost the focus");
}

async function tap(page) {
  console.log("== values at a tap");
  const [x, y] = await page.run(centre, "#embeddings path.wm-tip", 3);
  const touch = async (type, points) => page.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  await touch("touchStart", [{ x, y }]);
  await touch("touchEnd", []);
  await pause(400);
  const found = await page.value(TIP);
  expect(found.shown && found.inside, `a tap shows ${JSON.stringify(found)}`);
}

/** Clicks the button of a figure; returns the name and the parsed content of the file that it saves. */
const click = `async (nth) => {
  const { click } = HTMLAnchorElement.prototype;
  const file = await new Promise((resolve) => {
    HTMLAnchorElement.prototype.click = function () { resolve({ name: this.download, href: this.href }); };
    document.querySelectorAll("figure.chart .save")[nth].click();
  });
  HTMLAnchorElement.prototype.click = click;
  const text = await (await fetch(file.href)).text();
  const read = new DOMParser().parseFromString(text, "image/svg+xml");
  const tips = [...read.querySelectorAll(".wm-tip")];
  const titled = tips.filter((tip) => tip.querySelector("title")).length;
  return { name: file.name, root: read.documentElement.localName, error: Boolean(read.querySelector("parsererror")), tips: tips.length, titled };
}`;

async function saving(browser, page) {
  console.log("== every figure can be saved");
  const count = await page.value(`document.querySelectorAll("figure.chart").length`);
  const names = [];
  for (let nth = 0; nth < count; nth += 1) {
    const found = await page.run(click, nth);
    expect(found.root === "svg" && !found.error && found.tips > 0 && found.tips === found.titled, `figure ${nth}: ${JSON.stringify(found)}`);
    names.push(found.name);
  }
  expect(new Set(names).size === count && names.every((name) => /^[\p{L}\p{N}].*\.svg$/u.test(name)), `the files are ${names.join(", ")}`);
  note(names.join(", "));

  // One as a file, as the browser writes it.
  const folder = mkdtempSync(join(tmpdir(), "widemargin-report-"));
  await browser.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder });
  await page.value(`document.querySelector("figure.chart .save").click()`);
  const there = () => readdirSync(folder).includes(names[0]);
  for (let n = 0; n < 200 && !there(); n += 1) await pause(100);
  expect(there() && readFileSync(join(folder, names[0]), "utf8").startsWith("<svg "), `${names[0]} was not saved: ${readdirSync(folder).join(", ")}`);
  rmSync(folder, { recursive: true, force: true });
}

async function access(page, where) {
  await page.value(`${AXE}; 0`);
  const found = await page.value("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`))");
  for (const violation of found) expect(false, `${where}: ${violation}`);
}

async function scriptless(browser) {
  console.log("== without scripts");
  for (const size of [DESKTOP, PHONE]) {
    const where = `${size.name}, without scripts`;
    const page = await opened(browser, size, { scripts: false });
    const sections = await looks(browser, where, page, size);
    expect(sections.includes("results") && sections.includes("glossary"), `${where}: the sections are ${sections.join(", ")}`);
    const found = await page.value(`[document.querySelectorAll(".wm-tip > title, .wm-tip[title]").length, document.querySelectorAll(".wm-tip").length, document.querySelectorAll("button").length]`);
    expect(found[0] === found[1] && found[0] > 0 && found[2] === 0, `${where}: ${found[0]} of ${found[1]} values have titles, ${found[2]} buttons`);
    await closed(page, where);
  }
}

const browser = new Browser(given.browser);
try {
  const bytes = statSync(positionals[0]).size;
  expect(bytes < MOST_BYTES, `${bytes} bytes, expected less than ${MOST_BYTES}`);
  console.log(`== layout, console, network and axe-core (${(bytes / 1e6).toFixed(2)} MB)`);
  for (const size of [DESKTOP, PHONE]) {
    for (const scheme of ["light", "dark"]) {
      const where = `${size.name}, ${scheme}`;
      const page = await opened(browser, size, { scheme });
      const sections = await looks(browser, where, page, size);
      note(`${where}: ${sections.join(", ")}`);
      await access(page, where);
      if (given.screenshots) await page.sections(given.screenshots, `${size.name}-${scheme}`);
      await closed(page, where);
    }
  }
  const desktop = await opened(browser, DESKTOP);
  await pointer(desktop);
  await saving(browser, desktop);
  await closed(desktop, "desktop");
  const phone = await opened(browser, PHONE);
  await tap(phone);
  await closed(phone, "phone");
  await scriptless(browser);
} finally {
  await browser.close();
}
console.log(wrong.length === 0 ? "all checks passed" : `${wrong.length} checks failed`);
process.exit(wrong.length === 0 ? 0 : 1);
