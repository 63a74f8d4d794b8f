"""Control periods from a broken reading to the safe command, by the trace alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robots import RobotSpec, SensorFrame, load_robot
from robots.safety import SafetyFilter
from ros_bridge.hil.judging.finding import Finding
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.schedule import IMU
from tests.ros_bridge.hil.judging.played import NEVER, course, facts, judge, played

BROKEN = 200
"""The reading of 4 s, which reaches the node at 4.001 s."""


def blinded(trace: Trace, until: int = BROKEN + 50) -> Trace:
    trace.seen_position[BROKEN:until, 0] = np.nan
    return trace


def periods(spec: RobotSpec, trace: Trace, limit: float = 2.0, kind: str = "nan", **more) -> Finding:
    return judge(spec, trace, facts(course(kind, **more)), "periods_to_safe", limit)


def test_none_at_once_is_one_period(pendulum):
    trace = blinded(played(pendulum))
    trace.command[BROKEN:] = 0.0
    found = periods(pendulum, trace)
    assert (found.value, found.margin, found.passed) == (1.0, 1.0, True)
    assert found.detail == "1 period: broken reading at 4.001 s, safe command at 4.003 s"


def test_at_the_limit_exactly_is_kept_and_one_more_is_missed(pendulum):
    trace = blinded(played(pendulum))
    trace.command[BROKEN + 1 :] = 0.0  # at 4.023 s, 1.1 periods after 4.001 s
    assert (periods(pendulum, trace).value, periods(pendulum, trace).passed) == (2.0, True)
    trace.command[BROKEN + 1] = 0.05
    assert (periods(pendulum, trace).value, periods(pendulum, trace).passed) == (3.0, False)


def test_a_node_that_goes_on_is_a_miss_with_the_reason(pendulum):
    found = periods(pendulum, blinded(played(pendulum)), limit=1e9)
    assert (found.value, found.passed) == (None, False)
    assert found.detail == "no safe command in 300 commands after the broken reading at 4.001 s"


def test_a_command_that_is_no_number_is_not_safe(pendulum):
    trace = blinded(played(pendulum))
    trace.command[BROKEN:] = np.nan
    assert periods(pendulum, trace).value is None


def test_a_blind_node_may_not_brake_by_a_speed_that_it_does_not_know(pendulum):
    trace = blinded(played(pendulum))
    trace.seen_velocity[:] = 2.0
    trace.command[BROKEN:] = -0.3  # 0.15 N m s/rad x 2 rad/s
    assert periods(pendulum, trace).value is None
    # Under a fault in which it can see, that is what safe mode does.
    assert periods(pendulum, trace, kind="bias").value == 1.0
    trace.command[BROKEN:] = -0.31
    assert periods(pendulum, trace, kind="bias").value is None
    trace.command[BROKEN:] = 0.3
    assert periods(pendulum, trace, kind="bias").value is None


def test_a_fault_that_readings_do_not_show_counts_from_its_begin(go2, pendulum):
    trace = played(pendulum)
    trace.command[BROKEN:] = 0.0
    found = periods(pendulum, trace, kind="off")
    assert found.detail == "1 period: fault began at 4.000 s, safe command at 4.003 s"
    assert periods(go2, played(go2), target=IMU).detail.startswith("1 period: fault began at 4.000 s")
    told = judge(
        go2,
        played(go2),
        facts(dataclasses.replace(course(target=IMU), touched=4.012)),
        "periods_to_safe",
        2.0,
    )
    assert told.detail == "1 period: broken reading at 4.012 s, safe command at 4.023 s"


def test_a_position_is_safe_once_it_stays(ur5e):
    trace = blinded(played(ur5e))
    trace.command[:, 0] += 0.001 * np.arange(len(trace.command))
    assert periods(ur5e, trace).value is None
    trace.command[BROKEN + 1 :] = trace.command[BROKEN + 1]
    assert periods(ur5e, trace).value == 2.0
    # Twice the same is not yet one that stays.
    trace.command[BROKEN + 3 :, 0] += 0.001 * np.arange(len(trace.command) - BROKEN - 3)
    assert periods(ur5e, trace).value == 2.0
    trace.command[BROKEN + 3, 0] += 0.1
    assert periods(ur5e, trace).value is None


def test_speed_is_safe_at_none_alone(pendulum):
    wheel = dataclasses.replace(pendulum, interface="velocity")
    trace = blinded(played(wheel))
    trace.seen_velocity[:] = 2.0
    trace.command[BROKEN + 3 :] = 0.0
    trace.command[BROKEN : BROKEN + 3] = -0.1
    assert periods(wheel, trace, kind="bias").value == 4.0


def test_what_judge_counted_is_beside_it(pendulum):
    trace = blinded(played(pendulum))
    trace.command[BROKEN:] = 0.0
    known = facts(course(), periods_to_safe={0: 2})
    assert judge(pendulum, trace, known, "periods_to_safe", 2.0).detail.endswith("; by the judge 2 commands")


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (facts(), "the run had no fault"),
        (facts(course(begun=NEVER)), "fault 0 (joints nan) never began"),
        (facts(course(messages=0)), "fault 0 (joints nan) met no message"),
    ],
)
def test_a_fault_that_was_none_is_a_miss(pendulum, known, reason):
    trace = blinded(played(pendulum))
    trace.command[BROKEN:] = 0.0
    found = judge(pendulum, trace, known, "periods_to_safe", 2.0)
    assert (found.value, found.passed, found.detail) == (None, False, reason)


def test_empty_traces_and_one_command(pendulum):
    assert periods(pendulum, Trace()).detail == "no command of the node was heard"
    one = Trace(command_time=np.array([4.01]), command=np.zeros((1, 1)))
    assert periods(pendulum, one).value == 1.0
    assert periods(pendulum, one).detail.startswith("1 period: fault began at 4.000 s")


@pytest.mark.parametrize("robot", ["pendulum", "double_pendulum", "go2", "ur5e"])
def test_the_safety_filter_s_own_answer_is_found_on_every_robot(robot):
    spec = load_robot(robot)
    trace, joints = blinded(played(spec)), len(spec.joints)
    low, high = np.where([joint.passive for joint in spec.joints], 0.0, spec.action_range)
    wanted = (low + high) / 2 + (high - low) / 4 * np.sin(0.3 * np.arange(len(trace.command)))[:, None]
    safety = SafetyFilter(spec)
    inertial = (np.zeros((1, 3)), np.array([[0.0, 0.0, -1.0]])) if spec.imu else (None, None)
    for index, at in enumerate(trace.seen_position):
        frame = SensorFrame(np.zeros(1), at[None], np.zeros((1, joints)), *inertial)
        trace.command[index] = safety.certify(wanted[index : index + 1], frame).command[0]
    rest = trace.position[0] if spec.interface == "position" else 0.0
    way = np.abs(trace.command[BROKEN - 1] - rest) / (spec.command_rate * spec.period)
    found = periods(spec, trace, limit=max(float(np.ceil(way.max())), 1.0))  # at the highest rate
    assert found.passed, found.detail
    trace.command[:] = wanted  # without the filter
    assert periods(spec, trace, limit=1e9).value is None
