// <run-curve src="….json" series="train/loss val/loss" names="train,validation">: a live curve in SVG.
// Without script its content, a table of the same numbers, is what people see.

const NS = "http://www.w3.org/2000/svg";
const PAD = { left: 44, right: 12, top: 10, bottom: 22 };
const still = matchMedia("(prefers-reduced-motion: reduce)");

function make(name, attributes = {}, text = null) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  return node;
}

function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step - 1e-9) * step;
  return Array.from({ length: Math.floor((high - first) / step + 1e-9) + 1 }, (_, index) => first + index * step);
}

// All digits before the point, as people write numbers; small ones in as many digits as asked for.
function figure(value, small) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString() : small;
}

class RunCurve extends HTMLElement {
  connectedCallback() {
    if (this.frame) return;
    this.names = (this.getAttribute("names") ?? "").split(",");
    this.wanted = (this.getAttribute("series") ?? "").split(/\s+/);
    this.isPercent = this.getAttribute("format") === "percent";
    this.data = [];
    this.reached = 0;
    this.build();
    new ResizeObserver(() => this.draw()).observe(this.frame);
    this.refresh();
  }

  build() {
    this.key = document.createElement("div");
    this.key.className = "key";
    this.frame = document.createElement("div");
    this.frame.className = "frame";
    this.svg = make("svg", { role: "img", tabindex: "0" });
    this.wait = document.createElement("div");
    this.wait.className = "wait";
    this.wait.textContent = this.getAttribute("waiting") ?? "";
    this.frame.append(this.svg, this.wait);
    this.prepend(this.key, this.frame);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.pick(null));
    this.svg.addEventListener("blur", () => this.pick(null));
    this.svg.addEventListener("keydown", (event) => this.walk(event));
  }

  async refresh() {
    // Asked again while an answer is on its way: that answer may be too old, and the last one must not be lost.
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    this.again = false;
    try {
      const answer = await fetch(this.getAttribute("src"), { headers: { Accept: "application/json" } });
      if (answer.ok) this.take(await answer.json());
    } catch {
      // The hub is away for a moment; the next tick asks again.
    } finally {
      this.busy = false;
      if (this.again) this.refresh();
    }
  }

  take(plain) {
    this.data = this.wanted.map((name) => plain.series[name] ?? []);
    this.total = plain.total_steps;
    if (plain.version === this.version) return;
    this.version = plain.version;
    const last = this.last = Math.max(0, ...this.data.map((points) => points.at(-1)?.[0] ?? 0));
    this.reached = Math.min(this.reached, last);
    this.glide(last);
  }

  // The line grows to its new end instead of jumping there.
  glide(last) {
    cancelAnimationFrame(this.frameId);
    const from = this.reached;
    if (still.matches || document.hidden) { this.reached = last; this.draw(); this.dataset.step = last; return; }
    const start = performance.now();
    const move = (now) => {
      const part = Math.min(1, (now - start) / 900);
      this.reached = from + (last - from) * (1 - (1 - part) ** 3);
      this.draw();
      if (part < 1) this.frameId = requestAnimationFrame(move);
      else this.dataset.step = last;
    };
    this.frameId = requestAnimationFrame(move);
  }

  format(value) {
    return this.isPercent ? `${(value * 100).toFixed(1)} %` : figure(value, value.toPrecision(3));
  }

  scales() {
    const values = this.data.flat().map(([, value]) => value);
    let low = Math.min(...values), high = Math.max(...values);
    if (this.isPercent) { high = Math.min(1, high + 0.02); low = Math.max(0, low - 0.02); }
    // From zero where the line fills the frame so; what varies little is shown by itself.
    else if (low > 0.6 * high) { const room = 0.25 * (high - low); low -= room; high += room; }
    else low = Math.min(low, 0);
    if (high - low < 1e-6) high = low + 1e-3;
    const width = this.frame.clientWidth, height = this.svg.clientHeight;
    const end = Math.max(this.total || 0, this.last, 1);
    return {
      low, high, width, height, end,
      x: (step) => PAD.left + (step / end) * (width - PAD.left - PAD.right),
      y: (value) => height - PAD.bottom - ((value - low) / (high - low)) * (height - PAD.top - PAD.bottom),
    };
  }

  draw() {
    const shown = this.data.some((points) => points.length);
    this.wait.hidden = shown;
    this.svg.replaceChildren();
    this.legend();
    if (!shown || !this.frame.clientWidth) return;
    const scale = this.scale = this.scales();
    this.svg.setAttribute("viewBox", `0 0 ${scale.width} ${scale.height}`);
    this.svg.setAttribute("aria-label", this.describe());
    this.drawAxes(scale);
    this.data.forEach((points, index) => this.drawSeries(points, index, scale));
    if (this.picked != null) {
      const x = scale.x(this.picked);
      this.svg.append(make("line", { class: "cross", x1: x, x2: x, y1: PAD.top, y2: scale.height - PAD.bottom }));
    }
  }

  drawAxes(scale) {
    for (const value of ticks(scale.low, scale.high, 5)) {
      const y = Math.round(scale.y(value)) + 0.5;
      this.svg.append(make("line", { class: "grid", x1: PAD.left, x2: scale.width - PAD.right, y1: y, y2: y }));
      const text = this.isPercent ? `${Math.round(value * 100)} %` : figure(value, String(+value.toPrecision(4)));
      this.svg.append(make("text", { class: "axis", x: PAD.left - 8, y: y + 3.5, "text-anchor": "end" }, text));
    }
    for (const step of ticks(0, scale.end, Math.min(6, scale.width / 80))) {
      const anchor = step === 0 ? "start" : scale.x(step) > scale.width - 30 ? "end" : "middle";
      const text = Number.isInteger(step) ? step.toLocaleString() : "";
      this.svg.append(make("text", { class: "axis", x: scale.x(step), y: scale.height - 5, "text-anchor": anchor }, text));
    }
  }

  drawSeries(points, index, scale) {
    const reached = points.filter(([step]) => step <= this.reached + 1e-9);
    const next = points[reached.length];
    if (next && reached.length) {
      const [step, value] = reached.at(-1);
      const part = (this.reached - step) / (next[0] - step);
      reached.push([this.reached, value + (next[1] - value) * part]);
    }
    if (!reached.length) return;
    const path = reached.map(([step, value], at) => `${at ? "L" : "M"}${scale.x(step).toFixed(1)} ${scale.y(value).toFixed(1)}`);
    this.svg.append(make("path", { class: `series s${index}`, d: path.join("") }));
    const [step, value] = reached.at(-1);
    this.svg.append(make("circle", { class: `end s${index}`, cx: scale.x(step), cy: scale.y(value), r: 4 }));
  }

  at(points, step) {
    return step == null ? points.at(-1) : points.findLast(([here]) => here <= step);
  }

  legend() {
    // A series that has nothing while a later one has points was never measured.
    const kept = this.data.map((points, index) => points.length > 0 || !this.data.slice(index + 1).some((more) => more.length));
    const rows = this.data.flatMap((points, index) => {
      if (!kept[index]) return [];
      const found = this.at(points, this.picked);
      const row = document.createElement("span");
      row.className = `s${index}`;
      const value = document.createElement("b");
      value.textContent = found ? this.format(found[1]) : "–";
      row.append(document.createElement("i"), `${this.names[index]} `, value);
      return row;
    });
    if (this.picked != null) rows.push(Object.assign(document.createElement("span"), { textContent: `${this.getAttribute("step-word") ?? "step"} ${this.picked}` }));
    this.key.replaceChildren(...rows);
  }

  describe() {
    const parts = this.data.map((points, index) => points.length ? `${this.names[index]} ${this.format(points.at(-1)[1])}` : "");
    return `${this.getAttribute("label")}: ${parts.filter(Boolean).join(", ")}`;
  }

  steps() {
    return [...new Set(this.data.flat().map(([step]) => step))].sort((one, other) => one - other);
  }

  pick(step) {
    if (this.picked === step) return;
    this.picked = step;
    this.draw();
  }

  point(event) {
    if (!this.scale) return;
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const near = (best, step) => (Math.abs(this.scale.x(step) - x) < Math.abs(this.scale.x(best) - x) ? step : best);
    const steps = this.steps();
    if (steps.length) this.pick(steps.reduce(near));
  }

  walk(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const steps = this.steps();
    if (!move || !steps.length) return;
    event.preventDefault();
    const here = this.picked == null ? steps.length : steps.indexOf(this.picked);
    this.pick(steps[Math.min(steps.length - 1, Math.max(0, here + move))]);
  }
}

customElements.define("run-curve", RunCurve);
