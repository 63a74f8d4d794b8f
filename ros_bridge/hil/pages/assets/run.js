// A run that is opened: its plots, its robot, and one moment in time that all of them share.
"use strict";

class RunView {
  constructor(card, run, wanted) {
    Object.assign(this, { card, run, playing: null, pending: 0 });
    this.part = (name) => card.querySelector(name);
    this.place = this.part("[data-plots]");
    this._robot();
    this._joints();
    this._listen();
    this.moment = wanted ?? this._first();
    this._plots();
    new ResizeObserver(() => this._draw()).observe(this.place);
  }

  // At first the moment at which something went wrong.
  _first() {
    const times = [...this.run.events.filter((event) => event.bad).map((event) => event.at), ...this.run.faults.map((fault) => fault.begin)];
    const first = Math.min(...times);
    return Number.isFinite(first) ? this._within(first) : this.run.start;
  }

  _within(time) { return Math.min(Math.max(time, this.run.start), this.run.end); }

  _robot() {
    if (!this.run.motion) return;
    this.part(".player").hidden = false;
    this.robot = new RobotView(this.part(".player canvas"), this.run, () => this._refresh());
  }

  // ---- which joint

  _joints() {
    const chart = this.run.charts.find((item) => item.joints && item.panels.length > 1);
    if (!chart) return;
    const names = chart.panels.map((panel) => panel.name);
    const scores = names.map((name, joint) => this._trouble(name, joint));
    const order = names.map((_, joint) => joint).sort((a, b) => scores[b] - scores[a] || a - b);
    const select = this.part(".joint");
    for (const joint of order) select.append(new Option(`${names[joint]}${joint === order[0] && scores[joint] > 0 ? " (worst)" : ""}`, joint));
    select.append(new Option("all joints", "all"));
    this.part(".joints").hidden = false;
    select.addEventListener("change", () => this._plots());
  }

  // How much there is to see at a joint: violations, readings that were not finite, and that or commands far from what they should be.
  _trouble(name, joint) {
    const named = (text) => (text.includes(name) ? 1 : 0);
    let score = 1000 * this.run.events.filter((event) => event.bad).reduce((sum, { what }) => sum + named(what), 0);
    score += 100 * this.run.faults.reduce((sum, fault) => sum + named(fault.words), 0);
    for (const chart of this.run.charts) {
      if (!chart.joints || !chart.panels[joint]) continue;
      for (const line of chart.panels[joint].lines) {
        score += 10 * ((line.broken?.length ? 1 : 0) + (line.beyond ? 1 : 0));
        const limits = chart.panels[joint].marks.map((mark) => mark.value);
        if (limits.length < 2) continue;
        const [low, high] = chart.panels[joint].range;
        const most = line.y.reduce((max, y) => (Number.isNaN(y) ? max : Math.max(max, Math.abs(low + (y / LEVELS) * (high - low) - (limits[0] + limits[1]) / 2))), 0);
        score += most / Math.abs(limits[1] - limits[0] || 1);
      }
    }
    return score;
  }

  // ---- drawing

  _plots() {
    const chosen = this.part(".joint").value || "0";
    this.place.replaceChildren();
    this.plots = [new Strip(this.place, this.run)];
    for (const chart of this.run.charts) {
      const several = chart.joints && chosen === "all" && chart.panels.length > 1;
      const numbers = several ? chart.panels.map((_, i) => i) : [chart.joints ? Math.min(Number(chosen) || 0, chart.panels.length - 1) : 0];
      const box = several ? this.place.appendChild(make("div", "several")) : this.place;
      for (const number of numbers) this.plots.push(new Plot(box, this.run, chart, number));
    }
    this._marks();
    this._draw();
  }

  _marks() {
    const share = (time) => (100 * (this._within(time) - this.run.start)) / (this.run.end - this.run.start);
    this.part(".marks").replaceChildren(...this.run.faults.map(({ begin, end, met }) => {
      const mark = make("i", met ? "" : "unmet");
      Object.assign(mark.style, { left: `${share(begin)}%`, width: `${Math.max(share(end) - share(begin), 0.5)}%` });
      return mark;
    }));
  }

