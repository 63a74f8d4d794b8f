"""Between a policy's action in [-1, 1] and a robot's command. Used by the simulator and by the robot alike."""

from __future__ import annotations

import numpy as np

from robots.spec import RobotSpec


class ActionLayout:
    """Maps actions linearly onto the robot's command limits: -1 is the lowest command, +1 the highest."""

    def __init__(self, spec: RobotSpec):
        low, high = spec.command_limits
        self.size = len(spec.joints)
        self.centre = (high + low) / 2
        self.half_range = (high - low) / 2

    def to_command(self, action: np.ndarray) -> np.ndarray:
        """Action, dimensionless, shape (N, A), to command in [command unit], shape (N, J)."""
        return self.centre + np.clip(action, -1.0, 1.0) * self.half_range

    def to_action(self, command: np.ndarray) -> np.ndarray:
        """Command in [command unit], shape (N, J), to the action that asks for it, shape (N, A)."""
        return (command - self.centre) / self.half_range

    def manifest(self) -> dict[str, list[float]]:
        """What a bundle records of this layout."""
        return {"centre": self.centre.tolist(), "half_range": self.half_range.tolist()}
