// What is drawn of a run: JSON, compressed, in base64; numbers as steps from the one before.
"use strict";

const content = JSON.parse(document.getElementById("content").textContent);

const packed = {
  async of(anchor) {
    const bytes = Uint8Array.from(atob(content.runs[anchor]), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return packed.opened(JSON.parse(await new Response(stream).text()));
  },

  opened(run) {
    for (const chart of run.charts) {
      for (const line of chart.lines) line.times = packed.summed(line.times).map((ticks) => ticks / 1e4);
      for (const { lines } of chart.panels) {
        for (const line of lines) {
          line.y = packed.summed(line.y);
          if (line.band) line.band = line.band.map(packed.summed);
        }
      }
    }
    if (run.motion) packed.moved(run.motion);
    return run;
  },

  // NaN where there is nothing.
  summed(steps) {
    let sum = 0;
    return steps.map((step) => (step === null ? NaN : (sum += step)));
  },

  // Poses in m and quaternions.
  moved(motion) {
    const [length, turn] = motion.scale;
    const size = (value, i) => value / (i % 7 < 3 ? length : turn);
    let last = null;
    motion.poses = motion.poses.map((row) => (last = last ? row.map((step, i) => last[i] + step) : row)).map((row) => row.map(size));
    motion.rest = motion.rest.map((pose) => pose.map(size));
  },
};

// The last of sorted times at or before one; -1 before the first.
function indexAt(times, time) {
  let [low, high] = [-1, times.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (times[middle] <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

// A number with so many significant digits; a dash where there is none.
function formatNumber(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  if (value === 0) return "0";
  const decimals = digits - 1 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(Math.max(decimals, 0), 12)).replace("-", "\u2212");
}

function makeSvg(tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function make(tag, kind = "", text = "") {
  return Object.assign(document.createElement(tag), { className: kind, textContent: text });
}
