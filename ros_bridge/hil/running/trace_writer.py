"""`TraceWriter`: gathers a `Trace` while a run goes on, in arrays that grow. J joints, P parameters."""

from __future__ import annotations

import math

import numpy as np

from ros_bridge.hil.judging.trace import Trace

TOPICS = {
    "readings": ("time", "position", "velocity", "upright"),
    "seen": ("seen_time", "seen_position", "seen_velocity"),
    "command": ("command_time", "command"),
    "requested": ("requested_time", "requested", "reasons"),
    "applied": ("applied_time", "applied"),
    "belief": ("belief_time", "belief_mean", "belief_std"),
    "familiarity": ("familiarity_time", "unfamiliar"),
}
"""Fields of a `Trace` that come together, the time first."""
BEFORE = 0.1
"""What was said so long before the first command is kept, in [s]: the reading that it answers."""
_FIRST = 1024


class Growing:
    """Rows of one shape, of which nobody knows how many will come."""

    def __init__(self, row: np.ndarray):
        self._rows = np.empty((_FIRST, *row.shape), dtype=row.dtype)
        self._count = 0

    def add(self, row: np.ndarray) -> None:
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._count] = row
        self._count += 1

    @property
    def rows(self) -> np.ndarray:
        """Of all that came. Live."""
        return self._rows[: self._count]


class TraceWriter:
    """Of one run."""

    def __init__(self) -> None:
        self.belief_names: tuple[str, ...] = ()
        self._fields: dict[str, Growing] = {}

    def add(self, topic: str, at: float, *values: np.ndarray | float) -> None:
        """Something was said at `at` [s] on one of `TOPICS`; `values` in the order there."""
        for name, value in zip(TOPICS[topic], (at, *values), strict=True):
            row = np.asarray(value)
            if name not in self._fields:
                self._fields[name] = Growing(row)
            self._fields[name].add(row)

    def trace(self, zero: float, end: float = math.inf) -> Trace:
        """What came until `end` [s], in the order of time, in [s] since `zero`."""
        trace = Trace(belief_names=np.array(self.belief_names, dtype=str))
        for names in TOPICS.values():
            if names[0] not in self._fields:
                continue
            time = self._fields[names[0]].rows - zero
            order = np.argsort(time, kind="stable")
            order = order[(time[order] >= -BEFORE) & (time[order] <= end)]
            setattr(trace, names[0], time[order])
            for name in names[1:]:
                setattr(trace, name, self._fields[name].rows[order])
        if np.isnan(trace.upright).all():
            trace.upright = np.zeros(0)
        trace.latency_time, trace.latency = latencies(trace.seen_time, trace.command_time)
        return trace


def latencies(seen: np.ndarray, commands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each reading that is answered: when it came, and how long the answer took, both in [s]. Shape (L,) each.

    The answer is the first command after it that no later reading came before.

    Args:
        seen: when readings came, in order, in [s]. Shape (S,).
        commands: when commands were said, in order, in [s]. Shape (C,).
    """
    answered = np.searchsorted(seen, commands, side="right") - 1
    answered, first = np.unique(answered, return_index=True)
    first, answered = first[answered >= 0], answered[answered >= 0]
    return seen[answered], commands[first] - seen[answered]
