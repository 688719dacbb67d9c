// <run-curve src="….json" series="train/loss val/loss" names="train,validation">: a live curve in SVG.
// Of several addresses in src each gives one line, of the one name in series: runs laid over each other.
// Without script its content, a table of the same numbers, is what people see.

const NS = "http://www.w3.org/2000/svg";
const PAD = { left: 34, right: 12, top: 10, bottom: 22 };
const CHAR = 6.4; // the width of a digit of the axes, in pixels
const GLIDE = 400;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const lang = document.documentElement.lang || "en";
const short = new Intl.NumberFormat(lang, { notation: "compact", maximumSignificantDigits: 3 });
const SIZES = ["B", "kB", "MB", "GB", "TB"];

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
  if (value && Math.abs(value) < 1e-3) return value.toExponential(1);
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString(lang) : small;
}

function size(value) {
  let place = 0;
  while (Math.abs(value) >= 999.5 && place < SIZES.length - 1) { value /= 1000; place += 1; }
  return `${+value.toPrecision(3)} ${SIZES[place]}`;
}

// One answer serves every curve of a run; asked for by all of them at once, it is fetched once.
class Feed {
  static all = new Map();

  static of(src) {
    if (!Feed.all.has(src)) Feed.all.set(src, new Feed(src));
    return Feed.all.get(src);
  }

  constructor(src) {
    this.src = src;
    this.plain = null;
    this.curves = new Set();
  }

  refresh() {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => { this.due = false; this.load(); });
  }

  async load() {
    // Asked again while an answer is on its way: that answer may be too old, and the last one must not be lost.
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    this.again = false;
    try {
      const answer = await fetch(this.src, { headers: { Accept: "application/json" } });
      if (answer.ok) this.take(await answer.json());
    } catch {
      // The hub is away for a moment; the next tick asks again.
    } finally {
      this.busy = false;
      if (this.again) this.load();
    }
  }

  take(plain) {
    if (plain.version === this.plain?.version) return;
    this.plain = plain;
    for (const curve of this.curves) curve.take();
    this.tellNewNames(Object.keys(plain.series));
  }

  // A name that no panel shows yet: the page asks for its panels anew, once for each such name.
  tellNewNames(told) {
    this.known ??= new Set();
    const shown = new Set([...document.querySelectorAll("run-curve")].flatMap((curve) => curve.wanted ?? []));
    const fresh = told.filter((name) => name.includes("/") && !shown.has(name) && !this.known.has(name));
    for (const name of fresh) this.known.add(name);
    if (fresh.length) document.getElementById("curves")?.dispatchEvent(new CustomEvent("names"));
  }
}

class RunCurve extends HTMLElement {
  connectedCallback() {
    if (this.frame) return;
    this.names = (this.getAttribute("names") ?? "").split(",");
    this.wanted = (this.getAttribute("series") ?? "").split(/\s+/);
    this.kind = this.getAttribute("format") ?? "";
    this.feeds = (this.getAttribute("src") ?? "").split(/\s+/).map((src) => Feed.of(src));
    this.data = [];
    this.reached = 0;
    this.left = PAD.left;
    this.build();
    new ResizeObserver(() => this.draw()).observe(this.frame);
    for (const feed of this.feeds) feed.curves.add(this);
    if (this.feeds.some((feed) => feed.plain)) this.take();
    this.refresh();
    const every = Number(this.getAttribute("every"));
    if (every) this.timer = setInterval(() => document.hidden || this.refresh(), every * 1000);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    for (const feed of this.feeds) feed.curves.delete(this);
  }

