"""`RobotSpec`: a robot's joints, limits, timing and topics, read from `robots/<name>/robot.yaml`."""

from __future__ import annotations

import hashlib
import json
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from robots.errors import RobotSpecError, UnknownRobotError

ROOT = Path(__file__).parent
INTERFACES = ("position", "velocity", "effort")
COMMAND_TYPES = ("std_msgs/Float64MultiArray",)

_ROBOT_KEYS = ("name", "description", "model", "control", "joints", "safety", "ros")
_CONTROL_KEYS = ("period", "interface")
_JOINT_KEYS = ("name", "position", "velocity", "effort", "command_rate", "default_position")
_SAFETY_KEYS = ("soft_start", "stale_after", "damping")
_ROS_KEYS = ("joint_states", "commands", "command_type", "frame")


@dataclass(frozen=True)
class Joint:
    """One actuated joint and its limits."""

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


@dataclass(frozen=True)
class SafetySettings:
    """How the safety filter starts, waits and falls back."""

    soft_start: float
    """Time over which commands blend in after activation, in [s]."""
    stale_after: float
    """Age at which a sensor reading may no longer be acted upon, in [s]."""
    damping: tuple[float, ...]
    """Safe mode of an effort-commanded robot: torque per joint speed, in [N m s/rad]. Shape (J,)."""


@dataclass(frozen=True)
class RosTopics:
    """Where the robot speaks and listens. Relative names, so that a namespace separates robots."""

    joint_states: str
    commands: str
    command_type: str
    frame: str


