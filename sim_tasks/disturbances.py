"""What happens to a robot in mid-trial: its physics change, it is pushed, its control loop jitters."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim_tasks.batch_sim import BatchSim
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom, Rows

_NOBODY = np.empty(0, dtype=int)
_STATE = ("change_step", "push_step")


class Disturbances:
    """The changes and pushes of N trials on tasks of one split, as their family has them."""

    def __init__(self, family: TaskFamily, sim: BatchSim, trial_steps: int, split: str, changes: bool):
        self._family, self._sim, self._trial_steps, self._split = family, sim, trial_steps, split
        self._change = family.change if changes else None
        self._pushes = family.pushes if changes else None
        self.change_step = np.full(sim.robots, trial_steps + 1)
        """Control step of the trial at which the physics change; beyond its end where they do not. Shape (N,)."""
        self.push_step = np.full(sim.robots, trial_steps + 1)
        """Control step of the trial of the next push. Shape (N,)."""

    def begin_trial(self, ids: np.ndarray, random: Rows) -> None:
        """Draws what will happen in the trials that begin in `ids`, shape (n,)."""
        if self._change is not None:
            happens = random.random(len(ids)) < self._change.probability
            when = random.integers(self._family.episode_steps // 4, self._trial_steps, len(ids))
            self.change_step[ids] = np.where(happens, when, self._trial_steps + 1)
        if self._pushes is not None:
            self.push_step[ids] = self._wait(random, len(ids))

    def skip(self, steps: np.ndarray) -> None:
        """The trials begin so many steps, shape (N,), after their beginning: pushes are waited for from there."""
        self.push_step += steps

    def before_step(self, random: Rows) -> None:
        """The moment at which each robot's command arrives in this control step."""
        if self._sim.used("control_jitter") is not None:
            self._sim.jitter(random.random(self._sim.robots))

    def new_physics(self, elapsed: np.ndarray, random: RowRandom) -> tuple[np.ndarray, np.ndarray]:
        """Whose physics change after `elapsed` steps, shape (N,), and their new parameters: (n,) and (n, P).

        They are knocked besides.
        """
        if self._change is None:
            return _NOBODY, self._sim.values[:0]
        ids = np.flatnonzero(elapsed == self.change_step)
        values = self._sim.values[ids]
        if not len(ids):
            return ids, values
        rows, column = random.rows(ids), self._family.parameter_index(self._change.parameter)
        values[:, column] = self._family.draw(rows, len(ids), self._split)[:, column]
        dofs = np.arange(self._sim.model.nv)[self._sim.plant.qvel]
        knock = np.zeros((len(ids), self._sim.model.nv))
        knock[:, dofs] = rows.uniform(-self._change.knock, self._change.knock, (len(ids), len(dofs)))
        self._sim.push(ids, knock)
        return ids, values

    def push(self, elapsed: np.ndarray, random: RowRandom) -> None:
        """Pushes the robots whose moment it is."""
        if self._pushes is None:
            return
        ids = np.flatnonzero(elapsed >= self.push_step)
        if not len(ids):
            return
        rows, dofs = random.rows(ids), list(self._pushes.dofs)
        own = self._sim.used("push_speed")
        speed = self._pushes.speed if own is None else own[ids]
        push = np.zeros((len(ids), self._sim.model.nv))
        push[:, dofs] = speed * rows.uniform(-1.0, 1.0, (len(ids), len(dofs)))
        self._sim.push(ids, push)
        self.push_step[ids] = elapsed[ids] + self._wait(rows, len(ids))

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {name: getattr(self, name).copy() for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        for name in _STATE:
            getattr(self, name)[:] = np.asarray(state[name])

    def _wait(self, random: Rows, count: int) -> np.ndarray:
        assert self._pushes is not None
        low, high = (seconds / self._family.period for seconds in self._pushes.every)
        return np.maximum(1, np.round(random.uniform(low, high, count))).astype(np.int64)
