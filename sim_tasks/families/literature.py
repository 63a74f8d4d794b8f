"""What the literature's families have in common: Gym's starts and costs, and the checks of their options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.motion import Motion
from sim_tasks.row_random import Rows

STEPS = 200
"""Control steps per episode of VariBAD, PEARL, MAML and RoML."""


@dataclass(frozen=True, eq=False)
class NearRest:
    """Gym's start: the model's rest position and no speed, each element with noise."""

    rest: np.ndarray
    """Positions, [rad] and [m]. Shape (nq,)."""
    speeds: int
    """How many velocities there are."""
    spread: float
    """Largest noise of a position; of a velocity the largest, or the standard deviation."""
    gaussian: bool
    """Whether the velocities' noise is gaussian; otherwise it is uniform."""

    def __call__(self, rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
        noise = rng.uniform(-self.spread, self.spread, (count, len(self.rest)))
        if self.gaussian:
            return self.rest + noise, self.spread * rng.standard_normal((count, self.speeds))
        return self.rest + noise, rng.uniform(-self.spread, self.spread, (count, self.speeds))


@dataclass(frozen=True)
class ControlCost:
    """Squared actions, summed; the actions are those that arrived, clipped to [-1, 1]."""

    weight: float

    def __call__(self, motion: Motion) -> np.ndarray:
        return -self.weight * np.square(motion.action).sum(axis=1)


def forward_velocity(motion: Motion) -> np.ndarray:
    """Mean speed of the root along x over the control step in [m/s]. Shape (N,)."""
    assert motion.before is not None
    return (motion.qpos[:, 0] - motion.before[:, 0]) / motion.period


def alive(motion: Motion) -> np.ndarray:
    """1 for every control step, the one included that ends the episode. Shape (N,)."""
    return np.ones(len(motion.qpos))


def check_steps(steps: int) -> int:
    """Raises TaskError unless `episode_steps` is a whole number, at least 1."""
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise TaskError(f"episode_steps: {steps!r}; valid: a whole number of control steps, at least 1")
    return int(steps)


def check_choice(option: str, value: str, valid: Sequence[str]) -> str:
    """Raises TaskError unless the option's value is one of the valid ones."""
    if value not in valid:
        raise TaskError(f"{option}: {value!r}; valid: {', '.join(valid)}")
    return value


def check_positive(option: str, value: float) -> float:
    """Raises TaskError unless the option's value is a positive, finite number."""
    if isinstance(value, bool | str) or not 0 < value < np.inf:
        raise TaskError(f"{option}: {value!r}; valid: a positive, finite number")
    return float(value)
