// The parts of an interactive figure: sliders and choices, numbers, panels, draggable points, animation.
//
// A figure redraws at most once per frame, however many events arrive, and always completely, from its controls. So every
// state on the page is visible in a control. Controls are native inputs, and every draggable point also moves with the arrow
// keys.

const SVG = "http://www.w3.org/2000/svg";

/** Creates an HTML element with attributes and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Creates an SVG element. */
export function drawn(tag, attributes = {}) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
export const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;");

/** Formats a number: four significant digits, a real minus sign, a power of ten only for very small and very large values. */
export function written(value, digits = 4) {
  if (value === null || Number.isNaN(value)) return "–";
  if (value === Infinity) return "∞";
  if (value === -Infinity) return "−∞";
  const size = Math.abs(value);
  let text;
  if (Number.isInteger(value) && size < 1e6) text = String(value);
  else if (size < 1e-3 || size >= 1e6) {
    const [mantissa, exponent] = value.toExponential(2).split("e");
    const raised = String(Number(exponent)).replace(/./g, (sign) => RAISED[sign]);
    text = `${mantissa} × 10${raised}`;
  } else text = value.toFixed(clamp(digits - 1 - Math.floor(Math.log10(size)), 0, digits));
  return text.replace(/^-/, "−");
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export const degrees = (radians) => (radians * 180) / Math.PI;
export const percent = (share) => `${(100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 0 : 1)} %`;

/** Fills the placeholders {a} of a text. */
export const filled = (text, blanks) => text.replace(/\{(\w+)\}/g, (_, name) => blanks[name] ?? "");

/** A generator (Mulberry32) that gives the same numbers on every visit: uniform in [0, 1), and normal. */
export function chance(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

let made = 0;
const unique = (name) => `${name}-${(made += 1)}`;

/** Whether the reader prefers reduced motion. */
export const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A colour of the page as [r, g, b]. */
export function colour(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(`--wm-${name}`).trim();
  const value = parseInt(text.slice(1), 16);
  return text.length === 4
    ? [(value >> 8) * 17, ((value >> 4) & 15) * 17, (value & 15) * 17]
    : [value >> 16, (value >> 8) & 255, value & 255];
}

// ---- figures --------------------------------------------------------------------------------------------------------

export class Figure {
  /** `words` are the texts of this figure, `common` those that all figures share. */
  constructor(root, name, words, common) {
    this.root = root;
    this.name = name;
    this.words = words;
    this.common = common;
    this.controls = {};
    this.numbers = {};
    this.animations = [];
    this.frames = [];
    this.pending = false;
    this.draw = () => {};
    this.requests = () => [];
    this.panels = element("div", { class: "panels" });
    this.buttons = element("div", { class: "buttons" });
    this.sliders = element("div", { class: "sliders" });
    this.list = element("dl", { class: "numbers" });
    this.summary = element("p", { class: "summary", role: "status" });
    root.append(this.buttons, this.panels, this.sliders, this.list, this.summary);
  }

  /** Schedules a redraw in the next frame. */
  later() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.now();
    });
  }

  now() {
    const start = performance.now();
    this.draw();
    this.frames.push(performance.now() - start);
    if (this.frames.length > 600) this.frames.shift();
  }

  /** Adds a slider. With `log`, the steps are even in the logarithm; `show` formats the value. */
  slider(id, { label, min, max, step, value, log = false, whole = false, show }) {
    const digits = log ? 0 : (String(step).split(".")[1] ?? "").length;
    show ??= (v) => (log ? written(v, 3) : v.toFixed(digits).replace(/^-/, "−"));
    const name = unique(id);
    const input = element("input", { type: "range", id: name, "data-control": id });
    const steps = log ? 200 : Math.round((max - min) / step);
    const at = (position) => {
      if (log) {
        const found = min * (max / min) ** (position / steps);
        return whole ? Math.round(found) : Number(found.toPrecision(3));
      }
      return Number((min + position * step).toFixed(10));
    };
    const place = (v) =>
      Math.round(log ? (steps * Math.log(v / min)) / Math.log(max / min) : (v - min) / step);
    Object.assign(input, { min: 0, max: steps, step: 1, value: place(value) });
    const output = element("output", { for: name, class: "shown" });
    const control = {
      input,
      row: element(
        "div",
        { class: "slider" },
        element("label", { for: name }, label),
        output,
        input,
      ),
      value,
      set: (v) => {
        input.value = place(v);
        control.read(v);
      },
      read: (v = at(Number(input.value))) => {
        control.value = v;
        output.textContent = show(v);
        input.setAttribute("aria-valuetext", show(v));
        input.style.setProperty("--filled", `${(100 * Number(input.value)) / steps}%`);
      },
      visible: (yes) => control.row.toggleAttribute("hidden", !yes),
    };
    control.read(value);
    input.addEventListener("input", () => {
      control.read();
      this.changed?.(id);
      this.later();
    });
    this.sliders.append(control.row);
    this.controls[id] = control;
    return control;
  }

  /** Adds a choice as a row of radio buttons. `options` are pairs [value, label]. */
  choice(id, { label, options, value }) {
    const name = unique(id);
    const set = element("fieldset", { class: "choice" }, element("legend", {}, label));
    const control = { value, inputs: {}, visible: (yes) => set.toggleAttribute("hidden", !yes) };
    for (const [option, text] of options) {
      const input = element("input", { type: "radio", name, value: option, "data-control": id });
      input.checked = option === value;
      input.addEventListener("change", () => {
        control.value = option;
        this.changed?.(id);
        this.later();
      });
      control.inputs[option] = input;
      set.append(element("label", {}, input, element("span", {}, text)));
    }
    this.buttons.append(set);
    this.controls[id] = control;
    return control;
  }

  button(label, act) {
    const made = element("button", { type: "button", class: "button" }, label);
    made.addEventListener("click", act);
    this.buttons.append(made);
    return made;
  }

  /** Adds a number below the figure. */
  number(id, label, look = {}) {
    const value = element("dd", { "data-number": id });
    const term = element("dt", {}, label);
    if (look.key !== undefined) term.prepend(element("i", { class: `key f${look.key}` }));
    const row = element("div", {}, term, value);
    this.list.append(row);
    this.numbers[id] = { value: NaN, row, term, element: value };
  }

  show(id, value, text = written(value)) {
    const number = this.numbers[id];
    number.value = value;
    number.element.textContent = text;
    number.element.setAttribute("data-value", String(value));
  }

  summarise(text) {
    if (this.summary.textContent !== text) this.summary.textContent = text;
  }

  panel(options) {
    const panel = new Panel(this, options);
    this.panels.append(panel.box);
    return panel;
  }

  /**
   * Adds buttons to play, step and reset. `advance` does one step and returns whether more steps follow. With reduced motion,
   * playing jumps to the end.
   */
  player({ advance, reset }) {
    const { play, pause, step: one, reset: again } = this.common;
    let running = false;
    const button = this.button(play, () => (running ? stop() : start()));
    button.classList.add("main");
    const stop = () => {
      running = false;
      button.textContent = play;
    };
    const start = () => {
      if (still()) {
        while (advance());
        this.later();
        return;
      }
      running = true;
      button.textContent = pause;
      const frame = () => {
        if (!running) return;
        const begin = performance.now();
        const more = advance();
        this.draw();
        this.frames.push(performance.now() - begin);
        if (more) requestAnimationFrame(frame);
        else stop();
      };
      requestAnimationFrame(frame);
    };
    this.button(one, () => {
      stop();
      advance();
      this.later();
    });
    this.button(again, () => {
      stop();
      reset();
      this.later();
    });
    return { stop };
  }
}

