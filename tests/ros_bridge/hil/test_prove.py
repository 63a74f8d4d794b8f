"""What proves that a scenario tests something: it passes as it is, and fails by its own expectations without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.finding import Finding
from ros_bridge.hil.prove import compared, prove, table
from ros_bridge.hil.scenario.scenario import Scenario

KEPT = Finding("periods_to_safe", "until the safe command", 1.0, 2.0, "periods", True)
MISSED = Finding("periods_to_safe", "until the safe command", 7.0, 2.0, "periods", True)
UNSEEN = Finding("time_to_safe", "until safe mode", None, 0.1, "s", True)


def scenario(name: str = "blind", protects: str = "finite") -> Scenario:
    return Scenario(name, "about", "pendulum_swingup", "pendulum_rma", 8.0, protects=protects)


def result(
    outcome: str, *findings: Finding, name: str = "blind", off: str | None = None, **also: Any
) -> dict[str, Any]:
    said = {"scenario": name, "label": "rma", "seed": 0, "outcome": outcome, "reason": "", "violations": []}
    return said | {"findings": [each.to_json() for each in findings], "switched_off": off} | also


def only(report: dict[str, Any]) -> dict[str, Any]:
    (proof,) = report["proofs"]
    return proof


def test_one_that_fails_without_is_proven_and_says_what_saw_it():
    broken = result("failed", MISSED, UNSEEN, off="finite", violations=[{"what": "limit"}, {"what": "limit"}])
    report = compared([scenario()], [result("passed", KEPT)], [broken])
    assert report["ok"]
    assert only(report)["proven"]
    assert only(report)["seen_by"] == (
        "periods_to_safe: 7 periods, at most 2 periods, missed by 5",
        "time_to_safe: nothing measured, at most 0.1 s",
        "violation limit, 2 times",
    )
    assert "finite" not in report["unproven"]
    assert "stale" in report["unproven"]


def test_one_that_passes_without_proves_nothing():
    report = compared([scenario()], [result("passed", KEPT)], [result("passed", KEPT, off="finite")])
    assert not report["ok"]
    assert only(report)["problem"] == "without finite: passed"
    assert "finite" in report["unproven"]


@pytest.mark.parametrize("outcome", ["invalid", "error"])
def test_a_run_that_says_nothing_proves_nothing(outcome):
    broken = result(outcome, MISSED, off="finite", reason="late by 30 ms")
    report = compared([scenario()], [result("passed", KEPT)], [broken])
    assert only(report)["problem"] == f"without finite: {outcome}: late by 30 ms"


def test_one_that_fails_by_nothing_that_it_expects_proves_nothing():
    report = compared([scenario()], [result("passed", KEPT)], [result("failed", KEPT, off="finite")])
    assert only(report)["problem"] == "without finite it failed, but by nothing that it expects"


def test_one_that_fails_by_a_process_that_was_left_or_by_silence_proves_nothing():
    left = Finding("processes_left", "processes that were left", 1.0, 0.0, "processes", True)
    broken = result("failed", left, off="finite", violations=[{"what": "silence"}])
    report = compared([scenario()], [result("passed", KEPT)], [broken])
    assert only(report)["problem"] == "without finite it failed, but by nothing that it expects"


@pytest.mark.parametrize("outcome", ["failed", "invalid", "error"])
def test_it_has_to_pass_as_it_is(outcome):
    broken = result("failed", MISSED, off="finite")
    report = compared([scenario()], [result(outcome, MISSED)], [broken])
    assert only(report)["problem"] == f"as it is: {outcome}"


def test_what_was_switched_off_has_to_be_its_own_protection():
    report = compared([scenario()], [result("passed", KEPT)], [result("failed", MISSED, off="stale")])
    assert only(report)["problem"] == "without finite: what was switched off was 'stale'"


def test_runs_that_are_missing_are_missed():
    report = compared([scenario()], [result("passed", KEPT)], [])
    assert only(report)["problem"] == "without finite: it was not run"
    report = compared([scenario()], [], [result("failed", MISSED, off="finite")])
    assert only(report)["problem"] == "as it is: it was not run"
    report = compared([scenario()], [], [])
    assert (report["ok"], only(report)["problem"]) == (False, "it was not run")


class Campaign:
    """Notes what it is asked for; without a protection everything fails but `passes`."""

    def __init__(self, passes: tuple[str, ...] = (), stopped: bool = False):
        self.asked = list[tuple[list[str], str, dict[str, Any]]]()
        self.passes, self.stopped = passes, stopped

    def __call__(
        self, scenarios: list[Scenario], out: Path, switched_off: str | None = None, **options: Any
    ) -> dict[str, Any]:
        self.asked.append(([each.name for each in scenarios], out.name, options | {"off": switched_off}))
        runs = [self._run(each, switched_off) for each in scenarios]
        return {"runs": runs, "stopped_early": self.stopped}

    def _run(self, each: Scenario, switched_off: str | None) -> dict[str, Any]:
        assert switched_off in (None, "own")
        if switched_off is None or each.name in self.passes:
            return result("passed", KEPT, name=each.name, off=switched_off and each.protects)
        return result("failed", MISSED, name=each.name, off=each.protects)


def test_both_campaigns_are_run_and_the_report_is_kept(tmp_path):
    campaign, words = Campaign(), list[str]()
    scenarios = [scenario("a", "finite"), scenario("b", ""), scenario("c", "stale")]
    report = prove(scenarios, tmp_path, campaign=campaign, words=words.append, parallel=2)
    assert [asked[:2] for asked in campaign.asked] == [(["a", "c"], "with"), (["a", "c"], "without")]
    assert [asked[2]["off"] for asked in campaign.asked] == [None, "own"]
    assert all(asked[2]["parallel"] == 2 for asked in campaign.asked)
    assert report["ok"]
    assert report["unprotecting"] == ["b"]
    assert json.loads((tmp_path / "prove.json").read_text())["ok"]
    assert words == ["2 scenarios as they are", "2 scenarios without their protection"]


def test_one_that_proves_nothing_spoils_the_whole(tmp_path):
    scenarios = [scenario("a", "finite"), scenario("c", "stale")]
    report = prove(scenarios, tmp_path, campaign=Campaign(passes=("c",)))
    assert not report["ok"]
    lines = table(report).splitlines()
    assert lines[0].split() == ["protection", "scenario", "with", "without", "seen", "by"]
    assert lines[1].startswith("finite")
    assert lines[1].endswith("failed   periods_to_safe: 7 periods, at most 2 periods, missed by 5")
    assert lines[2].endswith("passed   NOT PROVEN: without stale: passed")
    assert "unproven: stale: readings that are old" in table(report)


def test_after_a_stop_the_second_campaign_is_not_begun(tmp_path):
    campaign = Campaign(stopped=True)
    report = prove([scenario()], tmp_path, campaign=campaign)
    assert [asked[1] for asked in campaign.asked] == ["with"]
    assert only(report)["problem"] == "without finite: it was not run"


def test_what_protects_nothing_or_what_there_is_not_is_refused(tmp_path):
    with pytest.raises(BridgeError, match="none of 1 scenarios protects anything"):
        prove([scenario(protects="")], tmp_path, campaign=Campaign())
    with pytest.raises(BridgeError, match="protection 'seatbelt': valid: finite"):
        prove([scenario(protects="seatbelt")], tmp_path, campaign=Campaign())
