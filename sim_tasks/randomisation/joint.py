"""What joints resist with: damping, dry friction, armature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from sim_tasks.randomisation.parameter import SimFields


@dataclass(frozen=True)
class JointField:
    """A per-joint model field, such as `dof_damping` in [N m s/rad] or `dof_frictionloss` in [N m]."""

    joint: str
    field: str
    valid: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return float(getattr(model, self.field)[model.joint(self.joint).dofadr[0]])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field(self.field)[ids, sim.model.joint(self.joint).dofadr[0]] = values
