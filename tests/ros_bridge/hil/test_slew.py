"""Commands that are eased in, and the way to the safe one, worked out by hand."""

from __future__ import annotations

import dataclasses
from array import array
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Float64MultiArray

from robots import RobotSpec
from ros_bridge.hil.command_judge import CommandJudge
from ros_bridge.hil.command_stream import CommandStream
from ros_bridge.hil.events import BEGUN, STARTED, Event
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.running.real_robot import EASED
from ros_bridge.hil.schedule import COMMANDS, Fault
from ros_bridge.hil.slew import Slew, way_to_safe
from tests.ros_bridge.hil.test_relay import Published


class Way(CommandStream):
    """A relay's stream of commands, whose publisher is a list."""

    def __init__(self, spec: RobotSpec):
        self.out = Published()
        super().__init__(spec, self.out)  # pyright: ignore[reportArgumentType]

    def passed(self, command: list[float], now: float) -> np.ndarray:
        """What comes out of a command that comes in at `now` [s]."""
        self.pass_on(serialize_message(Float64MultiArray(data=array("d", command))), now)
        self.release(now)
        assert self.last is not None
        return self.last


def rated(spec: RobotSpec, rate: float, **changes: Any) -> RobotSpec:
    joints = tuple(dataclasses.replace(joint, command_rate=rate) for joint in spec.joints)
    return dataclasses.replace(spec, joints=joints, **changes)


def test_torque_is_eased_in_from_nothing_by_a_share_that_grows(pendulum):
    way = Way(rated(pendulum, 1e3))  # period 0.02 s: steps of 20 N m
    way.begin(0, EASED, 10.0)
    assert way.passed([2.0], 10.0)[0] == 0.0, "also where the node begins with more than nothing"
    assert way.passed([2.0], 11.0)[0] == pytest.approx(2.0 / 3)
    assert way.passed([-1.5], 12.0)[0] == pytest.approx(-1.0)
    assert way.end(0, 13.0) == 3
    assert way.passed([2.0], 13.0)[0] == 2.0
    raw = serialize_message(Float64MultiArray(data=array("d", [1.0])))
    way.pass_on(raw, 13.02)
    assert way.out[-1] is raw, "bytes again"


def test_positions_are_eased_in_from_the_first_one(ur5e):
    way, home = Way(rated(ur5e, 1e3)), ur5e.default_position
    way.begin(0, EASED, 0.0)
    np.testing.assert_allclose(way.passed(home.tolist(), 0.0), home)
    np.testing.assert_allclose(way.passed((home + 0.3).tolist(), 1.5), home + 0.15)


def test_easing_is_no_faster_than_the_commands_may_be_and_catches_up(pendulum):
    """A command that leaves rest at 0.5 N m/s for 3 s: at t its share is 0.5 t^2 / 3, whose rate is t / 3: over 0.5
    from 1.5 s on. From there the robot gets 0.01 per period, and 3 s later, of a command that stays, all of it."""
    spec = rated(pendulum, 0.5)
    way, judged = Way(spec), []
    judge = CommandJudge(spec, spec.safety.stale_after, judged.append)
    way.begin(0, EASED, 0.0)
    got = []
    for k in range(301):
        now = 0.02 * k
        if k == 150:
            way.end(0, now)
        got.append(way.passed([0.5 * min(now, 3.0)], now)[0])
        judge.hear(np.array([got[-1]]), now, k)
    assert judged == []
    assert got[75] == pytest.approx(0.375)
    assert got[150] == pytest.approx(0.375 + 75 * 0.01)
    assert got[-1] == 1.5
    assert isinstance(way.out[-1], bytes), "it is the node's own again"


def test_what_is_not_finite_is_not_followed_and_torque_is_let_go_of_at_once(pendulum):
    slew = Slew(rated(pendulum, 5.0))  # steps of 0.1 N m
    assert slew.follow(np.array([1.0]))[0] == pytest.approx(0.1)
    assert np.isnan(slew.follow(np.array([np.nan]))[0])
    assert slew.follow(np.array([1.0]))[0] == pytest.approx(0.2)
    assert slew.follow(np.array([0.0]))[0] == 0.0
    assert slew.follow(np.array([-1.0]))[0] == pytest.approx(-0.1)


def test_the_judge_goes_on_looking_at_rates_while_commands_are_eased_in(pendulum):
    def blamed(fault: Fault) -> list[str]:
        judge = Judge(rated(pendulum, 5.0), [fault])
        judge.on_event(Event(STARTED, 1.0))
        judge.on_event(Event(BEGUN, 1.0, 0))
        for number, torque in enumerate((0.0, 0.1, 0.2, 1.0)):
            judge.on_robot_command(np.array([torque]), 1.0 + 0.02 * number, number)
        return [violation["what"] for violation in judge.violations]

    assert blamed(EASED)[0] == "rate", "0.8 N m where 0.1 are allowed"
    assert blamed(Fault("delayed", COMMANDS, 0.0, 3.0, 0.1)) == []


def test_the_way_to_the_safe_command(pendulum, ur5e):
    assert [word.tolist() for word in way_to_safe(pendulum, np.array([2.0]), np.array([0.4]))] == [[0.0]]
    spec = rated(ur5e, 1.0)  # steps of 0.02 or less, by its period
    step, home = spec.period, spec.default_position
    words = list(way_to_safe(spec, home + 3.5 * step, home))
    assert len(words) == 4
    for number, word in enumerate(words[:3], 1):
        np.testing.assert_allclose(word, home + (3.5 - number) * step)
    np.testing.assert_array_equal(words[-1], home)
    for unknown in (None, np.full(6, np.nan)):
        assert [word.tolist() for word in way_to_safe(spec, home, unknown)] == [home.tolist()]
    turning = dataclasses.replace(rated(pendulum, 10.0), interface="velocity")  # steps of 0.2 rad/s
    assert [word[0] for word in way_to_safe(turning, np.array([0.5]), None)] == pytest.approx([0.3, 0.1, 0.0])


def test_a_last_word_passes_all_faults(pendulum):
    way = Way(pendulum)
    way.begin(0, Fault("delayed", COMMANDS, 0.0, 9.0, 5.0), 0.0)
    way.pass_on(serialize_message(Float64MultiArray(data=array("d", [2.0]))), 1.0)
    assert way.last is None
    way.say(np.array([0.0]), 1.1)
    assert (list(way.out[-1].data), way.last) == ([0.0], np.array([0.0]))
