"""The page's sections: words and tables in HTML, charts as places that `page.js` fills."""

from __future__ import annotations

import json
import shlex
from typing import Any

import numpy as np

from adapt.report.data import POLICIES, RunData
from adapt.report.figures import POLICY_NAMES
from adapt.report.robots import robots_table
from adapt.report.text import count, duration, escape, label, number, quantity, unit_label


def chart(identifier: str, title: str, caption: str, height: int) -> str:
    """A titled place for a chart, with the sentence that says what to see. All texts are HTML already."""
    return (
        f'<figure class="card"><h3>{title}</h3><div class="plot" data-figure="{identifier}" role="img" '
        f'aria-label="{title}" style="height:{height}px"></div><figcaption>{caption}</figcaption></figure>'
    )


def section(identifier: str, title: str, lead: str, body: str) -> str:
    """A section with its heading and a line that introduces it."""
    return f'<section id="{identifier}"><h2>{title}</h2><p class="lead">{lead}</p>{body}</section>'


def not_run(what: str) -> str:
    """Says plainly that something was not run."""
    return f'<p class="card absent">Not run: {what}</p>'


def hero(data: RunData) -> str:
    """Title, one paragraph and the headline tiles."""
    train, family = data.summary["train"], escape(data.evaluation["family"])
    handed = ""
    if data.ros:
        handed = (
            f" Then it was handed {len(data.ros['robots'])} robots over ROS&nbsp;2 whose physics it was never "
            "told: it has their sensors, and forms its own belief while it drives."
        )
    return (
        f'<header><p class="eyebrow">{family}</p><h1>A policy that finds out which robot it is driving</h1>'
        f"<p class=lede>Trained once, in {duration(train['seconds'])}, on a family of simulated robots.{handed}</p>"
        f'<div class="tiles">{_score_tile(data.summary["evaluate"])}{_ros_tiles(data.summary.get("ros"))}'
        f"{_training_tile(train)}"
        f"{_latency_tile(data.summary.get('ros'))}</div></header>"
    )


def tile(title: str, value: str, detail: str, note: str, more: str = "", kind: str = "") -> str:
    """A headline figure. All texts are HTML already."""
    return (
        f'<div class="tile {kind}"><p class="value">{value}</p><h2>{title}</h2><p class="detail">{detail}</p>'
        f'{more}<p class="note">{note}</p></div>'
    )


def _training_tile(train: dict[str, Any]) -> str:
    speed = f"{count(round(train['steps_per_s']))} steps per second."
    return tile("Training", duration(train["seconds"]), f"{count(train['steps'])} steps", speed)


def _score_tile(evaluate: dict[str, Any]) -> str:
    low, high = evaluate["score_interval"]
    detail = f"95&nbsp;% interval {number(low)} to {number(high)}"
    note = f"Mean reward of {evaluate['n_tasks']} hidden tasks, between the two bounds."
    marks = gauge(evaluate["score"], low, high)
    return tile("Adaptation score", number(evaluate["score"]), detail, note, marks, "wide")


def gauge(score: float, low: float, high: float) -> str:
    """The score with its interval between DR at 0 and the oracle at 1."""
    left, right = min(0.0, low), max(1.0, high)

    def place(value: float) -> str:
        return f"{2 + 96 * (value - left) / (right - left):.2f}%"

    width = f"{96 * (high - low) / (right - left):.2f}%"
    ends = "".join(f'<i style="left:{place(value)}"></i>' for value in (0.0, 1.0))
    return (
        f'<div class="gauge" aria-hidden="true">{ends}<b style="left:{place(low)};width:{width}"></b>'
        f'<u style="left:{place(score)}"></u></div><p class="ends"><span>0: cannot adapt (DR)</span>'
        "<span>1: is told the physics (oracle)</span></p>"
    )


def _ros_tiles(ros: dict[str, Any] | None) -> str:
    if not ros:
        return tile("Upright in the first episode", "not run", "over ROS&nbsp;2", "") + tile(
            "Recovered after the change", "not run", "over ROS&nbsp;2", ""
        )
    total = ros["robots"]
    return tile(
        "Upright in the first episode", f"{ros['upright_first_episode']}<small>/{total}</small>", "hidden robots",
        "Swung up and balanced at the first try, over ROS&nbsp;2.",
    ) + tile(
        "Recovered after the change", f"{ros['recovered_after_change']}<small>/{total}</small>", "hidden robots",
        "Upright again after the physics changed under way.",
    )  # fmt: skip


