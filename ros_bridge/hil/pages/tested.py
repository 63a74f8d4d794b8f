"""What was tested: for a safety reviewer, of each scenario what it shows, what was done and what came of it. HTML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapt.report.sections import section
from adapt.report.text import NOTHING, escape
from ros_bridge.hil.pages.campaign import Campaign, Run
from ros_bridge.hil.pages.words import amount, expectation, fault_words


def tested(campaign: Campaign) -> str:
    """For a safety reviewer: of each scenario what it is about, what was done to the robot, expected and measured."""
    by_name: dict[str, list[Run]] = {}
    for run in campaign.runs:
        if not run.result["switched_off"]:
            by_name.setdefault(run.result["scenario"], []).append(run)
    if not by_name:
        return ""
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("Scenario", "Protection", "Faults", "Expected", "Measured, worst", "Margin")
    )
    rows = "".join(_rows(runs) for runs in by_name.values())
    table = (
        '<div class="scroll card" tabindex="0" role="region" aria-label="What was tested"><table class="tested">'
        f"<thead><tr>{heads}</tr></thead>{rows}</table></div>"
    )
    lead = "What each scenario shows, and the worst that was measured in any of its runs. Invalid runs do not count."
    return section("tested", "What was tested", lead, table)


def _rows(runs: list[Run]) -> str:
    result = next((run.result for run in runs if run.result["about"]), runs[0].result)
    worst = list(_worst(runs))
    faults = "".join(f"<div>{escape(fault_words(fault))}</div>" for fault in result["faults"]) or "none"
    span = max(len(worst), 1)
    first = (
        f'<th scope="rowgroup" rowspan="{span}">{escape(result["scenario"])}<p>{escape(result["about"])}</p></th>'
        f'<td rowspan="{span}">{escape(result["protects"]) or NOTHING}</td><td rowspan="{span}">{faults}</td>'
    )
    cells = [_cells(finding) for finding in worst] or ['<td colspan="3">nothing was judged</td>']
    return (
        "<tbody>"
        + "".join(f"<tr>{first if not at else ''}{row}</tr>" for at, row in enumerate(cells))
        + "</tbody>"
    )


def _worst(runs: list[Run]) -> Iterable[dict[str, Any]]:
    """Of each expectation, in the order of the first run, the run in which least was left."""
    met: dict[str, dict[str, Any]] = {}
    for run in runs:
        for finding in run.result["findings"] if run.outcome in ("passed", "failed") else ():
            name, margin = finding["name"] + finding["about"], finding["margin"]
            before = met.get(name)
            if before is None or _less(margin, before["margin"]):
                met[name] = finding
    return met.values()


def _less(margin: float | None, than: float | None) -> bool:
    """None is least of all: nothing was measured."""
    return than is not None and (margin is None or margin < than)


def _cells(finding: dict[str, Any]) -> str:
    kept, sign = ("yes", "✓") if finding["passed"] else ("no", "✗")
    about, unit = finding["about"] or finding["name"], finding["unit"]
    return (
        f"<td>{escape(about)}<small>{escape(expectation(finding))}</small></td>"
        f"<td class=num>{escape(amount(finding['value'], unit))}</td>"
        f'<td class="num {kept}">{sign} {escape(amount(finding["margin"], unit))}</td>'
    )
