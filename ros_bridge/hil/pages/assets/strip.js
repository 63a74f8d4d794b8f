// Bars against the run's time: faults, and what held when.
"use strict";

const ROW = 27;

class Strip {
  constructor(place, run) {
    this.run = run;
    this.rows = [
      ...run.faults.map((fault) => ({ name: fault.name, kind: fault.met ? "fault-bar" : "fault-bar unmet", title: fault.words,
        spans: [[fault.begin, fault.end]] })),
      ...run.lanes,
    ];
    this.figure = make("figure", "chart strip");
    this.figure.append(make("figcaption"));
    this.figure.firstChild.append(make("b", "", "Faults, events and what the safety filter said"));
    this.svg = makeSvg("svg", { role: "img", "aria-label": "Faults, events and safety over time" });
    this.figure.append(this.svg);
    place.append(this.figure);
  }

  draw() {
    const width = Math.max(this.figure.clientWidth, 120);
    const height = MARGIN.top + ROW * this.rows.length + MARGIN.bottom + 4;
    this.axis = new TimeAxis(this.run, width);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.svg.replaceChildren();
    this.cursor = this.axis.draw(this.svg, this.run, height);
    this.rows.forEach((row, i) => this._row(row, MARGIN.top + ROW * i));
    this.svg.append(this.cursor);
  }

  _row({ name, kind, spans, title }, y) {
    this.svg.append(makeSvg("text", { class: "lane-name", x: MARGIN.left, y: y + 11 }, name));
    for (const [from, to] of spans) {
      const [x, end] = [from, to].map((time) => this.axis.x(Math.min(Math.max(time, this.run.start), this.run.end)));
      const bar = makeSvg("rect", { class: `lane ${kind}`, x, y: y + 15, width: Math.max(end - x, 1.5), height: 9, rx: 2 });
      bar.append(makeSvg("title", {}, title ?? `${name}: ${formatNumber(from)} s to ${formatNumber(to)} s`));
      this.svg.append(bar);
    }
  }

  showMoment(time) {
    this.cursor?.setAttribute("transform", `translate(${this.axis.x(time).toFixed(1)})`);
  }
}
