"""`Intake`: which sensor readings may be acted upon, judged by their stamps and by when they arrived."""

from __future__ import annotations

import enum
import math


class Verdict(enum.Enum):
    """What a reading is good for."""

    ACT = "acted_upon"
    """New, fresh and due."""
    EARLY = "between_steps"
    """New and fresh, but less than a control period after the last step."""
    DUPLICATE = "duplicate"
    """Has the stamp of the reading before."""
    OUT_OF_ORDER = "out_of_order"
    """Is older than the reading before."""
    STALE = "stale"
    """Is too old by its stamp, or from the future: the clocks disagree, or the stamp was never set."""


FRESH = (Verdict.ACT, Verdict.EARLY)
"""Verdicts on readings that are new and not too old."""


class Intake:
    """Judges one robot's readings. Stamps and `now` are in [s] of ROS time, arrivals in [s] of a monotonic clock."""

    def __init__(self, period: float, stale_after: float):
        self.period = period
        self.stale_after = stale_after
        self.counts = dict.fromkeys(Verdict, 0)
        """Readings by verdict, since the start."""
        self.heard = -math.inf
        """Arrival of the last reading that was new and fresh."""
        self._newest = -math.inf
        """Stamp of that reading."""
        self._stamp = -math.inf
        """The same, that others must not be older than; forgotten in silence."""
        self._step = -math.inf

    def restart(self) -> None:
        """The next fresh reading is due, whatever came before."""
        self._step = -math.inf

    def silent(self, arrival: float) -> bool:
        """Whether no new and fresh reading has come for longer than readings may be old."""
        return arrival - self.heard > self.stale_after

    def judge(self, stamp: float, now: float, arrival: float) -> Verdict:
        """Sorts one reading that has just arrived."""
        if self.silent(arrival):
            self._stamp = -math.inf  # a robot that comes back may have set its clock anew
        age = now - stamp
        verdict = self._verdict(stamp, age)
        self.counts[verdict] += 1
        if verdict in FRESH:
            self._newest = self._stamp = stamp
            self.heard = arrival
        if verdict is Verdict.ACT:
            self._step = stamp
        return verdict

    def _verdict(self, stamp: float, age: float) -> Verdict:
        if stamp == self._stamp:
            return Verdict.DUPLICATE
        if not -self.period <= age <= self.stale_after:
            return Verdict.STALE
        if stamp == self._newest:  # after silence: where ROS time stands still, no reading ever gets too old
            return Verdict.DUPLICATE
        if stamp < self._stamp:
            return Verdict.OUT_OF_ORDER
        # Of readings that come faster than the control period, the one nearest to it is acted upon.
        slack = min(stamp - self._stamp, self.period) / 2
        return Verdict.ACT if abs(stamp - self._step) >= self.period - slack else Verdict.EARLY
