"""`Elements`: one number for several elements of model fields: their value in SI units, or a factor on each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.parameter import SimFields

_KINDS = {
    "body": (mujoco.mjtObj.mjOBJ_BODY, "nbody"),
    "joint": (mujoco.mjtObj.mjOBJ_JOINT, "njnt"),
    "geom": (mujoco.mjtObj.mjOBJ_GEOM, "ngeom"),
    "pair": (mujoco.mjtObj.mjOBJ_PAIR, "npair"),
    "actuator": (mujoco.mjtObj.mjOBJ_ACTUATOR, "nu"),
}


class Place(NamedTuple):
    """Where an element's value stands."""

    field: str
    column: int | None = None
    """Of a field of vectors."""
    sign: float = 1.0
    """The field holds the value times this."""


@dataclass(frozen=True)
class Elements(ABC):
    """One number for the named elements, for all if none is named.

    Raises:
        TaskError: an element is unknown, or the elements differ in the model and no `factor` was asked for: they have
            no common default to start from.
    """

    names: str | tuple[str, ...] = ()
    _: KW_ONLY
    factor: bool = False
    """The number multiplies what each element has, instead of being the value of all."""
    valid = (0.0, np.inf)
    places: ClassVar[tuple[Place, ...]] = ()

    @abstractmethod
    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        """Indices of the elements in their fields."""

    def written(self) -> tuple[Place, ...]:
        return self.places

    def default(self, model: mujoco.MjModel) -> float:
        elements = self.elements(model)
        if self.factor:
            return 1.0
        place = self.written()[0]
        own = place.sign * _column(getattr(model, place.field), place)[elements]
        if np.ptp(own) > 0:
            raise TaskError(
                f"{type(self).__name__} of {', '.join(as_names(self.names)) or 'all'}: they differ in the model "
                f"({own.min():g} to {own.max():g}); name those that are alike, or give factor=True"
            )
        return float(own[0])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        rows, elements = ids[:, None], self.elements(sim.model)
        for place in self.written():
            field = _column(sim.field(place.field), place)
            if self.factor:
                field[rows, elements] *= values[:, None]
            else:
                field[rows, elements] = place.sign * values[:, None]


def _column(field: np.ndarray, place: Place) -> np.ndarray:
    return field if place.column is None else field[..., place.column]


def as_names(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def index_of(model: mujoco.MjModel, kind: str, name: str) -> int:
    """Number of a named body, joint, geom, pair or actuator.

    Raises:
        TaskError: there is none of that name; the message lists the valid ones.
    """
    sort, count = _KINDS[kind]
    number = mujoco.mj_name2id(model, sort, name)
    if number >= 0:
        return number
    names = [mujoco.mj_id2name(model, sort, i) for i in range(getattr(model, count))]
    valid = ", ".join(known for known in names if known) or "none has a name"
    raise TaskError(f"unknown {kind} {name!r}; valid: {valid}")


def body_index(model: mujoco.MjModel, name: str) -> int:
    """Number of a body.

    Raises:
        TaskError: there is none of that name; the message lists the valid ones.
    """
    return index_of(model, "body", name)
