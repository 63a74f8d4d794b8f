"""A robot's commands as its controller takes them: which message, which joints, in which order. Pure. J joints.

`std_msgs/Float64MultiArray`           forward_command_controller: numbers in its joint order, no time
`trajectory_msgs/JointTrajectory`      joint_trajectory_controller: one point, a control period ahead
`sensor_msgs/JointState`               topic-based hardware: joints by name
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from robots import RobotSpec
from ros_bridge.conversions import to_stamp
from ros_bridge.errors import BridgeError

_FIELDS = {"position": "positions", "velocity": "velocities", "effort": "effort"}
"""Of a trajectory's point, by the robot's interface."""


@dataclass(frozen=True)
class CommandCodec:
    """Between commands in the robot's joint order and messages."""

    kind: type
    """The message's class."""
    message: Callable[[np.ndarray, float], Any]
    """From a command in [command unit], shape (J,), and ROS time in [s]."""
    read: Callable[[Any], np.ndarray]
    """The command in a message, shape (J,); 0 for joints that it does not name. Raises BridgeError."""


def command_codec(spec: RobotSpec) -> CommandCodec:
    """What the robot's description asks for."""
    return _CODECS[spec.ros.command_type](spec)


def _array(spec: RobotSpec) -> CommandCodec:
    order = _order(spec)

    def message(command: np.ndarray, now: float) -> Float64MultiArray:
        return Float64MultiArray(data=_doubles(command[order]))

    def read(received: Float64MultiArray) -> np.ndarray:
        return _placed(spec, order, list(received.data), "data")

    return CommandCodec(Float64MultiArray, message, read)


def _trajectory(spec: RobotSpec) -> CommandCodec:
    order, field = _order(spec), _FIELDS[spec.interface]
    names = [spec.joint_names[joint] for joint in order]
    ahead = Duration(sec=math.floor(spec.period), nanosec=round(spec.period % 1 * 1e9))

    def message(command: np.ndarray, now: float) -> JointTrajectory:
        point = JointTrajectoryPoint(time_from_start=ahead, **{field: _doubles(command[order])})
        return JointTrajectory(joint_names=names, points=[point])  # a stamp of zero: from now on

    def read(received: Any) -> np.ndarray:
        if not received.points:
            raise BridgeError("points: none")
        return _placed(
            spec, _named(spec, list(received.joint_names)), list(getattr(received.points[-1], field)), field
        )

    return CommandCodec(JointTrajectory, message, read)


def _joint_state(spec: RobotSpec) -> CommandCodec:
    order, field = _order(spec), spec.interface
    names = [spec.joint_names[joint] for joint in order]

    def message(command: np.ndarray, now: float) -> JointState:
        sent = JointState(name=names, **{field: _doubles(command[order])})
        sent.header.stamp, sent.header.frame_id = to_stamp(now), spec.ros.frame
        return sent

    def read(received: Any) -> np.ndarray:
        return _placed(spec, _named(spec, list(received.name)), list(getattr(received, field)), field)

    return CommandCodec(JointState, message, read)


_CODECS: dict[str, Callable[[RobotSpec], CommandCodec]] = {
    "std_msgs/Float64MultiArray": _array,
    "trajectory_msgs/JointTrajectory": _trajectory,
    "sensor_msgs/JointState": _joint_state,
}


def _order(spec: RobotSpec) -> np.ndarray:
    """Which joints are sent, and in which order. Shape (C,), int."""
    names = spec.ros.command_joints or spec.joint_names
    return np.array([spec.joint_names.index(name) for name in names])


def _named(spec: RobotSpec, names: list[str]) -> np.ndarray:
    unknown = [name for name in names if name not in spec.joint_names]
    if unknown or len(set(names)) < len(names):
        raise BridgeError(f"joint names: {list(names)}; valid, each once: {', '.join(spec.joint_names)}")
    return np.array([spec.joint_names.index(name) for name in names], dtype=int)


def _placed(spec: RobotSpec, order: np.ndarray, values: list[float], field: str) -> np.ndarray:
    """Numbers, one for each joint of `order`, in the robot's joint order. Shape (J,)."""
    if len(values) != len(order):
        raise BridgeError(f"{field}: {len(values)} numbers for {len(order)} joints")
    command = np.zeros(len(spec.joints))
    command[order] = values
    return command


def _doubles(values: np.ndarray) -> array:
    return array("d", values.tolist())
