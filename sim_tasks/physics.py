"""`Physics`: what differs between N simulations: model fields, and properties that the engine does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.plant import Plant
from sim_tasks.randomisation import Parameter

PROPERTIES = {
    "position_offset": ("joint", 0.0),
    "position_noise": ("joint", 0.0),
    "velocity_noise": ("joint", 0.0),
    "gyro_bias": ("axis", 0.0),
    "gyro_noise": ("axis", 0.0),
    "gravity_noise": ("axis", 0.0),
    "observation_delay": ("one", 0.0),
    "drop_probability": ("one", 0.0),
    "control_jitter": ("one", 0.0),
    "push_speed": ("one", 0.0),
    "no_load_speed": ("joint", np.inf),
    "faulty_joint": ("one", np.nan),
}
"""What may differ between simulations beside the model's fields: size (per joint, per axis or one) and default."""

_CHANNELS = {
    "position_noise": ("noise", "position"),
    "velocity_noise": ("noise", "velocity"),
    "gyro_noise": ("noise", "gyro"),
    "gravity_noise": ("noise", "gravity"),
    "position_offset": ("offset", "position"),
    "gyro_bias": ("offset", "gyro"),
}
"""Which properties stand side by side, in the order of a sensor reading: `Physics.channels` gives them at once."""


class Physics:
    """What the targets of parameters write to, see `SimFields`. J joints, P parameters.

    A simulation's own, or a `draft` of one: the rows of a draft are written for many simulations at once, and taken
    over one by one later.
    """

    def __init__(
        self,
        plant: Plant,
        parameters: Sequence[Parameter],
        count: int,
        expand: Callable[[str], np.ndarray],
    ):
        """
        Args:
            plant: whose physics.
            parameters: in the order in which they are written.
            count: of how many simulations, N.
            expand: makes room for a model field of all of them, filled with the model's own. Shape (N, ...).
        """
        self.model, self.count = plant.model, count
        self._plant, self._parameters, self._expand = plant, tuple(parameters), expand
        self.fields: dict[str, np.ndarray] = {}
        """Model fields that were asked for, by name. Live. Shape (N, ...)."""
        self._defaults: dict[str, np.ndarray] = {}
        self._properties: dict[str, np.ndarray] = {}
        self._stores: dict[str, np.ndarray] = {}
        self._valid = np.array([p.valid(self.model) for p in self._parameters]).reshape(-1, 2).T
        self.default = np.array([p.target.default(self.model) for p in self._parameters])
        """Values of the parameters in the unchanged model, in SI units. Shape (P,)."""
        if plant.no_load_speed is not None:
            self.property("no_load_speed")

    def draft(self, count: int) -> Physics:
        """Room for the physics of `count` simulations, which nobody steps."""
        return Physics(
            self._plant,
            self._parameters,
            count,
            lambda name: np.repeat(self._default_of(name)[None], count, axis=0),
        )

    def field(self, name: str) -> np.ndarray:
        """Live per-simulation model field. Shape (N, ...)."""
        if name not in self.fields:
            self.fields[name] = self._expand(name)
            self._defaults[name] = self.fields[name][0].copy()
        return self.fields[name]

    def property(self, name: str) -> np.ndarray:
        """Live property of each simulation, see `PROPERTIES`. Shape (N, J), (N, 3) or (N, 1).

        Raises:
            TaskError: there is no such property.
        """
        if name not in self._properties:
            if name not in PROPERTIES:
                raise TaskError(f"unknown property {name!r}; valid: {', '.join(PROPERTIES)}")
            self._properties[name] = self._room(name)
        return self._properties[name]

    def used(self, name: str) -> np.ndarray | None:
        """A property that some parameter has written, or None."""
        return self._properties.get(name)

    def channels(self, kind: str) -> np.ndarray | None:
        """All properties of one kind, `noise` or `offset`, side by side; None if no parameter has written one.

        Live; in the order position, velocity, gyro, gravity. Shape (N, 2 J + 6).
        """
        return self._stores.get(kind)

    def write(self, ids: np.ndarray, values: np.ndarray) -> None:
        """Gives simulations `ids`, shape (n,), the parameters, shape (n, P), in SI units, and nothing else.

        Raises:
            TaskError: a value is not finite or not physical; names the parameter.
        """
        self._check(values)
        for arrays in (self.fields, self._stores):
            for name, array in arrays.items():
                array[ids] = self._defaults[name]
        for column, parameter in enumerate(self._parameters):
            parameter.target.write(self, ids, values[:, column])

    def take(self, ids: np.ndarray, draft: Physics) -> None:
        """Gives simulations `ids`, shape (n,), what a draft of N simulations has for them."""
        for name in draft.fields:
            self.field(name)
        for name in draft._properties:
            self.property(name)
        rows = ids if len(ids) > 1 else int(ids[0])  # of one row numpy makes a view, which is cheaper
        for own, drafted in ((self.fields, draft.fields), (self._stores, draft._stores)):
            for name, array in own.items():
                array[rows] = drafted[name][rows] if name in drafted else self._defaults[name]

    def _default_of(self, name: str) -> np.ndarray:
        self.field(name)
        return self._defaults[name]

    def _room(self, name: str) -> np.ndarray:
        joints = len(self._plant.joints)
        if name not in _CHANNELS:
            self._store(
                name, {"joint": joints, "axis": 3, "one": 1}[PROPERTIES[name][0]], self._unchanged(name)
            )
            return self._stores[name]
        kind, place = _CHANNELS[name]
        self._store(kind, 2 * joints + 6, 0.0)
        first = {"position": 0, "velocity": joints, "gyro": 2 * joints, "gravity": 2 * joints + 3}[place]
        return self._stores[kind][:, first : first + (joints if place in ("position", "velocity") else 3)]

    def _store(self, name: str, width: int, default: float | tuple[float, ...]) -> None:
        if name not in self._stores:
            self._defaults[name] = np.array(np.broadcast_to(default, width))
            self._stores[name] = np.tile(self._defaults[name], (self.count, 1))

    def _unchanged(self, name: str) -> float | tuple[float, ...]:
        """A property where no parameter writes it."""
        if name == "no_load_speed" and self._plant.no_load_speed is not None:
            return self._plant.no_load_speed
        return PROPERTIES[name][1]

    def _check(self, values: np.ndarray) -> None:
        low, high = self._valid
        wrong = ~((values >= low) & (values <= high)) | (np.isinf(values) & ~np.isinf(self.default))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            parameter = self._parameters[column]
            raise TaskError(
                f"{parameter.name}: {values[row, column]:g} {parameter.unit}; "
                f"valid: {low[column]:g} to {high[column]:g}"
            )
