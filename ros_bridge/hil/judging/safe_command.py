"""How soon the command is the safe one after a broken reading, by the trace alone. J joints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots import RobotSpec
from ros_bridge.hil.course import BLIND, HOLDS
from ros_bridge.hil.judging.facts import FaultCourse
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.schedule import JOINTS

_SAME = 1e-9
"""In [command unit]."""
_SEEN = 100
"""Readings among which a place to hold is looked for: a node goes there at its rate limit."""


@dataclass(frozen=True)
class SafeAnswer:
    """From a broken reading to the first safe command."""

    broken_at: float
    """When the first broken reading reached the node, in [s]."""
    seen: bool
    """Whether that is known; else `broken_at` is when the fault began."""
    safe_at: float
    """When the first safe command came, in [s]; NaN: none did."""
    commands: int
    """From the broken reading up to that command, or to the end."""

    def periods(self, period: float) -> int | None:
        """Control periods of `period` [s] that it took, at least 1; None: there was no safe command."""
        if math.isnan(self.safe_at):
            return None
        return max(math.ceil((self.safe_at - self.broken_at) / period - 1e-6), 1)


def safe_answer(spec: RobotSpec, trace: Trace, course: FaultCourse) -> SafeAnswer:
    """What the node made of a fault that has begun. The trace has the joints' readings; of others the relay told."""
    blind = course.fault.kind in BLIND
    broken = _broken_at(trace, course) if blind and course.fault.target == JOINTS else course.touched
    since = broken if math.isfinite(broken) else course.begun
    after = trace.command_time >= since
    safe = safe_commands(spec, trace, damps=not blind) & after
    first = int(np.argmax(safe)) if safe.any() else None
    return SafeAnswer(
        since,
        math.isfinite(broken),
        math.nan if first is None else float(trace.command_time[first]),
        int(after.sum() if first is None else after[: first + 1].sum()),
    )


def safe_commands(spec: RobotSpec, trace: Trace, damps: bool) -> np.ndarray:
    """Which commands are such as the safe mode sends. Shape (C,), bool.

    Of torque and speed that is none; of torque, where the node can see (`damps`), also what brakes the joints that it
    has seen, by no more than the robot's damping. Of position, one that stays for `HOLDS` control periods: the first.
    """
    command = trace.command
    if not len(command):
        return np.zeros(0, dtype=bool)
    if spec.interface == "position":
        return _stays(command)
    safe = np.abs(command) <= _SAME
    if spec.interface == "effort" and damps:
        safe |= _brakes(spec, trace)
    return np.asarray(safe.all(axis=1))


def last_words(spec: RobotSpec, trace: Trace, since: float, until: float) -> tuple[np.ndarray, np.ndarray]:
    """Commands that reached the robot between two times [s]: when, and whether each is one to fall silent after.

    Of torque and speed that is none; of position a place where the joints were seen. Shapes (C,), float and bool.
    """
    found = (trace.applied_time >= since) & (trace.applied_time < until)
    time, command = trace.applied_time[found], trace.applied[found]
    if spec.interface != "position":
        return time, np.asarray((np.abs(command) <= _SAME).all(axis=1))
    low, high = spec.command_limits
    newest = np.searchsorted(trace.seen_time, time, side="right")
    near = [trace.seen_position[max(end - _SEEN, 0) : end].clip(low, high) for end in newest]
    return time, np.array(
        [
            bool((np.abs(seen - one) <= _SAME).all(axis=1).any())
            for seen, one in zip(near, command, strict=True)
        ],
        dtype=bool,
    )


def _broken_at(trace: Trace, course: FaultCourse) -> float:
    """When the first reading with a number missing reached the node under a fault; NaN: none did."""
    if not len(trace.seen_time):
        return math.nan
    numbers = np.concatenate([trace.seen_position, trace.seen_velocity], axis=1)
    ended = course.ended if math.isfinite(course.ended) else math.inf
    under = (trace.seen_time >= course.begun) & (trace.seen_time <= ended)
    found = np.flatnonzero(under & ~np.isfinite(numbers).all(axis=1))
    return float(trace.seen_time[found[0]]) if len(found) else math.nan


def _stays(command: np.ndarray) -> np.ndarray:
    """Which commands are followed by `HOLDS` that are the same. Shape (C,), bool."""
    same = np.asarray((np.abs(np.diff(command, axis=0)) <= _SAME).all(axis=1))
    stays = np.zeros(len(command), dtype=bool)
    if len(same) >= HOLDS:
        stays[: len(same) - HOLDS + 1] = np.lib.stride_tricks.sliding_window_view(same, HOLDS).all(axis=1)
    return stays


def _brakes(spec: RobotSpec, trace: Trace) -> np.ndarray:
    """Which torques are at most damping x speed of the newest reading, against it. Shape (C, J), bool."""
    newest = np.searchsorted(trace.seen_time, trace.command_time, side="right") - 1
    if not len(trace.seen_time):
        return np.zeros(trace.command.shape, dtype=bool)
    speed = np.where((newest >= 0)[:, None], trace.seen_velocity[newest], np.nan)
    most = -np.asarray(spec.safety.damping) * speed
    low, high = np.minimum(most, 0.0), np.maximum(most, 0.0)
    return (low - _SAME <= trace.command) & (trace.command <= high + _SAME)