  build() {
    this.key = document.createElement("div");
    this.key.className = "key";
    this.frame = document.createElement("div");
    this.frame.className = "frame";
    this.svg = make("svg", { role: "img", tabindex: "0", "aria-label": this.getAttribute("waiting") || this.getAttribute("label") || "…" });
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

  refresh() {
    for (const feed of this.feeds) feed.refresh();
  }

  take() {
    const series = this.feeds.map((feed) => feed.plain?.series ?? {});
    const several = this.feeds.length > 1;
    this.data = several ? series.map((one) => one[this.wanted[0]] ?? []) : this.wanted.map((name) => series[0][name] ?? []);
    this.total = Math.max(0, ...this.feeds.map((feed) => feed.plain?.total_steps ?? 0));
    const last = this.last = Math.max(0, ...this.data.map((points) => points.at(-1)?.[0] ?? 0));
    this.reached = Math.min(this.reached, last);
    this.glide(last);
  }

  // The line grows to its new end instead of jumping there.
  glide(last) {
    cancelAnimationFrame(this.frameId);
    const from = this.reached;
    // Nobody sees it: folded away, in another tab, or by somebody whom motion makes ill.
    if (still.matches || document.hidden || !this.frame.clientWidth) { this.reached = last; this.draw(); this.dataset.step = last; return; }
    const start = performance.now();
    const move = (now) => {
      const part = Math.min(1, (now - start) / GLIDE);
      this.reached = from + (last - from) * (1 - (1 - part) ** 3);
      this.draw();
      if (part < 1) this.frameId = requestAnimationFrame(move);
      else this.dataset.step = last;
    };
    this.frameId = requestAnimationFrame(move);
  }

  format(value) {
    if (this.kind === "percent") return `${(value * 100).toFixed(1)} %`;
    if (this.kind === "bytes") return size(value);
    return figure(value, value ? value.toPrecision(3) : "0");
  }

  // On an axis there is little room: 100,000 is 100K there, unless its neighbours would be called so too.
  marks(values) {
    const brief = values.map((value) => this.mark(value));
    return new Set(brief).size === brief.length ? brief : values.map((value) => this.whole(value));
  }

  whole(value) {
    if (this.kind === "percent") return `${+(value * 100).toFixed(2)} %`;
    if (this.kind === "bytes") return `${(value / 1e6).toLocaleString(lang)} MB`;
    return (+value.toPrecision(9)).toLocaleString(lang, { maximumSignificantDigits: 9 });
  }

  mark(value) {
    if (this.kind === "percent") return `${Math.round(value * 100)} %`;
    if (this.kind === "bytes") return size(value);
    return Math.abs(value) >= 10000 ? short.format(value) : figure(value, String(+value.toPrecision(4)));
  }

  scales() {
    const values = this.data.flat().map(([, value]) => value);
    let low = Math.min(...values), high = Math.max(...values);
    if (this.kind === "percent") { high = Math.min(1, high + 0.02); low = Math.max(0, low - 0.02); }
    // From zero where the line fills the frame so; what varies little is shown by itself.
    else if (low > 0.6 * high) { const room = 0.25 * (high - low); low -= room; high += room; }
    else low = Math.min(low, 0);
    if (high - low < 1e-12 + 1e-6 * Math.abs(high)) { const room = Math.abs(high) * 0.1 || 1e-3; low -= room; high += room; }
    const width = this.frame.clientWidth, height = this.svg.clientHeight;
    const end = Math.max(this.total || 0, this.last, 1);
    const heights = ticks(low, high, 5);
    const marks = this.marks(heights);
    const left = Math.max(PAD.left, 12 + CHAR * Math.max(0, ...marks.map((text) => text.length)));
    return {
      low, high, width, height, end, heights, marks, left,
      x: (step) => left + (step / end) * (width - left - PAD.right),
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
    scale.heights.forEach((value, index) => {
      const y = Math.round(scale.y(value)) + 0.5;
      this.svg.append(make("line", { class: "grid", x1: scale.left, x2: scale.width - PAD.right, y1: y, y2: y }));
      this.svg.append(make("text", { class: "axis", x: scale.left - 8, y: y + 3.5, "text-anchor": "end" }, scale.marks[index]));
    });
    for (const step of ticks(0, scale.end, Math.min(6, scale.width / 80))) {
      const anchor = step === 0 ? "start" : scale.x(step) > scale.width - 30 ? "end" : "middle";
      const text = Number.isInteger(step) ? (step >= 10000 ? short.format(step) : step.toLocaleString(lang)) : "";
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
    const several = this.feeds.length > 1;
    // A series that has nothing while a later one has points was never measured.
    const kept = this.data.map((points, index) => several || points.length > 0 || !this.data.slice(index + 1).some((more) => more.length));
    const rows = this.data.flatMap((points, index) => {
      if (!kept[index]) return [];
      const found = this.at(points, this.picked);
      const row = document.createElement("span");
      row.className = `s${index}`;
      const value = document.createElement("b");
      value.textContent = found ? this.format(found[1]) : "–";
      const line = make("svg", { viewBox: "0 0 24 6", "aria-hidden": "true" });
      line.append(make("line", { class: `series s${index}`, x1: 0, y1: 3, x2: 24, y2: 3 }));
      row.append(line, `${this.names[index] ?? ""} `, value);
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
