"""`Line`: which messages of one topic come, when, and in which order, under faults. Pure: messages are anything."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ros_bridge.hil.agenda import ROUNDING
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.kinds import CROWDED


class Disturbance:
    """A fault at work on a topic's traffic. Times are in [s] of one clock."""

    def __init__(self, fault: Fault, begin: float):
        self.fault, self.begin = fault, begin
        self.random = np.random.default_rng(fault.seed)
        self.heard = 0
        """Messages that met it so far."""
        self.level = fault.magnitude
        """Its magnitude now."""
        self.held: list[Any] = []
        """Messages that wait for others."""
        self.spacing = {"crowded": CROWDED, "repeated": fault.magnitude}.get(fault.kind, 0.0)
        """Between messages that go on in place of one, in [s]."""
        self._route = _ROUTES[fault.kind]

    @staticmethod
    def knows(fault: Fault) -> bool:
        """Whether the fault is one of traffic."""
        return fault.kind in _ROUTES

    def route(self, message: Any, now: float) -> tuple[list[Any], float]:
        """Messages that go on in place of one, in order, and by how much later than now, in [s]."""
        if self.fault.probability < 1.0 and self.random.random() >= self.fault.probability:
            return [message], 0.0
        self.heard += 1
        self.level = self.fault.level(now - self.begin)
        return self._route(self, message, now)


class Line:
    """One topic. It keeps messages in order, unless a fault is that it does not."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Any]] = []
        self._count = itertools.count()
        self._last = -np.inf

    @property
    def next_due(self) -> float:
        """When the next message comes out, in [s]; infinite while there is none."""
        return self._queue[0][0] if self._queue else np.inf

    def push(self, message: Any, now: float, disturbances: Iterable[Disturbance] = ()) -> None:
        """A message comes in at `now` [s]."""
        messages, delay, spacing = [message], 0.0, 0.0
        for disturbance in disturbances:
            routed = [disturbance.route(each, now) for each in messages]
            messages = [each for these, _ in routed for each in these]
            delay += max((later for _, later in routed), default=0.0)
            spacing = max(spacing, disturbance.spacing)
        self.insert(messages, now + delay, spacing)

    def insert(self, messages: Iterable[Any], due: float, spacing: float = 0.0) -> None:
        """Messages that come out from `due` [s] on, `spacing` [s] apart, or after those before them."""
        for number, message in enumerate(messages):
            self._last = max(due + number * spacing, self._last)
            heapq.heappush(self._queue, (self._last, next(self._count), message))

    def release(self, now: float) -> list[Any]:
        """What comes out until `now` [s], in order."""
        out = []
        while self._queue and self._queue[0][0] <= now + ROUNDING:
            out.append(heapq.heappop(self._queue)[2])
        return out


_Routed = tuple[list[Any], float]


def _off(at: Disturbance, message: Any, now: float) -> _Routed:
    return [], 0.0


def _loss(at: Disturbance, message: Any, now: float) -> _Routed:
    return ([] if at.random.random() < at.level else [message]), 0.0


def _slow(at: Disturbance, message: Any, now: float) -> _Routed:
    return ([] if at.heard % round(at.fault.magnitude) else [message]), 0.0


def _delayed(at: Disturbance, message: Any, now: float) -> _Routed:
    return [message], at.level


def _intermittent(at: Disturbance, message: Any, now: float) -> _Routed:
    away = int((now - at.begin) / at.fault.magnitude) % 2 == 0
    return ([] if away else [message]), 0.0


def _duplicates(at: Disturbance, message: Any, now: float) -> _Routed:
    return [message, message], 0.0


def _reordered(at: Disturbance, message: Any, now: float) -> _Routed:
    if not at.held:
        at.held = [message]
        return [], 0.0
    (before,), at.held = at.held, []
    return [message, before], 0.0


def _bursts(at: Disturbance, message: Any, now: float) -> _Routed:
    at.held.append(message)
    if len(at.held) < round(at.fault.magnitude):
        return [], 0.0
    together, at.held = at.held, []
    return together, 0.0


_ROUTES: dict[str, Callable[[Disturbance, Any, float], _Routed]] = {
    "off": _off,
    "loss": _loss,
    "slow": _slow,
    "delayed": _delayed,
    "intermittent": _intermittent,
    "duplicates": _duplicates,
    "reordered": _reordered,
    "bursts": _bursts,
    "crowded": _bursts,
    "repeated": _duplicates,
}
