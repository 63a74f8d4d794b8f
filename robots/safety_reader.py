"""Reads what robot.yaml says about safety."""

from __future__ import annotations

import math
from typing import Any

from robots.reader import Reader
from robots.spec import EffortSensor, Joint, SafetySettings

_SAFETY_KEYS = ("soft_start", "stale_after", "damping")
_SAFETY_OPTIONS = ("recovery", "tilt", "base_height", "servo_effort")
_EFFORT_KEYS, _EFFORT_OPTIONS = ("sustained",), ("margin",)


def read_safety(reader: Reader, top: dict[str, Any], joints: tuple[Joint, ...]) -> SafetySettings:
    """The section `safety` of a robot.yaml, whose other sections say which of its options make sense.

    Raises:
        RobotSpecError: names the key and what is valid.
    """
    item = reader.mapping(top["safety"], "safety", _SAFETY_KEYS, _SAFETY_OPTIONS)
    damping = item["damping"]
    if not isinstance(damping, list) or len(damping) != len(joints):
        raise reader.fail("safety.damping", f"expected a list with {len(joints)} number(s), got {damping!r}")
    return SafetySettings(
        soft_start=reader.positive(item["soft_start"], "safety.soft_start"),
        stale_after=reader.positive(item["stale_after"], "safety.stale_after"),
        damping=tuple(reader.positive(number, "safety.damping") for number in damping),
        recovery=reader.not_negative(item.get("recovery", 0.0), "safety.recovery"),
        tilt=_tilt(reader, item["tilt"], "imu" in top) if "tilt" in item else math.pi,
        base_height=_base_height(reader, item["base_height"], top) if "base_height" in item else None,
        servo_effort=_servo_effort(reader, item["servo_effort"], joints) if "servo_effort" in item else None,
    )


def _tilt(reader: Reader, value: Any, imu: bool) -> float:
    tilt = reader.positive(value, "safety.tilt")
    if not imu:
        raise reader.fail("safety.tilt", "the robot has no imu to measure it; remove one or add the other")
    if tilt > math.pi:
        raise reader.fail("safety.tilt", f"expected an angle in rad, at most pi, got {tilt}")
    return tilt


def _base_height(reader: Reader, value: Any, top: dict[str, Any]) -> float:
    for needed, why in (("feet", "to measure it from"), ("imu", "to tell what is below")):
        if needed not in top:
            raise reader.fail(
                "safety.base_height", f"the robot has no {needed} {why}; remove one or add the other"
            )
    return reader.positive(value, "safety.base_height")


def _servo_effort(reader: Reader, value: Any, joints: tuple[Joint, ...]) -> float:
    if not any(joint.gains for joint in joints):
        raise reader.fail(
            "safety.servo_effort", "no joint has kp and kd; remove it or give those of the servos"
        )
    return reader.positive(value, "safety.servo_effort")


def read_effort_sensor(reader: Reader, value: Any) -> EffortSensor:
    """The section `effort_sensor`.

    Raises:
        RobotSpecError: names the key and what is valid.
    """
    item = reader.mapping(value, "effort_sensor", _EFFORT_KEYS, _EFFORT_OPTIONS)
    margin = reader.positive(item.get("margin", 1.0), "effort_sensor.margin")
    if margin < 1.0:
        raise reader.fail("effort_sensor.margin", f"expected at least 1, of the joints' effort, got {margin}")
    return EffortSensor(reader.not_negative(item["sustained"], "effort_sensor.sustained"), margin)
