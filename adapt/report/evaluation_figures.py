"""The charts of one evaluation. Each takes an evaluation's content and returns a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from adapt.report.figures import POLICY_LINES, POLICY_NAMES, band, blank, finish, shown
from adapt.report.text import chart_text, label, unit_label
from adapt.report.theme import faded, line

BINS = 48


def stages(evaluation: dict[str, Any]) -> go.Figure:
    """Mean returns with intervals: a group of bars for each episode."""
    figure, policies = blank(), evaluation["policies"]
    for policy in shown(policies, "stages"):
        result, colour = policies[policy]["stages"], POLICY_LINES[policy]["color"]
        figure.add_bar(
            x=[label(stage["name"]) for stage in result], y=[stage["mean"] for stage in result],
            name=POLICY_NAMES[policy], marker={"color": faded(colour, 0.75)}, error_y=error_bars(result),
            hovertemplate="%{y:.4g}",
        )  # fmt: skip
    finish(figure, "", "Mean return of an episode [1]")
    return figure.update_layout(barmode="group", bargap=0.35)


def gradient_steps(evaluation: dict[str, Any]) -> go.Figure:
    """Mean return against the number of gradient steps; the bounds, which take none, as levels."""
    figure, policies = blank(), evaluation["policies"]
    result, style = policies["learner"]["stages"], POLICY_LINES["learner"]
    steps = list(range(len(result)))
    low, high = ([stage["interval"][end] for stage in result] for end in (0, 1))
    band(figure, steps, low, high, style["color"], "learner")  # type: ignore[arg-type]
    figure.add_scatter(
        x=steps, y=[stage["mean"] for stage in result], line=style, mode="lines+markers",
        name=POLICY_NAMES["learner"], hovertemplate="%{y:.4g}",
    )  # fmt: skip
    for policy in ("dr", "oracle"):
        if policy in policies:
            level = policies[policy]["stages"][0]["mean"]
            figure.add_scatter(
                x=[steps[0], steps[-1]], y=[level, level], line=POLICY_LINES[policy], mode="lines",
                name=POLICY_NAMES[policy], hovertemplate="%{y:.4g}",
            )  # fmt: skip
    finish(figure, "Gradient steps", "Mean return of an episode [1]")
    return figure.update_xaxes(tickvals=steps)


def histogram(evaluation: dict[str, Any]) -> go.Figure:
    """How the last episode's returns, or those after the last gradient step, spread over the tasks."""
    figure, policies = blank(), evaluation["policies"]
    returns = {name: np.array(policies[name]["stages"][-1]["returns"]) for name in shown(policies, "stages")}
    everything = np.concatenate(list(returns.values()))
    low, high = float(everything.min()), float(everything.max())
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    for policy, values in returns.items():
        counts, _ = np.histogram(values, edges)
        colour = POLICY_LINES[policy]["color"]
        figure.add_scatter(
            x=((edges[:-1] + edges[1:]) / 2).tolist(), y=(100 * counts / len(values)).tolist(),
            line=line(colour, 1.8) | {"shape": "hvh"}, fill="tozeroy", fillcolor=faded(colour, 0.18),
            name=POLICY_NAMES[policy], hovertemplate="%{y:.1f} %",
        )  # fmt: skip
    return finish(figure, "Return of a task [1]", "Share of tasks [%]", rangemode="tozero")


def by_parameter(evaluation: dict[str, Any]) -> go.Figure:
    """The last stage's return of every task, seeds averaged, against the one parameter that tasks differ in."""
    figure, policies, tasks = blank(), evaluation["policies"], evaluation["tasks"]
    values = np.array(tasks["values"])[:, 0]
    for policy in shown(policies, "stages"):
        returns = np.array(policies[policy]["stages"][-1]["returns"]).reshape(-1, len(values)).mean(axis=0)
        colour = POLICY_LINES[policy]["color"]
        figure.add_scatter(
            x=values.tolist(), y=returns.tolist(), mode="markers", name=POLICY_NAMES[policy],
            marker={"color": faded(colour, 0.55), "size": 5, "line": {"width": 0}},
            hovertemplate="%{y:.4g} at %{x:.3g}",
        )  # fmt: skip
    unit = chart_text(unit_label(tasks["units"][0]))
    finish(figure, f"{chart_text(label(tasks['names'][0]))} [{unit}]", "Return of a task [1]")
    return figure.update_layout(hovermode="closest")


def error_bars(result: list[dict[str, Any]]) -> dict[str, Any]:
    """Bars from lower to upper end of the intervals."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [stage["interval"][1] - stage["mean"] for stage in result],
        "arrayminus": [stage["mean"] - stage["interval"][0] for stage in result],
        "thickness": 1.4,
        "width": 5,
    }
