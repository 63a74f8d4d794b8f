"""The charts that do not depend on which robot is picked. Each takes file content and returns a figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from adapt.report.data import POLICIES, compact
from adapt.report.text import chart_text, label, number, unit_label
from adapt.report.theme import BELIEF_SCALE, BLUE, INK, MUTED, ORANGE, SLATE, axis, faded, layout, line

POLICY_NAMES = {"dr": "DR", "learner": "Learner", "oracle": "Oracle"}
POLICY_LINES = {"dr": line(ORANGE), "learner": line(BLUE, 2.6), "oracle": line(SLATE, 2.0, "dash")}
TAIL = 0.05
"""CVaR5% is the mean over this share of the trials, the worst."""
SHOWN = "drive_authority"
"""The physical quantity that is shown on recordings of real hardware."""
REPLAY_POINTS = 120
"""A recording's curves are drawn with about so many points."""


def adaptation(evaluation: dict[str, Any]) -> go.Figure:
    """Mean reward per control step over the time in the trial, with bands."""
    figure = blank()
    for policy in shown(evaluation["policies"], "curve"):
        result, style = evaluation["policies"][policy], POLICY_LINES[policy]
        time = (np.arange(len(result["curve"])) * evaluation["period"]).tolist()
        band(figure, time, result["curve_low"], result["curve_high"], style["color"], policy)
        figure.add_scatter(
            x=time, y=result["curve"], line=style, name=POLICY_NAMES[policy], legendgroup=policy,
            hovertemplate="%{y:.3f}",
        )  # fmt: skip
    for episode in range(1, evaluation.get("episodes", 1)):
        begin = episode * evaluation["episode_steps"] * evaluation["period"]
        figure.add_vline(x=begin, line=line(MUTED, 1.2, "dot"))
    return finish(figure, "Time in the trial [s]", "Mean reward per control step [1]", rangemode="tozero")


def shown(policies: dict[str, Any], field: str) -> list[str]:
    """Which policies there are that have a field, in the order in which they are drawn."""
    return [name for name in POLICIES if field in policies.get(name, {})]


def returns(evaluation: dict[str, Any]) -> go.Figure:
    """Sorted returns of the hidden tasks; a bar as wide as the worst 5 % stands at their mean, CVaR5%."""
    figure = blank()
    for policy in POLICIES:
        result, style = evaluation["policies"][policy], POLICY_LINES[policy]
        share = (np.arange(len(result["returns"])) + 0.5) / max(len(result["returns"]), 1) * 100
        figure.add_scatter(
            x=share.tolist(), y=sorted(result["returns"]), line=style, name=POLICY_NAMES[policy],
            legendgroup=policy, hovertemplate="%{y:.4g}",
        )  # fmt: skip
        figure.add_scatter(
            x=[0, 100 * TAIL], y=[result["cvar5"]] * 2, mode="lines", line=line(style["color"], 6),
            showlegend=False, legendgroup=policy, hoverinfo="skip",
        )  # fmt: skip
    figure.update_xaxes(range=[-1, 101])
    return finish(figure, "Hidden tasks, from worst to best [%]", "Return of a trial [1]")


def belief_error(belief: dict[str, Any]) -> go.Figure:
    """Heatmap of the belief's error per quantity and time, best known quantity on top."""
    rmse = np.asarray(belief["rmse"], float)
    order = np.argsort(-rmse[-1])  # plotly's first row is the lowest
    names = [chart_text(label(belief["names"][q])) for q in order]
    figure = blank()
    figure.add_heatmap(
        x=belief["time"], y=names, z=rmse.T[order].tolist(), zmin=0, zmax=1, colorscale=BELIEF_SCALE, ygap=2,
        hovertemplate="%{y}: %{z:.2f} prior std at %{x:.2f} s<extra></extra>",
        colorbar={
            "orientation": "h", "y": 1.0, "yanchor": "bottom", "thickness": 10, "outlinewidth": 0,
            "tickfont": {"size": 12, "color": MUTED}, "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "title": {"text": "RMSE [standard deviations of the prior]", "side": "top", "font": {"size": 12.5}},
        },
    )  # fmt: skip
    for name, q in zip(names, order, strict=True):
        figure.add_annotation(
            x=1.01, xref="paper", xanchor="left", y=name, text=f"{rmse[-1, q]:.2f}", showarrow=False,
            font={"size": 12, "color": INK},
        )  # fmt: skip
    figure.update_layout(layout(hovermode="closest", margin={"l": 118, "r": 44, "t": 8, "b": 50}))
    figure.update_xaxes(axis("Time in the trial [s]", showgrid=False))
    figure.update_yaxes(axis("", showgrid=False, showline=False))
    return figure


