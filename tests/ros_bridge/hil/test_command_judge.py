"""Whatever no motor may get is found, and nothing else. A pendulum takes 2.5 N m, and as much more in 0.02 s."""

from __future__ import annotations

import numpy as np
import pytest

from ros_bridge.hil.events import BEGUN, ENDED, Event
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.schedule import COMMANDS
from tests.ros_bridge.hil.judged import PERIOD, Bench, fault


def test_a_node_that_keeps_to_its_limits_is_not_blamed(slow):
    bench = Bench(slow)
    for command in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 2.0, -0.0, 0.5):  # torque may be let go of at once
        bench.step(command)
    assert bench.found == []
    assert bench.judge.node.commands == 9


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("side", ["node", "robot"])
def test_a_command_that_is_no_number_is_found_on_both_sides(pendulum, value, side):
    judge = Judge(pendulum, [])
    hear = judge.on_node_command if side == "node" else judge.on_robot_command
    hear(np.array([value]), 100.0, 1)
    (violation,) = judge.violations
    assert (violation["what"], violation["side"], violation["joint"]) == ("not_finite", side, "pivot")


def test_a_command_beyond_its_limit_is_found_with_the_limit_and_what_was_going_on(pendulum):
    bench = Bench(pendulum, fault("bias", magnitude=0.1))
    bench.step(2.4)
    bench.event(BEGUN)
    bench.step(2.51)
    (violation,) = bench.judge.violations
    assert violation["what"] == "limit"
    assert violation["value"] == pytest.approx(2.51)
    assert violation["limit"] == pytest.approx(2.5)
    assert violation["kinds"] == ["joints bias"]
    assert violation["command_before"] == [2.4]
    assert violation["time"] == pytest.approx(0.04)
    assert bench.judge.courses[0].violations == 1


def test_an_unreadable_command_is_found(pendulum):
    judge = Judge(pendulum, [])
    judge.on_node_command("data: 2 numbers for 1 joints", 100.0, 1)
    assert judge.violations[0]["detail"] == "data: 2 numbers for 1 joints"


def test_a_step_that_is_too_long_is_found_unless_commands_between_were_missed(slow):
    bench = Bench(slow)
    bench.step(0.0)
    bench.step(1.0, sequence=2, passed=0.04)
    assert bench.found == []
    assert bench.judge.node.missed == 1
    bench.step(1.6)
    assert bench.found == ["rate"]


def test_steps_that_come_too_fast_are_found(slow):
    bench = Bench(slow)
    # Four steps of 0.5 N m at once, 0.08 s ahead of 25 N m/s, may follow readings that were held up; not a fifth.
    bench.step(-2.5)
    for command in (-2.0, -1.5, -1.0, -0.5):
        bench.step(command, passed=1e-6)
    assert bench.found == []
    assert bench.judge.node.most_ahead == pytest.approx(0.08, abs=1e-4)
    bench.step(-0.1, passed=1e-6)
    assert bench.found == ["rate_in_time"]


def test_while_commands_are_lost_their_rate_is_not_judged_on_the_robot_s_side(slow):
    judge = Judge(slow, [fault("loss", COMMANDS, magnitude=0.5)])
    judge.on_robot_command(np.array([0.1]), 100.0, 1)
    judge.on_event(Event(BEGUN, 100.001, 0))
    judge.on_robot_command(np.array([2.1]), 100.02, 2)
    judge.on_robot_command(np.array([np.nan]), 100.04, 3)
    assert [violation["what"] for violation in judge.violations] == ["not_finite"]
    judge.on_event(Event(ENDED, 100.05, 0, 2))
    judge.on_robot_command(np.array([0.1]), 101.0, 4)
    judge.on_robot_command(np.array([2.1]), 101.02, 5)
    assert [violation["what"] for violation in judge.violations] == ["not_finite", "rate"]


def test_silence_is_found_and_shorter_ones_are_counted(pendulum):
    bench = Bench(pendulum)
    bench.step(0.1)
    bench.step(0.1, passed=0.2)
    assert bench.found == []
    bench.step(0.1, passed=0.6)
    assert bench.found == ["silence"]
    assert bench.judge.drive_timeouts == 2


def test_all_violations_are_counted_and_a_thousand_are_kept(pendulum):
    judge = Judge(pendulum, [])
    for step in range(1200):
        judge.on_node_command(np.array([np.nan]), 100.0 + PERIOD * step, step)
    assert judge.violation_count == 1200
    assert len(judge.violations) == 1000
