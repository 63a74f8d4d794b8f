"""`GoalLayout`: what a robot is told to do, as its policy hears it: a velocity, a place of its tool, plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robots.errors import RobotError

SIZES: dict[str, int | None] = {"velocity": 3, "tool_position": 3, "tool_motion": 6, "numbers": None}
"""Kinds of goals and how many numbers each has: forward, left [m/s] and turning [rad/s]; x, y, z of the tool in the
base frame [m]; those and their velocity [m/s]; anything, which only a program of the user's own can tell."""


@dataclass(frozen=True)
class GoalLayout:
    """G numbers that say what to do."""

    kind: str
    """One of `SIZES`."""
    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    """The least that the policy was trained for, in `units`. Shape (G,)."""
    high: tuple[float, ...]
    """The most. Shape (G,)."""

    @property
    def size(self) -> int:
        return len(self.names)

    def within(self, goal: np.ndarray) -> np.ndarray:
        """A finite goal, shape (..., G), as near as the policy was trained for."""
        return np.clip(goal, self.low, self.high)

    def rest(self, tool_position: np.ndarray | None) -> np.ndarray | None:
        """The goal that means to stand still: no velocity, or the tool where it is, shape (3,), in [m].

        None for plain numbers, of which nobody knows, and where the tool's place would be needed and is not given.
        """
        if self.kind == "velocity":
            return np.zeros(self.size)
        if self.kind == "numbers" or tool_position is None or not np.isfinite(tool_position).all():
            return None
        return self.within(np.concatenate([tool_position, np.zeros(self.size - 3)]))

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of this layout."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "units": list(self.units),
            "low": list(self.low),
            "high": list(self.high),
        }

    @classmethod
    def from_manifest(cls, recorded: Mapping[str, Any]) -> GoalLayout:
        """Inverse of `manifest`, of what may come from a damaged file.

        Raises:
            RobotError: a field is missing or is not what it should be; names it and what is valid.
        """
        unknown = set(recorded) - {"kind", "names", "units", "low", "high"}
        if unknown:
            raise RobotError(f"{sorted(unknown)[0]}: unknown field; valid: kind, names, units, low, high")
        kind = recorded.get("kind")
        if not isinstance(kind, str) or kind not in SIZES:
            raise RobotError(f"kind: {kind!r:.80}; valid: {', '.join(SIZES)}")
        names, units = (_words(recorded.get(field), field) for field in ("names", "units"))
        size = SIZES[kind] or len(names)
        if len(names) != size or len(units) != size:
            raise RobotError(f"names, units: {len(names)} and {len(units)}; expected {size} of a {kind}")
        low, high = (_numbers(recorded.get(field), size, field) for field in ("low", "high"))
        if any(least > most for least, most in zip(low, high, strict=True)):
            raise RobotError(f"low: {list(low)} is above high: {list(high)}")
        return cls(kind, names, units, low, high)


def _words(value: Any, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise RobotError(f"{field}: expected a list of words, got {value!r:.80}")
    return tuple(value)


def _numbers(value: Any, count: int, field: str) -> tuple[float, ...]:
    def sound(number: Any) -> bool:
        return not isinstance(number, bool) and isinstance(number, int | float) and abs(number) < 1e9

    if not isinstance(value, Sequence) or len(value) != count or not all(map(sound, value)):
        raise RobotError(f"{field}: expected {count} numbers below 1e9, got {value!r:.80}")
    return tuple(map(float, value))
