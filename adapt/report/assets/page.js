// Reads the page's content and draws the charts that do not depend on the picked robot.
"use strict";

const content = JSON.parse(document.getElementById("content").textContent);
const CHART_OPTIONS = { displayModeBar: false, responsive: true };

// A number with so many significant digits, as `text.number` writes it; a dash where there is none.
function formatNumber(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  if (value === 0) return "0";
  const decimals = digits - 1 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(Math.max(decimals, 0), 12));
}

// Plotly's labels know tags: text from files must not make any.
function chartText(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function faded(colour, opacity) {
  const [red, green, blue] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return `rgba(${red},${green},${blue},${opacity})`;
}

for (const place of document.querySelectorAll("[data-figure]")) {
  const figure = content.figures[place.dataset.figure];
  Plotly.newPlot(place, figure.data, figure.layout, CHART_OPTIONS);
}
