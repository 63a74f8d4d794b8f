"""`Agenda`: which faults of a schedule begin and end when. Pure. Times are in [s] of one clock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ros_bridge.hil.fault import Fault

ROUNDING = 1e-6
"""By how much sums of times may be off, in [s]: where time goes in steps, what is due at a step is due in it."""


@dataclass(frozen=True)
class Turn:
    """Fault number `index` begins, or ends."""

    index: int
    begins: bool
    news: bool = True
    """Whether nobody has said so before."""


class Agenda:
    """A schedule in time. Faults are numbered as they are given, in whatever order they begin."""

    def __init__(self, faults: Sequence[Fault]):
        self.faults = tuple(faults)
        self.zero: float | None = None
        """When the schedule began; None: it has not."""
        self._waiting = deque(sorted(range(len(faults)), key=lambda index: faults[index].begin))
        self._ends: dict[int, float] = {}
        """When each fault that is at work ends, since zero."""
        self._said: set[int] = set()
        """Faults whose begin is no news."""
        self._over_said = False

    def start(self, now: float) -> None:
        """The schedule begins now."""
        self.zero = now

    def resume(self, zero: float, now: float) -> None:
        """Goes on in place of another that began at `zero` and is gone by now.

        It is gone since the begin of the last fault `lost` until now: what ended before that is over, what was at work
        then is at work again without a word, and what has happened since is said now. Without such a fault it is gone
        since now.
        """
        self.zero = zero
        gone = max(
            (f.begin for f in self.faults if f.kind == "lost" and f.begin <= now - zero), default=now - zero
        )
        self._waiting = deque(index for index in self._waiting if self.faults[index].end > gone)
        self._said = {index for index in self._waiting if self.faults[index].begin <= gone}
        self._over_said = bool(self.faults) and not self._waiting

    @property
    def next_due(self) -> float:
        """When a fault begins or ends next; infinite while none does."""
        if self.zero is None:
            return math.inf
        begin = self.faults[self._waiting[0]].begin if self._waiting else math.inf
        return self.zero + min(begin, *self._ends.values(), math.inf)

    def turns(self, now: float) -> Iterator[Turn]:
        """What has ended and what has begun until now, in the order of time."""
        while self.zero is not None and self.next_due <= now + ROUNDING:
            end = min(self._ends, key=self._ends.__getitem__, default=None)
            begin = self.faults[self._waiting[0]].begin if self._waiting else math.inf
            if end is not None and self._ends[end] <= begin:
                del self._ends[end]
                yield Turn(end, begins=False)
            else:
                index = self._waiting.popleft()
                self._ends[index] = self.faults[index].end
                yield Turn(index, begins=True, news=index not in self._said)

    def ends_now(self) -> bool:
        """Whether no fault is left, for the first time."""
        if self.zero is None or self._waiting or self._ends or self._over_said:
            return False
        self._over_said = True
        return True
