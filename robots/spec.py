"""`RobotSpec`: a robot's joints, limits, gains, sensors, timing and topics, as `robots.reader` reads them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from robots.errors import RobotSpecError
from robots.kinematics import Chain, Foot

INTERFACES = ("position", "velocity", "effort")
COMMAND_TYPES = ("std_msgs/Float64MultiArray", "trajectory_msgs/JointTrajectory", "sensor_msgs/JointState")
MENAGERIE = "menagerie:"
"""How a model begins that `sim_tasks.models` finds in the MuJoCo Menagerie."""


@dataclass(frozen=True)
class Gains:
    """Of a joint's position servo: torque = kp (command - position) - kd velocity."""

    kp: float
    """In [N m/rad]."""
    kd: float
    """In [N m s/rad]."""


@dataclass(frozen=True)
class Joint:
    """One joint that is measured, and commanded unless it is passive, with its limits."""

    name: str
    position: tuple[float, float]
    """Lowest and highest allowed position in [rad]."""
    velocity: float
    """Highest allowed speed in [rad/s]."""
    effort: float
    """Highest allowed torque in [N m]."""
    command_rate: float
    """Highest change of the command per second, in [command unit / s]."""
    default_position: float
    """Position at rest in [rad]."""
    gains: Gains | None = None
    """Of a position-commanded joint; None: those of the model."""
    action: tuple[float, float] | None = None
    """The commands that actions -1 and +1 ask for, in [command unit]; None: the command limits."""
    passive: bool = False
    """Measured but never driven: no action, and the command is always 0 N m."""
    command_acceleration: float = np.inf
    """Highest change of the command's rate per second, in [command unit / s^2]; infinite: none."""


@dataclass(frozen=True)
class Imu:
    """An inertial measurement unit."""

    site: str
    """Where it is in the model, and how it is turned."""
    topic: str
    """Where its sensor_msgs/Imu is published; relative."""
    frame: str
    """Its ROS frame."""


@dataclass(frozen=True)
class EffortSensor:
    """That the robot measures its joints' torque, in `effort` of its JointState, and how much of it is too much."""

    sustained: float
    """How long a joint may exceed its effort limit, in [s]: one reading that is off does not stop the robot."""
    margin: float = 1.0
    """The limit times this is what may be measured: at least 1, as measurements are not exact."""

    def manifest(self) -> dict[str, Any]:
        """Plain numbers, for a robot's identity."""
        return {"sustained": self.sustained, "margin": self.margin}


@dataclass(frozen=True)
class SafetySettings:
    """How the safety filter starts, waits and falls back."""

    soft_start: float
    """Time over which commands blend in after activation, in [s]."""
    stale_after: float
    """Age at which a sensor reading may no longer be acted upon, in [s]."""
    damping: tuple[float, ...]
    """Safe mode of an effort-commanded robot: torque per joint speed, in [N m s/rad]. Shape (J,)."""
    recovery: float = 0.0
    """Time for which readings and actions have to be sound again before safe mode ends, in [s]."""
    tilt: float = np.pi
    """Largest angle between the IMU's z axis and the vertical that is not yet a fall, in [rad]; pi: any."""
    base_height: float | None = None
    """Least height of the base's origin above the lowest foot, along gravity, in [m]; None: any."""
    servo_effort: float | None = None
    """Share of a joint's effort limit that a position command may ask its servo for; None: the drive sees to it."""


@dataclass(frozen=True)
class RosTopics:
    """Where the robot speaks and listens. Relative names, so that a namespace separates robots."""

    joint_states: str
    commands: str
    command_type: str
    """One of `COMMAND_TYPES`."""
    frame: str
    command_joints: tuple[str, ...] = ()
    """The joints of a command message in the controller's order; empty: all of the robot's, in its own."""


