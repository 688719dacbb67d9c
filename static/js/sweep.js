// <sweep-chart src="….json">: what a sweep found, as a scatter of one axis or as lines through all of them.
// Without script its content stands there; the tables of the page hold the same numbers.

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 320;

function make(name, attributes = {}, text = null) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  return node;
}

function element(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

function words(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? String(+value.toPrecision(4)) : String(value);
}

// "optim.lr" is told as "lr", "optim.name" as "optim name".
function brief(name) {
  const parts = name.split(".");
  return parts.slice(["name", "kind"].includes(parts.at(-1)) ? -2 : -1).join(" ");
}

// Round steps on a plain scale.
function steps(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step - 1e-9) * step;
  return Array.from({ length: Math.floor((high - first) / step + 1e-9) + 1 }, (_, index) => first + index * step);
}

// Where a value lies from 0 to 1: numbers by size, or by powers where they span more than a factor of ten;
// words at even distances, in the order of the sweep.
function axisOf(values) {
  const known = [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
  const numbers = known.filter((value) => typeof value === "number");
  if (numbers.length < known.length || numbers.length < 2) {
    const keys = known.map((value) => JSON.stringify(value));
    const at = (value) => (keys.indexOf(JSON.stringify(value)) + 0.5) / keys.length;
    return { at, ticks: known.map((value) => [at(value), words(value)]), isNumber: false, isLog: false };
  }
  const low = Math.min(...numbers), high = Math.max(...numbers);
  const isLog = low > 0 && high / low > 10;
  const scale = isLog ? Math.log10 : (value) => value;
  const room = 0.04;
  const at = (value) => room + (1 - 2 * room) * ((scale(value) - scale(low)) / (scale(high) - scale(low)));
  let told = known.length <= 8 ? numbers : steps(low, high, 5);
  if (isLog && known.length > 8) {
    const powers = Math.floor(Math.log10(high)) - Math.ceil(Math.log10(low)) + 1;
    told = Array.from({ length: Math.max(0, powers) }, (_, index) => 10 ** (Math.ceil(Math.log10(low)) + index));
    if (told.length < 2) told = [low, high];
  }
  return { at, ticks: told.map((value) => [at(value), words(value)]), isNumber: true, isLog };
}

class SweepChart extends HTMLElement {
  connectedCallback() {
    if (this.frame) return;
    this.rows = [];
    this.axes = [];
    this.view = "scatter";
    this.build();
    new ResizeObserver(() => this.draw()).observe(this.frame);
    document.addEventListener("htmx:afterSettle", () => this.refresh());
    this.refresh();
  }

  // Shares are told in per cent, as everywhere on the page.
  score(value) {
    const name = String(this.metric).replace(/^val\//, "");
    const isShare = (this.getAttribute("shares") ?? "").split(" ").includes(name);
    return isShare && value >= -1 && value <= 1.5 ? `${+(value * 100).toPrecision(4)} %` : words(value);
  }

  say(name) { return this.getAttribute(`${name}-word`) ?? name; }

  build() {
    const tools = element("div", "chart-tools");
    this.views = ["scatter", "parallel"].map((view) => {
      const button = element("button", "button slim", this.say(view));
      button.type = "button";
      button.addEventListener("click", () => { this.view = view; this.draw(); });
      button.dataset.view = view;
      return button;
    });
    this.chooser = element("select", "");
    this.chooser.setAttribute("aria-label", this.say("axis"));
    this.chooser.addEventListener("change", () => this.draw());
    tools.append(...this.views, this.chooser);
    this.frame = element("div", "frame");
    this.svg = make("svg", { role: "img", tabindex: "0" });
    this.told = element("p", "told small", "");
    this.told.setAttribute("aria-live", "polite");
    this.frame.append(this.svg);
    this.prepend(tools, this.frame, this.told);
    this.svg.addEventListener("pointermove", (event) => this.near(event));
    this.svg.addEventListener("pointerleave", () => this.pick(null));
    this.svg.addEventListener("blur", () => this.pick(null));
    this.svg.addEventListener("click", () => { if (this.picked) location.assign(this.picked.url); });
    this.svg.addEventListener("keydown", (event) => this.walk(event));
  }

  async refresh() {
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    this.again = false;
    try {
      const answer = await fetch(this.getAttribute("src"), { headers: { Accept: "application/json" } });
      if (answer.ok) this.take(await answer.json());
    } catch {
      // The hub is away for a moment; the next look asks again.
    } finally {
      this.busy = false;
      if (this.again) this.refresh();
    }
  }

  take(plain) {
    this.axes = plain.axes;
    this.metric = plain.metric ?? this.say("score");
    this.rows = plain.rows.filter((row) => typeof row.score === "number");
    const names = plain.axes.filter((name) => new Set(plain.rows.map((row) => JSON.stringify(row.values[name]))).size > 1);
    const shown = names.length ? names : plain.axes;
    if (shown.join() !== [...this.chooser.options].map((option) => option.value).join()) {
      const before = this.chooser.value;
      this.chooser.replaceChildren(...shown.map((name) => new Option(name, name)));
      const first = shown.find((name) => name !== "seed") ?? shown[0];
      this.chooser.value = shown.includes(before) ? before : first;
    }
    this.shown = shown;
    this.draw();
    this.dataset.rows = this.rows.length;
  }

  draw() {
    const width = this.frame.clientWidth;
    this.svg.replaceChildren();
    for (const button of this.views) button.classList.toggle("is-on", button.dataset.view === this.view);
    for (const button of this.views) button.setAttribute("aria-pressed", String(button.dataset.view === this.view));
    this.chooser.hidden = this.view !== "scatter";
    this.places = [];
    if (!width) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    if (!this.rows.length) { this.told.textContent = this.getAttribute("waiting") ?? ""; return; }
    this.svg.setAttribute("aria-label", this.describe());
    // What is drawn last lies on top: the best.
    const rows = [...this.rows].sort((one, other) => one.best - other.best);
    if (this.view === "scatter") this.scatter(rows, width);
    else this.parallel(rows, width);
    this.tell();
  }

  scores() {
    const values = this.rows.map((row) => row.score);
    let low = Math.min(...values), high = Math.max(...values);
    const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 0.5;
    low -= room; high += room;
    return { low, high, at: (value) => (value - low) / (high - low) };
  }

  scatter(rows, width) {
    const name = this.chooser.value;
    const pad = { left: 60, right: 16, top: 12, bottom: 40 };
    const axis = axisOf(this.rows.map((row) => row.values[name]));
    const score = this.scores();
    const x = (value) => pad.left + axis.at(value) * (width - pad.left - pad.right);
    const y = (value) => HEIGHT - pad.bottom - score.at(value) * (HEIGHT - pad.top - pad.bottom);
    for (const value of steps(score.low, score.high, 5)) {
      this.svg.append(make("line", { class: "grid", x1: pad.left, x2: width - pad.right, y1: y(value), y2: y(value) }));
      this.svg.append(make("text", { class: "axis", x: pad.left - 8, y: y(value) + 4, "text-anchor": "end" }, this.score(value)));
    }
    let free = -Infinity;
    for (const [place, text] of axis.ticks.toSorted(([one], [other]) => one - other)) {
      const at = pad.left + place * (width - pad.left - pad.right);
      const half = text.length * 3.6;
      if (at - half < free) continue;
      free = at + half + 6;
      this.svg.append(make("text", { class: "axis", x: at, y: HEIGHT - 22, "text-anchor": "middle" }, text));
    }
    const title = `${name}${axis.isLog ? " (log)" : ""}`;
    this.svg.append(make("text", { class: "axis title", x: (pad.left + width - pad.right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, title));
    this.means(rows, name, x, y);
    for (const row of rows) {
      const place = [x(row.values[name]), y(row.score)];
      const dot = make("circle", { class: this.classOf("dot", row), cx: place[0], cy: place[1], r: row.best ? 6.5 : 5 });
      this.svg.append(dot);
      this.places.push({ row, node: dot, points: [place] });
    }
  }

  // The mean at each value, where values repeat: what the axis does on the whole.
  means(rows, name, x, y) {
    const groups = new Map();
    for (const row of rows) {
      const key = JSON.stringify(row.values[name]);
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    if (groups.size < 2 || groups.size === rows.length || groups.size > 60) return;
    const points = [...groups.values()].map((group) => [
      x(group[0].values[name]), y(group.reduce((sum, row) => sum + row.score, 0) / group.length),
    ]).sort(([one], [other]) => one - other);
    this.svg.append(make("path", { class: "mean", d: points.map(([px, py], at) => `${at ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("") }));
  }

  parallel(rows, width) {
    const pad = { left: 40, right: 56, top: 34, bottom: 14 };
    const names = [...this.shown, null];
    const score = this.scores();
    const axes = names.map((name) => name === null
      ? { at: score.at, ticks: steps(score.low, score.high, 5).map((value) => [score.at(value), this.score(value)]) }
      : axisOf(this.rows.map((row) => row.values[name])));
    const x = (index) => pad.left + (index / (names.length - 1)) * (width - pad.left - pad.right);
    const y = (place) => HEIGHT - pad.bottom - place * (HEIGHT - pad.top - pad.bottom);
    for (const row of rows) {
      const points = names.map((name, index) => [x(index), y(axes[index].at(name === null ? row.score : row.values[name]))]);
      const path = points.map(([px, py], at) => `${at ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
      const line = make("path", { class: this.classOf("thread", row), d: path });
      this.svg.append(line);
      this.places.push({ row, node: line, points });
    }
    names.forEach((name, index) => {
      const last = index === names.length - 1;
      const anchor = index === 0 ? "start" : last ? "end" : "middle";
      const nudge = index === 0 ? -pad.left + 4 : last ? pad.right - 4 : 0;
      const short = name === null ? this.metric : brief(name) + (axes[index].isLog ? " (log)" : "");
      this.svg.append(make("line", { class: "rail", x1: x(index), x2: x(index), y1: y(0), y2: y(1) }));
      this.svg.append(make("text", { class: "axis title", x: x(index) + nudge, y: index % 2 && names.length > 4 && width < 600 ? 28 : 14, "text-anchor": anchor }, short));
      const side = last ? { dx: 8, anchor: "start" } : { dx: -8, anchor: "end" };
      let free = Infinity;
      for (const [place, text] of axes[index].ticks.toSorted(([one], [other]) => one - other)) {
        if (y(place) > free) continue;
        free = y(place) - 13;
        this.svg.append(make("text", { class: "axis on-rail", x: x(index) + side.dx, y: y(place) + 4, "text-anchor": side.anchor }, text));
      }
    });
  }

  // Better ones are drawn stronger: in fifths of the order.
  classOf(name, row) {
    const rank = this.rows.indexOf(row) / Math.max(1, this.rows.length - 1);
    return `${name} q${Math.min(4, Math.floor(rank * 5))}${row.best ? " best" : ""}${this.picked?.run === row.run ? " is-picked" : ""}`;
  }

  words(row) {
    const values = this.axes.map((name) => `${name} ${words(row.values[name])}`).join(", ");
    return `${this.metric} ${this.score(row.score)}: ${values}${row.best ? ` (${this.say("best")})` : ""}`;
  }

  describe() {
    const best = this.rows.find((row) => row.best) ?? this.rows[0];
    return `${this.metric}, ${this.rows.length}. ${this.say("best")}: ${this.words(best)}`;
  }

  tell() {
    const row = this.picked ?? this.rows.find((one) => one.best) ?? this.rows[0];
    this.told.textContent = this.words(row);
  }

  pick(row) {
    if (this.picked?.run === row?.run) return;
    this.picked = row;
    for (const { row: one, node } of this.places ?? []) node.classList.toggle("is-picked", one.run === row?.run);
    this.svg.classList.toggle("has-picked", row !== null);
    if (this.rows.length) this.tell();
  }

  near(event) {
    const box = this.svg.getBoundingClientRect();
    const at = [event.clientX - box.left, event.clientY - box.top];
    let found = null, least = 24;
    for (const { row, points } of this.places) {
      const away = points.length > 1 ? this.fromThread(points, at) : Math.hypot(points[0][0] - at[0], points[0][1] - at[1]);
      if (away < least) { least = away; found = row; }
    }
    this.pick(found);
  }

  fromThread(points, [px, py]) {
    const index = points.findIndex(([x]) => x >= px);
    if (index < 1) return Infinity;
    const [[x0, y0], [x1, y1]] = [points[index - 1], points[index]];
    return Math.abs(y0 + ((px - x0) / (x1 - x0)) * (y1 - y0) - py);
  }

  walk(event) {
    if (event.key === "Enter" && this.picked) { location.assign(this.picked.url); return; }
    const move = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!move || !this.rows.length) return;
    event.preventDefault();
    const here = this.rows.findIndex((row) => row.run === this.picked?.run);
    this.pick(this.rows[Math.min(this.rows.length - 1, Math.max(0, here + move))]);
  }
}

customElements.define("sweep-chart", SweepChart);
