"""Between a policy's action in [-1, 1] and a robot's command. Used by the simulator and by the robot alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from robots.spec import RobotSpec


class ActionLayout:
    """Maps actions linearly onto the robot's action range: -1 is its lower end, +1 its upper one.

    A is the number of joints that are not passive; the command of a passive joint is 0.
    """

    def __init__(self, spec: RobotSpec):
        low, high = spec.action_range[:, spec.active]
        self.joints = len(spec.joints)
        self.size = len(spec.active)
        self.centre = (high + low) / 2
        """In [command unit]. Shape (A,)."""
        self.half_range = (high - low) / 2
        """In [command unit]. Shape (A,)."""
        self._active = None if self.size == self.joints else spec.active

    def to_command(self, action: np.ndarray) -> np.ndarray:
        """Action, dimensionless, shape (N, A), to command in [command unit], shape (N, J).

        NaN where the action is not finite: the safety filter answers that, and an infinite one is no large one.
        """
        within, finite = action.clip(-1.0, 1.0), np.isfinite(action)
        if not finite.all():
            within = np.where(finite, within, np.nan)
        driven = self.centre + within * self.half_range
        if self._active is None:
            return driven
        command = np.zeros((len(action), self.joints))
        command[:, self._active] = driven
        return command

    def to_action(self, command: np.ndarray) -> np.ndarray:
        """Command in [command unit], shape (N, J), to the action that asks for it, shape (N, A).

        Beyond [-1, 1] where the command is outside the action range.
        """
        driven = command if self._active is None else command[:, self._active]
        return (driven - self.centre) / self.half_range

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of this layout."""
        return {"centre": self.centre.tolist(), "half_range": self.half_range.tolist()}
