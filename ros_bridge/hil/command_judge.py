"""`CommandJudge`: whether commands on one topic are such as motors may get. Pure. It trusts nobody's word. J joints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from robots import RobotSpec

TOLERANCE = 1e-9
"""In [command unit], as drives have it."""


@dataclass(frozen=True)
class Breach:
    """What is wrong with a command."""

    what: str
    """`unreadable`, `not_finite`, `limit`, `rate`, `rate_in_time`."""
    joint: str = ""
    value: float | None = None
    """The joint's command, or its change, in [command unit]; None where that is no number."""
    limit: float | None = None
    """Of that, in the same unit."""
    detail: str = ""


class CommandJudge:
    """Hears every command of one topic, in order."""

    def __init__(self, spec: RobotSpec, stale_after: float, blame: Callable[[Breach], Any]):
        """
        Args:
            spec: whose limits hold.
            stale_after: by how much a command may be ahead of its highest rate in time, in [s]: readings that were
                held up come together, each with a step of the command.
            blame: told of everything that is wrong.
        """
        self.spec = spec
        self.commands = 0
        """Heard."""
        self.missed = 0
        """Published, by their sequence numbers, but not heard."""
        self.longest_silence = 0.0
        """Between two commands of one publisher, in [s]."""
        self.most_ahead = 0.0
        """By how much a command was ahead of its highest rate in time, in [s]: 0 at an even period."""
        self.last: np.ndarray | None = None
        """Shape (J,)."""
        self._low, self._high = spec.command_limits
        self._step = spec.command_rate * spec.period
        self._ahead = np.zeros(len(spec.joints))
        self._allowance = spec.command_rate * (stale_after + spec.period)
        self.at = -math.inf
        """When the newest was published, in [s]."""
        self._sequence = -1
        self._blame = blame

    def restart(self) -> None:
        """The next command has no command before it."""
        self.last, self.at = None, -math.inf
        self._ahead[:] = 0.0

    def figures(self) -> dict[str, Any]:
        """Counts and extremes so far."""
        return {
            "commands": self.commands,
            "missed": self.missed,
            "longest_silence_s": self.longest_silence,
            "most_ahead_of_rate_s": self.most_ahead,
        }

    def hear(self, command: np.ndarray | str, at: float, sequence: int, checks_rate: bool = True) -> float:
        """
        Args:
            command: shape (J,), in [command unit]; or what is wrong with the message, in words.
            at: when it was published, in [s].
            sequence: its number, counted by its publisher from anywhere; lower than the one before: another publisher.
            checks_rate: whether commands reach this topic as they were sent; else only the limits hold.

        Returns:
            Time since the command before, in [s]; infinite without one.
        """
        self.commands += 1
        if sequence <= self._sequence:
            self.restart()
        skipped = 0 if self.last is None else sequence - self._sequence - 1
        self.missed += skipped
        silence, self.at, self._sequence = at - self.at, at, sequence
        if math.isfinite(silence):
            self.longest_silence = max(self.longest_silence, silence)
        if isinstance(command, str):
            self._blame(Breach("unreadable", detail=command))
            self.last = None
        elif not np.isfinite(command).all():
            joint = int(np.argmin(np.isfinite(command)))
            self._blame(Breach("not_finite", self.spec.joint_names[joint], detail=str(command[joint])))
            self.last = None
        else:
            self._judge(command, silence, 1 + skipped, checks_rate)
            self.last = command
        return silence

    def _judge(self, command: np.ndarray, silence: float, steps: int, checks_rate: bool) -> None:
        over = np.maximum(command - self._high, self._low - command)
        if over.max() > TOLERANCE:
            joint = int(over.argmax())
            limit = self._high if command[joint] > self._high[joint] else self._low
            self._blame(self._breach("limit", joint, command[joint], limit[joint]))
        lets_go = self.spec.interface == "effort" and not command.any()  # at once: documented
        if self.last is None or not checks_rate or lets_go:
            self._ahead[:] = 0.0
            return
        change = np.abs(command - self.last)
        over = change - steps * self._step
        if over.max() > TOLERANCE:
            joint = int(over.argmax())
            self._blame(self._breach("rate", joint, change[joint], steps * self._step[joint]))
        allowed = 0.0 if math.isinf(silence) else self.spec.command_rate * max(silence, 0.0)
        self._ahead = np.maximum(self._ahead + change - allowed, 0.0)
        self.most_ahead = max(self.most_ahead, float((self._ahead / self.spec.command_rate).max()))
        over = self._ahead - self._allowance
        if over.max() > TOLERANCE:
            joint = int(over.argmax())
            self._blame(self._breach("rate_in_time", joint, self._ahead[joint], self._allowance[joint]))
            self._ahead[:] = 0.0

    def _breach(self, what: str, joint: int, value: float, limit: float) -> Breach:
        return Breach(what, self.spec.joint_names[joint], float(value), float(limit))
