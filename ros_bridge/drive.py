"""`Drive`: what a robot's motor controllers do with the commands that reach them. J joints."""

from __future__ import annotations

import numpy as np

from robots import RobotSpec

COMMAND_TIMEOUT = 0.1
"""Time without a command after which a drive lets go, in [s]; as drives with a CAN watchdog do."""
_TOLERANCE = 1e-9


class Drive:
    """Takes only commands that a robot may get, and does not go on with old ones."""

    def __init__(self, spec: RobotSpec, timeout: float = COMMAND_TIMEOUT):
        self.spec = spec
        self.timeout = timeout
        self.rejected = 0
        """Commands that were not finite, out of limits or for another number of joints."""
        self.timeouts = 0
        """How often the drive let go."""
        self.heard = -np.inf
        """Time of the last accepted command in [s]."""
        self._command = np.zeros(len(spec.joints))
        self._released = False

    def accept(self, command: np.ndarray, now: float) -> bool:
        """Takes a command in [command unit], shape (J,), at time `now` [s], or rejects it."""
        low, high = self.spec.command_limits
        fits = command.shape == self._command.shape and bool(
            ((low - _TOLERANCE <= command) & (command <= high + _TOLERANCE)).all()
        )
        if not fits:
            self.rejected += 1
            return False
        self._command[:] = command
        self.heard = now
        self._released = False
        return True

    def applied(self, now: float, position: np.ndarray) -> np.ndarray:
        """What the motors are given at time `now` [s], shape (J,); `position` [rad], shape (J,), is where they are.

        After the timeout that is nothing: no torque, no speed, or the present position.
        """
        if now - self.heard <= self.timeout:
            return self._command
        if not self._released:
            self._released = True
            self.timeouts += 1
            self._command[:] = position if self.spec.interface == "position" else 0.0
        return self._command
