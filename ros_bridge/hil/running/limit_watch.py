"""`LimitWatch`: the first moment at which a robot or a command is beyond a limit: there a real run is stopped. Pure."""

from __future__ import annotations

import math

import numpy as np

from robots import RobotSpec
from ros_bridge.hil.scenario.scenario import Limits

TOLERANCE = 1e-9


class LimitWatch:
    """Of one robot with J joints: its own limits, and what a scenario allows it beside those."""

    def __init__(self, spec: RobotSpec, limits: Limits):
        names, (low, high) = spec.joint_names, spec.position_limits
        narrower = [limits.position.get(name, (-math.inf, math.inf)) for name in names]
        self._names = names
        self._low = np.maximum(low, [least for least, _ in narrower])
        self._high = np.minimum(high, [most for _, most in narrower])
        self._speed = np.minimum(spec.velocity_limit, [limits.velocity.get(name, math.inf) for name in names])
        lowest, highest = spec.command_limits
        most = np.array([limits.command.get(name, math.inf) for name in names])
        self._least_command, self._most_command = np.maximum(lowest, -most), np.minimum(highest, most)
        self._upright = math.cos(spec.safety.tilt)

    def hear_reading(self, position: np.ndarray, velocity: np.ndarray) -> str | None:
        """What is beyond a limit, in words; None if nothing is. Shape (J,) each, in [rad] and [rad/s].

        A reading that is not finite is beyond every limit.
        """
        return self._beyond("is at", position, self._low, self._high, "rad") or self._beyond(
            "moves at", velocity, -self._speed, self._speed, "rad/s"
        )

    def hear_command(self, command: np.ndarray) -> str | None:
        """The same of a command for the robot, shape (J,), in [command unit]."""
        return self._beyond("is commanded", command, self._least_command, self._most_command, "")

    def hear_gravity(self, gravity: np.ndarray) -> str | None:
        """The same of the direction of gravity in the base frame, shape (3,)."""
        if gravity[2] <= -self._upright:
            return None
        return f"the robot is tilted by more than {math.acos(self._upright):.3g} rad"

    def _beyond(
        self, what: str, values: np.ndarray, low: np.ndarray, high: np.ndarray, unit: str
    ) -> str | None:
        inside = (low - TOLERANCE <= values) & (values <= high + TOLERANCE)
        if inside.all():
            return None
        joint = int(np.argmin(inside))
        limits = f"{low[joint]:.4g} to {high[joint]:.4g} {unit}".rstrip()
        return f"{self._names[joint]} {what} {values[joint]:.4g} {unit}".rstrip() + f"; valid: {limits}"