// ---- panels ---------------------------------------------------------------------------------------------------------

/** A drawing with two axes or none, 400 units wide, scaled to the width of its column. */
export class Panel {
  constructor(figure, { title, width = 400, height = 300, x, y, edges = {}, canvas = false, grid = true, alt }) {
    this.figure = figure;
    this.grid = grid;
    this.width = width;
    this.height = height;
    const { left = 50, right = 14, top = 12, bottom = 46 } = edges;
    this.plot = { left, top, right: width - right, bottom: height - bottom };
    this.box = element("div", { class: "panel" });
    if (title) this.box.append(element("p", { class: "panel-title" }, title));
    const stage = element("div", { class: "stage" });
    this.box.append(stage);
    if (canvas) {
      const size = canvas === true ? [this.plot.right - left, this.plot.bottom - top] : canvas;
      this.canvas = element("canvas", { "aria-hidden": "true", width: size[0], height: size[1] });
      const share = (value, of) => `${(100 * value) / of}%`;
      Object.assign(this.canvas.style, {
        left: share(left, width),
        top: share(top, height),
        width: share(this.plot.right - left, width),
        height: share(this.plot.bottom - top, height),
      });
      stage.append(this.canvas);
    }
    this.svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": alt ?? title ?? "" });
    stage.append(this.svg);
    this.back = drawn("g", { "aria-hidden": "true" });
    this.marks = drawn("g", { "aria-hidden": "true" });
    this.handles = drawn("g");
    this.svg.append(this.back, this.marks, this.handles);
    this.drawn = "";
    if (x && y) this.axes(x, y);
  }

