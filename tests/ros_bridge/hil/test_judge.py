"""The judge sees what is wrong, and nothing else. A pendulum takes 2.5 N m, and as much more in a period of 0.02 s."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robots import RobotSpec
from robots.safety import Reason
from ros_bridge.hil.events import BEGUN, ENDED, OVER, STARTED, TOUCHED, Event
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.schedule import COMMANDS, JOINTS, NODE, Fault

PERIOD = 0.02
SAFE, DRIVES = int(Reason.SENSOR_NOT_FINITE), int(Reason.OK)


@pytest.fixture
def slow(pendulum: RobotSpec) -> RobotSpec:
    """A pendulum whose torque may change by 0.5 N m per control period."""
    joint = dataclasses.replace(pendulum.joints[0], command_rate=25.0)
    return dataclasses.replace(pendulum, joints=(joint,))


class Bench:
    """A judge, and a node that is played step by step from time 100 s on."""

    def __init__(self, spec: RobotSpec, *faults: Fault):
        self.judge = Judge(spec, faults)
        self.spec = spec
        self.now, self.sequence = 100.0, 0
        self.judge.on_event(Event(STARTED, self.now))

    def step(
        self,
        *command: float,
        reasons: int = DRIVES,
        passed: float = PERIOD,
        sequence: int = 1,
        fit: bool = True,
    ):
        self.now += passed
        self.sequence += sequence
        joints = len(self.spec.joints)
        self.judge.on_reading(np.zeros(joints), np.full(joints, 0.0 if fit else 1e3), True, self.now - 0.002)
        self.judge.on_node_command(np.array(command), self.now, self.sequence)
        self.judge.on_answer(reasons, self.now)

    def event(self, what: str, index: int = 0, touched: int = 3):
        self.judge.on_event(Event(what, self.now + 0.001, index, touched))

    @property
    def found(self) -> list[str]:
        return [violation["what"] for violation in self.judge.violations]


def fault(kind: str, target: str = JOINTS, **more) -> Fault:
    return Fault(kind, target, 1.0, 1.0, **more)


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


def test_commands_until_the_safe_one_are_counted(pendulum):
    bench = Bench(pendulum, fault("nan"))
    bench.step(2.0)
    bench.event(BEGUN)
    bench.event(TOUCHED)
    bench.step(1.0)
    bench.step(0.0, reasons=SAFE)
    assert bench.judge.courses[0].periods_to_safe == 2
    assert bench.found == []


def test_a_node_that_drives_on_blindly_is_found(pendulum):
    bench = Bench(pendulum, fault("nan"))
    bench.step(2.0)
    bench.event(BEGUN)
    bench.event(TOUCHED)
    for _ in range(4):  # two periods on the way, and two for 5 N m at 2.5 N m per period
        bench.step(1.0)
    assert bench.found == ["not_safe"]
    assert bench.judge.courses[0].periods_to_safe is None


def test_the_safe_position_is_one_that_stays(go2):
    bench = Bench(go2, fault("inf"))
    there = go2.default_position
    bench.step(*there)
    bench.event(BEGUN)
    bench.event(TOUCHED)
    bench.step(*(there + 0.01))
    for _ in range(3):
        bench.step(*(there + 0.02), reasons=SAFE)
    assert bench.judge.courses[0].periods_to_safe == 2
    assert bench.found == []


def test_a_second_fault_ends_the_wait_for_the_safe_command(pendulum):
    bench = Bench(pendulum, fault("nan"), fault("off"))
    bench.event(BEGUN)
    bench.event(TOUCHED)
    bench.event(BEGUN, 1)
    for _ in range(10):
        bench.step(1.0)
    assert bench.found == []


def test_time_in_safe_mode_and_recovery_are_those_of_the_fault(pendulum):
    bench = Bench(pendulum, fault("nan"))
    bench.step(1.0)
    bench.event(BEGUN)
    for _ in range(5):
        bench.step(0.0, reasons=SAFE)
    bench.event(ENDED)
    for _ in range(5):
        bench.step(0.0, reasons=int(Reason.RECOVERING))
    bench.step(1.0)
    bench.step(0.0, reasons=SAFE)
    bench.step(1.0)
    (course,) = bench.judge.courses
    # From the first safe command to the first that is not: ten periods. It ended 1 ms after the fifth.
    assert course.safe_time == pytest.approx(0.2)
    assert course.recovery == pytest.approx(0.119)
    assert course.messages == 3
    assert bench.judge.safe_time == pytest.approx(0.22)
    assert bench.judge.unexplained == pytest.approx(0.02)


def test_a_node_that_does_not_drive_again_is_found(pendulum):
    bench = Bench(pendulum, fault("nan"))
    bench.event(BEGUN)
    bench.event(ENDED)
    for _ in range(80):
        bench.step(0.0, reasons=SAFE)
    assert bench.found == ["no_recovery"]  # once, after 0.1 s of recovery and 1 s of patience
    assert bench.judge.courses[0].violations == 1


def test_a_node_that_stays_in_safe_mode_without_any_fault_is_found(pendulum):
    bench = Bench(pendulum)
    for _ in range(50):
        bench.step(0.0, reasons=SAFE)
    assert bench.found == []
    for _ in range(50):
        bench.step(0.0, reasons=SAFE)
    assert bench.found == ["no_recovery"]
    bench.step(1.0)
    for _ in range(100):
        bench.step(0.0, reasons=SAFE)
    assert bench.found == ["no_recovery"] * 2


def test_recovery_of_a_robot_that_fell_is_not_known(pendulum):
    bench = Bench(pendulum, fault("nan"))
    bench.event(BEGUN)
    bench.step(0.0, reasons=SAFE)
    bench.event(ENDED)
    bench.step(0.0, reasons=SAFE, fit=False)
    bench.step(1.0)
    assert bench.judge.courses[0].recovery is None


def test_a_robot_that_cannot_be_driven_excuses_it(pendulum):
    bench = Bench(pendulum, fault("nan"))
    bench.event(BEGUN)
    bench.event(ENDED)
    for _ in range(80):
        bench.step(0.0, reasons=SAFE, fit=False)
    assert bench.found == []
    assert bench.judge.unfit_since == pytest.approx(100.018)


def test_a_killed_node_s_silence_and_first_command_are_excused_and_its_return_is_timed(slow):
    bench = Bench(slow, fault("killed", NODE))
    bench.step(2.5)
    bench.event(BEGUN)
    bench.step(2.5)  # was on its way
    bench.sequence = 7  # its first ones were not heard
    bench.step(0.0, passed=3.0, reasons=SAFE)
    bench.step(0.5)
    assert bench.found == []
    assert bench.judge.courses[0].recovery == pytest.approx(3.039)
    bench.step(1.6)
    assert bench.found == ["rate"]


def test_rejected_commands_and_ended_processes_are_violations(pendulum):
    judge = Judge(pendulum, [])
    judge.on_rejected(0, 100.0)
    assert judge.violation_count == 0
    judge.on_rejected(2, 100.0)
    judge.on_process("node ended with code 1", 100.0)
    assert [violation["what"] for violation in judge.violations] == ["rejected", "ended"]


def test_all_violations_are_counted_and_a_thousand_are_kept(pendulum):
    judge = Judge(pendulum, [])
    for step in range(1200):
        judge.on_node_command(np.array([np.nan]), 100.0 + PERIOD * step, step)
    assert judge.violation_count == 1200
    assert len(judge.violations) == 1000


def test_it_hears_that_all_is_over(pendulum):
    judge = Judge(pendulum, [])
    judge.on_event(Event(STARTED, 100.0))
    assert not judge.over
    judge.on_event(Event(OVER, 101.0))
    assert judge.over
    assert judge.zero == 100.0
