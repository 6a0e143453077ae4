// Shows values where the pointer is, and saves figures. Without this script the page is complete: browsers show the titles.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "status");
  document.body.append(tip);

  // The texts of elements that were shown: without their titles, so that the browser does not show them, too.
  const texts = new WeakMap();
  const take = (element) => {
    if (!texts.has(element)) {
      const title = element.querySelector(":scope > title");
      texts.set(element, title ? title.textContent : element.getAttribute("title"));
      if (title) title.remove();
      else element.removeAttribute("title");
    }
    return texts.get(element);
  };

  let shown = null;
  const light = (element, on) => {
    element.classList.toggle("on", on);
    const group = element.closest(".wm-class");
    if (group) {
      group.classList.toggle("wm-lit", on);
      group.closest("figure").classList.toggle("wm-dim", on);
    }
  };
  const hide = () => {
    if (shown) light(shown, false);
    shown = null;
    tip.hidden = true;
  };
  const place = (x, y) => {
    const { width, height } = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth - width - 4;
    tip.style.left = `${Math.max(4, Math.min(x + 14, room))}px`;
    tip.style.top = `${y - height - 14 > 4 ? y - height - 14 : y + 18}px`;
  };
  const show = (element, x, y) => {
    if (element !== shown) {
      hide();
      shown = element;
      light(element, true);
      tip.textContent = take(element);
      const image = document.getElementById(`s${element.dataset.sample}`);
      if (image) {
        const picture = document.createElementNS(SVG, "svg");
        const use = document.createElementNS(SVG, "use");
        use.setAttribute("href", `#${image.id}`);
        picture.append(use);
        tip.prepend(picture);
      }
      tip.hidden = false;
    }
    place(x, y);
  };

  // A tap is a pointer that comes and goes at once, so that only the next one hides what it showed.
  const point = (event) => {
    const element = event.target instanceof Element && event.target.closest(".wm-tip");
    if (element) show(element, event.clientX, event.clientY);
    else hide();
  };
  document.addEventListener("pointerover", point);
  document.addEventListener("pointermove", point);
  document.addEventListener("scroll", hide, { passive: true });
  document.documentElement.addEventListener("mouseleave", hide);

  const step = (svg, key) => {
    const all = [...svg.querySelectorAll(".wm-tip")];
    const at = all.indexOf(shown);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at < 0 ? all.length - 1 : at - 1, Home: 0, End: all.length - 1 };
    to.ArrowUp = to.ArrowLeft;
    const next = all[to[key]];
    if (!next) return false;
    const box = next.getBoundingClientRect();
    show(next, box.left + box.width / 2, box.top + box.height / 2);
    return true;
  };

  const save = (svg, name) => {
    hide();
    const copy = svg.cloneNode(true);
    copy.removeAttribute("tabindex");
    const copies = copy.querySelectorAll(".wm-tip");
    svg.querySelectorAll(".wm-tip").forEach((element, nth) => {
      if (!texts.has(element)) return;
      const title = document.createElementNS(SVG, "title");
      title.textContent = texts.get(element);
      copies[nth].prepend(title);
    });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
    link.download = `${name.replace(/[^\p{L}\p{N}]+/gu, "-").toLowerCase()}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  for (const figure of document.querySelectorAll("figure.chart")) {
    const svg = figure.querySelector("svg");
    const name = svg.querySelector("title").textContent;
    if (svg.querySelector(".wm-tip")) {
      svg.setAttribute("tabindex", "0");
      svg.addEventListener("keydown", (event) => {
        if (event.key === "Escape") hide();
        else if (step(svg, event.key)) event.preventDefault();
      });
      svg.addEventListener("blur", hide);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = "Save as SVG";
    button.setAttribute("aria-label", `Save as SVG: ${name}`);
    button.addEventListener("click", () => save(svg, name));
    figure.append(button);
  }
})();
