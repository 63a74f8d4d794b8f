"""`RewardLayout`: the reward that a robot can measure, as data. Used by the simulator and by the robot alike.

It is made of what an observation can hold and of the actions that were sent. Where a robot's sensors are wrong about
it, such as by an encoder's offset, it stands for the true reward, which only a simulation knows.

N robots, A actions, G numbers of a goal; of one part, D measured numbers, K that are made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from robots.body import Body
from robots.errors import RobotError
from robots.frame import SensorFrame
from robots.quantities import Quantities
from robots.reward_terms import ACTIONS, MEASURED, SHAPES, RewardPart, RewardTerm
from robots.spec import RobotSpec

_Shape = Callable[[np.ndarray], np.ndarray]
_Ready = tuple[float, list[tuple[int, _Shape, float]]]
"""A term's offset, and of each part: which argument, its shape, its weight."""

COMBINES = ("product", "sum")


class RewardLayout:
    """Terms, multiplied or added."""

    def __init__(
        self,
        terms: Sequence[RewardTerm],
        robot: RobotSpec | Body,
        goal: int = 0,
        combine: str = "product",
    ):
        """
        Args:
            terms: what is rewarded.
            robot: whose sensors are read.
            goal: how many numbers a goal has; 0 where the task has none.
            combine: one of `COMBINES`.

        Raises:
            RobotError: names the term and what is wrong with it.
        """
        if combine not in COMBINES:
            raise RobotError(f"combine: {combine!r}; valid: {', '.join(COMBINES)}")
        if not terms:
            raise RobotError("terms: none; a reward has at least one")
        self.terms = tuple(terms)
        self.combine = combine
        self.goal = goal
        self._quantities = Quantities(robot, goal)
        self.body = self._quantities.body
        arguments: dict[tuple[object, ...], _Argument] = {}
        self._ready = [self._prepare(term, arguments) for term in self.terms]
        self._arguments = list(arguments.values())

    def __call__(
        self, frame: SensorFrame, goal: np.ndarray | None, sent: np.ndarray, before: np.ndarray
    ) -> np.ndarray:
        """Reward of the control step that led to a reading. Shape (N,).

        Args:
            frame: the sensors' reading. Where it is not finite, neither is the reward.
            goal: what holds now, shape (N, G); must be given where a term needs it.
            sent: the action of that step, shape (N, A), after the safety filter.
            before: that of the step before it, shape (N, A).

        Raises:
            RobotError: the frame or the goal lacks what a term needs.
        """
        given = (frame, goal, sent, before)
        with np.errstate(all="ignore"):  # readings may be anything: who hears the result looks at it
            numbers = [argument(self._quantities, *given) for argument in self._arguments]
            totals = []
            for offset, parts in self._ready:
                value: np.ndarray | float = offset
                for index, shape, weight in parts:
                    value = value + weight * shape(numbers[index])
                totals.append(value)
        return reduce(np.multiply if self.combine == "product" else np.add, totals)

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of this layout."""
        return {"combine": self.combine, "terms": [term.manifest() for term in self.terms]}

    @classmethod
    def from_manifest(cls, recorded: dict[str, Any], robot: RobotSpec | Body, goal: int) -> RewardLayout:
        """The layout that `manifest()` recorded, of a goal with so many numbers.

        Raises:
            RobotError: a term is not what it should be, in another unit, or not of this robot.
        """
        terms = [RewardTerm.from_manifest(term) for term in recorded["terms"]]
        return cls(terms, robot, goal, recorded["combine"])

    def _prepare(self, term: RewardTerm, arguments: dict[tuple[object, ...], _Argument]) -> _Ready:
        what, parts = f"reward term {term.name!r}", []
        if not term.parts:
            raise RobotError(f"{what}: no parts; expected at least one")
        for part in term.parts:
            key = (part.measured, part.target, part.mix, part.wrapped)
            if key not in arguments:
                arguments[key] = _Argument(part, self._quantities, what)
            shape = part.shape
            if isinstance(shape, str):
                if shape not in SHAPES:
                    raise RobotError(f"{what}: shape: {shape!r}; valid: {', '.join(SHAPES)}, tolerance")
                shape = SHAPES[shape]
            parts.append((list(arguments).index(key), shape, part.weight))
        return term.offset, parts


class _Argument:
    """The number z of a part, which other parts may share."""

    def __init__(self, part: RewardPart, known: Quantities, what: str):
        self.part = part
        name = part.measured
        if name not in MEASURED:
            raise RobotError(f"{what}: unknown quantity {name!r}; valid: {', '.join(MEASURED)}")
        size = known.body.driven if name in ACTIONS else known.size(name, what)
        self._target = None
        if part.target == "goal":
            if known.goal < size:
                raise RobotError(f"{what}: target: the goal has {known.goal} number(s), {name!r} has {size}")
            self._target = slice(size)
        elif part.target is not None:
            _expect(part.target, size, f"{what}: target")
            self._target = np.array(part.target)
        if part.mix is not None and not part.mix:
            raise RobotError(f"{what}: mix: no rows; expected at least one")
        for row in part.mix or ():
            _expect(row, size, f"{what}: mix")
        self._mix = None if part.mix is None else np.array(part.mix, float)

    def __call__(
        self,
        known: Quantities,
        frame: SensorFrame,
        goal: np.ndarray | None,
        sent: np.ndarray,
        before: np.ndarray,
    ) -> np.ndarray:
        """Shape (N,), contiguous: numpy runs the same loop over it however many robots there are."""
        name = self.part.measured
        if name in ACTIONS:
            value = sent.astype(float)
            value = value - before if name == "action_change" else value
        else:
            value = known.read(name, frame, goal)
        if isinstance(self._target, slice):
            value = value - known.read("goal", frame, goal)[:, self._target]
        elif self._target is not None:
            value = value - self._target
        columns = list(np.ascontiguousarray(value.T))
        if self._mix is not None:
            columns = [_sum([factor * column for factor, column in zip(row, columns)]) for row in self._mix]  # noqa: B905
        if self.part.wrapped:
            columns = [np.mod(column + np.pi, 2 * np.pi) - np.pi for column in columns]
        if len(columns) == 1:
            return columns[0]
        return np.sqrt(_sum([column * column for column in columns]))


def heard(reward: np.ndarray) -> np.ndarray:
    """What a policy hears of rewards, shape (N,): 0 of those that were not measured. Shape (N,), float32."""
    with np.errstate(over="ignore"):
        told = reward.astype(np.float32)
    return np.where(np.isfinite(told), told, np.float32(0.0))


def _sum(columns: list[np.ndarray]) -> np.ndarray:
    """One after the other, in an order that does not depend on how many robots there are."""
    total = columns[0]
    for column in columns[1:]:
        total = total + column
    return total


def _expect(values: tuple[float, ...], size: int, what: str) -> None:
    if len(values) != size:
        raise RobotError(f"{what}: {len(values)} number(s); expected {size}")
