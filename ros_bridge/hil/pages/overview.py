"""The page's head, and the matrix of scenarios and runs. HTML."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from adapt.report.sections import section
from adapt.report.text import NOTHING, duration, escape, label
from ros_bridge.hil.pages.campaign import OUTCOMES, Campaign, Run
from ros_bridge.hil.pages.words import (
    MEANINGS,
    SIGNS,
    percent,
    share,
    tightest,
    verdict,
)


def head(campaign: Campaign) -> str:
    """The verdict, where and when it was come to, and what the outcomes mean."""
    facts, counts = campaign.facts, campaign.counts()
    unfinished = "" if campaign.finished else '<p class="lede">The campaign has not come to its end.</p>'
    rows = (
        ("When", escape(_when(campaign))),
        ("Took", _took(facts)),
        ("Machine", escape(_said(facts.get("machine")))),
        ("Commit", f"<code>{escape(_said(facts.get('commit')))}</code>"),
        ("Versions", escape(_said(facts.get("versions")))),
    )
    shown = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    meanings = "".join(
        f"<li>{sign(name)} <b>{label(name)}</b>: {escape(MEANINGS[name])}.</li>"
        for name in OUTCOMES
        if counts[name] or name in ("failed", "invalid")
    )
    trouble = "".join(f'<p class="card trouble">{escape(words)}</p>' for words in campaign.trouble)
    return (
        f'<header><p class="eyebrow">Hardware in the loop</p><h1 id="verdict">{escape(verdict(campaign))}</h1>'
        f'{unfinished}{trouble}<dl class="facts">{shown}</dl>'
        f'<ul class="meanings">{meanings}</ul></header>'
    )


def sign(outcome: str) -> str:
    """An outcome's sign in its colour, with its name for those who hear the page."""
    return f'<span class="sign {outcome}" role="img" aria-label="{outcome}">{SIGNS[outcome]}</span>'


def _when(campaign: Campaign) -> str:
    begun = campaign.facts.get("begun")
    if begun:
        return str(begun)
    path = campaign.folder / "campaign.json"
    if not path.is_file():
        return NOTHING
    at = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _took(facts: dict[str, Any]) -> str:
    seconds, parallel = facts.get("seconds"), facts.get("parallel")
    if not isinstance(seconds, (int, float)):
        return NOTHING
    many = f", {parallel} runs at a time" if isinstance(parallel, int) and parallel > 1 else ""
    return f"{duration(seconds)}{many}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items()) or NOTHING
    return str(value) if value else NOTHING


def matrix(campaign: Campaign) -> str:
    """Scenarios by robot against bundles and seeds; every cell leads to its run."""
    runs = [run for run in campaign.runs if not run.result["switched_off"]]
    if not runs:
        return ""
    columns = list(dict.fromkeys(run.column for run in runs))
    cells = {(run.result["robot"], run.result["scenario"], run.column): run for run in runs}
    bodies = []
    for robot in sorted({run.result["robot"] for run in runs}):
        scenarios = dict.fromkeys(run.result["scenario"] for run in runs if run.result["robot"] == robot)
        rows = "".join(_row(robot, name, columns, cells) for name in scenarios)
        bodies.append(
            f'<tbody><tr class="group"><th colspan="{len(columns) + 1}" scope="rowgroup">'
            f"{escape(robot or 'unknown robot')}</th></tr>{rows}</tbody>"
        )
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    table = (
        '<div class="scroll card" tabindex="0" role="region" aria-label="Outcomes"><table class="matrix"><thead><tr>'
        f'<th scope="col">Scenario</th>{heads}</tr></thead>{"".join(bodies)}</table></div>'
    )
    lead = (
        "One column for each bundle and seed. The share is the smallest margin of the run, of its limit; below 0 it "
        "was missed. A cell leads to its run."
    )
    return section("overview", "Overview", lead, _filters(campaign) + table)


def _filters(campaign: Campaign) -> str:
    counts = campaign.counts()
    boxes = "".join(
        f'<label><input type="checkbox" data-outcome="{name}" checked> {sign(name)} {name} '
        f"<small>{counts[name]}</small></label>"
        for name in OUTCOMES
        if counts[name]
    )
    return (
        f'<form class="filters" id="filters" role="search" hidden>{boxes}<label class="search">Search '
        '<input type="search" id="search" placeholder="scenario, robot, fault"></label>'
        '<output id="shown" aria-live="polite"></output></form>'
    )


def _row(robot: str, scenario: str, columns: list[str], cells: dict[tuple[str, str, str], Run]) -> str:
    found = [cells.get((robot, scenario, column)) for column in columns]
    return f'<tr><th scope="row">{escape(scenario)}</th>{"".join(map(_cell, found))}</tr>'


def _cell(run: Run | None) -> str:
    if run is None:
        return '<td class="none">·</td>'
    tight = tightest(run) if run.outcome in ("passed", "failed") else None
    margin = percent(share(tight)) if tight else ""
    why = f"{run.name}: {run.result['reason'] or MEANINGS[run.outcome]}"
    if tight:
        why += f". Smallest margin: {tight['name']}"
    return (
        f'<td data-run="{run.anchor}"><a class="cell {run.outcome}" href="#{run.anchor}" title="{escape(why)}" '
        f'aria-label="{escape(f"{run.name}: {run.outcome} {margin}")}"><b>{SIGNS[run.outcome]}</b> '
        f"<span>{margin}</span></a></td>"
    )
