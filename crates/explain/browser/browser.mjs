// A headless browser, driven with the DevTools protocol over a pair of pipes: no library, no port.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds that the browser may take to answer a command. */
const TIMEOUT = 60000;

export class Browser {
  constructor(program) {
    this.profile = mkdtempSync(join(tmpdir(), "widemargin-browser-"));
    this.process = spawn(
      program,
      [
        "--headless=new",
        "--remote-debugging-pipe",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-extensions",
        "--force-color-profile=srgb",
        `--user-data-dir=${this.profile}`,
        "about:blank",
      ],
      { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
    );
    this.waiting = new Map();
    this.listeners = new Set();
    this.next = 1;
    this.gone = null;
    let rest = "";
    this.process.stdio[4].setEncoding("utf8");
    this.process.stdio[4].on("data", (text) => {
      const parts = (rest + text).split("\0");
      rest = parts.pop();
      for (const part of parts) this.heard(JSON.parse(part));
    });
    const ended = (reason) => {
      this.gone = new Error(`the browser exited: ${reason}`);
      for (const { reject } of this.waiting.values()) reject(this.gone);
      this.waiting.clear();
    };
    this.process.on("error", (error) => ended(error.message));
    this.process.on("exit", (code, signal) => ended(`status ${code ?? signal}`));
    this.process.stdio[3].on("error", () => {});
  }

  heard(message) {
    if (message.id === undefined) {
      for (const listener of this.listeners) listener(message);
      return;
    }
    const call = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    clearTimeout(call.timer);
    if (message.error) call.reject(new Error(`${call.method}: ${message.error.message}`));
    else call.resolve(message.result);
  }

  send(method, params = {}, sessionId = undefined) {
    if (this.gone) return Promise.reject(this.gone);
    const id = this.next;
    this.next += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`${method}: no answer after ${TIMEOUT} ms`));
      }, TIMEOUT);
      this.waiting.set(id, { resolve, reject, method, timer });
      this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  async open() {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, targetId, sessionId);
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`);
    return page;
  }

  async close() {
    await this.send("Browser.close").catch(() => {});
    await new Promise((done) => {
      if (this.process.exitCode !== null) done();
      else this.process.once("exit", done);
    });
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Page {
  constructor(browser, targetId, sessionId) {
    this.browser = browser;
    this.targetId = targetId;
    this.sessionId = sessionId;
    this.requests = [];
    this.errors = [];
    browser.listeners.add((message) => {
      if (message.sessionId === sessionId) this.heard(message);
    });
  }

  heard({ method, params }) {
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Runtime.exceptionThrown") {
      this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    }
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
      this.errors.push(params.args.map((argument) => argument.value ?? argument.description).join(" "));
    }
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) this.errors.push(params.entry.text);
  }

  send(method, params = {}) {
    return this.browser.send(method, params, this.sessionId);
  }

  /** Opens a URL and waits until the page has loaded. */
  async go(url) {
    const loaded = new Promise((resolve) => {
      const listener = (message) => {
        if (message.sessionId === this.sessionId && message.method === "Page.loadEventFired") {
          this.browser.listeners.delete(listener);
          resolve();
        }
      };
      this.browser.listeners.add(listener);
    });
    const { errorText } = await this.send("Page.navigate", { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await loaded;
  }

  /** Evaluates an expression in the page and awaits its promise. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${exceptionDetails.exception?.description ?? exceptionDetails.text} in ${expression.slice(0, 200)}`);
    return result.value;
  }

  /** Runs the source of a function in the page with these arguments. */
  run(code, ...given) {
    return this.value(`(${code})(...${JSON.stringify(given)})`);
  }

  size(width, height, phone = false) {
    return this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: phone ? 2 : 1, mobile: phone });
  }

  media(features) {
    return this.send("Emulation.setEmulatedMedia", { features: Object.entries(features).map(([name, value]) => ({ name, value })) });
  }

  async mouse(type, x, y, buttons = 0) {
    await this.send("Input.dispatchMouseEvent", { type, x, y, button: type === "mouseMoved" && buttons === 0 ? "none" : "left", buttons, clickCount: 1 });
  }

  async key(key, code = key) {
    const number = { Tab: 9, Enter: 13, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40 }[key];
    for (const type of ["rawKeyDown", "keyUp"]) {
      await this.send("Input.dispatchKeyEvent", { type, key, code, windowsVirtualKeyCode: number });
    }
  }

  async screenshot(clip) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true, ...(clip ? { clip } : {}) });
    return Buffer.from(data, "base64");
  }

  /** Writes the header and each section of the page as NAME-SECTION.png to a folder. */
  async sections(folder, name) {
    mkdirSync(folder, { recursive: true });
    const boxes = await this.value(`[["head", document.querySelector("header")], ...[...document.querySelectorAll("main > section")].map((section) => [section.id, section])].map(([id, part]) => {
      const box = part.getBoundingClientRect();
      return [id, { x: 0, y: box.top + scrollY, width: document.documentElement.clientWidth, height: box.height, scale: 1 }];
    })`);
    for (const [id, clip] of boxes) writeFileSync(join(folder, `${name}-${id}.png`), await this.screenshot(clip));
  }

  close() {
    return this.browser.send("Target.closeTarget", { targetId: this.targetId });
  }
}
