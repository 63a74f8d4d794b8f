"""Between ROS messages and `Sample`s: what faults can break of each, the rest as it came."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PointStamped, PoseStamped, TwistStamped
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from robots import RobotSpec
from ros_bridge.commands import command_codec
from ros_bridge.errors import BridgeError
from ros_bridge.hil.faults import Sample
from ros_bridge.imu import ABSENT

_NUMBERS = ("position", "velocity", "effort")
_AXES = {"angular_velocity": ("x", "y", "z"), "orientation": ("x", "y", "z", "w")}
_NANO = 1_000_000_000
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SampleCodec:
    """Between messages of one topic and samples."""

    kind: type
    """The message's class."""
    read: Callable[[Any], Sample | None]
    """None where the message cannot be read, and so not be broken either."""
    write: Callable[[Any, Sample], Any]
    """A sample as a message; what samples do not say is that of the first one, which may be changed."""


def _stamp(message: Any) -> int:
    return message.header.stamp.sec * _NANO + message.header.stamp.nanosec


def _read_joints(message: JointState) -> Sample:
    values = {field: list(numbers) for field in _NUMBERS if len(numbers := getattr(message, field))}
    return Sample(_stamp(message), list(message.name), values)


def _write_joints(message: JointState, sample: Sample) -> JointState:
    message.header.stamp = Time(sec=sample.stamp // _NANO, nanosec=sample.stamp % _NANO)
    message.name = sample.names
    for field in _NUMBERS:
        setattr(message, field, array("d", sample.values.get(field, ())))
    return message


def _read_imu(message: Imu) -> Sample:
    values = {
        field: [getattr(getattr(message, field), axis) for axis in axes] for field, axes in _AXES.items()
    }
    return Sample(_stamp(message), [], values)


def _write_imu(message: Imu, sample: Sample) -> Imu:
    message.header.stamp = Time(sec=sample.stamp // _NANO, nanosec=sample.stamp % _NANO)
    for field, axes in _AXES.items():
        if field not in sample.values:
            getattr(message, f"{field}_covariance")[0] = ABSENT
            continue
        for axis, value in zip(axes, sample.values[field], strict=True):
            setattr(getattr(message, field), axis, value)
    return message


JOINT_SAMPLES = SampleCodec(JointState, _read_joints, _write_joints)
IMU_SAMPLES = SampleCodec(Imu, _read_imu, _write_imu)


def goal_samples(kind: type) -> SampleCodec:
    """Of goals that are told as messages of one type of `ros_bridge.goals.SOURCES`."""

    def read(message: Any) -> Sample:
        numbers = [getattr(part, axis) for part, axis in _goal_places(message)]
        values = {"goal": list(message.data) if kind is Float64MultiArray else numbers}
        stamp = _stamp(message) if hasattr(message, "header") else 0
        frame = message.header.frame_id if kind in (PoseStamped, PointStamped) else None
        return Sample(stamp, [], values, frame=frame)

    def write(message: Any, sample: Sample) -> Any:
        if hasattr(message, "header"):
            message.header.stamp = Time(sec=sample.stamp // _NANO, nanosec=sample.stamp % _NANO)
        if sample.frame is not None:
            message.header.frame_id = sample.frame
        if kind is Float64MultiArray:
            message.data = array("d", sample.values["goal"])
        else:
            for (part, axis), value in zip(_goal_places(message), sample.values["goal"], strict=True):
                setattr(part, axis, value)
        return message

    return SampleCodec(kind, read, write)


def _goal_places(message: Any) -> list[tuple[Any, str]]:
    """Where a goal's numbers stand, in their order; none: they are a plain array."""
    if isinstance(message, PoseStamped):
        return [(message.pose.position, axis) for axis in "xyz"]
    if isinstance(message, PointStamped):
        return [(message.point, axis) for axis in "xyz"]
    if isinstance(message, Float64MultiArray):
        return []
    twist = message.twist if isinstance(message, TwistStamped) else message
    return [(twist.linear, "x"), (twist.linear, "y"), (twist.angular, "z")]


def command_samples(spec: RobotSpec) -> SampleCodec:
    """Of a robot's commands, from -1 to +1 between its command limits."""
    codec, (low, high) = command_codec(spec), spec.command_limits
    centre, half = (low + high) / 2, (high - low) / 2
    half = np.where(half > 0.0, half, 1.0)  # passive joints
    rest = {} if spec.interface == "position" else {"command": (-centre / half).tolist()}

    def read(message: Any) -> Sample | None:
        try:
            command = codec.read(message)
        except BridgeError:
            return None
        return Sample(0, list(spec.joint_names), {"command": ((command - centre) / half).tolist()}, rest=rest)

    def write(message: Any, sample: Sample) -> Any:
        share = np.array(sample.values["command"])
        command = centre + half * share
        command = np.where(np.abs(share) < 1.0 + _ROUNDING, np.clip(command, low, high), command)
        stamp = message.header.stamp if hasattr(message, "header") else Time()
        return codec.message(command, stamp.sec + 1e-9 * stamp.nanosec)

    return SampleCodec(codec.kind, read, write)
