"""How a run came out and why, in words, and a campaign as a table."""

from __future__ import annotations

import math

import pytest
from rich.console import Console

from ros_bridge.hil.judging.finding import Finding, Outcome
from ros_bridge.hil.judging.verdict import outcome, relative_margin, result_table, smallest_margin

KEPT = Finding("on_target", "", 0.9, 0.8, "of the time", False)
MISSED = Finding("silence", "", 0.3, 0.2, "s", True, "from 4.000 s on")
FAR = Finding("periods_to_safe", "", 6.0, 2.0, "control periods", True, "6 periods")
UNMEASURED = Finding("time_to_safe", "", None, 0.1, "s", True, "the run had no fault")
COMMANDS = Finding("command_limits", "", 1.1, 1.0, "1", True, "node's side")


@pytest.mark.parametrize(
    ("findings", "valid", "error", "expected", "reason"),
    [
        ([KEPT], True, "", Outcome.PASSED, ""),
        ([KEPT], True, "the node did not start", Outcome.ERROR, "the node did not start"),
        ([KEPT], False, "no robot", Outcome.ERROR, "no robot"),
        ([], True, "", Outcome.ERROR, "nothing was judged"),
        (
            [MISSED],
            False,
            "",
            Outcome.INVALID,
            "the simulated robot did not keep its schedule: nothing is known of the node",
        ),
        ([KEPT, MISSED], True, "", Outcome.FAILED, "silence: 0.3 s, at most 0.2 s (from 4.000 s on)"),
        (
            [MISSED, FAR],
            True,
            "",
            Outcome.FAILED,
            "periods_to_safe: 6 control periods, at most 2 control periods (6 periods); and 1 more",
        ),
        (
            [FAR, UNMEASURED],
            True,
            "",
            Outcome.FAILED,
            "time_to_safe: not measured, at most 0.1 s (the run had no fault); and 1 more",
        ),
        (
            [UNMEASURED, COMMANDS],
            True,
            "",
            Outcome.FAILED,
            "command_limits: 1.1, at most 1 (node's side); and 1 more",
        ),
    ],
)
def test_outcomes(findings, valid, error, expected, reason):
    assert outcome(findings, valid, error) == (expected, reason)


def test_at_the_limit_passes_and_nan_does_not():
    assert outcome([Finding("x", "", 1.0, 1.0, "", True)], True, "")[0] is Outcome.PASSED
    assert outcome([Finding("x", "", math.nan, 1.0, "", True)], True, "")[0] is Outcome.FAILED
    assert outcome([Finding("x", "", 1.0, math.nan, "", True)], True, "")[0] is Outcome.FAILED


def test_relative_margins():
    assert relative_margin(0.5, 2.0) == 0.25
    assert relative_margin(-0.5, -2.0) == -0.25
    assert relative_margin(-2.0, 0.0) == -2.0
    assert relative_margin(None, 1.0) == relative_margin(math.nan, 1.0) == -math.inf


def result(scenario: str, label: str, seed: int, outcome: str, *findings: Finding) -> dict:
    return {
        "scenario": scenario,
        "label": label,
        "seed": seed,
        "outcome": outcome,
        "findings": [finding.to_json() for finding in findings],
    }


def test_what_always_holds_is_no_margin_until_it_is_missed():
    at_limit = Finding("command_limits", "", 1.0, 1.0, "1", True)
    assert smallest_margin(result("a", "b", 0, "passed", at_limit, KEPT)) == (
        pytest.approx(0.125),
        "on_target",
    )
    assert smallest_margin(result("a", "b", 0, "passed", at_limit)) is None
    assert smallest_margin(result("a", "b", 0, "failed", COMMANDS, KEPT)) == (
        pytest.approx(-0.1),
        "command_limits",
    )


def test_the_table_has_a_line_per_scenario_and_a_column_per_label():
    results = [
        result("nan", "dr", 0, "passed", KEPT),
        result("nan", "dr", 1, "failed", KEPT, FAR),
        result("nan", "rl2", 0, "passed", KEPT),
        result("push", "rl2", 0, "invalid", UNMEASURED),
        result("off", "rl2", 0, "failed", UNMEASURED),
    ]
    console = Console(width=200)
    with console.capture() as captured:
        console.print(result_table(results))
    lines = [line.split("  ") for line in captured.get().splitlines()]
    words = [[word.strip() for word in line if word.strip()] for line in lines]
    assert [line for line in words if line and line[0] in ("scenario", "nan", "push", "off")] == [
        ["scenario", "dr", "rl2"],
        ["nan", "1 failed, 1 passed", "-200% periods_to_safe", "passed", "+12% on_target"],
        ["push", "-", "invalid"],
        ["off", "-", "failed", "not measured time_to_safe"],
    ]
