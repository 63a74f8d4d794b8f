"""`Reason`: what the safety filter and the control loop say about a command."""

from __future__ import annotations

import enum
from functools import lru_cache


class Reason(enum.IntFlag):
    """Why a command is not what the policy asked for; those in `SAFE_MODE` put the robot into its safe mode.

    An overrun changes nothing by itself: the step took longer than a control period.
    """

    OK = 0
    SOFT_START = 1
    COMMAND_LIMIT = 2
    RATE_LIMIT = 4
    SENSOR_STALE = 8
    SENSOR_NOT_FINITE = 16
    POLICY_NOT_FINITE = 32
    VELOCITY_LIMIT = 64
    POSITION_LIMIT = 128
    STOPPED = 256
    TILT_LIMIT = 512
    RECOVERING = 1024
    ACCELERATION_LIMIT = 2048
    OVERRUN = 4096
    EFFORT_LIMIT = 8192
    SERVO_EFFORT = 16384
    BASE_HEIGHT = 32768


DISTRUST = Reason.SENSOR_STALE | Reason.SENSOR_NOT_FINITE | Reason.POLICY_NOT_FINITE
"""Somebody cannot be believed: when they are sound again they have to stay so for a while."""
SAFE_MODE = (
    DISTRUST
    | Reason.VELOCITY_LIMIT
    | Reason.POSITION_LIMIT
    | Reason.STOPPED
    | Reason.TILT_LIMIT
    | Reason.EFFORT_LIMIT
    | Reason.BASE_HEIGHT
    | Reason.RECOVERING
)


def reason_names(bits: int) -> list[str]:
    """The reasons in a bit mask, in words."""
    return list(_names(bits))


@lru_cache(maxsize=256)
def _names(bits: int) -> tuple[str, ...]:
    """Asked for after every command: a robot has the same few masks again and again."""
    return tuple(reason.name.lower() for reason in Reason if reason and reason & bits and reason.name)