def _latency_tile(ros: dict[str, Any] | None) -> str:
    title = "From sensor to command"
    if not ros:
        return tile(title, "not run", "over ROS&nbsp;2", "")
    ours, echo = ros["latency_ms"], ros["echo_latency_ms"]
    return tile(
        title, f"{number(ours['p50'])}<small> ms</small>", f"p99 {number(ours['p99'])} ms",
        f"A bare echo over the same DDS: {number(echo['p50'])} ms, p99 {number(echo['p99'])} ms.",
    )  # fmt: skip


def adaptation_section(data: RunData) -> str:
    """Adaptation curves, sorted returns, and their numbers."""
    curves = chart(
        "adaptation", "Reward while the trial runs",
        "The earlier the learner leaves the policy that cannot adapt and joins the one that is told the physics, "
        "the faster it has understood its robot; bands are 95 % intervals of the mean.", 360,
    )  # fmt: skip
    spread = chart(
        "returns", "Every hidden task, sorted by return",
        "Look at the left end, the robots that went worst: each thick bar is the mean of the worst 5 %, CVaR5%.",
        360,
    )  # fmt: skip
    return section(
        "adaptation", "Does it adapt?",
        f"{data.evaluation['n_tasks']} simulated robots that were held out of training, beside two bounds: "
        "a policy trained on the same randomisation that cannot adapt (DR), and one that is told the physics.",
        f'<div class="pair">{curves}{spread}</div>{policy_table(data.evaluation["policies"])}',
    )  # fmt: skip


_ABOUT = {"dr": "cannot adapt", "learner": "adapts", "oracle": "is told the physics"}


