"""The world a robot stands in: gravity, slope, friction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.elements import Elements, Place, as_names, index_of
from sim_tasks.randomisation.inertia import axis_index
from sim_tasks.randomisation.parameter import SimFields

_STEEP = (-np.pi / 2, np.pi / 2)


@dataclass(frozen=True)
class GravityTilt:
    """Angle in [rad] by which gravity is turned about an axis of the world, counter-clockwise."""

    axis: Literal["x", "y"]
    valid = _STEEP

    def default(self, model: mujoco.MjModel) -> float:
        axis_index(self.axis)
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        field, axis = sim.field("opt.gravity"), axis_index(self.axis)
        one, two = (axis + 1) % 3, (axis + 2) % 3
        cos, sin = np.cos(values), np.sin(values)
        first, second = field[ids, one], field[ids, two]
        field[ids, one] = cos * first - sin * second
        field[ids, two] = sin * first + cos * second


@dataclass(frozen=True)
class TerrainSlope:
    """Angle in [rad] by which a floor is turned about an axis of the world, counter-clockwise, through its origin."""

    geom: str
    axis: Literal["x", "y"]
    valid = _STEEP

    def default(self, model: mujoco.MjModel) -> float:
        axis_index(self.axis)
        self._floor(model)
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        place = (ids, self._floor(sim.model))
        field, axis = sim.field("geom_quat"), 1 + axis_index(self.axis)
        turn = np.zeros((len(ids), 4))
        turn[:, 0], turn[:, axis] = np.cos(values / 2), np.sin(values / 2)
        field[place] = _multiply(turn, field[place])

    def _floor(self, model: mujoco.MjModel) -> int:
        geom = index_of(model, "geom", self.geom)
        plane = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE
        if not plane or model.geom_bodyid[geom] != 0:
            raise TaskError(f"geom {self.geom!r}: no floor; valid: a plane of the world body")
        return geom


@dataclass(frozen=True)
class GeomFriction(Elements):
    """Coefficient of sliding friction of the named geoms, or of all; dimensionless.

    In a contact the larger one of both geoms counts, or that of the geom with the higher `priority`.
    """

    places: ClassVar[tuple[Place, ...]] = (Place("geom_friction", 0),)

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        chosen = [index_of(model, "geom", name) for name in as_names(self.names)]
        return np.array(chosen or range(model.ngeom))


@dataclass(frozen=True)
class PairFriction(Elements):
    """Coefficient of sliding friction, in both directions, of the named contact pairs, or of all; dimensionless."""

    places: ClassVar[tuple[Place, ...]] = (Place("pair_friction", 0), Place("pair_friction", 1))

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        if not model.npair:
            raise TaskError("the model has no contact pair")
        chosen = [index_of(model, "pair", name) for name in as_names(self.names)]
        return np.array(chosen or range(model.npair))


def _multiply(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Product of quaternions w x y z. Shape (n, 4)."""
    w, x, y, z = one.T
    a, b, c, d = two.T
    return np.stack(
        [
            w * a - x * b - y * c - z * d,
            w * b + x * a + y * d - z * c,
            w * c - x * d + y * a + z * b,
            w * d + x * c - y * b + z * a,
        ],
        axis=1,
    )
