"""Before a real robot moves, and the moment at which it is stopped."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robots import RobotSpec, SensorFrame, load_robot
from ros_bridge.conversions import Reading, to_reading
from ros_bridge.hil.running.limit_watch import LimitWatch
from ros_bridge.hil.running.preflight import Preflight
from ros_bridge.hil.scenario.scenario import Limits
from ros_bridge.imu import to_imu_reading
from tests.ros_bridge.stand_ins import imu_state, joint_state

NO_LIMITS = Limits()


def listened(
    spec: RobotSpec,
    limits: Limits = NO_LIMITS,
    *,
    position: np.ndarray | None = None,
    velocity: float = 0.0,
    every: int = 1,
    age: float = 0.0,
    silent: slice = slice(0, 0),
) -> Preflight:
    """Two seconds of a robot; of so many readings one comes."""
    preflight, names = Preflight(spec, limits, 50.0), spec.joint_names
    where = tuple((spec.default_position if position is None else position).tolist())
    steps = np.arange(0, round(2.0 / spec.period), every)
    for step in np.delete(steps, silent):
        at = 50.0 + step * spec.period
        message = joint_state(at - age, names, where, (velocity,) * len(names))
        preflight.hear_joints(to_reading(message, spec), at, at)
        if spec.imu is not None:
            preflight.hear_imu(to_imu_reading(imu_state(at - age), spec), at, at)
    return preflight


@pytest.mark.parametrize("name", ["pendulum", "double_pendulum", "go2", "ur5e"])
def test_a_robot_at_rest_is_fit(name):
    spec = load_robot(name)
    assert listened(spec).problems(52.0) == []


def test_what_keeps_a_robot_from_being_driven_is_said_in_words():
    spec = load_robot("ur5e")
    assert "nothing came in 2 s" in Preflight(spec, NO_LIMITS, 50.0).problems(52.0)[0]
    assert "readings per s; expected at least 40" in listened(spec, every=2).problems(52.0)[0]
    assert "s without a reading" in listened(spec, silent=slice(20, 30)).problems(52.0)[0]
    assert "moves at 1 rad/s; expected a robot at rest" in listened(spec, velocity=1.0).problems(52.0)[0]
    assert "are 0.5 s old: do the clocks agree?" in listened(spec, age=0.5).problems(52.0)[0]
    assert "from 0.5 s in the future" in listened(spec, age=-0.5).problems(52.0)[0]
    assert listened(spec).problems(52.0, ["/teleop"]) == [
        f"{spec.ros.commands}: /teleop commands the robot already"
    ]
    at_the_end = spec.default_position.copy()
    at_the_end[2] = spec.position_limits[1][2]
    assert f"{spec.joint_names[2]}: is at" in listened(spec, position=at_the_end).problems(52.0)[0]


def test_a_scenario_can_narrow_where_a_robot_may_stand_and_never_widen_it():
    spec, joint = load_robot("pendulum"), "pivot"
    assert listened(spec, Limits(position={joint: (-1.0, 1.0)})).problems(52.0) == []
    narrow = Limits(position={joint: (0.5, 1.0)})
    assert "expected 0.51 to 0.99 rad" in listened(spec, narrow).problems(52.0)[0]
    low, high = spec.position_limits
    watch = LimitWatch(
        spec, Limits(position={joint: (-1e3, 1e3)}, command={joint: 1e3}, velocity={joint: 1e3})
    )
    assert watch.hear_reading(high + 0.1, np.zeros(1)) is not None
    assert watch.hear_reading(low - 0.1, np.zeros(1)) is not None
    assert watch.hear_command(spec.command_limits[1] * 1.01) is not None


def test_a_broken_reading_is_a_problem_and_not_an_error():
    spec = load_robot("pendulum")
    preflight = listened(spec)
    frame = SensorFrame.unheard(1, False)
    preflight.hear_joints(Reading(frame, "velocity of 'pivot' is nan"), 52.0, 52.0)
    assert preflight.problems(52.0) == ["joint_states: velocity of 'pivot' is nan"]


def test_a_tilted_robot_is_not_fit():
    spec = load_robot("go2")
    preflight = listened(spec)
    message = imu_state(52.0)
    message.orientation.w, message.orientation.x = math.cos(0.75), math.sin(0.75)
    preflight.hear_imu(to_imu_reading(message, spec), 52.0, 52.0)
    assert "tilted beyond" in preflight.problems(52.0)[0]


def test_the_watch_names_the_joint_the_value_and_what_is_valid():
    spec = load_robot("ur5e")
    watch = LimitWatch(spec, Limits(velocity={spec.joint_names[1]: 0.5}, command={spec.joint_names[0]: 1.0}))
    still, home = np.zeros(6), spec.default_position
    assert watch.hear_reading(home, still) is None
    fast = still.copy()
    fast[1] = 0.5
    assert watch.hear_reading(home, fast) is None, "at the limit"
    fast[1] = -0.51
    assert (
        watch.hear_reading(home, fast)
        == f"{spec.joint_names[1]} moves at -0.51 rad/s; valid: -0.5 to 0.5 rad/s"
    )
    assert watch.hear_reading(np.where(np.arange(6) == 3, np.nan, home), still) is not None
    command = np.zeros(6)
    assert watch.hear_command(command) is None
    command[0] = 1.2
    assert watch.hear_command(command) == f"{spec.joint_names[0]} is commanded 1.2; valid: -1 to 1"
    assert watch.hear_gravity(np.array([0.0, 0.0, -1.0])) is None
    go2 = LimitWatch(load_robot("go2"), NO_LIMITS)
    assert "tilted" in str(go2.hear_gravity(np.array([1.0, 0.0, 0.0])))
