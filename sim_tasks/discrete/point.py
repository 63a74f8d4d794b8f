"""A point mass in the plane, pushed to a goal by one of nine forces or by two joints with three each."""

from __future__ import annotations

import numpy as np

from sim_tasks.discrete.protocol import DiscreteEnv
from sim_tasks.errors import TaskError

PERIOD = 0.1
"""Of a step, in [s]."""
EPISODE_STEPS = 50
RADIUS = 0.2
"""Within which the goal is reached, in [m]."""
_MASS, _DAMPING, _FORCE = (0.5, 2.0), (0.2, 1.0), (0.5, 2.0)
"""Ranges of the tasks: mass in [kg], viscous damping in [N s/m], force of a push in [N]."""
_SECTOR = 8
"""One sector of goals in so many is held out."""
_HALF_SIZE = 2.0
"""The walls are so far from the middle, in [m]."""


class Point(DiscreteEnv):
    """The mass starts near the middle, at rest; the goal lies 0.5 to 1.5 m away, unseen and the same in all episodes of
    a task, as mass, damping and force are. Goals of held-out tasks lie in other directions.

    Reward, once a step: dense: minus the distance in [m], times 0.1; sparse: 1 within 0.2 m of the goal. Walls stop
    the mass 2 m from the middle. Episodes are 50 steps of 0.1 s.

    Observation, shape (5,): position in [m], velocity in [m/s], remaining time in [0, 1]. Actions: one of 9, 3 x + y,
    or with `joints` = 2 one of 3 for each axis: -1, 0, 1 times the force.

    Raises:
        TaskError: `joints` is neither 1 nor 2, or another split than train and test.
    """

    def __init__(
        self,
        envs: int,
        seed: int,
        *,
        sparse: bool = False,
        split: str = "train",
        tasks: int = 1,
        joints: int = 1,
    ):
        if joints not in (1, 2):
            raise TaskError(f"joints: {joints}; valid: 1, 2")
        if split not in ("train", "test"):
            raise TaskError(f"split {split!r} of point; valid: train, test")
        super().__init__(
            "point:sparse" if sparse else "point",
            envs,
            seed,
            actions=9 if joints == 1 else 3,
            observation_shape=(5,),
            split=split,
            tasks=tasks,
            joints=joints,
        )
        self.sparse = sparse
        self.goal = np.zeros((tasks, 2))
        """In [m]. Shape (tasks, 2)."""
        self._gains = np.zeros((tasks, 2))
        """What a push adds to the velocity in a step, in [m/s], and what share of it damping leaves. (tasks, 2)."""
        self.position, self.velocity = np.zeros((2, envs, 2))
        self.elapsed = np.zeros(envs, np.int64)
        self._draw_tasks(np.arange(tasks))
        self.reset()

    def _advance(self, action: np.ndarray) -> None:
        push = np.column_stack(np.divmod(action[:, 0], 3)) if self.joints == 1 else action
        gains = self._gains[self.task_of]
        self.velocity *= gains[:, 1:]
        self.velocity += gains[:, :1] * (push - 1)
        self.position += PERIOD * self.velocity
        outside = np.abs(self.position) > _HALF_SIZE
        np.clip(self.position, -_HALF_SIZE, _HALF_SIZE, out=self.position)
        self.velocity[outside] = 0.0
        self.elapsed += 1
        away = self.position - self.goal[self.task_of]
        distance = np.sqrt(away[:, 0] ** 2 + away[:, 1] ** 2)
        self.reward[:] = distance < RADIUS if self.sparse else -PERIOD * distance
        np.greater_equal(self.elapsed, EPISODE_STEPS, out=self.last)

    def _begin(self, ids: np.ndarray) -> None:
        self.position[ids] = self.random.rows(ids).uniform(-0.1, 0.1, (len(ids), 2))
        self.velocity[ids] = 0.0
        self.elapsed[ids] = 0

    def _observe(self) -> None:
        self.observation[:, :2] = self.position
        self.observation[:, 2:4] = self.velocity
        self.observation[:, 4] = 1.0 - self.elapsed / EPISODE_STEPS

    def _draw_tasks(self, tasks: np.ndarray) -> None:
        """Around the circle every eighth part of a sector is held out, sixteen sectors in all."""
        rows, count = self.task_random.rows(tasks), len(tasks)
        low, high = (0, _SECTOR - 1) if self.split == "train" else (_SECTOR - 1, _SECTOR)
        part = rows.integers(0, 16, count) + (rows.integers(low, high, count) + rows.random(count)) / _SECTOR
        angle, radius = 2.0 * np.pi * part / 16, rows.uniform(0.5, 1.5, count)
        self.goal[tasks] = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        mass, damping = rows.uniform(*_MASS, count), rows.uniform(*_DAMPING, count)
        decay = np.exp(-damping / mass * PERIOD)  # exactly, of m dv/dt = f - d v
        force = rows.uniform(*_FORCE, count)
        self._gains[tasks] = np.column_stack([force / damping * (1.0 - decay), decay])

    def _own_state(self) -> dict[str, np.ndarray]:
        names = ("goal", "_gains", "position", "velocity", "elapsed")
        return {name.strip("_"): getattr(self, name).copy() for name in names}

    def _restore_own(self, state: dict[str, np.ndarray]) -> None:
        for name in ("goal", "_gains", "position", "velocity", "elapsed"):
            getattr(self, name)[:] = state[name.strip("_")]
