"""`write_comparison`: the page of runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from adapt.compare import MEASURES, stages_in_words
from adapt.report.evaluation_figures import error_bars
from adapt.report.figures import blank, finish
from adapt.report.page import chart_page
from adapt.report.sections import chart, section
from adapt.report.text import NOTHING, chart_text, count, duration, escape, label, number
from adapt.report.theme import faded, line
from adapt.results import percent

COLOURS = ("#1769aa", "#d9772b", "#23704f", "#7a4fa3", "#ad3a30", "#44515f", "#0d8a8a", "#9a7b1f")
"""Of learners, in the order in which they are met."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
"""Of the runs of one learner."""


def write_comparison(result: dict[str, Any], path: Path) -> Path:
    """Writes the page of what `adapt.compare.compare` has found, and returns its path."""
    charts = _charts(result)
    title = f"{result['family']}: runs side by side"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(chart_page(title, _body(result, charts), charts), encoding="utf-8")
    return path


def _charts(result: dict[str, Any]) -> dict[str, go.Figure]:
    drawn = {
        name: _learning(result["runs"], name, title)
        for name, title in MEASURES.items()
        if any(run["curves"][name]["frames"] for run in result["runs"])
    }
    if any(run["stages"] for run in result["runs"]):
        drawn["stages"] = _stages(result["runs"])
    return drawn


def _styles(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A colour for each learner, a dash for each of its runs."""
    learners, met, styles = list(dict.fromkeys(run["learner"] for run in runs)), [], []
    for run in runs:
        colour = COLOURS[learners.index(run["learner"]) % len(COLOURS)]
        styles.append(line(colour, 2.0, DASHES[met.count(run["learner"]) % len(DASHES)]))
        met.append(run["learner"])
    return styles


def _learning(runs: list[dict[str, Any]], name: str, title: str) -> go.Figure:
    """A metric of the training against frames."""
    figure = blank()
    for run, style in zip(runs, _styles(runs), strict=True):
        curve = run["curves"][name]
        if curve["frames"]:
            figure.add_scatter(
                x=curve["frames"], y=curve["values"], line=style, mode="lines", name=_name(run),
                hovertemplate="%{y:.4g}",
            )  # fmt: skip
    return finish(figure, "Control steps of training", f"{title} [1]")


def _stages(runs: list[dict[str, Any]]) -> go.Figure:
    """Returns on held-out tasks with intervals, a group of bars for each run."""
    figure = blank()
    for run, style in zip(runs, _styles(runs), strict=True):
        if run["stages"]:
            figure.add_bar(
                x=[label(stage["name"]) for stage in run["stages"]],
                y=[stage["mean"] for stage in run["stages"]], error_y=error_bars(run["stages"]),
                name=_name(run), marker={"color": faded(style["color"], 0.75)}, hovertemplate="%{y:.4g}",
            )  # fmt: skip
    finish(figure, "", "Mean return on held-out tasks [1]")
    return figure.update_layout(barmode="group", bargap=0.3)


def _name(run: dict[str, Any]) -> str:
    return chart_text(f"{run['learner']}, seed {run['seed']}")


def _body(result: dict[str, Any], charts: dict[str, go.Figure]) -> str:
    curves = "".join(
        chart(name, title, "While training, on training tasks.", 360)
        for name, title in MEASURES.items()
        if name in charts
    )
    returns = (
        chart("stages", "Returns on held-out tasks", "With 95&nbsp;% intervals.", 360)
        if "stages" in charts
        else ""
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in result["notes"])
    return "\n".join(
        (
            f'<header><p class="eyebrow">{escape(result["family"])}</p><h1>Runs side by side</h1></header><main>',
            section(
                "runs",
                "Runs",
                "",
                _table(result["runs"]) + (f'<ul class="card">{notes}</ul>' if notes else ""),
            ),
            section("held-out", "On held-out tasks", "", returns) if returns else "",
            section("learning", "While training", "", f'<div class="pair">{curves}</div>') if curves else "",
            "</main>",
        )
    )


def _table(runs: list[dict[str, Any]]) -> str:
    names = ("Seed", "Frames", "Training", "Return", "CVaR5%", "On target", "Score", "95&nbsp;% interval")
    head = "".join(f"<th scope=col class=num>{name}</th>" for name in names)
    rows = "".join(
        f"<tr><th scope=row>{escape(run['learner'])}<small>{escape(run['run'])}</small></th>"
        + "".join(f"<td class=num>{cell}</td>" for cell in _cells(run))
        + "</tr>"
        for run in runs
    )
    return (
        '<div class="scroll card" tabindex="0" role="region" aria-label="Runs"><table><thead><tr>'
        f"<th scope=col>Run</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(run: dict[str, Any]) -> list[str]:
    score = run["score"]
    ends = f"{number(score['interval'][0])} to {number(score['interval'][1])}" if score else NOTHING
    return [
        str(run["seed"]),
        count(run["frames"]),
        duration(60 * run["minutes"]),
        escape(stages_in_words(run["stages"])),
        number(run["cvar5"], 4),
        NOTHING if run["success"] is None else percent(run["success"]),
        number(score["mean"]) if score else NOTHING,
        ends,
    ]
