"""Masses and where they sit. A change of mass always carries its inertia."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from sim_tasks.randomisation.parameter import SimFields


@dataclass(frozen=True)
class BodyMass:
    """A body's mass in [kg]; its inertia follows in proportion."""

    body: str
    valid: ClassVar[tuple[float, float]] = (1e-6, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return float(model.body(self.body).mass[0])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body = sim.model.body(self.body).id
        mass, inertia = sim.field("body_mass"), sim.field("body_inertia")
        inertia[ids, body] *= (values / mass[ids, body])[:, None]
        mass[ids, body] = values


@dataclass(frozen=True)
class BodyDistance:
    """A body's distance from its parent's origin in [m], along the direction that the model gives."""

    body: str
    valid: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return float(np.linalg.norm(model.body(self.body).pos))

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body = sim.model.body(self.body)
        direction = body.pos / np.linalg.norm(body.pos)
        sim.field("body_pos")[ids, body.id] = values[:, None] * direction
