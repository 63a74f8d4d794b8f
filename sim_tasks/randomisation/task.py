"""What is no physics: a goal that the policy is not told, and any single element of a model field."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.parameter import SimFields


@dataclass(frozen=True)
class TaskVariable:
    """A quantity that the reward alone knows, such as the speed that is asked for. `Motion.task` has its value."""

    @property
    def valid(self) -> tuple[float, float]:
        return (-np.inf, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        """Nothing in the simulation changes."""


@dataclass(frozen=True)
class FieldElement:
    """One element of a model field, multiplied: the literature draws each independently. Dimensionless."""

    field: str
    index: tuple[int, ...]

    @property
    def valid(self) -> tuple[float, float]:
        return (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        shape = np.shape(getattr(model, self.field, 0.0))
        fits = len(self.index) <= len(shape) and all(
            0 <= i < n for i, n in zip(self.index, shape, strict=False)
        )
        if not (shape and fits):
            raise TaskError(
                f"{self.field}{list(self.index)}: no such element of a model field of shape {shape}"
            )
        return 1.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        place = (ids, *self.index)
        sim.field(self.field)[place] *= values
