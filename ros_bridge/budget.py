"""`MotionBudget`: how far a robot's command may move now, by the time that has passed. No ROS."""

from __future__ import annotations

import numpy as np

SPARE = 0.5
"""Of a control period: what may be saved up beyond one. As much earlier than due a reading may be acted upon."""


class MotionBudget:
    """Time that commands may move for, saved up while they move by less than their rate limit allows.

    Steps are a control period apart by the stamps of their readings. By the clock they may come in bursts: after a
    hiccup, readings that were held up are still new and fresh. In any time T commands move by no more than the rate
    limit times T + 1.5 control periods; one alone by no more than in a period. A robot whose readings come a little
    early or late moves as if they did not.
    """

    def __init__(self, period: float, rate: np.ndarray):
        """
        Args:
            period: of control, in [s].
            rate: limit of a command's change, in [command unit / s]. Shape (J,).
        """
        self._most = (1 + SPARE) * period
        self._rate = rate
        self._saved = 0.0
        """In [s], when the last command was sent."""
        self._at = -np.inf
        self._last: np.ndarray | None = None

    def available(self, at: float) -> float:
        """Time that a command may move for, in [s], that is sent at the monotonic time `at` [s]."""
        return min(self._saved + max(at - self._at, 0.0), self._most)

    def spend(self, at: float, command: np.ndarray) -> None:
        """A command was sent, in [command unit], shape (J,)."""
        moved = np.inf if self._last is None else float((np.abs(command - self._last) / self._rate).max())
        self._saved = max(self.available(at) - moved, 0.0)
        self._at, self._last = at, command
