"""`prove`: a test of the tests. Every scenario runs as it is, and once more without the protection that it tests.

As it is it has to pass. Without its protection it has to fail: by one of its own expectations, or by a command that no
robot may get. A run that says nothing (invalid, or an error) proves nothing: a node that died without its protection
counts where the scenario expects something of it that a dead node does not do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapt.files import write_json
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.commands import BREACHES
from ros_bridge.hil.protections import PROTECTIONS, protection
from ros_bridge.hil.running.campaign import OWN, run_campaign
from ros_bridge.hil.scenario.scenario import Scenario

WITH, WITHOUT = "with", "without"
"""Folders of the two campaigns."""
Campaign = Callable[..., Mapping[str, Any]]
"""As `running.campaign.run_campaign`."""


@dataclass(frozen=True)
class Proof:
    """What came of one run of a scenario, and of the same without its protection."""

    scenario: str
    label: str
    """Which bundle."""
    seed: int
    protection: str
    outcome: str
    """As it is."""
    outcome_without: str
    seen_by: tuple[str, ...]
    """What saw that the protection was off: expectations, by how much they were missed; violations."""
    problem: str
    """Why nothing is proven; empty: it is."""

    @property
    def proven(self) -> bool:
        """Whether it passed with its protection, and failed without it by what it expects."""
        return not self.problem


def prove(
    scenarios: Sequence[Scenario],
    out: Path,
    *,
    campaign: Campaign | None = None,
    words: Callable[[str], object] = print,
    **options: Any,
) -> dict[str, Any]:
    """Runs all scenarios twice, and writes `OUT/prove.json`.

    Args:
        scenarios: those that protect nothing are left out, and named in the report.
        out: folder; the two campaigns are in `with` and `without`.
        campaign: runs scenarios; None: `running.campaign.run_campaign`.
        words: is told what is done.
        options: of the campaign, such as `parallel`, `pace` and `progress`.

    Returns:
        The report: `ok`, `proofs`, `unproven` (protections of which no scenario proves anything), `unprotecting`
        (scenarios that protect nothing).

    Raises:
        BridgeError: no scenario protects anything, or one protects what there is not.
    """
    protecting = [scenario for scenario in scenarios if scenario.protects]
    if not protecting:
        raise BridgeError(f"none of {len(scenarios)} scenarios protects anything: nothing to prove")
    for scenario in protecting:
        protection(scenario.protects)
    run = run_campaign if campaign is None else campaign
    words(f"{len(protecting)} scenarios as they are")
    kept, broken = run(protecting, out / WITH, **options), dict[str, Any](runs=[])
    if not kept.get("stopped_early"):
        words(f"{len(protecting)} scenarios without their protection")
        broken = run(protecting, out / WITHOUT, switched_off=OWN, **options)
    report = compared(protecting, kept["runs"], broken["runs"])
    report["stopped_early"] = bool(kept.get("stopped_early") or broken.get("stopped_early"))
    report["unprotecting"] = [scenario.name for scenario in scenarios if not scenario.protects]
    write_json(out / "prove.json", report)
    return report


def compared(
    scenarios: Sequence[Scenario],
    kept: Sequence[Mapping[str, Any]],
    broken: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The report of two campaigns' results, see `result.json`: runs as they are, and runs without."""
    protects = {scenario.name: scenario.protects for scenario in scenarios}
    others = {_key(result): result for result in broken}
    proofs = [_proof(result, others.pop(_key(result), None), protects) for result in kept]
    proofs += [_proof(None, result, protects) for result in others.values()]
    ran = {proof.scenario for proof in proofs}
    proofs += [_absent(name, what) for name, what in protects.items() if name not in ran]
    proven = {proof.protection for proof in proofs if proof.proven}
    return {
        "ok": all(proof.proven for proof in proofs),
        "proofs": [asdict(proof) | {"proven": proof.proven} for proof in proofs],
        "unproven": {name: each.about for name, each in PROTECTIONS.items() if name not in proven},
    }


def table(report: Mapping[str, Any]) -> str:
    """The report in words: a line for each scenario, by protection, then what is unproven."""
    rows = [("protection", "scenario", "with", "without", "seen by")]
    for proof in sorted(report["proofs"], key=lambda row: (row["protection"], row["scenario"], row["seed"])):
        seen = "; ".join(proof["seen_by"]) or "-"
        rows.append(
            (
                proof["protection"],
                f"{proof['scenario']} {proof['label']}-{proof['seed']}",
                proof["outcome"],
                proof["outcome_without"],
                seen if proof["proven"] else f"NOT PROVEN: {proof['problem']}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    ]
    lines += [f"unproven: {name}: {about}" for name, about in report["unproven"].items()]
    return "\n".join(lines)


def _key(result: Mapping[str, Any]) -> tuple[str, str, int]:
    return result["scenario"], result["label"], result["seed"]


def _proof(
    kept: Mapping[str, Any] | None, broken: Mapping[str, Any] | None, protects: Mapping[str, str]
) -> Proof:
    result = kept or broken
    assert result is not None
    name, label, seed = _key(result)
    seen = () if broken is None else _seen(broken)
    return Proof(
        name,
        label,
        seed,
        protects[name],
        "not run" if kept is None else kept["outcome"],
        "not run" if broken is None else broken["outcome"],
        seen,
        _problem(kept, broken, protects[name], seen),
    )


def _absent(name: str, what: str) -> Proof:
    return Proof(name, "", 0, what, "not run", "not run", (), "it was not run")


def _problem(
    kept: Mapping[str, Any] | None,
    broken: Mapping[str, Any] | None,
    protected: str,
    seen: tuple[str, ...],
) -> str:
    if kept is None or kept["outcome"] != "passed":
        return f"as it is: {_words(kept)}"
    if broken is None or broken["outcome"] != "failed":
        return f"without {protected}: {_words(broken)}"
    if broken.get("switched_off") != protected:
        return f"without {protected}: what was switched off was {broken.get('switched_off')!r}"
    return "" if seen else f"without {protected} it failed, but by nothing that it expects"


def _words(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return "it was not run"
    reason = result.get("reason", "")
    return f"{result['outcome']}: {reason}" if reason else result["outcome"]


def _seen(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What a run missed, and by how much, of what is the node's doing: what is left behind is the runner's."""
    missed = [
        _missed(finding)
        for finding in result["findings"]
        if not finding["passed"] and finding["name"] != "processes_left"
    ]
    counts = dict[str, int]()
    for violation in (each for each in result["violations"] if each["what"] in BREACHES):
        counts[violation["what"]] = counts.get(violation["what"], 0) + 1
    return (*missed, *(f"violation {what}, {count} times" for what, count in counts.items()))


def _missed(finding: Mapping[str, Any]) -> str:
    sign = "at most" if finding["at_most"] else "at least"
    unit = f" {finding['unit']}" if finding["unit"] not in ("", "1") else ""
    limit = f"{sign} {finding['limit']:.4g}{unit}"
    if finding["value"] is None:
        return f"{finding['name']}: nothing measured, {limit}"
    by = "" if finding["margin"] is None else f", missed by {-finding['margin']:.3g}"
    return f"{finding['name']}: {finding['value']:.4g}{unit}, {limit}{by}"
