// One panel of a chart against the run's time, as SVG: its colours are the style sheet's, on screen and on paper.
"use strict";

const LEVELS = 10000;
const MARGIN = { left: 54, right: 10, top: 6, bottom: 18 };

// Where times are on a drawing that is `width` px wide.
class TimeAxis {
  constructor(run, width) {
    Object.assign(this, { start: run.start, end: run.end, width, inner: Math.max(width - MARGIN.left - MARGIN.right, 10) });
  }

  x(time) { return MARGIN.left + ((time - this.start) / (this.end - this.start)) * this.inner; }

  time(x) { return this.start + ((x - MARGIN.left) / this.inner) * (this.end - this.start); }

  ticks() {
    return niceSteps(this.start, this.end, Math.max(2, Math.floor(this.inner / 56)));
  }

  // Grid and labels, faults, events, and the line at the present moment, which is returned.
  draw(svg, run, height) {
    const bottom = height - MARGIN.bottom;
    for (const time of this.ticks()) {
      svg.append(makeSvg("line", { class: "grid", x1: this.x(time), x2: this.x(time), y1: MARGIN.top, y2: bottom }));
      svg.append(makeSvg("text", { class: "tick", x: this.x(time), y: height - 4, "text-anchor": "middle" }, tickText(time)));
    }
    for (const fault of run.faults) {
      const [from, to] = [fault.begin, fault.end].map((time) => this.x(Math.min(Math.max(time, this.start), this.end)));
      const shade = makeSvg("rect", { class: fault.met ? "fault" : "fault unmet", x: from, y: MARGIN.top, width: Math.max(to - from, 1.5),
        height: bottom - MARGIN.top });
      shade.append(makeSvg("title", {}, fault.words));
      svg.append(shade);
    }
    for (const event of run.events) {
      const mark = makeSvg("line", { class: event.bad ? "event bad" : "event", x1: this.x(event.at), x2: this.x(event.at), y1: MARGIN.top, y2: bottom });
      mark.append(makeSvg("title", {}, `${formatNumber(event.at)} s: ${event.what}`));
      svg.append(mark);
    }
    return makeSvg("line", { class: "cursor", x1: 0, x2: 0, y1: MARGIN.top, y2: bottom });
  }
}

function isLimit(name) {
  return ["limit", "control period"].includes(name);
}

