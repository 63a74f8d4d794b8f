// What was recorded of one hidden robot, and what held at any moment of it.
"use strict";

// Distance from upright in rad, from an angle that is 0 hanging.
function fromUpright(angle) {
  const turn = 2 * Math.PI;
  return angle === null ? null : Math.abs((((angle % turn) + turn) % turn) - Math.PI);
}

class Recording {
  constructor(robot) {
    Object.assign(this, robot);
    this.start = this.time[0] ?? 0;
    this.end = this.time[this.time.length - 1] ?? this.start;
  }

  // Index of the last sample at or before a time.
  indexAt(time) {
    let [low, high] = [0, this.time.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.time[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // The angle of a series between two samples, along the shorter way round.
  angleAt(series, time) {
    const i = this.indexAt(time);
    const j = Math.min(i + 1, series.length - 1);
    const [from, to] = [series[i] ?? null, series[j] ?? null];
    if (from === null || to === null) return from;
    const span = this.time[j] - this.time[i];
    const share = span > 0 ? Math.min(Math.max((time - this.time[i]) / span, 0), 1) : 0;
    return from + share * Math.atan2(Math.sin(to - from), Math.cos(to - from));
  }

  // The true quantities, by name. The first piece holds from the beginning.
  truthAt(time) {
    const pieces = this.truth.filter((piece) => piece.time <= time + 1e-9);
    return (pieces[pieces.length - 1] ?? this.truth[0])?.values ?? {};
  }

  // What is believed of a quantity: its place q, mean and standard deviation; null if it is not spoken of.
  beliefAt(name, time) {
    const q = this.names.indexOf(name);
    const i = this.indexAt(time);
    return q < 0 ? null : { q, mean: this.mean[q][i] ?? null, std: this.std[q][i] ?? null };
  }

  // What the change changed, in words.
  changeText() {
    const [before, after] = [this.truthAt(this.change - 1e-6), this.truthAt(this.change)];
    const q = this.names.findIndex((name) => before[name] !== after[name]);
    if (q < 0) return "physics change";
    const [from, to] = [before, after].map((values) => formatNumber(values[this.names[q]]));
    return `${this.labels[q]}: ${from} \u2192 ${to} ${this.units[q] === "1" ? "" : this.units[q]}`;
  }

  // The truth as steps: each piece holds until the next begins.
  truthSteps(name) {
    const pieces = this.truth.filter((piece) => name in piece.values);
    if (!pieces.length) return { x: [], y: [] };
    const values = pieces.map((piece) => piece.values[name]);
    return { x: [...pieces.map((piece) => piece.time), this.end], y: [...values, values[values.length - 1]] };
  }
}
