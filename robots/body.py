"""`Body`: the little that observation and reward need to know of a robot, from its description or from a bundle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robots.errors import RobotError
from robots.kinematics import Chain, ChainStep, Vector
from robots.spec import RobotSpec


@dataclass(frozen=True)
class Body:
    """Joints, sensors and tool of one robot. J joints."""

    name: str
    joint_names: tuple[str, ...]
    default_position: tuple[float, ...]
    """Joint positions at rest in [rad]. Shape (J,)."""
    imu: bool
    """Whether there is an inertial measurement unit."""
    tool: Chain | None
    driven: int
    """Joints that are not passive: as many numbers has an action."""

    @classmethod
    def of(cls, spec: RobotSpec) -> Body:
        defaults = tuple(joint.default_position for joint in spec.joints)
        return cls(spec.name, spec.joint_names, defaults, spec.imu is not None, spec.tool, len(spec.active))

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> Body:
        """The body in what `RobotSpec.identity()` gave, which may come from a damaged file.

        Raises:
            RobotError: a field is missing or is not what it should be; names it.
        """
        names = identity.get("joint_names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise RobotError(f"joint_names: expected a list of names, got {names!r:.80}")
        defaults = _numbers(identity.get("default_position"), len(names), "default_position")
        imu = identity.get("imu")
        if not isinstance(imu, bool):
            raise RobotError(f"imu: expected true or false, got {imu!r:.80}")
        tool = identity.get("tool")
        chain = None if tool is None else _chain(tool, names)
        driven = _flags(identity.get("passive"), len(names), "passive").count(False)
        return cls(str(identity.get("robot")), tuple(names), defaults, imu, chain, driven)


def _numbers(value: Any, count: int, field: str) -> tuple[float, ...]:
    def sound(number: Any) -> bool:
        return not isinstance(number, bool) and isinstance(number, int | float) and math.isfinite(number)

    if not isinstance(value, list) or len(value) != count or not all(map(sound, value)):
        raise RobotError(f"{field}: expected {count} finite number(s), got {value!r:.80}")
    return tuple(map(float, value))


def _flags(value: Any, count: int, field: str) -> list[bool]:
    sound = isinstance(value, list) and len(value) == count and all(isinstance(flag, bool) for flag in value)
    if not sound:
        raise RobotError(f"{field}: expected {count} times true or false, got {value!r:.80}")
    return value


def _vector(value: Any, field: str) -> Vector:
    x, y, z = _numbers(value, 3, field)
    return x, y, z


def _chain(tool: Any, joints: list[str]) -> Chain:
    if not isinstance(tool, dict) or not isinstance(tool.get("steps"), list):
        raise RobotError(f"tool: expected steps and offset, got {tool!r:.80}")
    steps = []
    for index, step in enumerate(tool["steps"]):
        field = f"tool.steps[{index}]"
        if not isinstance(step, dict) or step.get("joint") not in joints:
            raise RobotError(f"{field}: expected a step of a joint of {', '.join(joints)}, got {step!r:.80}")
        parts = (_vector(step.get(part), f"{field}.{part}") for part in ("translation", "rpy", "axis"))
        steps.append(ChainStep(step["joint"], *parts))
    return Chain(tuple(steps), _vector(tool.get("offset"), "tool.offset"))