@dataclass(frozen=True)
class RobotSpec:
    """A robot as hardware: what every other room needs to know of it. J joints, A of them not passive."""

    name: str
    description: str
    model: Path | str
    """MJCF or URDF file, or `menagerie:<model>/<file>`."""
    period: float
    """Control period in [s]."""
    interface: str
    """What a command means: one of `INTERFACES`."""
    joints: tuple[Joint, ...]
    safety: SafetySettings
    ros: RosTopics
    imu: Imu | None = None
    tool: Chain | None = None
    feet: tuple[Foot, ...] = ()
    effort_sensor: EffortSensor | None = None
    """None where the robot does not measure torque; what its messages hold does not matter then."""

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def active(self) -> np.ndarray:
        """Indices of the joints that have an action. Shape (A,), int."""
        return np.flatnonzero([not joint.passive for joint in self.joints])

    @cached_property
    def position_limits(self) -> np.ndarray:
        """Lowest and highest positions in [rad]. Shape (2, J)."""
        return np.array([joint.position for joint in self.joints]).T

    @cached_property
    def default_position(self) -> np.ndarray:
        """Positions at rest in [rad]. Shape (J,)."""
        return np.array([joint.default_position for joint in self.joints])

    @cached_property
    def velocity_limit(self) -> np.ndarray:
        """Highest speeds in [rad/s]. Shape (J,)."""
        return np.array([joint.velocity for joint in self.joints])

    @cached_property
    def effort_limit(self) -> np.ndarray:
        """Highest torques in [N m]. Shape (J,)."""
        return np.array([joint.effort for joint in self.joints])

    @cached_property
    def command_rate(self) -> np.ndarray:
        """Highest change of a command in [command unit / s]. Shape (J,)."""
        return np.array([joint.command_rate for joint in self.joints])

    @cached_property
    def command_acceleration(self) -> np.ndarray:
        """Highest change of a command's rate in [command unit / s^2], infinite without a limit. Shape (J,)."""
        return np.array([joint.command_acceleration for joint in self.joints])

    @cached_property
    def command_limits(self) -> np.ndarray:
        """Lowest and highest command of this robot's interface; 0 for passive joints. Shape (2, J)."""
        if self.interface == "position":
            return self.position_limits
        high = self.velocity_limit if self.interface == "velocity" else self.effort_limit
        high = np.where([joint.passive for joint in self.joints], 0.0, high)
        return np.stack([0.0 - high, high])

    @cached_property
    def action_range(self) -> np.ndarray:
        """Commands that actions -1 and +1 ask for, in [command unit]. Shape (2, J)."""
        limits = self.command_limits.T.tolist()
        return np.array([joint.action or own for joint, own in zip(self.joints, limits, strict=True)]).T

    def identity(self) -> dict[str, Any]:
        """What a bundle must agree with before it may drive this robot, by field name.

        Options that came later stand there only where the robot has them: older bundles of other robots stay valid.
        """
        gains = [joint.gains and [joint.gains.kp, joint.gains.kd] for joint in self.joints]
        options = {
            "feet": [foot.manifest() for foot in self.feet] or None,
            "effort_sensor": self.effort_sensor and self.effort_sensor.manifest(),
            "base_height": self.safety.base_height,
            "servo_effort": self.safety.servo_effort,
        }
        return {
            "robot": self.name,
            "joint_names": list(self.joint_names),
            "control_period": self.period,
            "interface": self.interface,
            "position_limits": self.position_limits.tolist(),
            "velocity_limit": self.velocity_limit.tolist(),
            "command_limits": self.command_limits.tolist(),
            "effort_limit": self.effort_limit.tolist(),
            "command_rate": self.command_rate.tolist(),
            "command_acceleration": [
                most if np.isfinite(most) else None for most in self.command_acceleration
            ],
            "default_position": self.default_position.tolist(),
            "action_range": self.action_range.tolist(),
            "passive": [joint.passive for joint in self.joints],
            "gains": gains,
            "imu": self.imu is not None,
            "tool": self.tool and self.tool.manifest(),
            "soft_start": self.safety.soft_start,
            "stale_after": self.safety.stale_after,
            "damping": list(self.safety.damping),
            "recovery": self.safety.recovery,
            "tilt": self.safety.tilt,
            **{name: value for name, value in options.items() if value is not None},
        }

    @cached_property
    def digest(self) -> str:
        """sha256 of `identity()`."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()


def with_passive(spec: RobotSpec, *joints: str) -> RobotSpec:
    """The same robot with some joints that nobody may drive: they have no action, and their command is 0 N m.

    Raises:
        RobotSpecError: a joint is unknown, no joint would be left to drive, or commands are not efforts.
    """
    for name in joints:
        if name not in spec.joint_names:
            raise RobotSpecError(f"{spec.name}: no joint {name!r}; valid: {', '.join(spec.joint_names)}")
    changed = tuple(
        replace(joint, passive=True, action=None) if joint.name in joints else joint for joint in spec.joints
    )
    problem = passive_problem(changed, spec.interface)
    if problem:
        raise RobotSpecError(f"{spec.name}: {problem}")
    return replace(spec, joints=changed)


def passive_problem(joints: tuple[Joint, ...], interface: str) -> str | None:
    """What is wrong with the choice of passive joints, in words; None if nothing is."""
    passive = [joint.name for joint in joints if joint.passive]
    if passive and interface != "effort":
        return f"joint {passive[0]!r} is passive, which needs the interface effort, not {interface}"
    if len(passive) == len(joints):
        return "all joints are passive; at least one must be driven"
    return None