  _draw() {
    if (!this.card.open || this.width === this.place.clientWidth && this.drawn === this.plots) return;
    [this.width, this.drawn] = [this.place.clientWidth, this.plots];
    this.plots.forEach((plot) => plot.draw());
    this.card.dataset.drawn = this.plots.length;
    this._show();
    noteMeasures();
  }

  _show() {
    this.plots.forEach((plot) => plot.showMoment(this.moment));
    this.part("input[type=range]").value = this.moment;
    this.part(".transport output").textContent = `${this.moment.toFixed(2)} s`;
    const now = this.run.faults.filter((fault) => fault.met && fault.begin <= this.moment && this.moment < fault.end);
    const words = now.map((fault) => fault.name).join(", ");
    if (this.part(".now").textContent !== words) this.part(".now").textContent = words;
    this.robot?.draw(this.moment);
  }

  // ---- the clock

  seek(time) {
    this.moment = this._within(time);
    this._show();
  }

  play(on) {
    if (on && this.moment >= this.run.end) this.moment = this.run.start;
    this.playing = on ? performance.now() : null;
    this.part(".play").textContent = on ? "Pause" : "Play";
    this._refresh();
  }

  _refresh() {
    if (!this.pending && this.plots) this.pending = requestAnimationFrame((now) => this._frame(now));
  }

  _frame(now) {
    this.pending = 0;
    if (this.playing !== null) {
      const passed = Math.min(Math.max((now - this.playing) / 1000, 0), 0.1);  // a hidden tab does not leap ahead
      this.playing = now;
      this.moment = this._within(this.moment + passed * Number(this.part(".speed").value));
      if (this.moment >= this.run.end || !this.card.open) this.play(false);
      else this._refresh();
    }
    this._show();
  }

  _listen() {
    const range = this.part("input[type=range]");
    Object.assign(range, { min: this.run.start, max: this.run.end });
    range.addEventListener("input", () => {
      this.play(false);
      this.seek(Number(range.value));
    });
    this.part(".play").addEventListener("click", () => this.play(this.playing === null));
    const timeAt = (event) => {
      const plot = this.plots.find((item) => item.svg === event.target.closest("svg"));
      return plot?.axis.time(event.clientX - plot.svg.getBoundingClientRect().left);
    };
    this.place.addEventListener("pointermove", (event) => {
      const time = this.playing === null && event.pointerType === "mouse" ? timeAt(event) : undefined;
      if (time !== undefined) this.seek(time);
    });
    this.place.addEventListener("click", (event) => {
      const time = timeAt(event);
      if (time === undefined) return;
      this.play(false);
      this.seek(time);
    });
  }
}

const runViews = (() => {
  const views = new Map();

  function place(card) {
    const { hash } = location;
    const wanted = new URLSearchParams(hash.slice(1)).get("t");
    return hash.slice(1).split("&")[0] === card.id && wanted !== null && Number.isFinite(Number(wanted)) ? Number(wanted) : undefined;
  }

  async function open(card) {
    if (!card.open || !(card.id in content.runs) || views.has(card.id)) return;
    views.set(card.id, null);
    views.set(card.id, new RunView(card, await packed.of(card.id), place(card)));
  }

  // `#run-NAME&t=2.5`
  function follow() {
    const card = document.getElementById(decodeURIComponent(location.hash.slice(1).split("&")[0]));
    if (!card?.matches("details.run")) return;
    card.open = true;
    card.hidden = false;
    card.scrollIntoView();
    card.querySelector("summary").focus({ preventScroll: true });
    const time = place(card);
    if (time !== undefined) views.get(card.id)?.seek(time);
    open(card);
  }

  for (const card of document.querySelectorAll("details.run")) {
    card.addEventListener("toggle", () => {
      open(card);
      views.get(card.id)?._draw();
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#run-']");
    if (link && link.getAttribute("href") === location.hash) follow();  // the address stays as it is
  });
  window.addEventListener("hashchange", follow);
  follow();
  return views;
})();
