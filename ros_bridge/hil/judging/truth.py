"""`truth_at`: what a robot's physical parameters really were, also while a fault is in its body.

A body fault changes what the robot is. Of some we know by how much: a payload of m [kg] on a Go2's trunk adds m to its
`payload`. Of others nobody can say what the family's parameters are then: `motor_strength` is of twelve motors, and one
of them is weak. A belief cannot be compared with the truth in that time. What a fault does not change stays: a lower
voltage cuts the largest torque, and leaves `motor_gain` as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robots import RobotSpec
from ros_bridge.hil.judging.facts import FaultCourse, RunFacts
from ros_bridge.hil.judging.run import UnmeasuredError
from ros_bridge.hil.schedule import BODY

How = Literal["added", "times", "unclear"]


@dataclass(frozen=True)
class Quantity:
    """A family's parameter that body faults change; none changes any other."""

    faults: dict[str, How]
    """By kind: the magnitude is added to the parameter, multiplies it, or nobody knows."""
    joints: tuple[str, ...] = ()
    """That it is about; empty: all of the robot's."""


_UNCLEAR: How = "unclear"
_DRIVE: dict[str, How] = {"weak": "times", "free": _UNCLEAR}
_FRICTION: dict[str, How] = {"friction": "times", "free": _UNCLEAR}
"""Of either kind: what is there at rest, and what grows with the speed."""
_ENCODER: dict[str, How] = {"encoder_offset": "added"}
_LOAD: dict[str, How] = {"payload": "added"}
_INERTIA: dict[str, How] = {"payload": _UNCLEAR}
"""Of a quotient with the moment of inertia below."""


def _go2() -> dict[str, Quantity]:
    joints = [(leg, part) for leg in ("FL", "FR", "RL", "RR") for part in ("hip", "thigh", "calf")]
    encoders = {f"encoder_{leg}_{part}": Quantity(_ENCODER, (f"{leg}_{part}_joint",)) for leg, part in joints}
    return encoders | {
        "payload": Quantity(_LOAD),
        "motor_strength": Quantity(_DRIVE),
        "armature": Quantity({"locked": _UNCLEAR}),
        "faulty_joint": Quantity(dict.fromkeys(("weak", "free", "locked", "friction"), _UNCLEAR)),
        "fault_strength": Quantity(dict.fromkeys(("weak", "free"), _UNCLEAR)),
        "fault_friction": Quantity(dict.fromkeys(("locked", "friction"), _UNCLEAR)),
        "joint_friction": Quantity(_FRICTION),
        "joint_damping": Quantity(_FRICTION),
        "foot_friction": Quantity({"slippery": "times"}),
        "slope_x": Quantity({"slope": _UNCLEAR}),
        "slope_y": Quantity({"slope": _UNCLEAR}),
    }


QUANTITIES: dict[str, dict[str, Quantity]] = {
    "pendulum": {
        "payload_mass": Quantity(_LOAD),
        "motor_gain": Quantity(_DRIVE),
        "coulomb_friction": Quantity(_FRICTION),
        "viscous_friction": Quantity(_FRICTION),
        "encoder_offset": Quantity(_ENCODER),
        "gravity_stiffness": Quantity(_INERTIA),
        "drive_authority": Quantity(_DRIVE | _INERTIA),
        "damping_rate": Quantity(_FRICTION | _INERTIA),
        "stiction": Quantity(_FRICTION | _INERTIA),
    },
    "double_pendulum": {
        "lower_mass": Quantity(_LOAD),
        "motor_strength": Quantity(_DRIVE),
        "viscous_friction": Quantity(_FRICTION),
        "shoulder_friction": Quantity(_FRICTION, ("shoulder",)),
        "elbow_friction": Quantity(_FRICTION, ("elbow",)),
        "shoulder_offset": Quantity(_ENCODER, ("shoulder",)),
        "elbow_offset": Quantity(_ENCODER, ("elbow",)),
    },
    "go2": _go2(),
    "ur5e": {
        "payload_mass": Quantity(_LOAD),
        "joint_friction": Quantity(_FRICTION),
        "servo_stiffness": Quantity(_DRIVE),
        "servo_damping": Quantity(_DRIVE),
        "shoulder_offset": Quantity(_ENCODER, ("shoulder_lift_joint",)),
    },
}
"""By robot and parameter: what is comparable while a body fault lasts."""


def changed_by(spec: RobotSpec, parameter: str, course: FaultCourse) -> How | None:
    """How a fault changes a parameter; None: not at all. Of a robot that is not known every body fault is unclear."""
    fault = course.fault
    if fault.target != BODY or not math.isfinite(course.begun):
        return None
    known = QUANTITIES.get(spec.name)
    if known is None:
        return _UNCLEAR
    how = known[parameter].faults.get(fault.kind) if parameter in known else None
    if how is None or not fault.joints:
        return how
    about, hit = set(known[parameter].joints or spec.joint_names), set(fault.joints)
    if not about & hit:
        return None
    return how if about <= hit else _UNCLEAR


def truth_at(spec: RobotSpec, facts: RunFacts, parameter: str, time: np.ndarray) -> np.ndarray:
    """A parameter's true value at times in [s], shape (B,), in its SI unit; NaN while nobody knows. Shape (B,).

    Raises:
        UnmeasuredError: nobody knows what it was to begin with, as of a real robot.
    """
    if not facts.truth:
        raise UnmeasuredError("the truth about a real robot is not known")
    if parameter not in facts.truth:
        raise UnmeasuredError(
            f"parameter {parameter!r}: its truth is not known; known: {', '.join(facts.truth)}"
        )
    truth = np.full(len(time), facts.truth[parameter])
    for course in facts.faults:
        how = changed_by(spec, parameter, course)
        if how is None:
            continue
        during = (time >= course.begun) & ~(time >= course.ended)  # one that never ended lasts
        fault = course.fault
        if how == "unclear":
            truth[during] = np.nan
            continue
        # A magnitude that grows, from that of no fault: 0 of what is added, 1 of a factor.
        grown = np.clip((time - course.begun) / fault.ramp, 0.0, 1.0) if fault.ramp > 0.0 else 1.0
        added = how == "added"
        change = fault.magnitude * grown if added else 1.0 + (fault.magnitude - 1.0) * grown
        truth = np.where(during, truth + change if added else truth * change, truth)
    return truth