@dataclass(frozen=True)
class RobotSpec:
    """A robot as hardware: what every other room needs to know of it."""

    name: str
    description: str
    model: Path
    """MJCF file."""
    period: float
    """Control period in [s]."""
    interface: str
    """What a command means: one of `INTERFACES`."""
    joints: tuple[Joint, ...]
    safety: SafetySettings
    ros: RosTopics

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def position_limits(self) -> np.ndarray:
        """Lowest and highest positions in [rad]. Shape (2, J)."""
        return np.array([joint.position for joint in self.joints]).T

    @cached_property
    def velocity_limit(self) -> np.ndarray:
        """Highest speeds in [rad/s]. Shape (J,)."""
        return np.array([joint.velocity for joint in self.joints])

    @cached_property
    def command_rate(self) -> np.ndarray:
        """Highest change of a command in [command unit / s]. Shape (J,)."""
        return np.array([joint.command_rate for joint in self.joints])

    @cached_property
    def command_limits(self) -> np.ndarray:
        """Lowest and highest command of this robot's interface. Shape (2, J)."""
        if self.interface == "position":
            return self.position_limits
        if self.interface == "velocity":
            return np.stack([-self.velocity_limit, self.velocity_limit])
        effort = np.array([joint.effort for joint in self.joints])
        return np.stack([-effort, effort])

    def identity(self) -> dict[str, Any]:
        """What a bundle must agree with before it may drive this robot, by field name."""
        return {
            "robot": self.name,
            "joint_names": list(self.joint_names),
            "control_period": self.period,
            "interface": self.interface,
            "position_limits": self.position_limits.tolist(),
            "velocity_limit": self.velocity_limit.tolist(),
            "command_limits": self.command_limits.tolist(),
            "command_rate": self.command_rate.tolist(),
        }

    @cached_property
    def digest(self) -> str:
        """sha256 of `identity()`."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()


def robot_names() -> tuple[str, ...]:
    """Names of the robots that come with this package."""
    return tuple(sorted(path.parent.name for path in ROOT.glob("*/robot.yaml")))


def load_robot(robot: str | Path) -> RobotSpec:
    """Reads a robot by its registered name or by the path of a `robot.yaml` (or of its folder).

    Raises:
        UnknownRobotError: neither a registered name nor an existing path.
        RobotSpecError: the file, or its agreement with the MJCF, is wrong; names file, key and valid values.
    """
    if isinstance(robot, str) and robot in robot_names():
        return _read(ROOT / robot / "robot.yaml")
    path = Path(robot)
    path = path / "robot.yaml" if path.is_dir() else path
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise UnknownRobotError(
            f"unknown robot {str(robot)!r}: expected one of {', '.join(robot_names())}, "
            "or the path of a robot.yaml"
        )
    return _read(path)


def _read(path: Path) -> RobotSpec:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RobotSpecError(f"{path}: not valid YAML: {error}") from error
    reader = _Reader(path)
    top = reader.mapping(data, "", _ROBOT_KEYS)
    control = reader.mapping(top["control"], "control", _CONTROL_KEYS)
    joints = reader.joints(top["joints"])
    ros = reader.mapping(top["ros"], "ros", _ROS_KEYS)
    spec = RobotSpec(
        name=reader.text(top["name"], "name"),
        description=reader.text(top["description"], "description"),
        model=path.parent / reader.text(top["model"], "model"),
        period=reader.positive(control["period"], "control.period"),
        interface=reader.choice(control["interface"], "control.interface", INTERFACES),
        joints=joints,
        safety=reader.safety(top["safety"], len(joints)),
        ros=RosTopics(
            joint_states=reader.text(ros["joint_states"], "ros.joint_states"),
            commands=reader.text(ros["commands"], "ros.commands"),
            command_type=reader.choice(ros["command_type"], "ros.command_type", COMMAND_TYPES),
            frame=reader.text(ros["frame"], "ros.frame"),
        ),
    )
    _check_model(path, spec)
    return spec


def _check_model(path: Path, spec: RobotSpec) -> None:
    if not spec.model.is_file():
        raise RobotSpecError(f"{path}: model: no such file: {spec.model}")
    try:
        root = ElementTree.parse(spec.model).getroot()
    except ElementTree.ParseError as error:
        raise RobotSpecError(f"{spec.model}: not valid MJCF: {error}") from error
    valid = [name for element in root.iter("joint") if (name := element.get("name"))]
    for index, joint in enumerate(spec.joints):
        if joint.name not in valid:
            raise RobotSpecError(
                f"{path}: joints[{index}].name: {joint.name!r} is not a joint of {spec.model.name}; "
                f"valid: {', '.join(valid)}"
            )


class _Reader:
    """Checks values of one YAML file; every error names the file, the key and what would be valid."""

    def __init__(self, path: Path):
        self.path = path

    def fail(self, key: str, message: str) -> RobotSpecError:
        return RobotSpecError(f"{self.path}: {key or 'top level'}: {message}")

    def mapping(self, value: Any, key: str, keys: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail(key, f"expected a mapping with the keys {', '.join(keys)}, got {value!r}")
        for name in value:
            if name not in keys:
                raise self.fail(key, f"unknown key {name!r}; valid: {', '.join(keys)}")
        for name in keys:
            if name not in value:
                raise self.fail(key, f"missing key {name!r}; needed: {', '.join(keys)}")
        return value

    def text(self, value: Any, key: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, f"expected text, got {value!r}")
        return value

    def choice(self, value: Any, key: str, valid: tuple[str, ...]) -> str:
        if value not in valid:
            raise self.fail(key, f"got {value!r}; valid: {', '.join(valid)}")
        return value

    def number(self, value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.fail(key, f"expected a finite number, got {value!r}")
        return float(value)

    def positive(self, value: Any, key: str) -> float:
        number = self.number(value, key)
        if number <= 0:
            raise self.fail(key, f"expected a number above 0, got {number}")
        return number

    def joints(self, value: Any) -> tuple[Joint, ...]:
        if not isinstance(value, list) or not value:
            raise self.fail("joints", f"expected a list with at least one joint, got {value!r}")
        joints = tuple(self.joint(item, f"joints[{index}]") for index, item in enumerate(value))
        names = [joint.name for joint in joints]
        for name in names:
            if names.count(name) > 1:
                raise self.fail("joints", f"joint {name!r} stands there twice")
        return joints

    def joint(self, value: Any, key: str) -> Joint:
        item = self.mapping(value, key, _JOINT_KEYS)
        limits = item["position"]
        if not isinstance(limits, list) or len(limits) != 2:
            raise self.fail(f"{key}.position", f"expected [lowest, highest] in rad, got {limits!r}")
        low, high = (self.number(limit, f"{key}.position") for limit in limits)
        default = self.number(item["default_position"], f"{key}.default_position")
        if not low <= default <= high or low == high:
            raise self.fail(f"{key}.position", f"{default} (default_position) is not inside [{low}, {high}]")
        return Joint(
            name=self.text(item["name"], f"{key}.name"),
            position=(low, high),
            velocity=self.positive(item["velocity"], f"{key}.velocity"),
            effort=self.positive(item["effort"], f"{key}.effort"),
            command_rate=self.positive(item["command_rate"], f"{key}.command_rate"),
            default_position=default,
        )

    def safety(self, value: Any, joints: int) -> SafetySettings:
        item = self.mapping(value, "safety", _SAFETY_KEYS)
        damping = item["damping"]
        if not isinstance(damping, list) or len(damping) != joints:
            raise self.fail("safety.damping", f"expected a list with {joints} number(s), got {damping!r}")
        return SafetySettings(
            soft_start=self.positive(item["soft_start"], "safety.soft_start"),
            stale_after=self.positive(item["stale_after"], "safety.stale_after"),
            damping=tuple(self.positive(number, "safety.damping") for number in damping),
        )
