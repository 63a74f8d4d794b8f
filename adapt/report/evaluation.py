"""`write_evaluation`: the page of one evaluation, beside its JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from adapt.errors import RunError
from adapt.report import evaluation_figures, figures
from adapt.report.data import compact
from adapt.report.page import chart_page
from adapt.report.sections import chart, gauge, section, tile
from adapt.report.text import count, duration, escape, label, number
from adapt.results import percent

_ABOUT = {"dr": "cannot adapt", "learner": "adapts", "oracle": "is told the task"}


def write_evaluation(path: Path) -> Path:
    """Writes the page of an evaluation that `adapt evaluate` has written, and returns its path: as JSON's, but html.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        evaluation = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not an evaluation: {error}") from error
    page = path.with_suffix(".html")
    title = f"{evaluation['learner']} on {evaluation['family']}: evaluation"
    page.write_text(chart_page(title, _body(evaluation), _charts(evaluation)), encoding="utf-8")
    return page


def _charts(evaluation: dict[str, Any]) -> dict[str, go.Figure]:
    """The charts that there is something to draw of, by the name of their place."""
    acted = "curve" in evaluation["policies"]["learner"]
    drawn = {"histogram": evaluation_figures.histogram(evaluation)}
    if acted:
        drawn["adaptation"] = figures.adaptation(evaluation)
        drawn["stages"] = evaluation_figures.stages(evaluation)
    else:
        drawn["gradient"] = evaluation_figures.gradient_steps(evaluation)
    if len(evaluation["tasks"]["names"]) == 1:
        drawn["parameter"] = evaluation_figures.by_parameter(evaluation)
    if _knows(evaluation):
        drawn["belief"] = figures.belief_error(evaluation["belief"])
    return drawn


def _knows(evaluation: dict[str, Any]) -> bool:
    """Whether there is a belief, and somebody left to hold it at the end."""
    rmse = evaluation["belief"]["rmse"]
    return bool(rmse) and None not in rmse[-1]


def _body(evaluation: dict[str, Any]) -> str:
    parts = [_hero(evaluation), "<main>", _returns(evaluation), _spread(evaluation)]
    if _knows(evaluation):
        parts.append(_belief(evaluation["belief"]))
    return "\n".join([*parts, _provenance(evaluation), "</main>"])


def _hero(evaluation: dict[str, Any]) -> str:
    learner, runs = evaluation["policies"]["learner"], evaluation["runs"]["learner"]
    several = f" Intervals are over tasks and over {len(runs)} trainings." if len(runs) > 1 else ""
    first, last = learner["stages"][0], learner["stages"][-1]
    tiles = [_score_tile(evaluation), _stage_tile(first)]
    if first is not last:
        tiles.append(_stage_tile(last))
    worst = number(last["cvar5"], 4)
    tiles.append(tile("CVaR5%", worst, escape(last["name"]), "Mean return of the worst 5 % of the tasks."))
    if learner.get("success") is not None:
        note = "Share of the last second in which the robot was where it should be."
        tiles.append(tile("On target", percent(learner["success"]), "in the last second", note))
    title, tasks = _tasks(evaluation)
    return (
        f'<header><p class="eyebrow">{escape(evaluation["family"])}</p>'
        f"<h1>{escape(evaluation['learner'])} on {title}</h1>"
        f"<p class=lede>{tasks} {_trial(evaluation)}{several}</p>"
        f'<div class="tiles">{"".join(tiles)}</div></header>'
    )


def _tasks(evaluation: dict[str, Any]) -> tuple[str, str]:
    """What was played, for the title and as a sentence."""
    count, task = evaluation["n_tasks"], evaluation["task"]
    if task is None:
        split = escape(evaluation["split"])
        return "tasks that it has never seen", f"{count} tasks of the split {split}, held out of training."
    own = any(run["training"]["task"] == task for run in evaluation["runs"]["learner"])
    sentence = "The only task that it was trained on" if own else "One task that was held out of its training"
    return f"task {task}", f"{sentence}, from {count} starts."


def _trial(evaluation: dict[str, Any]) -> str:
    if "curve" not in evaluation["policies"]["learner"]:
        return (
            "On each the policy plays some episodes, takes a gradient step on them, plays again, and so on."
        )
    steps, episodes = evaluation["episode_steps"], evaluation["episodes"]
    if episodes == 1:
        return f"A trial is one episode of {steps} control steps."
    return (
        f"A trial is {episodes} episodes of {steps} control steps on the same task; what the policy has understood in "
        "the first it keeps in the next."
    )


def _score_tile(evaluation: dict[str, Any]) -> str:
    score = evaluation["score"]
    if score is None:
        lines = "<br>".join(f"<code>{escape(missing['command'])}</code>" for missing in evaluation["missing"])
        why = f"A bound is missing. {lines}" if lines else "DR and oracle have the same return."
        return tile("Score", "left out", "", why, "", "wide")
    low, high = score["interval"]
    note = "Mean return between the two bounds."
    if not evaluation["bounds_apart"]:
        note = "The oracle is not above DR for certain: the score says little."
    detail = f"95&nbsp;% interval {number(low)} to {number(high)}"
    return tile("Score", number(score["mean"]), detail, note, gauge(score["mean"], low, high), "wide")


