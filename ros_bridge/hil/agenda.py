"""`Agenda`: which faults of a schedule begin and end when. Pure. Times are in [s] of one clock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ros_bridge.hil.fault import START, Fault

ROUNDING = 1e-6
"""By how much sums of times may be off, in [s]: where time goes in steps, what is due at a step is due in it."""


@dataclass(frozen=True)
class Turn:
    """Fault number `index` begins, or ends."""

    index: int
    begins: bool
    news: bool = True
    """Whether nobody has said so before."""
    at: float = field(default=math.nan, compare=False)
    """When it is due."""


class Agenda:
    """A schedule in time. Faults are numbered as they are given, in whatever order they begin."""

    def __init__(self, faults: Sequence[Fault]):
        self.faults = tuple(faults)
        self.zero: float | None = None
        """When the schedule began; None: it has not."""
        order = sorted(range(len(faults)), key=lambda index: faults[index].begin)
        self._early = [index for index in order if faults[index].begin == START]
        self._later = [index for index in order if faults[index].begin != START]
        self._begins = deque[tuple[float, int]]()
        """When each fault begins of which that is known, in order."""
        self._ends: dict[int, float] = {}
        """When each fault that is at work ends."""
        self._said: set[int] = set()
        """Faults whose begin is no news."""
        self._over_said = False

    def wake(self, now: float) -> None:
        """The robot speaks: faults that are at work from the start begin, if they have not."""
        self._begins.extend((now, index) for index in self._early)
        self._early = []

    def start(self, now: float) -> None:
        """The schedule begins now."""
        self.wake(now)
        self.zero = now
        self._begins.extend((now + self.faults[index].begin, index) for index in self._later)

    def resume(self, zero: float, now: float) -> None:
        """Goes on in place of another that began at `zero` and is gone by now.

        It is gone since the begin of the last fault `lost` until now: what ended before that is over, what was at work
        then is at work again without a word, and what has happened since is said now. Without such a fault it is gone
        since now. What was at work from the start is over.
        """
        self.zero = zero
        gone = max(
            (f.begin for f in self.faults if f.kind == "lost" and f.begin <= now - zero), default=now - zero
        )
        left = [index for index in self._later if self.faults[index].end > gone]
        self._early, self._begins = [], deque((zero + self.faults[index].begin, index) for index in left)
        self._said = {index for index in left if self.faults[index].begin <= gone}
        self._over_said = bool(self.faults) and not left

    @property
    def next_due(self) -> float:
        """When a fault begins or ends next; infinite while none does."""
        begin = self._begins[0][0] if self._begins else math.inf
        return min(begin, *self._ends.values(), math.inf)

    def turns(self, now: float) -> Iterator[Turn]:
        """What has ended and what has begun until now, in the order of time."""
        while (due := self.next_due) <= now + ROUNDING:
            end = next((index for index, at in self._ends.items() if at == due), None)
            if end is not None:
                del self._ends[end]
                yield Turn(end, begins=False, at=due)
            else:
                _, index = self._begins.popleft()
                self._ends[index] = due + self.faults[index].duration
                yield Turn(index, begins=True, at=due, news=index not in self._said)

    def ends_now(self) -> bool:
        """Whether no fault is left, for the first time."""
        if self.zero is None or self._begins or self._ends or self._over_said:
            return False
        self._over_said = True
        return True