  /** Sets both axes: `{ min, max, log, ticks, label, percent, degrees }`. Redraws them only if something changed. */
  axes(x, y) {
    const key = JSON.stringify([x, y]);
    if (key === this.drawn) return;
    this.drawn = key;
    [this.xAxis, this.yAxis] = [x, y];
    const { left, right, top, bottom } = this.plot;
    let marks = "";
    for (const tick of y.ticks ?? ticks(y)) {
      const at = this.y(tick);
      if (this.grid) marks += `<path class="grid" d="M${left} ${r(at)}H${right}"/>`;
      marks += `<text class="tick" x="${left - 7}" y="${r(at + 4.5)}" text-anchor="end">${escaped(label(y, tick))}</text>`;
    }
    for (const tick of x.ticks ?? ticks(x)) {
      const at = this.x(tick);
      marks += `<path class="axis" d="M${r(at)} ${bottom}v5"/><text class="tick" x="${r(at)}" y="${bottom + 19}" text-anchor="middle">${escaped(label(x, tick))}</text>`;
    }
    if (x.ticks?.length !== 0) marks += `<path class="axis" d="M${left} ${bottom}H${right}"/>`;
    if (x.label) {
      marks += `<text class="axis-name" x="${(left + right) / 2}" y="${this.height - 6}" text-anchor="middle">${escaped(x.label)}</text>`;
    }
    if (y.label) {
      const at = (top + bottom) / 2;
      marks += `<text class="axis-name" transform="translate(16 ${at}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`;
    }
    this.back.innerHTML = marks;
  }

  x(value) {
    return this.plot.left + (this.plot.right - this.plot.left) * place(this.xAxis, value);
  }

  y(value) {
    return this.plot.bottom - (this.plot.bottom - this.plot.top) * place(this.yAxis, value);
  }

  /** The axis values at a point of the drawing. */
  at(px, py) {
    const share = [
      (px - this.plot.left) / (this.plot.right - this.plot.left),
      (this.plot.bottom - py) / (this.plot.bottom - this.plot.top),
    ];
    return [this.xAxis, this.yAxis].map((axis, n) =>
      axis.log
        ? axis.min * (axis.max / axis.min) ** share[n]
        : axis.min + share[n] * (axis.max - axis.min),
    );
  }

  /** A path through [x, y] points. A point that is not finite leaves a gap; y is clamped to just outside the frame. */
  line(points) {
    let path = "";
    let pen = "M";
    for (const [x, y] of points) {
      if (!Number.isFinite(x) || !Number.isFinite(y)) {
        pen = "M";
        continue;
      }
      path += `${pen}${r(this.x(x))} ${r(clamp(this.y(y), this.plot.top - 40, this.plot.bottom + 40))}`;
      pen = "L";
    }
    return path;
  }

  /** Replaces the marks of the drawing. */
  show(marks) {
    this.marks.innerHTML = marks;
  }

  /** Clips marks at the frame. */
  cut(marks) {
    const { left, right, top, bottom } = this.plot;
    return `<svg x="${left}" y="${top - 3}" width="${right - left}" height="${bottom - top + 6}" viewBox="${left} ${top - 3} ${right - left} ${bottom - top + 6}">${marks}</svg>`;
  }

