"""A safety filter without one of its parts. Each function makes the patches that leave out one."""

from __future__ import annotations

import numpy as np

from robots import SensorFrame, safety
from robots.damping import Damping
from robots.hold import Hold
from robots.reason import Reason
from robots.safety import SafetyFilter
from robots.servo import ServoLimit
from robots.stance import Stance
from ros_bridge.hil.naive.patch import Patch, afterwards


def finite() -> list[Patch]:
    """Every reading counts as a number, also where safe mode damps a speed or holds a position."""
    borne_out, hear = Damping._borne_out, Hold.hear

    def naive_speed(
        self: Damping, position: np.ndarray, velocity: np.ndarray, stamp: np.ndarray, ids: np.ndarray
    ) -> np.ndarray:
        return np.where(np.isfinite(velocity), borne_out(self, position, velocity, stamp, ids), velocity)

    def naive_hold(self: Hold, position: np.ndarray, stamp: np.ndarray, heard: np.ndarray) -> None:
        hear(self, position, stamp, heard)
        np.copyto(self.position, position, where=heard[:, None] & ~np.isfinite(position))

    return [
        Patch(SensorFrame, "finite", property(lambda frame: np.ones(len(frame.stamp), dtype=bool))),
        Patch(Damping, "_borne_out", naive_speed),
        Patch(Hold, "hear", naive_hold),
    ]


def unmarked(reason: Reason) -> list[Patch]:
    """The filter does not notice one reason for its safe mode."""
    mark = safety._mark

    def naive(reasons: np.ndarray, why: Reason, wrong: np.ndarray, where: np.ndarray | None = None) -> None:
        if why != reason:
            mark(reasons, why, wrong, where)

    return [Patch(safety, "_mark", naive)]


def policy_finite() -> list[Patch]:
    """What the policy asks for is taken for a number."""

    def blend(self: SafetyFilter, request: np.ndarray) -> np.ndarray:
        start = self._anchor if self.spec.interface == "position" else 0.0
        return start + self._ramp[:, None] * (request - start)

    return [*unmarked(Reason.POLICY_NOT_FINITE), Patch(SafetyFilter, "_blend", blend)]


def command_limit() -> list[Patch]:
    """Commands have no lowest and highest value."""

    def forget(self: SafetyFilter) -> None:
        self.low, self.high = np.full_like(self.low, -np.inf), np.full_like(self.high, np.inf)

    return [afterwards(SafetyFilter, "__init__", forget)]


def rate_limit() -> list[Patch]:
    """Commands may jump."""
    return [Patch(SafetyFilter, "_step", lambda self, elapsed: np.full(len(self.spec.joints), np.inf))]


def acceleration_limit() -> list[Patch]:
    """Commands may change their rate at once."""
    return [afterwards(SafetyFilter, "__init__", lambda self: setattr(self, "_accelerates", False))]


def soft_start() -> list[Patch]:
    """Commands do not blend in."""
    return [afterwards(SafetyFilter, "__init__", lambda self: setattr(self, "ramp_step", 1.0))]


def recovery() -> list[Patch]:
    """One sound reading ends safe mode."""
    return [afterwards(SafetyFilter, "__init__", lambda self: setattr(self, "_recovery_steps", 0))]


def base_height() -> list[Patch]:
    """Nobody looks whether the legs have folded."""
    return [Patch(Stance, "of", classmethod(lambda cls, spec: None))]


def servo_effort() -> list[Patch]:
    """Position commands may ask a servo for any torque."""
    return [Patch(ServoLimit, "of", classmethod(lambda cls, spec: None))]
