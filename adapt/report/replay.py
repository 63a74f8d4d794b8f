"""`write_replay`: the page of one replay: what was recorded, beside what the replayed bundle would have done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from adapt.report.figures import band, blank, finish
from adapt.report.page import chart_page
from adapt.report.sections import chart, section
from adapt.report.text import chart_text, escape, label, number, quantity, unit_label
from adapt.report.theme import BLUE, ORANGE, SLATE, faded, line

POINTS = 1500
"""A curve is drawn with at most about so many points."""
STYLES = {"recorded": line(SLATE, 2.4), "replayed": line(BLUE, 1.6)}


def write_replay(result: dict[str, Any], path: Path) -> Path:
    """Writes the page of what `replay_bag`, or `replay_files` of one log, has found, and returns its path."""
    course = result.get("commands", result)
    charts = _charts(result, course)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        chart_page(f"{result['name']}: replay", _body(result, course, charts), charts), encoding="utf-8"
    )
    return path


def _charts(result: dict[str, Any], course: dict[str, Any]) -> dict[str, go.Figure]:
    drawn = {f"command-{index}": _command(course, index) for index in range(len(course["joints"]))}
    if any(course["reasons"].values()):
        drawn["reasons"] = _reasons(course["reasons"])
    if "prior_error_curve" in result:
        drawn["forecast"] = _forecast(result)
    belief = course["belief"]
    for index, name in enumerate(belief["names"]):
        if any(row[index] is not None for which in STYLES for row in belief[which]["mean"]):
            drawn[f"belief-{index}"] = _belief(course["time"], belief, index, name)
    return drawn


def _command(course: dict[str, Any], joint: int) -> go.Figure:
    """Certified commands of one joint, then and now, and what was asked for now."""
    figure, step = blank(), _stride(course["time"])
    time = course["time"][::step]
    asked = [row[joint] for row in course["requested"]["replayed"][::step]]
    figure.add_scatter(
        x=time, y=asked, line=line(ORANGE, 1.0, "dot"), name="Requested, replayed", hovertemplate="%{y:.4g}"
    )
    for which, style in STYLES.items():
        figure.add_scatter(
            x=time, y=[row[joint] for row in course["certified"][which][::step]], line=style,
            name=f"Certified, {which}", hovertemplate="%{y:.4g}",
        )  # fmt: skip
    return finish(figure, "Time [s]", f"Command [{chart_text(unit_label(course['unit']))}]")


def _reasons(reasons: dict[str, dict[str, int]]) -> go.Figure:
    """How often the safety filter had each reason to send something else than was asked for."""
    figure = blank()
    names = sorted(set(reasons["recorded"]) | set(reasons["replayed"]))
    for which, style in STYLES.items():
        if reasons[which]:
            figure.add_bar(
                x=[label(name) for name in names], y=[reasons[which].get(name, 0) for name in names],
                name=label(which), marker={"color": faded(style["color"], 0.75)}, hovertemplate="%{y}",
            )  # fmt: skip
    finish(figure, "", "Commands [1]", rangemode="tozero")
    return figure.update_layout(barmode="group", bargap=0.3)


def _belief(time: list[float], belief: dict[str, Any], index: int, name: str) -> go.Figure:
    """Mean and two standard deviations of one quantity, then and now."""
    figure, step = blank(), _stride(time)
    for which, style in STYLES.items():
        mean, std = (
            np.array([row[index] for row in belief[which][of][::step]], float) for of in ("mean", "std")
        )
        if np.isnan(mean).all():
            continue
        known = ~np.isnan(mean)
        x, mean, std = np.array(time[::step])[known], mean[known], std[known]
        low, high = (mean - 2 * std).tolist(), (mean + 2 * std).tolist()
        band(figure, x.tolist(), low, high, style["color"], which)
        figure.add_scatter(
            x=x.tolist(),
            y=mean.tolist(),
            line=style,
            name=label(which),
            legendgroup=which,
            hovertemplate="%{y:.4g}",
        )
    return finish(
        figure, "Time [s]", f"{chart_text(label(name))} [{chart_text(unit_label(belief['units'][index]))}]"
    )


def _forecast(result: dict[str, Any]) -> go.Figure:
    """One-step error of prior and belief."""
    figure, step = blank(), _stride(result["time"])
    for name, key, colour in (
        ("Prior", "prior_error_curve", ORANGE),
        ("Adapted belief", "adapted_error_curve", BLUE),
    ):
        figure.add_scatter(
            x=result["time"][::step], y=result[key][::step], line=line(colour, 1.5), name=name,
            hovertemplate="%{y:.3g}",
        )  # fmt: skip
    return finish(figure, "Time [s]", "Error [rad/s]", rangemode="tozero")


def _body(result: dict[str, Any], course: dict[str, Any], charts: dict[str, go.Figure]) -> str:
    unit = escape(unit_label(course["unit"]))
    commands = "".join(
        chart(f"command-{index}", escape(joint), _rms(course, joint, unit), 320)
        for index, joint in enumerate(course["joints"])
    )
    beliefs = "".join(
        chart(f"belief-{index}", escape(label(name)), "With &plusmn;2&sigma;.", 300)
        for index, name in enumerate(course["belief"]["names"])
        if f"belief-{index}" in charts
    )
    reasons = chart("reasons", "Reasons", "Commands by reason.", 320) if "reasons" in charts else ""
    forecast = (
        chart("forecast", "One-step forecast of the velocity", _forecast_words(result), 320)
        if "forecast" in charts
        else ""
    )
    parts = (
        f'<header><p class="eyebrow">{escape(result["name"])}</p><h1>Replay</h1>'
        f'<p class="lede">{_verdict(result)}</p></header><main>',
        section("commands", "Commands", "", f'<div class="pair">{commands}</div>{reasons}'),
        section("forecast", "Forecast", "", forecast) if forecast else "",
        section("belief", "Belief", "", f'<div class="pair">{beliefs}</div>') if beliefs else "",
        "</main>",
    )
    return "\n".join(parts)


def _verdict(result: dict[str, Any]) -> str:
    """What came of it, in a sentence. HTML."""
    if "same_policy" not in result:
        length = quantity(result["seconds"], "s")
        return f"A log of {length}: what the bundle would have sent stands beside what was sent."
    early = (
        f" The bag is read up to where it ends: {escape(result['ended_early'])}."
        if result["ended_early"]
        else ""
    )
    if not result["same_policy"]:
        return (
            f"Recorded with <code>{escape(result['recorded_bundle'])}</code>; this is what "
            f"<code>{escape(result['bundle'])}</code> would have done, told at each step what was really sent.{early}"
        )
    if result["identical"]:
        return f"The recorded policy again: all {result['steps']} commands are bit-identical.{early}"
    first = result["first_difference"]
    return (
        f"The recorded policy again, but {result['differing_steps']} of {result['steps']} commands differ, the first "
        f"one at step {first['step']}, {number(first['time'])} s.{early}"
    )


def _rms(course: dict[str, Any], joint: str, unit: str) -> str:
    parts = [
        f"{name} {number(value)} {unit}"
        for name in course["rms"]
        if (value := course["rms"][name][joint]) is not None
    ]
    return f"Difference as root mean square: {', '.join(parts) or 'unknown'}."


def _forecast_words(result: dict[str, Any]) -> str:
    return (
        f"Root mean square {number(result['prior_error'])} rad/s on the prior, {number(result['adapted_error'])} rad/s "
        "on the belief after 1 s."
    )


def _stride(time: list[float]) -> int:
    return max(1, len(time) // POINTS)
