"""The physics that suite families randomise: a few factors for the whole body, each left out where a model has none.

| term | multiplies | range |
|---|---|---|
| `mass` | mass and inertia of all moving bodies | 0.7 to 1.4, log-uniform |
| `damping` | damping of all joints | 0.5 to 2, log-uniform |
| `strength` | gain and bias of all actuators: a motor's torque, a servo's stiffness | 0.75 to 1.25 |
| `friction` | sliding friction of all geoms that can touch | 0.5 to 1.5 |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.randomisation import Parameter, SimFields

_SLIDING = 3
"""Dimension of a contact from which on it has sliding friction."""


@dataclass(frozen=True)
class Scaled:
    """One factor on some elements of some model fields. Dimensionless, 1 in the unchanged model."""

    fields: tuple[str, ...]
    elements: tuple[int, ...]
    column: int | None = None
    """Of a field of vectors, the only component that is scaled; None: all of them."""

    @property
    def valid(self) -> tuple[float, float]:
        return (1e-6, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return 1.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        for name in self.fields:
            field = sim.field(name)
            place = (ids[:, None], np.array(self.elements))
            place = place if self.column is None else (*place, self.column)
            extra = field[place].ndim - 2
            field[place] *= values.reshape(-1, 1, *(1,) * extra)


def suite_parameters(model: mujoco.MjModel) -> tuple[Parameter, ...]:
    """The terms that a model has something for, in the order of the table above."""
    made = [term(model) for term in (_mass, _damping, _strength, _friction)]
    return tuple(parameter for parameter in made if parameter is not None)


def _parameter(
    name: str, target: Scaled, low: float, high: float, log: bool, source: str
) -> Parameter | None:
    if not target.elements:
        return None
    return Parameter(name, "1", target, low, high, "abs", "log_uniform" if log else "uniform", source=source)


def _mass(model: mujoco.MjModel) -> Parameter | None:
    moving = np.flatnonzero((model.body_treeid >= 0) & (model.body_mass > 0))
    target = Scaled(("body_mass", "body_inertia"), _indices(moving))
    source = "between the 0.9-1.1 of legged robots in use and the 0.5-2 of half_cheetah_mass (RoML)"
    return _parameter("mass", target, 0.7, 1.4, True, source)


def _damping(model: mujoco.MjModel) -> Parameter | None:
    target = Scaled(("dof_damping",), _indices(np.flatnonzero(model.dof_damping > 0)))
    return _parameter("damping", target, 0.5, 2.0, True, "half_cheetah_body's 2^U(-1,1) (RoML)")


def _strength(model: mujoco.MjModel) -> Parameter | None:
    driven = np.flatnonzero(np.any(model.actuator_gainprm != 0, axis=1))
    target = Scaled(("actuator_gainprm", "actuator_biasprm"), _indices(driven))
    return _parameter("strength", target, 0.75, 1.25, False, "kp and kd of ASAP on the Unitree G1")


def _friction(model: mujoco.MjModel) -> Parameter | None:
    target = Scaled(("geom_friction",), _indices(sliding_geoms(model)), 0)
    return _parameter(
        "friction", target, 0.5, 1.5, False, "ASAP's 0.5-1.25 of a foot's, widened to both sides"
    )


def sliding_geoms(model: mujoco.MjModel) -> np.ndarray:
    """Geoms that can slide on another: contacts are on, the two may touch and one moves. Indices."""
    off = int(mujoco.mjtDisableBit.mjDSBL_CONTACT) | int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    if model.opt.disableflags & off:
        return np.empty(0, int)
    body, moves = model.geom_bodyid, model.body_treeid[model.geom_bodyid] >= 0
    touch = _pairs(model.geom_contype, model.geom_conaffinity, np.bitwise_and) != 0
    touch |= touch.T
    touch &= _pairs(model.body_weldid[body], model.body_weldid[body], np.not_equal)
    touch &= _pairs(moves, moves, np.logical_or)
    touch &= _pairs(model.geom_condim, model.geom_condim, np.maximum) >= _SLIDING
    return np.flatnonzero(touch.any(axis=1))


def _pairs(one: np.ndarray, other: np.ndarray, of: Callable[..., np.ndarray]) -> np.ndarray:
    return of(one[:, None], other[None, :])


def _indices(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(index) for index in array)