def _stage_tile(stage: dict[str, Any]) -> str:
    low, high = stage["interval"]
    name = stage["name"]
    title = f"Return, {escape(name)}" if name.startswith("episode") else f"Return after {escape(name)}"
    return tile(
        title, number(stage["mean"], 4), f"{number(low, 4)} to {number(high, 4)}", "95&nbsp;% interval"
    )


def _returns(evaluation: dict[str, Any]) -> str:
    if "curve" in evaluation["policies"]["learner"]:
        bands = "Bands are 95&nbsp;% intervals of the mean"
        lines = "; dotted lines are where an episode begins" if evaluation["episodes"] > 1 else ""
        charts = chart(
            "adaptation", "Reward while the trial runs",
            f"The earlier the learner leaves DR and joins the oracle, the faster it adapts. {bands}{lines}.", 360,
        ) + chart(
            "stages", "Return by episode", "Bars are means over the tasks, with 95&nbsp;% intervals.", 360
        )  # fmt: skip
    else:
        charts = chart(
            "gradient", "Return against gradient steps",
            "0 is the policy before it has adapted; the band is the 95&nbsp;% interval of the mean.", 360,
        )  # fmt: skip
    return section("returns", "Does it adapt?", "", f'<div class="pair">{charts}</div>{_table(evaluation)}')


def _table(evaluation: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope=row class="{key}">{figures.POLICY_NAMES[key]}<small>{_ABOUT[key]}</small></th>'
        f"<td>{escape(stage['name'])}</td><td class=num>{number(stage['mean'], 4)}</td>"
        f"<td class=num>{_interval(stage['interval'])}</td><td class=num>{number(stage['cvar5'], 4)}</td>"
        f"<td class=num>{_interval(stage['cvar5_interval'])}</td></tr>"
        for key in figures.shown(evaluation["policies"], "stages")
        for stage in evaluation["policies"][key]["stages"]
    )
    interval = "<th scope=col class=num>95&nbsp;% interval</th>"
    return (
        '<div class="scroll card" tabindex="0" role="region" aria-label="Returns"><table><thead><tr>'
        "<th scope=col>Policy</th><th scope=col>When</th><th scope=col class=num>Mean return</th>"
        f"{interval}<th scope=col class=num>CVaR5%</th>{interval}"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _interval(ends: list[float]) -> str:
    return f"{number(ends[0], 4)} to {number(ends[1], 4)}"


def _spread(evaluation: dict[str, Any]) -> str:
    last = escape(evaluation["policies"]["learner"]["stages"][-1]["name"])
    charts = chart("histogram", "How returns spread over the tasks", f"Returns of {last}.", 340)
    names = evaluation["tasks"]["names"]
    if len(names) == 1:
        charts += chart(
            "parameter", f"Return against {escape(label(names[0]).lower())}",
            "A dot is a task. Where the learner's dots leave the oracle's, tasks are not understood.", 340,
        )  # fmt: skip
    return section("spread", "Which tasks are hard?", "", f'<div class="pair">{charts}</div>')


def _belief(belief: dict[str, Any]) -> str:
    last = np.asarray(belief["rmse"][-1], float)
    best = int(last.argmin())
    caption = (
        "Dark is known, pale is as unknown as before the trial; on the right the error at the end. "
        f"{escape(label(belief['names'][best]))} ends at {number(float(last[best]), 2)} of the prior's standard "
        "deviation."
    )
    body = chart("belief", "Error of the belief, per quantity", caption, 120 + 27 * len(belief["names"]))
    return section("belief", "How fast is the belief formed?", "", body)


def _provenance(evaluation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(run['run'])}</th><td>{escape(run['learner'])}</td>"
        f"<td class=num>{run['seed']}</td><td class=num>{count(run['steps'])}</td>"
        f"<td class=num>{duration(run['seconds'])}</td><td><code>{escape(run['commit'])}</code></td></tr>"
        for group in evaluation["runs"].values()
        for run in group
    )
    versions = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(found)}</dd>" for name, found in evaluation["versions"].items()
    )
    head = "".join(
        f"<th scope=col{' class=num' if name in ('Seed', 'Frames', 'Training') else ''}>{name}</th>"
        for name in ("Run", "Learner", "Seed", "Frames", "Training", "Commit")
    )
    config = {run["run"]: run["hyperparameters"] for group in evaluation["runs"].values() for run in group}
    body = (
        f'<div class="scroll card" tabindex="0" role="region" aria-label="Runs"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<div class="card"><dl><dt>Seed of tasks and noise</dt><dd>{evaluation["seed"]}</dd>'
        f"<dt>Commit of the evaluation</dt><dd><code>{escape(evaluation['commit'])}</code></dd>{versions}</dl></div>"
        f'<details class="card"><summary>Configuration of the runs</summary>'
        f"<pre>{escape(json.dumps(compact(config), indent=2, ensure_ascii=False))}</pre></details>"
    )
    return section("provenance", "Where the numbers come from", "", body)