def latency(measured: list[float], echo: list[float], period: float) -> go.Figure:
    """From sensor message to command, beside a bare echo, in [ms]; `period` in [s]."""
    kinds = (("Bare echo", echo, SLATE), ("Sensor to command", measured, BLUE))
    return durations(kinds, period, "Latency")


def durations(kinds: Sequence[tuple[str, list[float], str]], period: float, title: str) -> go.Figure:
    """Histograms in equal steps of log time, so that every sample has a place; lines at p50 and p99.

    Args:
        kinds: name, durations in [ms] and colour of each histogram; those without durations are left out.
        period: of control in [s], marked.
        title: of the axis.
    """
    everything = np.log10([value for _, values, _ in kinds for value in values if value > 0])
    low, high = everything.min() - 0.02, max(everything.max(), np.log10(1e3 * period)) + 0.06
    edges = np.linspace(low, high, 90)
    figure = blank()
    for name, values, colour in kinds:
        if values:
            _histogram(figure, f"{name}: {len(values)} samples", values, edges, colour)
    ticks = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5) if low < np.log10(m * 10.0**e) < high]
    figure.add_vline(x=float(np.log10(1e3 * period)), line=line(ORANGE, 1.6))
    figure.add_annotation(
        x=float(np.log10(1e3 * period)), y=0.97, yref="paper", xanchor="right", xshift=-4, showarrow=False,
        text=f"control period<br>{1e3 * period:g} ms", align="right", font={"size": 12, "color": ORANGE},
    )  # fmt: skip
    finish(figure, f"{title} [ms], logarithmic", "Share of samples [%]", rangemode="tozero")
    figure.update_xaxes(tickvals=np.log10(ticks).tolist(), ticktext=[f"{tick:g}" for tick in ticks])
    return figure.update_layout(hovermode="closest", bargap=0, barmode="overlay")


def _histogram(figure: go.Figure, name: str, values: list[float], edges: np.ndarray, colour: str) -> None:
    """One histogram over log10 of the values, in percent."""
    counts, _ = np.histogram(np.log10(np.maximum(values, 1e-9)), edges)
    centres, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    spans = [f"{number(10**a)} to {number(10**b)} ms" for a, b in pairwise(edges)]
    filled = np.flatnonzero(counts)
    figure.add_bar(
        x=centres[filled].tolist(), y=(100 * counts[filled] / len(values)).tolist(), width=width, name=name,
        marker={"color": faded(colour, 0.62), "line": {"width": 0}}, customdata=[spans[i] for i in filled],
        hovertemplate="%{customdata}: %{y:.2f} %<extra>" + name.split(":")[0] + "</extra>",
    )  # fmt: skip
    for percentile, dash in ((50, "solid"), (99, "dot")):
        figure.add_vline(x=float(np.log10(np.percentile(values, percentile))), line=line(colour, 1.4, dash))


def replay_errors(replay: dict[str, Any]) -> go.Figure:
    """A pair of bars per recording, its name above them; the longest error on top."""
    files = sorted(replay["files"], key=lambda file: file["prior_error"])
    rows = list(range(len(files)))
    figure = blank()
    kinds = (("Adapted belief", "adapted_error", BLUE, -0.19), ("Prior", "prior_error", ORANGE, 0.07))
    for name, key, colour, shift in kinds:
        figure.add_bar(
            x=[file[key] for file in files], y=[row + shift for row in rows], width=0.24, orientation="h",
            marker={"color": colour, "line": {"width": 0}}, name=name, hovertemplate="%{x:.4g}",
            text=[number(file[key]) for file in files], textposition="inside", insidetextanchor="end",
            textfont={"size": 12, "color": "white"}, constraintext="none",
        )  # fmt: skip
    for row, file in zip(rows, files, strict=True):
        figure.add_annotation(
            x=0, xanchor="left", y=row + 0.34, text=chart_text(_short(file["name"])), showarrow=False,
            font={"size": 12.5}, xshift=-3, yanchor="middle",
        )  # fmt: skip
    finish(figure, f"One-step prediction error [{chart_text(unit_label(replay['error_unit']))}]", "")
    figure.update_layout(margin={"l": 16, "r": 24, "t": 36, "b": 50}, hovermode="closest", barmode="overlay")
    figure.update_layout(legend_traceorder="reversed")
    figure.update_xaxes(rangemode="tozero")
    return figure.update_yaxes(showticklabels=False, showgrid=False, range=[-0.45, len(files) - 0.4])


