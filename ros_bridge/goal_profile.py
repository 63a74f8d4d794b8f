"""`GoalProfile`: what a robot is asked for, step by step, as somebody has written it down. G numbers per goal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ros_bridge.errors import BridgeError


@dataclass(frozen=True)
class GoalEntry:
    """From `at` [s] on `values` are asked for, in the order and units of the family's goal."""

    at: float
    values: tuple[float, ...]


class GoalProfile:
    """Of one robot. Before its first entry, that one is asked for already."""

    def __init__(self, entries: Sequence[GoalEntry], names: Sequence[str], period: float):
        """`names` of the goal's numbers; `period` of control, in [s].

        Raises:
            BridgeError: there is no entry, one has another number of values or one that is not finite, or their times
                do not rise.
        """
        if not entries:
            raise BridgeError(f"goals: none; expected entries with `at` and `values` ({', '.join(names)})")
        for entry in entries:
            if len(entry.values) != len(names) or not np.isfinite((entry.at, *entry.values)).all():
                raise BridgeError(
                    f"goals: at {entry.at} s values {list(entry.values)}; expected {len(names)} finite numbers: "
                    f"{', '.join(names)}"
                )
        times = [entry.at for entry in entries]
        if any(later <= before for before, later in pairwise(times)):
            raise BridgeError(f"goals: at {times} s; expected rising times")
        self._entries, self._period, self._step = tuple(entries), period, 0
        self.goal = np.array([entries[0].values], dtype=float)
        """What holds. Live. Shape (1, G)."""

    def advance(self) -> None:
        """One control step later."""
        self._step += 1
        now = self._step * self._period + 1e-9
        self.goal[0] = next(
            (e.values for e in reversed(self._entries) if e.at <= now), self._entries[0].values
        )


def read_goals(path: Path) -> list[GoalEntry]:
    """From a JSON list of `{"at": s, "values": [...]}`.

    Raises:
        BridgeError: the file cannot be read, or is something else.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [GoalEntry(float(row["at"]), tuple(float(value) for value in row["values"])) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BridgeError(
            f'{path}: {error!r}; expected a JSON list of {{"at": seconds, "values": [numbers]}}'
        ) from error
