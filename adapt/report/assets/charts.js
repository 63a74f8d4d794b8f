// The charts of one hidden robot, each drawn into its place from a `Recording`.
"use strict";

const TRACK_MARGIN = { l: 58, r: 14, t: 48, b: 46 };
const MINI_MARGIN = { l: 66, r: 10, t: 6, b: 40 };

const robotCharts = (() => {
  const { colours, axis, layout } = content.theme;

  function timeAxis(recording) {
    const range = [recording.start, recording.end];
    return { ...axis, title: { ...axis.title, text: "Time [s]" }, range, nticks: 8 };
  }

  function valueAxis(title, more) {
    return { ...axis, title: { ...axis.title, text: chartText(title) }, ...more };
  }

  // A vertical line where the physics changes.
  function changeLine(recording) {
    if (recording.change === null) return [];
    const line = { color: faded(colours.ink, 0.5), width: 1.2, dash: "dot" };
    return [{ type: "line", x0: recording.change, x1: recording.change, y0: 0, y1: 1, yref: "paper", line }];
  }

  function changeLabel(recording) {
    if (recording.change === null) return [];
    const font = { size: 12, color: colours.muted };
    return [{ x: recording.change, y: 1, yref: "paper", yanchor: "bottom", xanchor: "center", showarrow: false,
      text: "physics change", font }];
  }

  function curve(recording, name, y, colour, line = {}, more = {}) {
    return { type: "scatter", mode: "lines", name, x: recording.time, y, hovertemplate: "%{y:.3g}",
      line: { color: colour, width: 1.8, ...line }, ...more };
  }

  function drawAngle(place, recording) {
    const pi = Math.PI;
    const traces = [
      curve(recording, "Encoder", recording.measured.map(fromUpright), colours.orange, { width: 1.4 }),
      curve(recording, "True", recording.angle.map(fromUpright), colours.slate, { width: 2.2 }),
    ];
    Plotly.react(place, traces, {
      ...layout, margin: TRACK_MARGIN, xaxis: timeAxis(recording),
      shapes: changeLine(recording), annotations: changeLabel(recording),
      legend: { ...layout.legend, traceorder: "reversed" },
      yaxis: valueAxis("From upright [rad]", { range: [pi * 1.03, -0.06],
        tickvals: [0, pi / 4, pi / 2, 0.75 * pi, pi], ticktext: ["0", "¼π", "½π", "¾π", "π"] }),
    }, CHART_OPTIONS);
  }

  function drawTorque(place, recording) {
    const { limit } = recording;
    const line = { color: colours.muted, width: 1.2, dash: "dash" };
    const limits = [limit, -limit].map((y) => ({ type: "line", x0: 0, x1: 1, xref: "paper", y0: y, y1: y, line }));
    const most = recording.requested.reduce((high, value) => Math.max(high, Math.abs(value ?? 0)), limit);
    const range = Math.min(1.12 * most, 2 * limit);
    const traces = [
      curve(recording, "Requested", recording.requested, colours.orange, { width: 1.4, shape: "hv" }),
      curve(recording, "Certified", recording.certified, colours.blue, { width: 1.6, shape: "hv" }),
    ];
    Plotly.react(place, traces, {
      ...layout, margin: TRACK_MARGIN, xaxis: timeAxis(recording), annotations: changeLabel(recording),
      shapes: [...changeLine(recording), ...limits], yaxis: valueAxis("Torque [N m]", { range: [-range, range] }),
    }, CHART_OPTIONS);
  }

  // Belief over one quantity with its band, and the truth.
  function drawBelief(place, recording, q) {
    const [mean, std, colour] = [recording.mean[q], recording.std[q], colours.blue];
    const edge = (sign) => mean.map((m, i) => (m === null || std[i] === null ? null : m + sign * 2 * std[i]));
    const quiet = { hoverinfo: "skip", hovertemplate: undefined };
    const band = { ...quiet, fill: "tonexty", fillcolor: faded(colour, 0.18) };
    const truth = curve(recording, "Truth", [], colours.ink, { width: 1.6, dash: "dash", shape: "hv" });
    const traces = [
      curve(recording, "", edge(-1), colour, { width: 0 }, quiet),
      curve(recording, "", edge(1), colour, { width: 0 }, band),
      curve(recording, "Belief", mean, colour),
      { ...truth, ...recording.truthSteps(recording.names[q]) },
    ];
    Plotly.react(place, traces, {
      ...layout, margin: MINI_MARGIN, showlegend: false, xaxis: { ...timeAxis(recording), nticks: 6 },
      shapes: changeLine(recording),
      yaxis: valueAxis(`[${recording.units[q]}]`, { range: content.ros.ranges[recording.names[q]], nticks: 5 }),
    }, CHART_OPTIONS);
  }

  return { drawAngle, drawTorque, drawBelief };
})();