def replay_course(file: dict[str, Any], error_unit: str, common: list[float] | None) -> go.Figure:
    """One recording: the error of prior and belief above, the belief over one quantity below."""
    figure = blank()
    names, time = file["belief"]["names"], np.asarray(file["time"], float)
    step = _stride(len(time))
    for name, key, colour in (
        ("Prior", "prior_error_curve", ORANGE),
        ("Adapted belief", "adapted_error_curve", BLUE),
    ):
        figure.add_scatter(
            x=time[::step].tolist(), y=file[key][::step], name=name, line=line(colour, 1.5),
            hovertemplate="%{y:.3g}",
        )  # fmt: skip
    finish(figure, "Time [s]", f"Error [{chart_text(unit_label(error_unit))}]", rangemode="tozero")
    if SHOWN not in names:
        return figure
    q = names.index(SHOWN)
    mean, std = (np.array([row[q] for row in file["belief"][key]], float) for key in ("mean", "std"))
    low, high = (mean - 2 * std)[::step].tolist(), (mean + 2 * std)[::step].tolist()
    band(figure, time[::step].tolist(), low, high, BLUE, "belief", yaxis="y2")
    figure.add_scatter(
        x=time[::step].tolist(), y=mean[::step].tolist(), line=line(BLUE), yaxis="y2", showlegend=False,
        name=label(SHOWN), hovertemplate="%{y:.4g}",
    )  # fmt: skip
    unit = chart_text(unit_label(file["belief"]["units"][q]))
    return figure.update_layout(
        yaxis_domain=[0.58, 1],
        yaxis2=axis(f"{label(SHOWN)}<br>[{unit}]", domain=[0, 0.48], range=common),
        xaxis_anchor="y2",
        margin={"l": 66, "r": 12, "t": 40, "b": 44},
    )


def belief_range(replay: dict[str, Any]) -> list[float] | None:
    """One range for the quantity that is shown in all recordings, so that they can be compared."""
    bounds = []
    for file in replay["files"]:
        if SHOWN in file["belief"]["names"]:
            q = file["belief"]["names"].index(SHOWN)
            mean, std = (np.array([row[q] for row in file["belief"][key]], float) for key in ("mean", "std"))
            bounds.extend(np.nanpercentile([mean - 2 * std, mean + 2 * std], (1, 99)).tolist())
    if not bounds:
        return None
    margin = 0.05 * (max(bounds) - min(bounds))
    return [min(bounds) - margin, max(bounds) + margin]


def figure_json(figure: go.Figure) -> dict[str, Any]:
    """A figure as plain JSON, rounded."""
    return compact(json.loads(str(figure.to_json(validate=False))))


def _stride(samples: int) -> int:
    """Every how many samples of a recording one is drawn."""
    return max(1, samples // REPLAY_POINTS)


def blank() -> go.Figure:
    """A figure with nothing on it."""
    return go.Figure(layout_template="none")


def _short(name: str, length: int = 40) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def band(
    figure: go.Figure,
    x: list[float],
    low: list[float],
    high: list[float],
    colour: str,
    group: str,
    **more: Any,
) -> None:
    """A shaded area between two curves."""
    style = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=x, y=low, legendgroup=group, **style, **more)
    fill = {"fill": "tonexty", "fillcolor": faded(colour, 0.16)}
    figure.add_scatter(x=x, y=high, legendgroup=group, **style, **fill, **more)


def finish(figure: go.Figure, x_title: str, y_title: str, **y_axis: Any) -> go.Figure:
    """The look of all charts, with titles of the axes."""
    figure.update_layout(layout())
    figure.update_xaxes(axis(x_title))
    return figure.update_yaxes(axis(y_title, **y_axis))
