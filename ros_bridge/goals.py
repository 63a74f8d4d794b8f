"""Between ROS messages and goals. Pure functions: no node, no clock, no state. G numbers of a `GoalLayout`."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, PointStamped, Pose, PoseStamped, Quaternion, Twist, TwistStamped, Vector3
from std_msgs.msg import Float64MultiArray, Header

from robots.goal import GoalLayout
from ros_bridge.conversions import to_seconds, to_stamp

SOURCES: dict[str, dict[str, type]] = {
    "velocity": {"cmd_vel": Twist, "cmd_vel_stamped": TwistStamped},
    "tool_position": {"goal_pose": PoseStamped, "goal_point": PointStamped},
    "tool_motion": {"goal": Float64MultiArray},
    "numbers": {"goal": Float64MultiArray},
}
"""Where goals of each kind are told, and as which messages: one topic has one type. Relative names. The first is where
a simulated robot's own planner speaks."""
STREAM_TIMEOUT = 0.5
"""Silence in [s] after which a goal that is told again and again holds no longer; ros2_control's controllers take as
long."""
TIMEOUTS = {"velocity": STREAM_TIMEOUT, "tool_motion": STREAM_TIMEOUT}
"""By kind; goals of the other kinds hold until they are replaced."""


@dataclass(frozen=True)
class GoalReading:
    """One message in the goal's own order and units."""

    values: np.ndarray
    """Shape (G,) where nothing is wrong with it."""
    stamp: float | None
    """When it was told, in [s] of ROS time; None where the message does not say."""
    problem: str | None
    """What is wrong with the message, in words; None if nothing is."""


@dataclass(frozen=True)
class _Told:
    values: list[float]
    header: Header | None = None
    located: bool = False
    """Whether the numbers mean nothing without a frame."""


def to_goal(message: Any, layout: GoalLayout, base: str) -> GoalReading:
    """A goal from a message of one of the `SOURCES`; `base` is the frame that the policy was trained in.

    What of a message the policy does not hear is not looked at: a pose's orientation, a twist's other three numbers.
    """
    told = _READERS[type(message)](message)
    stamp = 0.0 if told.header is None else to_seconds(told.header.stamp)
    return GoalReading(np.array(told.values), stamp or None, _problem(told, layout, base))


def goal_message(goal: np.ndarray, kind: str, base: str, now: float) -> Any:
    """A goal, shape (G,), as the message of the first of its kind's `SOURCES`, told at `now` [s] of ROS time."""
    values = goal.tolist()
    if kind == "velocity":
        forward, left, turning = values
        return Twist(linear=Vector3(x=forward, y=left), angular=Vector3(z=turning))
    if kind == "tool_position":
        x, y, z = values
        pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0))
        return PoseStamped(header=Header(stamp=to_stamp(now), frame_id=base), pose=pose)
    return Float64MultiArray(data=array("d", values))


def _problem(told: _Told, layout: GoalLayout, base: str) -> str | None:
    frame = base if told.header is None else told.header.frame_id
    if frame != base and (frame or told.located):
        return f"frame_id is {frame!r}; expected {base!r}"
    if len(told.values) != layout.size:
        return f"{len(told.values)} numbers; expected {layout.size}: {', '.join(layout.names)}"
    for name, value in zip(layout.names, told.values, strict=True):
        if not math.isfinite(value):
            return f"{name} is {value}"
    return None


def _twist(twist: Twist, header: Header | None = None) -> _Told:
    return _Told([twist.linear.x, twist.linear.y, twist.angular.z], header)


def _point(point: Point, header: Header) -> _Told:
    return _Told([point.x, point.y, point.z], header, located=True)


_READERS: dict[type, Callable[[Any], _Told]] = {
    Twist: _twist,
    TwistStamped: lambda message: _twist(message.twist, message.header),
    PoseStamped: lambda message: _point(message.pose.position, message.header),
    PointStamped: lambda message: _point(message.point, message.header),
    Float64MultiArray: lambda message: _Told(list(message.data)),
}