def policy_table(policies: dict[str, Any]) -> str:
    """Returns of the policies that there are, with intervals and CVaR5%."""
    rows = "".join(
        f'<tr><th scope=row class="{key}">{POLICY_NAMES[key]}<small>{_ABOUT[key]}</small></th>'
        f"<td class=num>{number(policy['mean'], 4)}</td>"
        f"<td class=num>{number(policy['interval'][0], 4)} to {number(policy['interval'][1], 4)}</td>"
        f"<td class=num>{number(policy['cvar5'], 4)}</td></tr>"
        for key, policy in ((key, policies[key]) for key in POLICIES if key in policies)
    )
    return (
        '<div class="scroll card" tabindex="0" role="region" aria-label="Returns"><table><thead><tr>'
        "<th scope=col>Policy</th><th scope=col class=num>Mean return</th>"
        "<th scope=col class=num>95&nbsp;% interval</th><th scope=col class=num>CVaR5%</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def belief_section(data: RunData) -> str:
    """How fast the belief is formed, on the simulated hidden tasks."""
    belief = data.evaluation["belief"]
    rmse = np.asarray(belief["rmse"], float)
    best, worst = int(rmse[-1].argmin()), int(rmse[-1].argmax())
    caption = (
        "Dark is known, pale is as unknown as before the trial; on the right the error at the end. "
        f"{escape(label(belief['names'][best]))} ends at {number(float(rmse[-1, best]), 2)} of the prior's "
        f"standard deviation, {escape(label(belief['names'][worst]).lower())} at "
        f"{number(float(rmse[-1, worst]), 2)}."
    )
    body = chart("belief", "Error of the belief, per quantity", caption, 120 + 27 * len(belief["names"]))
    lead = (
        "The belief hears the robot's own sensors and the commands that were really sent, no reward. "
        "What shows in the robot's motion can be found out; the rest has to stay uncertain."
    )
    return section("belief", "How fast is the belief formed?", lead, body)


def robots_section(data: RunData, viewer: str) -> str:
    """The viewer of one robot and the table of all."""
    title = "Hidden robots over ROS&nbsp;2"
    if not data.ros:
        return section("robots", title, "", not_run("no robot was driven over ROS&nbsp;2 in this run."))
    lead = (
        "The robot runs as its own process behind ROS topics, with physics that nobody tells the policy. "
        "Under way its physics changes. Pick a robot, press play, or click into any chart to go to that moment."
    )
    table = f'<div class="card"><h3>All robots</h3>{robots_table(data.ros["robots"])}{_TABLE_NOTE}</div>'
    return section("robots", title, lead, viewer + table)


_TABLE_NOTE = (
    '<p class="caption">Arrows show what the change turned a quantity into; soft start and the limits count '
    "control steps in which the safety filter altered the command.</p>"
)


def latency_section(data: RunData) -> str:
    """Histogram of the latency over DDS against a bare echo."""
    title, ros = "Latency over DDS", data.ros
    if not ros or not ros["latency_ms"]:
        return section("latency", title, "", not_run("latency over ROS&nbsp;2 was not measured in this run."))
    body = chart(
        "latency", "From sensor message to command",
        "What lies between the two heaps is the price of belief, policy and safety filter; solid lines are "
        "medians, dotted ones 99th percentiles.", 340,
    )  # fmt: skip
    lead = (
        "Time from publishing a sensor reading to receiving the command that answers it, between two processes; "
        "the bare echo answers with no computation at all."
    )
    return section("latency", title, lead, body)


def replay_section(data: RunData) -> str:
    """Recordings of real hardware: prediction errors per file, and each file's course."""
    title, replay = "Recordings of real hardware", data.replay
    if not replay:
        return section(
            "replay", title, "", not_run("no recording of real hardware was replayed in this run.")
        )
    files, unit = replay["files"], replay["error_unit"]
    better = sum(file["adapted_error"] < file["prior_error"] for file in files)
    bars = chart(
        "replay", "One-step prediction error, per recording",
        f"Shorter is better: the adapted belief predicts the next reading better than the prior in {better} of "
        f"{len(files)} recordings.", 100 + 64 * len(files),
    )  # fmt: skip
    cards = "".join(_replay_card(index, file, unit) for index, file in enumerate(files))
    lead = (
        "The same belief listens to recordings of a real pendulum that it has never driven: if it learns "
        "something true of that robot, it predicts the next sensor reading better than before it listened. "
        "Much of the error is the noise of the readings themselves, which no belief can predict."
    )
    return section("replay", title, lead, f'{bars}<div class="cards">{cards}</div>')


def _replay_card(index: int, file: dict[str, Any], unit: str) -> str:
    caption = (
        f"{quantity(file['seconds'], 's')} at {quantity(file['rate_hz'], 'Hz')}, errors as root mean squares "
        f"over the last second: in all {number(file['prior_error'])} "
        f"{escape(unit_label(unit))} with the prior, {number(file['adapted_error'])} with the adapted belief, "
        "whose ±2σ band should close and settle."
    )
    return chart(f"replay-{index}", escape(file["name"]), caption, 330)


def provenance_section(data: RunData) -> str:
    """Where every number comes from, and how to get it again."""
    summary = data.summary
    versions = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(version)}</dd>" for name, version in summary["versions"].items()
    )
    body = (
        f'<div class="pair"><div class="card"><h3>Run</h3><dl><dt>Seed</dt><dd>{summary["seed"]}</dd>'
        f"<dt>Commit</dt><dd><code>{escape(summary['commit'])}</code></dd>{versions}</dl></div>"
        f'<div class="card"><h3>Commands to reproduce</h3><pre>{escape(_commands(data))}</pre></div></div>'
        f'<details class="card"><summary>Configuration</summary>'
        f"<pre>{escape(json.dumps(summary['config'], indent=2, ensure_ascii=False))}</pre></details>"
    )
    return section(
        "provenance",
        "Where the numbers come from",
        "Every number on this page is read from this run's files.",
        body,
    )


def _commands(data: RunData) -> str:
    """The run's own record of its commands, else the ones that its seed and commit imply."""
    recorded = data.summary["config"].get("commands")
    if isinstance(recorded, list):
        return "\n".join(str(command) for command in recorded)
    learner = shlex.quote(str(data.summary["config"].get("learner", "LEARNER")))
    family = shlex.quote(data.evaluation["family"])
    return (
        f"git checkout {shlex.quote(data.summary['commit'])}\n"
        f"adapt train {learner} {family} --seed {data.summary['seed']}\nadapt evaluate RUN"
    )
