"""`outcome`: how a run came out and why, and `result_table`: a campaign at a glance."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from ros_bridge.hil.judging.expectations import ALWAYS
from ros_bridge.hil.judging.finding import Finding, Outcome

INVALID = "the simulated robot did not keep its schedule: nothing is known of the node"
_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.INVALID: "yellow",
    Outcome.ERROR: "magenta",
}
_SEVERITY = (Outcome.FAILED, Outcome.ERROR, Outcome.INVALID, Outcome.PASSED)


def outcome(findings: Sequence[Finding], valid: bool, error: str) -> tuple[Outcome, str]:
    """How a run came out, and why in words; empty if it passed.

    Args:
        findings: of the run.
        valid: whether the simulated robot kept its schedule.
        error: what kept it from being a run, in words; empty: nothing.
    """
    if error:
        return Outcome.ERROR, error
    if not valid:
        return Outcome.INVALID, INVALID
    if not findings:
        return Outcome.ERROR, "nothing was judged"
    missed = [finding for finding in findings if not finding.passed]
    if not missed:
        return Outcome.PASSED, ""
    others = f"; and {len(missed) - 1} more" if len(missed) > 1 else ""
    return Outcome.FAILED, in_words(min(missed, key=_rank)) + others


def in_words(finding: Finding) -> str:
    """A finding as a sentence: name, value, limit and detail."""
    unit = f" {finding.unit}" if finding.unit not in ("", "1") else ""
    value = "not measured" if finding.value is None else f"{finding.value:.4g}{unit}"
    detail = f" ({finding.detail})" if finding.detail else ""
    return f"{finding.name}: {value}, {bound(finding.at_most)} {finding.limit:.4g}{unit}{detail}"


def bound(at_most: bool) -> str:
    """What a limit is, in words."""
    return "at most" if at_most else "at least"


def relative_margin(margin: float | None, limit: float) -> float:
    """A margin as a share of its limit, of a limit of 0 as it is; minus infinity where nothing was measured."""
    if margin is None or math.isnan(margin):
        return -math.inf
    return margin / abs(limit) if limit else margin


def _rank(finding: Finding) -> tuple[bool, float]:
    """Commands beyond limits before all others, then the smallest margin."""
    return finding.name != "command_limits", relative_margin(finding.margin, finding.limit)


def result_table(results: Iterable[dict[str, Any]]) -> Table:
    """A line for every scenario, a column for every label: how many seeds passed, and the smallest relative margin.

    Args:
        results: contents of `result.json` files.
    """
    cells, labels = defaultdict[tuple[str, str], list[dict[str, Any]]](list), dict[str, None]()
    for result in results:
        cells[result["scenario"], result["label"]].append(result)
        labels[result["label"]] = None
    table = Table(box=SIMPLE)
    table.add_column("scenario", no_wrap=True)
    for label in labels:
        table.add_column(label, no_wrap=True)
    for scenario in dict.fromkeys(scenario for scenario, _ in cells):
        table.add_row(scenario, *(_cell(cells.get((scenario, label), [])) for label in labels))
    return table


def smallest_margin(result: dict[str, Any]) -> tuple[float, str] | None:
    """The smallest relative margin of a `result.json` and its finding's name; None where nothing was expected.

    What always holds counts where it was missed alone: a command may well be at its limit.
    """
    counted = [each for each in result["findings"] if each["name"] not in ALWAYS or not each["passed"]]
    margins = [(relative_margin(each["margin"], each["limit"]), each["name"]) for each in counted]
    return min(margins, default=None)


def _cell(results: Sequence[dict[str, Any]]) -> Text:
    """Outcomes and smallest margin of one scenario's runs with one label."""
    if not results:
        return Text("-")
    outcomes = Counter(Outcome(result["outcome"]) for result in results)
    worst = next(each for each in _SEVERITY if outcomes[each])
    counts = ", ".join(
        f"{outcomes[each]} {each.value}" if len(results) > 1 else each.value
        for each in _SEVERITY
        if outcomes[each]
    )
    judged = [each for each in results if Outcome(each["outcome"]) in (Outcome.PASSED, Outcome.FAILED)]
    margins = [margin for margin in map(smallest_margin, judged) if margin is not None]
    if not margins:
        return Text(counts, _STYLES[worst])
    share, name = min(margins)
    margin = "not measured" if math.isinf(share) else f"{share:+.0%}"
    return Text(f"{counts}  {margin} {name}", _STYLES[worst])
