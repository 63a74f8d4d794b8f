"""The judge knows what the node made of each fault. A pendulum takes 2.5 N m, and as much more in 0.02 s."""

from __future__ import annotations

import numpy as np
import pytest

from robots.safety import Reason
from ros_bridge.hil.events import BEGUN, ENDED, OVER, STARTED, TOUCHED, Event
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.schedule import NODE
from tests.ros_bridge.hil.judged import PERIOD, SAFE, Bench, fault


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
    assert bench.judge.violations[0]["detail"] == "sensor_not_finite"


def test_a_moment_in_safe_mode_after_a_long_drive_is_not_blamed(pendulum):
    bench = Bench(pendulum)
    for _ in range(100):
        bench.step(0.1)
    for _ in range(10):
        bench.step(0.0, reasons=SAFE)
    assert bench.found == []


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


def test_a_node_that_does_not_get_the_readings_yet_is_not_blamed(pendulum):
    bench = Bench(pendulum, fault("nan"))
    bench.event(BEGUN)
    bench.event(ENDED)
    for _ in range(80):
        bench.step(0.0, reasons=SAFE, relayed=False)
    assert bench.found == []
    for _ in range(80):
        bench.step(0.0, reasons=SAFE)
    assert bench.found == ["no_recovery"]


def test_a_robot_at_its_limit_cannot_be_driven_although_noise_says_so_now_and_then(pendulum):
    bench = Bench(pendulum)
    bench.step(0.0)
    for _ in range(50):
        bench.step(0.0, reasons=SAFE, fit=False)
        bench.step(0.1)
    assert bench.judge.unfit_since == pytest.approx(100.038)
    for _ in range(30):
        bench.step(0.1)
    assert bench.judge.unfit_since is None
    bench.step(0.0, fit=False)
    bench.step(0.0, passed=3.0, fit=False)
    assert bench.judge.unfit_since == pytest.approx(bench.now - 0.002)  # another robot


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


def test_it_hears_that_all_is_over(pendulum):
    judge = Judge(pendulum, [])
    judge.on_event(Event(STARTED, 100.0))
    assert not judge.over
    judge.on_event(Event(OVER, 101.0))
    assert judge.over
    assert judge.zero == 100.0


def test_a_node_that_never_speaks_again_is_blamed_once(slow):
    bench = Bench(slow)
    for _ in range(5):
        bench.step(0.0)
    for _ in range(200):  # the robot goes on
        bench.now += PERIOD
        bench.judge.on_reading(np.zeros(1), np.zeros(1), True, bench.now)
    assert bench.found.count("silence") == 1
    bench.step(0.0)
    assert bench.found.count("silence") == 1, "it is the same silence"
