"""`Course`: how one fault went, and `SafeWait`: how soon a command is the safe one after it. Pure. J joints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots import RobotSpec
from ros_bridge.hil.schedule import COMMANDS, NODE, Fault

BLIND = ("nan", "inf", "missing")
"""Kinds under which a command can be the safe one only."""
SETTLING = 2
"""Control periods that may pass on the way: an answer to the reading before, and the one that says that all is over."""
HOLDS = 2
"""Control periods for which a position has to stay to count as held."""
_SAME = 1e-9


@dataclass
class Course:
    """One fault as it went. Times in [s] of system time."""

    fault: Fault
    index: int
    begun: float = math.nan
    ended: float = math.nan
    messages: int = 0
    """That met it."""
    touched: float = math.nan
    """When it met the first one."""
    safe_time: float = 0.0
    """In safe mode from its begin until the node drove again, in [s]."""
    recovery: float | None = None
    """From its end until the node drove, in [s]; None where the next fault came before, or the robot could not."""
    periods_to_safe: int | None = None
    """Commands from the first broken reading to the first safe one; None where nobody could see it."""
    violations: int = 0

    @property
    def blinds(self) -> bool:
        """Whether the node cannot but send the safe command under it."""
        return self.fault.kind in BLIND and self.fault.probability == 1.0

    @property
    def alters_rates(self) -> bool:
        """Whether commands under it may be faster than they were sent; eased ones are not."""
        return self.fault.target == COMMANDS and self.fault.kind != "eased"

    @property
    def waits_from(self) -> float:
        """From when on recovery counts: the end, or the node's death."""
        return self.begun if self.fault.target == NODE else self.ended


class SafeWait:
    """Counts commands from a broken reading to the first safe one."""

    def __init__(self, spec: RobotSpec, course: Course, since: float, last: np.ndarray | None):
        """`since`: when the broken reading was published, in [s]; `last`: the command before, shape (J,)."""
        self.course = course
        self.since = since
        self.count = 0
        """Commands heard."""
        low, high = spec.command_limits
        way = math.ceil(float(((high - low) / (spec.command_rate * spec.period)).max()))
        self._holds = HOLDS if spec.interface == "position" else 0
        self.allowed = SETTLING + way + self._holds
        """Commands until the safe one has been seen, at the rate limit."""
        self._before, self._held = last, 0

    def hear(self, command: np.ndarray) -> bool:
        """A command, shape (J,), came; whether the wait is over. The course knows how it ended.

        The safe command is none (effort, velocity), or a position that stays.
        """
        self.count += 1
        if not self._holds:
            safe = not command.any()
        else:
            same = self._before is not None and bool((np.abs(command - self._before) <= _SAME).all())
            self._held = self._held + 1 if same else 0
            safe = self._held == self._holds
        self._before = command
        if safe:
            self.course.periods_to_safe = max(self.count - self._holds, 1)
        return safe or self.count >= self.allowed
