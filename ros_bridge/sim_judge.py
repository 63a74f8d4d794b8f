"""`SimJudge`: what a simulated robot is asked to do, and whether it does it, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ros_bridge.goal_profile import GoalEntry, GoalProfile
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily
from sim_tasks.goal import GoalState
from sim_tasks.motion import Motion
from sim_tasks.row_random import RowRandom

JUDGED = 1.0
"""The robot must have been where the task wants it for so long, in [s]."""
_IDS = np.zeros(1, dtype=int)


class SimJudge:
    """Draws a family's goals for one robot over T steps, and judges each step by the goal that it was for."""

    def __init__(
        self,
        family: TaskFamily,
        sim: BatchSim,
        steps: int,
        seed: int,
        goals: bool | Sequence[GoalEntry] = True,
    ):
        """`goals`: draw the family's goals, or ask for these. Where somebody else tells them, nobody here can judge the
        robot.

        Raises:
            TaskError: there are goals, and the family has none.
            BridgeError: the goals are none of the family's.
        """
        self._family = family
        self._random = RowRandom([seed, 29], 1)
        self._goals: GoalState | GoalProfile | None = None
        if not isinstance(goals, bool):
            if family.goal is None:
                raise TaskError(f"{family.name}: its robots are asked for nothing; expected no goals")
            self._goals = GoalProfile(goals, family.goal.names, family.period)
        elif goals and family.goal is not None:
            self._goals = GoalState(family.goal, 1, family.period)
            self._goals.redraw(_IDS, self._random.all)
        action = np.zeros((1, family.action_size))
        self._motion = Motion.of(sim, action, self._goals.goal if self._goals else None)
        self.judges = family.success is not None and (family.goal is None or self._goals is not None)
        self.successful = np.zeros(steps, dtype=bool)
        """Whether the robot was where its task wants it. Shape (T,)."""
        self.steps = 0
        self.fell_at: float | None = None
        """When the family would have ended the episode, in [s]: of a robot with legs, when it fell."""
        with np.errstate(all="ignore"):
            self._look()  # engine fields that are asked for later are zero until the next step

    @property
    def goal(self) -> np.ndarray | None:
        """What the robot is asked to do now. Live. Shape (G,); None where nobody here asks."""
        return None if self._goals is None else self._goals.goal[0]

    def step(self, time: float) -> bool:
        """A control step ends at `time` [s], or the first begins: judges it, then asks for what is due.

        Returns:
            Whether the robot fell just now.
        """
        due = self._goals.advance() if isinstance(self._goals, GoalState) and self.steps else ()
        self.successful[self.steps], fallen = self._look()
        if isinstance(self._goals, GoalProfile) and self.steps:
            self._goals.advance()  # what was done until now was for the goal before
        self.steps += 1
        if isinstance(self._goals, GoalState) and len(due):
            self._goals.redraw(_IDS, self._random.all)
        fell = fallen and self.fell_at is None
        self.fell_at = time if fell else self.fell_at
        return fell

    def successful_until(self, end: float) -> bool:
        """Whether the robot was where the task wants it for the whole last second before `end` [s]."""
        times = self._family.period * np.arange(self.steps)
        judged = (times >= end - JUDGED) & (times < end)
        whole = judged.sum() >= round(JUDGED / self._family.period) - 1
        return bool(whole and self.successful[: self.steps][judged].all())

    @property
    def on_target(self) -> float | None:
        """Share of the steps so far that were successful; None where nobody can judge."""
        return float(self.successful[: self.steps].mean()) if self.judges and self.steps else None

    @property
    def error(self) -> float:
        """Distance from what is asked for now, in the family's `error_unit`; NaN where nobody can say."""
        can = self._family.error is not None and (self._family.goal is None or self._goals is not None)
        return float(self._family.error(self._motion)[0]) if can and self._family.error else math.nan

    def _look(self) -> tuple[bool, bool]:
        """Whether the robot is where it should be, and whether it has fallen."""
        family = self._family
        success = family.success is not None and self.judges and bool(family.success(self._motion)[0])
        return success, family.terminal is not None and bool(family.terminal(self._motion)[0])
