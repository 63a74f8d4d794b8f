"""From sensor readings to a policy's observation. Used by the simulator and by the robot alike.

`ObservationLayout` says what stands where and builds one control step of it; `robots.observer.Observer` stacks steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robots.body import Body
from robots.errors import RobotError
from robots.frame import SensorFrame
from robots.quantities import NAMES, Quantities, unit
from robots.spec import RobotSpec

MAX_HISTORY = 1000
"""Control steps; more is taken for a mistake."""


@dataclass(frozen=True)
class ObservationTerm:
    """One measured quantity: `clip(scale * measurement, -clip, clip)`."""

    name: str
    """One of `robots.quantities.NAMES`; `Quantities` says what they are."""
    scale: float = 1.0
    clip: float = 10.0
    history: int = 1
    """How many control steps of it are observed, the newest first."""

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise RobotError(f"unknown observation term {self.name!r}; valid: {', '.join(NAMES)}")
        whole = isinstance(self.history, int) and not isinstance(self.history, bool)
        if not whole or not 1 <= self.history <= MAX_HISTORY:
            raise RobotError(f"{self.name}: history is {self.history!r}; valid: 1 to {MAX_HISTORY} steps")

    @property
    def unit(self) -> str:
        return unit(self.name)


class ObservationLayout:
    """Terms in order, each with its own history side by side, newest first. O = sum of size x history."""

    def __init__(self, terms: Sequence[ObservationTerm], robot: RobotSpec | Body, goal: int = 0):
        """
        Args:
            terms: what is observed.
            robot: whose sensors are read.
            goal: how many numbers a goal has; 0 where the task has none.

        Raises:
            RobotError: a term needs an IMU, a tool or a goal that is not there.
        """
        self.terms = tuple(terms)
        self._quantities = Quantities(robot, goal)
        self.body = self._quantities.body
        self.goal = goal
        self.sizes = tuple(
            self._quantities.size(term.name, f"observation term {term.name!r}") for term in self.terms
        )
        """Of one control step of each term."""
        self.step_size = sum(self.sizes)
        self._scale = np.repeat([term.scale for term in self.terms], self.sizes)
        self._clip = np.repeat([term.clip for term in self.terms], self.sizes)
        self._lowest = -self._clip
        self.size = sum(size * term.history for size, term in zip(self.sizes, self.terms, strict=True))

    @property
    def stacked(self) -> bool:
        """Whether any term is observed over more than one control step."""
        return self.size != self.step_size

    def build(
        self, frame: SensorFrame, goal: np.ndarray | None = None, out: np.ndarray | None = None
    ) -> np.ndarray:
        """One control step of every term, dimensionless float32, shape (N, `step_size`).

        Args:
            frame: the sensors' reading. What is not finite stays not finite.
            goal: shape (N, G); must be given where a term needs it.
            out: where to write it.

        Raises:
            RobotError: the frame or the goal lacks what a term needs.
        """
        step, begin = np.empty((len(frame.stamp), self.step_size)), 0
        for term, size in zip(self.terms, self.sizes, strict=True):
            value = self._quantities.read(term.name, frame, goal)
            if value.shape[1] != size:
                raise RobotError(f"observation {term.name!r}: {value.shape[1]} number(s), expected {size}")
            step[:, begin : begin + size] = value
            begin += size
        step *= self._scale
        step.clip(self._lowest, self._clip, out=step)
        if out is None:
            return step.astype(np.float32)
        out[:] = step
        return out

    def tool_position(self, position: np.ndarray) -> np.ndarray:
        """Tool position in the base frame in [m], shape (N, 3), from joint positions in [rad], shape (N, J).

        Raises:
            RobotError: the robot has no tool.
        """
        return self._quantities.tool_position(position)

    def columns(self, term: str) -> tuple[slice, float]:
        """Where the newest step of a term stands in the observation, and the term's scale.

        Raises:
            RobotError: the layout has no such term.
        """
        begin = 0
        for item, size in zip(self.terms, self.sizes, strict=True):
            if item.name == term:
                return slice(begin, begin + size), item.scale
            begin += size * item.history
        names = ", ".join(item.name for item in self.terms)
        raise RobotError(f"no observation term {term!r}; this layout has {names}")

    def manifest(self) -> list[dict[str, Any]]:
        """What a bundle records of this layout."""
        return [
            {
                "name": term.name,
                "unit": term.unit,
                "scale": term.scale,
                "clip": term.clip,
                "history": term.history,
                "size": size,
                "goal": self.goal,
            }
            for term, size in zip(self.terms, self.sizes, strict=True)
        ]

    @classmethod
    def from_manifest(cls, terms: list[dict[str, Any]], robot: RobotSpec | Body) -> ObservationLayout:
        """The layout that `manifest()` recorded.

        Raises:
            RobotError: a term is unknown, in another unit or of another size.
        """
        goals = {term["goal"] for term in terms}
        if len(goals) > 1 or not all(type(goal) is int and 0 <= goal <= MAX_HISTORY for goal in goals):
            raise RobotError(f"goal: expected one size, got {sorted(map(repr, goals))!r:.80}")
        made = [ObservationTerm(t["name"], t["scale"], t["clip"], t["history"]) for t in terms]
        layout = cls(made, robot, goals.pop() if goals else 0)
        for term, size, recorded in zip(layout.terms, layout.sizes, terms, strict=True):
            if term.unit != recorded["unit"]:
                raise RobotError(f"observation {term.name!r} is in {term.unit}, not in {recorded['unit']!r}")
            if size != recorded["size"]:
                raise RobotError(f"observation {term.name!r} has size {size}, not {recorded['size']!r}")
        return layout
