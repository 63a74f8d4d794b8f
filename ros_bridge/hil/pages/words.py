"""What pages say of outcomes and margins, in words, signs and shares."""

from __future__ import annotations

import math
from typing import Any

from adapt.report.text import NOTHING, number, unit_label
from ros_bridge.hil.pages.campaign import OUTCOMES, Campaign, Run

SIGNS: dict[str, str] = dict(zip(OUTCOMES, ("✓", "✗", "?", "!", "…"), strict=True))
"""Beside the colours, for those who do not tell them apart."""
MEANINGS = {
    "passed": "every expectation was met",
    "failed": "an expectation was missed, or a limit violated",
    "invalid": "the simulated robot did not keep its schedule, or the run could not be judged: "
    "nothing is known of the node, neither good nor bad",
    "error": "it did not come to a run: a process did not start, or ended by itself",
    "unfinished": "it has left no result",
}

_USED_UP = ("command_limits",)
"""Findings of what may be used to the last: that nothing is left says nothing of how close it was."""


def verdict(campaign: Campaign) -> str:
    """How the campaign came out, in a sentence without its full stop."""
    counts, proofs = campaign.counts(), [run for run in campaign.runs if run.result["switched_off"]]
    total, said = sum(counts.values()), []
    if total:
        said.append(f"{'All' if counts['passed'] == total else counts['passed']} {_of(counts, total)} passed")
        words = {"error": "ended in error", "unfinished": "not finished"}
        said += [f"{counts[name]} {words.get(name, name)}" for name in OUTCOMES[1:] if counts[name]]
    if proofs:
        seen = sum(not not_proven(run) for run in proofs)
        said.append(f"{seen} of {len(proofs)} runs without their protection were seen to fail")
    return "; ".join(said) or "Nothing was run"


def not_proven(run: Run) -> str:
    """Why a run without its protection proves nothing, in words; empty: it was seen to fail."""
    proof = run.result.get("proof")
    if isinstance(proof, dict):
        return str(proof.get("problem") or ("" if proof.get("proven") else "it proves nothing"))
    if run.outcome == "passed":
        return f"{run.result['switched_off']} was switched off, and it passed all the same"
    return "" if run.outcome == "failed" else f"not known: {run.outcome}"


def _of(counts: dict[str, int], total: int) -> str:
    runs = f"{total} run{'s' if total != 1 else ''}"
    return runs if counts["passed"] == total else f"of {runs}"


def share(finding: dict[str, Any]) -> float | None:
    """Margin over the limit's size, negative where it was missed; None where that says nothing."""
    margin, limit = finding["margin"], finding["limit"]
    if margin is None or not math.isfinite(margin) or not math.isfinite(limit) or not limit:
        return None
    return margin / abs(limit)


def tightest(run: Run) -> dict[str, Any] | None:
    """The finding with the smallest margin; one that was missed comes before all that were met."""
    findings = run.result["findings"]
    missed = [finding for finding in findings if not finding["passed"]]
    measured = [
        finding
        for finding in missed or findings
        if share(finding) is not None and (missed or finding["name"] not in _USED_UP)
    ]
    return min(measured, key=lambda finding: share(finding) or 0.0, default=missed[0] if missed else None)


def percent(value: float | None) -> str:
    """A share, signed where it is negative: 34 %."""
    if value is None:
        return NOTHING
    rounded = round(100 * value)
    return f"{'−' if value < 0 else ''}{abs(rounded) if abs(rounded) < 1000 else '>999'}\N{NO-BREAK SPACE}%"


def amount(value: float | None, unit: str) -> str:
    """A number with its unit; NaN and infinity by name."""
    if value is None:
        return "not measured"
    shown = number(abs(value)) if math.isfinite(value) else str(abs(value))
    if 0 < abs(value) < 1e-5:
        shown = f"{abs(value):.1e}"
    sign = "−" if value < 0 else ""
    return f"{sign}{shown}" + (f"\N{NO-BREAK SPACE}{unit_label(unit)}" if unit not in ("", "1") else "")


def expectation(finding: dict[str, Any]) -> str:
    """What was asked for: `at most 40 ms`."""
    return f"at {'most' if finding['at_most'] else 'least'} {amount(finding['limit'], finding['unit'])}"


def fault_words(fault: dict[str, Any]) -> str:
    """A fault in a line: `joints bias 0.2, FR_calf_joint position, 2 s to 3.5 s`."""
    what = fault["label"] or f"{fault['target']} {fault['kind']}".strip()
    size = f" {number(fault['magnitude'])}" if fault["magnitude"] else ""
    where = " ".join(str(part) for part in (", ".join(map(str, fault["joints"])), fault["field"]) if part)
    end = fault["begin"] + fault["duration"]
    return f"{what}{size}{', ' if where else ''}{where}, {number(fault['begin'])} s to {number(end)} s"


def event_words(event: Any) -> tuple[float | None, str]:
    """When and what."""
    if not isinstance(event, dict):
        return None, str(event)
    at = event.get("at")
    return (float(at) if isinstance(at, (int, float)) else None), str(event.get("what", ""))
