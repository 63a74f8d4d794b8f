"""`GoalKeeper`: which goal holds now: the last good one, or to stand still. No ROS in it. G numbers per goal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from robots.goal import GoalLayout
from ros_bridge.goals import SOURCES, TIMEOUTS, GoalReading

TAKEN, CLIPPED, REFUSED, TIMED_OUT = "taken", "clipped", "refused", "timed_out"
"""What is counted: goals that came to hold, those of them that were beyond the policy's training, those that cannot be
used, and those that no other followed in time."""
REST = "rest"
"""The source of a goal that nobody has told."""


class GoalKeeper:
    """`now` is in [s] of ROS time, as stamps are; `arrival` in [s] of a monotonic clock."""

    def __init__(self, layout: GoalLayout, timeout: float = 0.0):
        """`timeout`: for how long a goal holds, in [s]; 0: as long as goals of its kind do, see `goals.TIMEOUTS`."""
        self.layout = layout
        self.timeout = timeout or TIMEOUTS.get(layout.kind, math.inf)
        self.counts = Counter[str](dict.fromkeys((TAKEN, CLIPPED, REFUSED, TIMED_OUT), 0))
        """Since the start."""
        self.problem: str | None = None
        """What is wrong with the newest goal, with its topic's name."""
        self.source = REST
        """The topic of the goal that holds, or `REST`."""
        self.goal: np.ndarray | None = None
        """What holds. Shape (G,); None: nobody has told, and nobody knows what it is to stand still."""
        self._told_at = -math.inf
        self._settled = False

    def restart(self) -> None:
        """Forgets what was told: whoever activates a robot has not asked for what was asked for before."""
        self.goal, self.source, self.problem = None, REST, None
        self._settled = False

    def hear(self, reading: GoalReading, topic: str, now: float, arrival: float) -> None:
        """Takes a goal, or refuses it and keeps the last good one."""
        age = 0.0 if reading.stamp is None else max(now - reading.stamp, 0.0)
        late = f"is {age:.3g} s old; goals hold for {self.timeout:.3g} s" if age > self.timeout else None
        problem = reading.problem or late
        self.problem = problem and f"{topic}: {problem}"
        self.counts[REFUSED if problem else TAKEN] += 1
        if problem:
            return
        self.goal = self.layout.within(reading.values)
        self.counts[CLIPPED] += bool((self.goal != reading.values).any())
        self.source, self._told_at = topic, arrival - age

    def current(self, arrival: float, tool: Callable[[], np.ndarray | None]) -> np.ndarray | None:
        """The goal that holds, shape (G,), or None, see `goal`.

        `tool` says where the tool is, in the base frame in [m], shape (3,): as rest begins, it is asked once.
        """
        if self.source != REST and self.age(arrival) > self.timeout:
            self.counts[TIMED_OUT] += 1
            self.goal, self.source, self._settled = None, REST, False
        if self.source == REST and not self._settled:
            self.goal = self.layout.rest(tool())
            self._settled = self.goal is not None
        return self.goal

    def age(self, arrival: float) -> float:
        """Of the goal that was told last, in [s]."""
        return arrival - self._told_at

    def missing(self) -> str | None:
        """Why there is nothing to do, in words; None if there is."""
        if self.goal is not None:
            return None
        return f"{' or '.join(SOURCES[self.layout.kind])}: no goal, and no way to stand still without one"

    def report(self, arrival: float) -> dict[str, str]:
        """For diagnostics: what holds, who told it, how long ago, and all counts."""
        parts = zip(
            self.layout.names, () if self.goal is None else self.goal, self.layout.units, strict=False
        )
        words = {
            "goal": ", ".join(f"{name} {value:.3g} {unit}" for name, value, unit in parts) or "none",
            "goal source": self.source,
            "goal age": "never told" if math.isinf(self._told_at) else f"{self.age(arrival):.2f} s",
            "goal timeout": "none" if math.isinf(self.timeout) else f"{self.timeout:.3g} s",
        }
        words |= {f"goals {name}": str(count) for name, count in self.counts.items()}
        return words | ({"goal problem": self.problem} if self.problem else {})