function niceSteps(low, high, most) {
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = power * [1, 2, 5, 10].find((factor) => (high - low) / (factor * power) <= most);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

function tickText(value) {
  const size = Math.abs(value);
  return size && (size >= 1e5 || size < 1e-4) ? value.toExponential(1) : String(Number(value.toPrecision(6))).replace("-", "\u2212");
}

class Plot {
  // `chart` and the number of one of its panels, drawn into `place`.
  constructor(place, run, chart, number) {
    const panel = chart.panels[number];
    Object.assign(this, { run, chart, panel });
    this.figure = make("figure", "chart");
    this.heading = make("figcaption");
    this.heading.append(make("b", "", chart.title), make("span", "unit", [panel.name, chart.unit === "1" ? "" : chart.unit].filter(Boolean).join(", ")));
    this.values = panel.lines.map((line, i) => this._legend(line, chart.lines[i]));
    this._levelLegend();
    this.svg = makeSvg("svg", { role: "img", "aria-label": `${chart.title} ${panel.name} over time` });
    this.figure.append(this.heading, this.svg);
    place.append(this.figure);
  }

  _legend(line, { name, style }) {
    const item = make("span", `legend ${style}`);
    item.append(make("i"), name);
    const value = make("output");
    item.append(value);
    if (line.beyond) item.append(make("em", "", `reaches ${line.beyond.text} at ${formatNumber(line.beyond.at)} s`));
    if (line.broken?.length) item.append(make("em", "", "not finite in part"));
    this.heading.append(item);
    return value;
  }

  // All levels of a panel have one name.
  _levelLegend() {
    const { marks, range: [low, high] } = this.panel;
    if (!marks.length) return;
    const on = marks.some(({ value }) => low <= value && value <= high);
    const item = make("span", isLimit(marks[0].name) ? "legend level" : "legend level aim");
    if (on) item.append(make("i"));
    item.append(`${marks[0].name} ${marks.map(({ value }) => formatNumber(value)).join(" and ")}${on ? "" : ", not on the axis"}`);
    this.heading.append(item);
  }

  draw() {
    const [width, height] = [Math.max(this.figure.clientWidth, 120), this.chart.height];
    this.axis = new TimeAxis(this.run, width);
    this.bottom = height - MARGIN.bottom;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.svg.replaceChildren();
    this._levels(width);
    this.cursor = this.axis.draw(this.svg, this.run, height);
    this.panel.lines.map((line, i) => [line, this.chart.lines[i]]).reverse().forEach((pair) => this._line(...pair));  // the first is on top
    this.svg.append(this.cursor);
  }

  // From a level on the axis to px; what is beyond stays at the edge.
  _y(level) {
    return this.bottom - (Math.min(Math.max(level, 0), LEVELS) / LEVELS) * (this.bottom - MARGIN.top);
  }

  _levels(width) {
    const [low, high] = this.panel.range;
    const level = (value) => ((value - low) / (high - low)) * LEVELS;
    for (const value of niceSteps(low, high, this.chart.height > 100 ? 4 : 3)) {
      const y = this._y(level(value));
      this.svg.append(makeSvg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }));
      this.svg.append(makeSvg("text", { class: "tick", x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, tickText(value)));
    }
    for (const { name, value } of this.panel.marks) {
      if (value < low || value > high) continue;
      const mark = makeSvg("line", { class: `mark-line ${isLimit(name) ? "limit" : "truth"}`, x1: MARGIN.left, x2: width - MARGIN.right,
        y1: this._y(level(value)), y2: this._y(level(value)) });
      mark.append(makeSvg("title", {}, `${name} ${formatNumber(value, 4)} ${this.chart.unit}`));
      this.svg.append(mark);
    }
  }

  _line(line, { times, style }) {
    if (line.band) this.svg.append(makeSvg("path", { class: `band ${style}`, d: this._band(times, ...line.band) }));
    this.svg.append(makeSvg("path", { class: `line ${style}`, d: this._path(times, line.y) }));
    for (const [from, to] of line.broken ?? []) {
      const [x, end] = [this.axis.x(from), this.axis.x(to)];
      this.svg.append(makeSvg("rect", { class: "broken", x, y: MARGIN.top, width: Math.max(end - x, 2), height: 4 }));
    }
    let last = -Infinity;
    line.y.forEach((level, i) => {
      const x = this.axis.x(times[i]);
      if ((level <= LEVELS && level >= 0) || Number.isNaN(level) || x - last < 7) return;
      last = x;
      const [tip, base] = level > LEVELS ? [MARGIN.top, MARGIN.top + 7] : [this.bottom, this.bottom - 7];
      this.svg.append(makeSvg("path", { class: `beyond ${style}`, d: `M${x - 4},${base}L${x},${tip}L${x + 4},${base}Z` }));
    });
  }

  _path(times, levels) {
    let [text, pen] = ["", "M"];
    levels.forEach((level, i) => {
      if (Number.isNaN(level)) pen = "M";
      else {
        text += `${pen}${this.axis.x(times[i]).toFixed(1)},${this._y(level).toFixed(1)}`;
        if (pen === "M" && Number.isNaN(levels[i + 1] ?? NaN)) text += "h1";  // a lone sample is a dot
        pen = "L";
      }
    });
    return text;
  }

  _band(times, low, high) {
    const known = times.map((_, i) => i).filter((i) => !Number.isNaN(low[i]) && !Number.isNaN(high[i]));
    const at = (i, levels) => `${this.axis.x(times[i]).toFixed(1)},${this._y(levels[i]).toFixed(1)}`;
    if (!known.length) return "";
    return `M${known.map((i) => at(i, high)).join("L")}L${known.reverse().map((i) => at(i, low)).join("L")}Z`;
  }

  showMoment(time) {
    if (!this.axis) return;
    this.cursor.setAttribute("transform", `translate(${this.axis.x(time).toFixed(1)})`);
    const [low, high] = this.panel.range;
    this.panel.lines.forEach(({ y }, i) => {
      const level = y[indexAt(this.chart.lines[i].times, time)] ?? NaN;
      const text = level > LEVELS ? "above" : level < 0 ? "below" : formatNumber(low + (level / LEVELS) * (high - low));
      this.values[i].textContent = text;
    });
  }
}