  /**
   * Adds a point that can be dragged or moved with the arrow keys. `get` returns its position in the drawing, `set` takes a new
   * one, `nudge` takes a direction. For screen readers, `describe` returns the position as text and `now` returns
   * [value, min, max].
   */
  handle({ label, get, set, nudge, describe, now, look = "" }) {
    const group = drawn("g", {
      class: `handle ${look}`,
      tabindex: 0,
      role: "slider",
      "aria-label": label,
      "aria-roledescription": this.figure.common.point,
    });
    group.append(drawn("circle", { class: "reach", r: 22 }), drawn("circle", { class: "ring", r: 12 }), drawn("circle", { class: "dot", r: 7 }));
    this.handles.append(group);
    const place = () => {
      const [x, y] = get();
      group.setAttribute("transform", `translate(${r(x)} ${r(y)})`);
      const [value, min, max] = now();
      group.setAttribute("aria-valuenow", r(value));
      group.setAttribute("aria-valuemin", r(min));
      group.setAttribute("aria-valuemax", r(max));
      group.setAttribute("aria-valuetext", describe());
    };
    const to = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      set(point.x, point.y);
      this.figure.later();
    };
    group.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      group.focus({ preventScroll: true });
      group.setPointerCapture(event.pointerId);
      const move = (next) => to(next);
      const up = () => {
        group.removeEventListener("pointermove", move);
        group.removeEventListener("pointerup", up);
        group.removeEventListener("pointercancel", up);
      };
      group.addEventListener("pointermove", move);
      group.addEventListener("pointerup", up);
      group.addEventListener("pointercancel", up);
    });
    group.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      nudge(way[0] * (event.shiftKey ? 5 : 1), way[1] * (event.shiftKey ? 5 : 1));
      this.figure.later();
    });
    return { place, group };
  }
}

/** Rounds a coordinate to two decimals. */
export const r = (value) => Math.round(value * 100) / 100;

const place = (axis, value) =>
  axis.log
    ? Math.log(value / axis.min) / Math.log(axis.max / axis.min)
    : (value - axis.min) / (axis.max - axis.min);

const label = (axis, tick) => (axis.percent ? `${Math.round(tick * 100)} %` : axis.degrees ? `${tick}°` : short(tick));

function short(value) {
  const power = Math.log10(Math.abs(value));
  if (value !== 0 && Number.isInteger(r(power)) && (power >= 5 || power <= -3)) {
    return `10${String(Math.round(power)).replace(/./g, (sign) => RAISED[sign])}`;
  }
  return String(Number(value.toPrecision(6))).replace(/^-/, "−");
}

/** Round values along an axis. */
export function ticks({ min, max, log }) {
  const found = [];
  if (log) {
    const decades = Math.log10(max / min);
    const every = Math.max(1, Math.ceil(decades / 6));
    const first = Math.ceil(Math.log10(min) - 1e-9);
    for (let power = first; power <= Math.log10(max) + 1e-9; power += every) {
      found.push(Number(`1e${power}`));
    }
    return found;
  }
  const rough = (max - min) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((candidate) => candidate >= rough * 0.999);
  for (let n = Math.ceil(min / step - 1e-9); n * step <= max + step * 1e-9; n += 1) {
    found.push(Number((n * step).toFixed(10)));
  }
  return found;
}

/** An arrow from one point of the drawing to another. */
export function arrow([x, y], [tox, toy], look, head = 8) {
  const length = Math.hypot(tox - x, toy - y);
  if (length < 0.5) return "";
  const [ux, uy] = [(tox - x) / length, (toy - y) / length];
  const size = Math.min(head, length * 0.6);
  const [bx, by] = [tox - ux * size, toy - uy * size];
  const wide = size * 0.42;
  return `<path class="arrow ${look}" d="M${r(x)} ${r(y)}L${r(bx)} ${r(by)}"/><path class="tip ${look}" d="M${r(tox)} ${r(toy)}L${r(bx - uy * wide)} ${r(by + ux * wide)}L${r(bx + uy * wide)} ${r(by - ux * wide)}z"/>`;
}

/** Puts the legend of a chart below its title. */
export function legend(panel, entries) {
  const list = element("ul", { class: "legend" });
  for (const [look, text] of entries) {
    const key = drawn("svg", { viewBox: "0 0 26 10", width: 26, height: 10, "aria-hidden": "true" });
    const mark = look.startsWith("s") ? drawn("path", { class: look, d: "M1 5H25" }) : drawn("circle", { class: look, cx: 13, cy: 5, r: 4.5 });
    key.append(mark);
    list.append(element("li", {}, key, element("span", {}, text)));
  }
  panel.box.querySelector(".legend")?.remove();
  panel.box.querySelector(".stage").before(list);
}
