"""`Goal`: what a robot is asked to do, and told: a velocity, a target, a trajectory. It is no secret of the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robots.goal import GoalLayout
from sim_tasks.errors import TaskError
from sim_tasks.row_random import RowRandom, Rows

_PLANS, _TIMES = 4096, 16
"""So many plans, each looked at so many times, tell the range of a goal."""


@dataclass(frozen=True)
class Goal:
    """A distribution over goals. G numbers per goal, K per plan (a trajectory's parameters)."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    draw: Callable[[Rows, int], np.ndarray]
    """From a generator and n to plans. Shape (n, K)."""
    at: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    """From plans, shape (N, K), and times since the plan was drawn in [s], shape (N,), to goals, shape (N, G).
    None: the plan is the goal."""
    every: tuple[float, float] | None = None
    """A new plan is drawn after so many seconds, at least and at most; None: once per episode."""
    kind: str = "numbers"
    """What the numbers are, one of `robots.goal.SIZES`: how a robot's node is told them."""

    @property
    def size(self) -> int:
        return len(self.names)

    def now(self, plans: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Goals of N robots at `times` [s] since their plans were drawn. Shape (N, G).

        Raises:
            TaskError: what `draw` or `at` gave is not of that shape.
        """
        goals = plans if self.at is None else self.at(plans, times)
        if goals.shape != (len(plans), self.size):
            raise TaskError(
                f"goal: shape {goals.shape}; expected {(len(plans), self.size)} for {', '.join(self.names)}"
            )
        return goals

    def layout(self, episode_seconds: float) -> GoalLayout:
        """What the numbers are and between which values training draws them, in episodes of that length in [s].

        The range is that of `_PLANS` plans from a fixed seed, of plans that move as long as they may last, and half
        a percent more on either side: nobody who asks for the true edge asks for too much. The same at every call.
        """
        random = RowRandom([0, 17], _PLANS).all
        plans, lasts = self.draw(random, _PLANS), self.every[1] if self.every else episode_seconds
        times = np.linspace(0.0, lasts, _TIMES) if self.at is not None else np.zeros(1)
        goals = np.concatenate([self.now(plans, np.full(_PLANS, time)) for time in times])
        low, high = goals.min(axis=0), goals.max(axis=0)
        margin = 0.005 * (high - low)
        low, high = (tuple(ends.tolist()) for ends in (low - margin, high + margin))
        return GoalLayout(self.kind, self.names, self.units, low, high)


class GoalState:
    """The goals of N trials, live in `goal`, shape (N, G)."""

    def __init__(self, goal: Goal, robots: int, period: float):
        self._goal, self._period = goal, period
        self.goal = np.zeros((robots, goal.size))
        self.plans = np.zeros((robots, 0))
        self.age = np.zeros(robots)
        """Control steps since the plan was drawn. Shape (N,)."""
        self.lasts = np.full(robots, np.inf)
        """Control steps after which a new plan is drawn. Shape (N,)."""

    def redraw(self, ids: np.ndarray, random: Rows) -> None:
        """New plans for robots `ids`, shape (n,)."""
        drawn = self._goal.draw(random, len(ids))
        if self.plans.shape[1] != drawn.shape[1]:
            self.plans = np.zeros((len(self.plans), drawn.shape[1]))
        self.plans[ids] = drawn
        self.age[ids] = 0
        if self._goal.every is not None:
            low, high = (seconds / self._period for seconds in self._goal.every)
            self.lasts[ids] = np.round(random.uniform(low, high, len(ids)))
        self._refresh()

    def advance(self) -> np.ndarray:
        """One control step later. Returns the robots that are due for a new plan, shape (n,)."""
        self.age += 1
        if self._goal.at is not None:
            self._refresh()
        return np.flatnonzero(self.age >= self.lasts)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {"plans": self.plans.copy(), "age": self.age.copy(), "lasts": self.lasts.copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `state`."""
        self.plans = np.asarray(state["plans"]).copy()
        self.age[:], self.lasts[:] = np.asarray(state["age"]), np.asarray(state["lasts"])
        self._refresh()

    def _refresh(self) -> None:
        self.goal[:] = self._goal.now(self.plans, self.age * self._period)
