"""Beliefs against the truth, also one that changes with a fault in the body."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robots import load_robot
from ros_bridge.hil.judging.facts import RunFacts
from ros_bridge.hil.judging.run import UnmeasuredError
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.judging.truth import QUANTITIES, truth_at
from ros_bridge.hil.schedule import BODY, KINDS
from sim_tasks.families import load_family
from tests.ros_bridge.hil.judging.played import NEVER, course, facts, judge, played

MASS = {"parameter": "payload_mass"}
FRICTION = {"parameter": "coulomb_friction"}


def learns(trace: Trace, times: list[float], values: list[float], column: int = 0) -> Trace:
    """The same with a mean that takes each value from each time on, beside the first one before."""
    for time, value in zip(times, values, strict=True):
        trace.belief_mean[trace.belief_time >= time, column] = value
    return trace


def test_adaptation_is_over_when_the_belief_stays_near_the_truth(pendulum):
    # The range is 0.5 to 1.5 kg, the truth 1: a tolerance of 0.1 is 0.9 to 1.1 kg.
    trace = learns(played(pendulum), [0.0, 1.0, 2.0, 3.0], [0.7, 1.05, 1.2, 1.09])
    found = judge(pendulum, trace, facts(), "adapted_within", 3.0, tolerance=0.1, **MASS)
    assert found.value == pytest.approx(3.003)
    assert not found.passed
    assert judge(pendulum, trace, facts(), "adapted_within", 3.003, tolerance=0.1, **MASS).passed
    assert judge(pendulum, trace, facts(), "adapted_within", 9.0, tolerance=0.05, **MASS).value is None


def test_at_the_tolerance_exactly_is_within_it(pendulum):
    trace = learns(played(pendulum), [0.0], [1.25])
    assert judge(pendulum, trace, facts(), "adapted_within", 0.1, tolerance=0.25, **MASS).passed


@pytest.mark.parametrize("broken", ["unknown", "nan", "stopped", "no range", "no truth", "empty"])
def test_what_cannot_be_compared_is_a_miss(pendulum, broken):
    trace, known, parameter = played(pendulum), facts(), "payload_mass"
    if broken == "unknown":
        parameter = "motor_gain"
    elif broken == "nan":
        trace.belief_mean[-1] = np.nan
    elif broken == "stopped":
        kept = trace.belief_time < 8.9
        trace = dataclasses.replace(
            trace, belief_time=trace.belief_time[kept], belief_mean=trace.belief_mean[kept]
        )
    elif broken == "no range":
        known = facts(ranges={})
    elif broken == "no truth":
        known = facts(truth={})
    else:
        trace = Trace()
    for name in ("adapted_within", "belief_error", "belief_sigmas"):
        found = judge(pendulum, trace, known, name, 9.0, parameter=parameter, tolerance=0.5)
        assert (found.value, found.passed) == (None, False)
        assert found.detail


def test_the_last_belief_in_ranges_and_in_deviations(pendulum):
    trace = learns(played(pendulum), [9.0], [1.3])
    assert judge(pendulum, trace, facts(), "belief_error", 0.3, **MASS).value == pytest.approx(0.3)
    assert judge(pendulum, trace, facts(), "belief_sigmas", 2.0, **MASS).value == pytest.approx(3.0)
    assert judge(pendulum, trace, facts(), "belief_error", 0.0, end=8.0, **MASS).passed
    trace.belief_std[-1] = 0.0
    assert judge(pendulum, trace, facts(), "belief_sigmas", 2.0, **MASS).value is None


def test_a_fault_that_changes_the_truth_counts_from_its_begin(pendulum):
    # Twice the friction from 4 to 8 s: 2 N m, and then 1 again. The range is 2 N m wide.
    known = facts(course("friction", BODY, ended=8.0, messages=0, magnitude=2.0))
    trace = learns(played(pendulum), [5.5, 8.2], [1.9, 1.0], column=1)
    found = judge(pendulum, trace, known, "adapted_within", 2.0, fault=0, tolerance=0.1, **FRICTION)
    assert found.value == pytest.approx(1.503 + 0.0, abs=0.021)
    # To the whole run it settles only after the fault is over.
    whole = judge(pendulum, trace, known, "adapted_within", 9.0, tolerance=0.1, **FRICTION)
    assert whole.value == pytest.approx(8.203, abs=0.021)
    ignorant = judge(
        pendulum, played(pendulum), known, "adapted_within", 9.0, fault=0, tolerance=0.1, **FRICTION
    )
    assert ignorant.value is None


def test_another_fault_counts_from_its_end(pendulum):
    trace = learns(played(pendulum), [4.0, 6.0], [1.4, 1.0])
    found = judge(pendulum, trace, facts(course()), "adapted_within", 2.0, fault=0, tolerance=0.1, **MASS)
    assert found.value == pytest.approx(1.003, abs=0.021)


def test_a_change_that_nobody_can_tell_is_not_compared(pendulum):
    known = facts(course("free", BODY, ended=NEVER, messages=0))
    found = judge(pendulum, played(pendulum), known, "belief_error", 9.0, **FRICTION)
    assert found.detail == "a fault in the body changes coulomb_friction, nobody knows by how much"
    assert (
        judge(pendulum, played(pendulum), known, "adapted_within", 9.0, tolerance=1.0, **FRICTION).value
        is None
    )
    assert judge(pendulum, played(pendulum), known, "belief_error", 0.0, **MASS).passed


def _truth(robot: str, parameter: str, at: list[float], **fault) -> list[float]:
    known = facts(course(target=BODY, **fault), truth={parameter: 0.5})
    return truth_at(load_robot(robot), known, parameter, np.array(at)).tolist()


def test_truth_under_faults_in_the_body():
    times = [3.0, 4.0, 4.9, 5.0]  # the fault is at work from 4 to 5 s
    assert _truth("go2", "payload", times, kind="payload", magnitude=2.0) == [0.5, 2.5, 2.5, 0.5]
    assert _truth("go2", "foot_friction", times, kind="slippery", magnitude=0.5) == [0.5, 0.25, 0.25, 0.5]
    assert _truth("go2", "gyro_bias_x", times, kind="payload", magnitude=2.0) == [0.5] * 4
    ramp = _truth("ur5e", "payload_mass", [4.0, 4.25, 4.5, 4.9], kind="payload", magnitude=2.0, ramp=0.5)
    assert ramp == [0.5, 1.5, 2.5, 2.5]
    weaker = _truth("pendulum", "motor_gain", [4.25], kind="weak", magnitude=0.5, ramp=0.5)
    assert weaker == [0.375]  # 0.5 x 0.75: half of the way from 1 to 0.5
    nan = _truth("go2", "slope_x", times, kind="slope", magnitude=0.1)
    assert np.isnan(nan).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("joints", "expected"),
    [((), 0.6), (("shoulder",), 0.6), (("elbow",), 0.5), (("shoulder", "elbow"), 0.6)],
)
def test_of_faults_in_joints_only_theirs_change(joints, expected):
    found = _truth(
        "double_pendulum", "shoulder_offset", [4.5], kind="encoder_offset", magnitude=0.1, joints=joints
    )
    assert found == [pytest.approx(expected)]


def test_one_weak_motor_of_several_says_nothing_of_all():
    hit = {"kind": "weak", "magnitude": 0.5}
    assert np.isnan(_truth("double_pendulum", "motor_strength", [4.5], joints=("shoulder",), **hit)).all()
    assert _truth("pendulum", "motor_gain", [4.5], joints=("pivot",), **hit) == [0.25]


def test_truth_that_nobody_knows(pendulum):
    with pytest.raises(UnmeasuredError, match="real robot"):
        truth_at(pendulum, facts(truth={}), "payload_mass", np.zeros(1))
    with pytest.raises(UnmeasuredError, match="known: payload_mass, coulomb_friction"):
        truth_at(pendulum, facts(), "weight", np.zeros(1))


@pytest.mark.parametrize(
    ("robot", "family"),
    [
        ("pendulum", "pendulum_swingup"),
        ("double_pendulum", "double_pendulum_swingup"),
        ("go2", "go2_velocity"),
        ("ur5e", "ur5e_reach"),
        ("ur5e", "ur5e_track"),
    ],
)
def test_the_table_names_parameters_joints_and_faults_that_there_are(robot, family):
    built = load_family(family)
    for name, quantity in QUANTITIES[robot].items():
        assert name in built.belief_names
        assert set(quantity.joints) <= set(built.robot.joint_names)
        assert all(KINDS[kind].targets == (BODY,) for kind in quantity.faults)


def test_unfamiliar_robots(pendulum):
    trace = played(pendulum)
    assert judge(pendulum, trace, facts(), "unfamiliar_within", 9.0).detail == "after 0.00 s it never said so"
    assert judge(pendulum, trace, facts(), "unfamiliar_share", 0.0).passed
    trace.unfamiliar[250:] = True
    assert judge(pendulum, trace, facts(), "unfamiliar_within", 5.003).value == pytest.approx(5.003)
    assert judge(pendulum, trace, facts(course()), "unfamiliar_within", 1.0, fault=0).value == pytest.approx(
        1.003
    )
    assert judge(pendulum, trace, facts(), "unfamiliar_share", 0.4).value == pytest.approx(0.5)


def test_what_was_forgotten_does_not_look_like_what_was_kept():
    fields = [field for field in dataclasses.fields(RunFacts) if field.name != "error_unit"]
    assert {field.default for field in fields} == {dataclasses.MISSING}
    assert {field.default_factory for field in fields} == {dataclasses.MISSING}
