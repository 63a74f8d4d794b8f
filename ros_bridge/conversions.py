"""Between ROS messages and arrays. Pure functions: no node, no clock, no state. J joints, Q named quantities."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout

from adapt.online.familiarity import JUDGED, Judgement
from adapt.types import Belief
from robots import RobotSpec, SensorFrame
from ros_bridge.errors import BridgeError


@dataclass(frozen=True)
class Reading:
    """One JointState in the robot's joint order."""

    frame: SensorFrame
    """Of N = 1 robot; NaN wherever the message says nothing usable."""
    problem: str | None
    """What is wrong with the message, in words; None if nothing is."""


@dataclass(frozen=True)
class BeliefReading:
    """A belief message in arrays."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    mean: np.ndarray
    """In the units that `units` names. Shape (Q,)."""
    std: np.ndarray
    """Standard deviation in the same units. Shape (Q,)."""

    @property
    def quantities(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation by name."""
        return dict(zip(self.names, zip(self.mean.tolist(), self.std.tolist(), strict=True), strict=True))


def to_seconds(stamp: Time) -> float:
    """A stamp in [s] since its clock's epoch."""
    return stamp.sec + 1e-9 * stamp.nanosec


def to_stamp(seconds: float) -> Time:
    """Seconds since the epoch, to the nanosecond that a float of this size resolves."""
    whole = math.floor(seconds)
    return Time(sec=whole, nanosec=min(round((seconds - whole) * 1e9), 999_999_999))


def to_reading(message: JointState, spec: RobotSpec) -> Reading:
    """Maps joints by name: their order in the message is free, other joints are ignored.

    Whatever is missing or not finite stays NaN in the frame, which puts the safety filter into safe mode. Effort is
    looked at only where the robot measures it.
    """
    places = _places(tuple(message.name), spec.joint_names)
    read = {field: _in_order(getattr(message, field), message, places) for field in _fields(spec)}
    heard = {field: values for field, values in read.items() if values is not None}
    stamp, stamped = (
        to_seconds(message.header.stamp),
        message.header.stamp.sec or message.header.stamp.nanosec,
    )
    problems = [] if stamped else ["header.stamp is not set"]
    if len(heard) < len(read):
        heard, unsound = _sort_out(message, spec)
        problems += unsound
    if spec.imu is not None:
        heard["gyro"] = heard["gravity"] = unmeasured(3)
    return Reading(SensorFrame(np.array([stamp]), **heard), "; ".join(problems) or None)


def _fields(spec: RobotSpec) -> tuple[str, ...]:
    """Of a JointState, and of a frame, that a robot has to fill."""
    return ("position", "velocity") if spec.effort_sensor is None else ("position", "velocity", "effort")


@lru_cache(maxsize=64)
def unmeasured(size: int) -> np.ndarray:
    """What a message says nothing of: NaN, shape (1, size). Shared, so that nobody may write into it."""
    nothing = np.full((1, size), np.nan)
    nothing.flags.writeable = False
    return nothing


@lru_cache(maxsize=8)
def _places(names: tuple[str, ...], joints: tuple[str, ...]) -> np.ndarray | None:
    """Where each joint stands in a message, shape (J,); None unless each stands there once.

    A robot's messages all have the same names in the same order; few are kept, for a message may have any size.
    """
    if any(names.count(joint) != 1 for joint in joints):
        return None
    return np.array([names.index(joint) for joint in joints])


def _in_order(values: Sequence[float], message: JointState, places: np.ndarray | None) -> np.ndarray | None:
    """A sound message's numbers in the robot's joint order, shape (1, J); None where anything is wrong with them."""
    if places is None or len(values) != len(message.name):
        return None
    numbers = np.array(values)[places]
    return numbers[None] if np.isfinite(numbers).all() else None


def _sort_out(message: JointState, spec: RobotSpec) -> tuple[dict[str, np.ndarray], list[str]]:
    """What of an unsound message can be used, by field, shape (1, J), the rest NaN, and what is wrong, in words."""
    heard = {field: np.full((1, len(spec.joints)), np.nan) for field in _fields(spec)}
    problems, names = list[str](), list(message.name)
    for index, joint in enumerate(spec.joint_names):
        if names.count(joint) != 1:
            problems.append(f"joint {joint!r} stands in `name` {names.count(joint)} times")
            continue
        place = names.index(joint)
        for field, target in heard.items():
            values = getattr(message, field)
            if not len(values):
                problems.append(f"`{field}` is empty; {_NEEDED[field]} of every joint")
            elif len(values) != len(names):
                problems.append(f"`{field}` has {len(values)} numbers for {len(names)} names")
            elif not math.isfinite(values[place]):
                problems.append(f"{field} of {joint!r} is {values[place]}")
            else:
                target[0, index] = values[place]
    return heard, list(dict.fromkeys(problems))


