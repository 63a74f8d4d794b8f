"""Masses and where they sit. A change of mass always carries its inertia."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.elements import body_index
from sim_tasks.randomisation.parameter import SimFields

AXES = ("x", "y", "z")
SMALLEST = 1e-6
"""Least mass in [kg], and least factor on a mass or an inertia."""


@dataclass(frozen=True)
class BodyMass:
    """A body's mass in [kg]; its inertia follows in proportion.

    It replaces the mass, so `TotalMass` and `Payload` come after it.
    """

    body: str
    valid = (SMALLEST, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        mass = float(model.body_mass[body_index(model, self.body)])
        if mass <= 0:
            raise TaskError(f"body {self.body!r} has no mass; a Payload gives it one")
        return mass

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body = body_index(sim.model, self.body)
        mass, inertia = sim.field("body_mass"), sim.field("body_inertia")
        inertia[ids, body] *= (values / mass[ids, body])[:, None]
        mass[ids, body] = values


@dataclass(frozen=True)
class TotalMass:
    """Factor on the mass and inertia of every body, dimensionless."""

    valid = (SMALLEST, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return 1.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field("body_mass")[ids] *= values[:, None]
        sim.field("body_inertia")[ids] *= values[:, None, None]


@dataclass(frozen=True)
class BodyDistance:
    """A body's distance from its parent's origin in [m], along the direction that the model gives."""

    body: str
    valid = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        distance = float(np.linalg.norm(model.body_pos[body_index(model, self.body)]))
        if distance == 0:
            raise TaskError(f"body {self.body!r} sits at its parent's origin: its direction is not known")
        return distance

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body = body_index(sim.model, self.body)
        direction = sim.model.body_pos[body] / np.linalg.norm(sim.model.body_pos[body])
        sim.field("body_pos")[ids, body] = values[:, None] * direction


@dataclass(frozen=True)
class ComOffset:
    """By how much a body's centre of mass is moved along an axis of the body's frame, in [m]."""

    body: str
    axis: Literal["x", "y", "z"]
    valid = (-np.inf, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        axis_index(self.axis)
        movable_com(model, self.body)
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body = body_index(sim.model, self.body)
        sim.field("body_ipos")[ids, body, axis_index(self.axis)] += values


@dataclass(frozen=True)
class BodyInertia:
    """Factor on a body's inertia at the same mass and centre of mass, dimensionless; the result is always physical.

    Without an axis all three principal moments are multiplied: the mass sits further out in all directions. With one,
    the body is stretched along that principal axis: its second moment about the plane across the axis,
    (I_y + I_z - I_x) / 2 for x, is multiplied. As long as the three second moments are not negative, the moments of
    inertia obey the triangle inequality, and some distribution of mass has them (Wensing, Kim, Slotine: "Linear matrix
    inequalities for physically consistent inertial parameter identification", RA-L 2018).
    """

    body: str
    axis: Literal["x", "y", "z"] | None = None
    """Principal axis: x, y, z of the frame of the body's inertia."""
    valid = (SMALLEST, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        body_index(model, self.body)
        axis_index(self.axis or "x")
        return 1.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body, field = body_index(sim.model, self.body), sim.field("body_inertia")
        moments = field[ids, body]
        if self.axis is None:
            field[ids, body] = moments * values[:, None]
            return
        x, y, z = moments.T
        second = np.stack([y + z - x, x + z - y, x + y - z], axis=1) / 2
        second[:, axis_index(self.axis)] *= values
        x, y, z = second.T
        field[ids, body] = np.stack([y + z, x + z, x + y], axis=1)


def axis_index(axis: str) -> int:
    """Raises TaskError if it is none of x, y, z."""
    if axis not in AXES:
        raise TaskError(f"unknown axis {axis!r}; valid: {', '.join(AXES)}")
    return AXES.index(axis)


def movable_com(model: mujoco.MjModel, body: str) -> int:
    """Number of a body whose centre of mass may move.

    Raises:
        TaskError: there is no such body, or the compiler has simplified it.
    """
    index = body_index(model, body)
    if model.body_simple[index]:
        raise TaskError(f'body {body!r}: its centre of mass is fixed; give it simple="false" in the model')
    return index
