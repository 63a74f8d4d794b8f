"""Commands in the three messages that controllers take: by hand, and there and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from std_msgs.msg import Float64MultiArray

from robots import RobotSpec, with_passive
from robots.spec import COMMAND_TYPES
from ros_bridge.commands import command_codec
from ros_bridge.errors import BridgeError
from tests.robots.two_joints import two_joints

ARRAY, TRAJECTORY, STATE = COMMAND_TYPES


def robot(tmp_path, interface: str, kind: str, joints: tuple[str, ...] = ()) -> RobotSpec:
    spec = two_joints(tmp_path, interface)
    return replace(spec, ros=replace(spec.ros, command_type=kind, command_joints=joints))


COMMAND = np.array([0.5, -0.25])
"""Shoulder and elbow."""


@pytest.mark.parametrize("kind", COMMAND_TYPES)
@pytest.mark.parametrize("interface", ["position", "velocity", "effort"])
@pytest.mark.parametrize("joints", [(), ("elbow", "shoulder")])
def test_what_is_sent_is_what_is_read(tmp_path, interface, kind, joints):
    codec = command_codec(robot(tmp_path, interface, kind, joints))
    message = codec.message(COMMAND, 12.5)
    assert isinstance(message, codec.kind)
    assert codec.read(message).tolist() == COMMAND.tolist()


def test_an_array_has_the_controllers_order(tmp_path):
    codec = command_codec(robot(tmp_path, "effort", ARRAY, ("elbow", "shoulder")))
    assert list(codec.message(COMMAND, 0.0).data) == [-0.25, 0.5]


def test_passive_joints_can_be_left_out(tmp_path):
    spec = with_passive(robot(tmp_path, "effort", ARRAY, ("elbow",)), "shoulder")
    codec = command_codec(spec)
    message = codec.message(np.array([0.0, -0.25]), 0.0)
    assert list(message.data) == [-0.25]
    assert codec.read(message).tolist() == [0.0, -0.25]


@pytest.mark.parametrize(
    ("interface", "field"), [("position", "positions"), ("velocity", "velocities"), ("effort", "effort")]
)
def test_a_trajectory_is_one_point_a_control_period_ahead(tmp_path, interface, field):
    message = command_codec(robot(tmp_path, interface, TRAJECTORY)).message(COMMAND, 12.5)
    assert message.joint_names == ["shoulder", "elbow"]
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0), "from now on"
    (point,) = message.points
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, 20_000_000)
    filled = {
        name for name in ("positions", "velocities", "accelerations", "effort") if len(getattr(point, name))
    }
    assert filled == {field}
    assert list(getattr(point, field)) == [0.5, -0.25]


@pytest.mark.parametrize("interface", ["position", "velocity", "effort"])
def test_a_joint_state_fills_the_interfaces_field_alone(tmp_path, interface):
    message = command_codec(robot(tmp_path, interface, STATE)).message(COMMAND, 12.5)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 500_000_000)
    filled = {name for name in ("position", "velocity", "effort") if len(getattr(message, name))}
    assert filled == {interface}


@pytest.mark.parametrize("kind", [TRAJECTORY, STATE])
def test_joints_are_read_by_name(tmp_path, kind):
    codec = command_codec(robot(tmp_path, "position", kind))
    turned = command_codec(robot(tmp_path, "position", kind, ("elbow", "shoulder"))).message(COMMAND, 0.0)
    assert codec.read(turned).tolist() == COMMAND.tolist()


def test_messages_that_do_not_fit_are_refused_by_name(tmp_path):
    array, trajectory, state = (command_codec(robot(tmp_path, "effort", kind)) for kind in COMMAND_TYPES)
    with pytest.raises(BridgeError, match="data: 3 numbers for 2 joints"):
        array.read(Float64MultiArray(data=[1.0, 2.0, 3.0]))
    with pytest.raises(BridgeError, match="points: none"):
        trajectory.read(trajectory.kind())
    for names in (["knee", "elbow"], ["elbow", "elbow"]):
        message = state.message(COMMAND, 0.0)
        message.name = names
        with pytest.raises(BridgeError, match="valid, each once: shoulder, elbow"):
            state.read(message)
    message = state.message(COMMAND, 0.0)
    message.effort = [1.0]
    with pytest.raises(BridgeError, match="effort: 1 numbers for 2 joints"):
        state.read(message)