_NEEDED = dict.fromkeys(("position", "velocity"), "the policy needs it") | {
    "effort": "robot.yaml says effort_sensor, which needs it"
}
"""Why a field has to be filled."""


def joint_state_message(frame: SensorFrame, effort: np.ndarray, spec: RobotSpec) -> JointState:
    """One robot's reading, with the effort [N m] last applied, shape (J,), as a robot publishes it."""
    message = JointState()
    message.header.stamp = to_stamp(float(frame.stamp[0]))
    message.header.frame_id = spec.ros.frame
    message.name = list(spec.joint_names)
    message.position = _doubles(frame.position[0])
    message.velocity = _doubles(frame.velocity[0])
    message.effort = _doubles(effort)
    return message


def requested_message(requested: np.ndarray, reasons: int, joint_names: Sequence[str]) -> Float64MultiArray:
    """What the policy asked for in [command unit], shape (J,), then the bit mask of `robots.safety.Reason`."""
    labels = ",".join((*joint_names, "reasons"))
    return labelled(np.append(requested, reasons)[None], ("requested", labels))


def read_requested(message: Float64MultiArray) -> tuple[np.ndarray, int]:
    """The request, shape (J,), and the reasons of a `requested_message`.

    Raises:
        BridgeError: the message is empty or its reasons are no bit mask.
    """
    data = np.array(message.data)
    if len(data) < 2 or not math.isfinite(data[-1]):
        raise BridgeError(f"requested: expected numbers per joint and a bit mask, got {data.tolist()}")
    return data[:-1], int(data[-1])


def belief_message(belief: Belief, names: Sequence[str], units: Sequence[str]) -> Float64MultiArray:
    """One robot's quantities: rows mean and standard deviation, a column per quantity, labelled with its unit."""
    rows = np.concatenate([belief.parameters, belief.parameter_std])
    labels = ",".join(f"{name} [{unit}]" for name, unit in zip(names, units, strict=True))
    return labelled(rows, ("mean,std", labels))


def read_belief(message: Float64MultiArray) -> BeliefReading:
    """Takes a `belief_message` apart.

    Raises:
        BridgeError: its layout and its data disagree.
    """
    dims = list(message.layout.dim)
    labels = dims[1].label.split(",") if len(dims) == 2 else []
    if not labels or len(message.data) != 2 * len(labels):
        raise BridgeError(f"belief: {len(message.data)} numbers for two rows of {len(labels)} labels")
    mean, std = np.array(message.data).reshape(2, -1)
    parts = [label.removesuffix("]").split(" [", 1) for label in labels]
    return BeliefReading(
        names=tuple(part[0] for part in parts), units=tuple(part[-1] for part in parts), mean=mean, std=std
    )


def familiarity_message(judged: Judgement) -> Float64MultiArray:
    """How familiar one robot is, labelled with `JUDGED`; score and confidence are NaN while nothing is judged yet."""
    return labelled(judged.of()[None], ("familiarity", ",".join(JUDGED)))


def read_familiarity(message: Float64MultiArray) -> np.ndarray:
    """Takes a `familiarity_message` apart: in the order of `JUDGED`, shape (4,).

    Raises:
        BridgeError: it has another number of values.
    """
    if len(message.data) != len(JUDGED):
        raise BridgeError(f"familiarity: {len(message.data)} numbers; expected {', '.join(JUDGED)}")
    return np.array(message.data)


def labelled(rows: np.ndarray, labels: tuple[str, str]) -> Float64MultiArray:
    """A matrix, shape (R, C), row by row, with a label per axis."""
    count, width = rows.shape
    dims = [
        MultiArrayDimension(label=labels[0], size=count, stride=count * width),
        MultiArrayDimension(label=labels[1], size=width, stride=width),
    ]
    return Float64MultiArray(layout=MultiArrayLayout(dim=dims), data=_doubles(rows.ravel()))


def _doubles(values: np.ndarray) -> array:
    return array("d", values.tolist())
