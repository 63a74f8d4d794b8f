"""`BatchSim`: N differently randomised copies of a plant, stepped together by `mujoco.batch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from sim_tasks.errors import TaskError
from sim_tasks.motors import RestCommand
from sim_tasks.plant import Plant
from sim_tasks.randomisation import Parameter, check_delays
from sim_tasks.randomisation.actuator import require_limited
from sim_tasks.row_random import Rows

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
"""Which properties stand side by side, in the order of a sensor reading: `BatchSim.channels` gives them at once."""
_STATE = ("time", "qpos", "qvel", "act", "ctrl", "history", "qacc_warmstart")
_NOBODY = np.empty(0, dtype=int)
DIVERGED = 1e4
"""Speed in [rad/s] or [m/s] beyond which a simulation counts as diverged."""


class BatchSim:
    """N plants with their own physics. J joints, U actuators, P parameters.

    Arrays of the engine are live: `qpos`, `qvel`, `time` and what `bind` gives. `position` and `velocity`, shape
    (N, J), are copies.

    Raises:
        TaskError: a parameter's range is not physical.
    """

    def __init__(self, plant: Plant, parameters: Sequence[Parameter], robots: int, threads: int = 0):
        if robots < 1:
            raise TaskError(f"robots: {robots}; at least one is needed")
        self.plant = plant
        self.robots = robots
        self.parameters = tuple(parameters)
        self.model = plant.model
        for parameter in self.parameters:
            parameter.check(self.model)
        check_delays(self.parameters, self.model)
        self.diverged = 0
        """How many simulations had to be reset because they diverged."""
        self._batch = self._engine_of(threads)
        self._state = {name: self._batch.bind(name) for name in _STATE}
        self.qpos, self.qvel = self._state["qpos"], self._state["qvel"]
        self.time = self._state["time"]
        """Simulated time in [s]. Shape (N,)."""
        self._ctrl = self._state["ctrl"]
        self._fields: dict[str, np.ndarray] = {}
        self._defaults: dict[str, np.ndarray] = {}
        self._properties: dict[str, np.ndarray] = {}
        self._channels: dict[str, np.ndarray] = {}
        self._rest = RestCommand(plant.model, plant.joints, plant.actuators)
        self._stall = np.tile(plant.model.actuator_forcerange[list(plant.actuators)], (robots, 1, 1))
        self._delay = np.tile(plant.model.actuator_delay, (robots, 1))
        if plant.no_load_speed is not None:
            require_limited(plant.model, np.array(plant.actuators))
            self.property("no_load_speed")
        self._valid = np.array([p.valid(self.model) for p in self.parameters]).reshape(-1, 2).T
        self.values = np.tile([p.target.default(self.model) for p in self.parameters], (robots, 1))
        """Current parameters in SI units. Shape (N, P)."""
        self._endless = np.isinf(self.values[0])
        self._batch.reset()

    @property
    def position(self) -> np.ndarray:
        """True joint positions in [rad]. Shape (N, J)."""
        return self.qpos[:, self.plant.qpos].copy()

    @property
    def velocity(self) -> np.ndarray:
        """True joint velocities in [rad/s]. Shape (N, J)."""
        return self.qvel[:, self.plant.qvel].copy()

    def bind(self, name: str) -> np.ndarray:
        """Live array of an `MjData` field. Shape (N, ...). Up to date as `Plant.stage` says."""
        return self._batch.bind(name)

    def field(self, name: str) -> np.ndarray:
        """Live per-simulation model field. Shape (N, ...)."""
        if name not in self._fields:
            self._fields[name] = self._batch.expand(name)
            self._defaults[name] = self._fields[name][0].copy()
        return self._fields[name]

    def expanded(self, name: str) -> np.ndarray | None:
        """A model field that some parameter has written, or None: all simulations have the model's."""
        return self._fields.get(name)

    def property(self, name: str) -> np.ndarray:
        """Live property of each simulation, see `PROPERTIES`. Shape (N, J), (N, 3) or (N, 1).

        Raises:
            TaskError: there is no such property.
        """
        if name not in self._properties:
            if name not in PROPERTIES:
                raise TaskError(f"unknown property {name!r}; valid: {', '.join(PROPERTIES)}")
            self._properties[name] = self._room(name)
            self._properties[name][:] = self._unchanged(name)
        return self._properties[name]

    def used(self, name: str) -> np.ndarray | None:
        """A property that some parameter has written, or None: nothing to do for it."""
        return self._properties.get(name)

    def channels(self, kind: str) -> np.ndarray | None:
        """All properties of one kind, `noise` or `offset`, side by side; None if no parameter has written one.

        Live; in the order position, velocity, gyro, gravity. Shape (N, 2 J + 6).
        """
        return self._channels.get(kind)

    def get_model(self, robot: int) -> mujoco.MjModel:
        """A copy of the model with one simulation's own fields."""
        return self._batch.get_model(robot)

    def get_data(self, robot: int) -> mujoco.MjData:
        """One simulation's state; derived fields need `mj_forward`."""
        return self._batch.get_data(robot)

    def set_parameters(self, ids: np.ndarray, values: np.ndarray) -> None:
        """Gives simulations `ids`, shape (n,), their physics, shape (n, P), in SI units; keeps their motion.

        Raises:
            TaskError: a value is not finite or not physical; names the parameter.
        """
        self._check(values)
        self.values[ids] = values
        for name, array in self._fields.items():
            array[ids] = self._defaults[name]
        for name, array in self._properties.items():
            array[ids] = self._unchanged(name)
        for column, parameter in enumerate(self.parameters):
            parameter.target.write(self, ids, values[:, column])
        if self._fields:
            self._batch.set_const(ids)
        # What is drawn anew at every step starts from here, so that it never accumulates.
        if "no_load_speed" in self._properties:
            self._stall[ids] = self.field("actuator_forcerange")[ids][:, self.plant.ctrl]
        if "control_jitter" in self._properties:
            self._delay[ids] = self.field("actuator_delay")[ids]

    def reset(self, ids: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Starts simulations `ids`, shape (n,), from true positions (n, nq) and velocities (n, nv), SI units."""
        self._batch.reset(ids, stage=0)
        self.qpos[ids] = qpos
        self.qvel[ids] = qvel
        if self._rest.needed:
            self._rest.write(self._state, ids)
        if self.plant.stage:
            self._batch.forward(ids, self.plant.stage)

    def begin(
        self,
        ids: np.ndarray,
        start: Callable[[Rows, int], tuple[np.ndarray, np.ndarray]],
        random: Rows,
    ) -> None:
        """Begins episodes in simulations `ids`, shape (n,), sorted, from states that `start` draws.

        Raises:
            TaskError: they have not the shape of the plant's state.
        """
        qpos, qvel = start(random, len(ids))
        for name, array, size in (("qpos", qpos, self.model.nq), ("qvel", qvel, self.model.nv)):
            if np.shape(array) != (len(ids), size):
                raise TaskError(f"start: {name} has shape {np.shape(array)}; expected ({len(ids)}, {size})")
        self.reset(ids, qpos, qvel)

    def jitter(self, unit: np.ndarray) -> None:
        """Delays this control step's command by a part, shape (N,), in [0, 1), of each simulation's jitter."""
        extra = self.property("control_jitter")[:, 0] * unit
        self.field("actuator_delay")[:] = self._delay + extra[:, None]

    def push(self, ids: np.ndarray, velocity: np.ndarray) -> None:
        """Adds to the velocities `qvel` of simulations `ids`, in [rad/s] and [m/s], shape (n, nv)."""
        self.qvel[ids] += velocity

    def step(self, command: np.ndarray, substeps: int | None = None) -> np.ndarray:
        """Holds the commands, shape (N, U), for one control period (or some of its time steps).

        Returns:
            Which simulations diverged and were put back to the model's rest state. Shape (N,), bool.
        """
        self._ctrl[:, self.plant.ctrl] = command
        failed = self._advance(substeps or self.plant.substeps)
        bad = ~(np.abs(self.qvel).max(axis=1) < DIVERGED)  # NaN is not below
        with np.errstate(invalid="ignore"):  # infinities of either sign
            bad |= ~np.isfinite(self.qpos.sum(axis=1))
        bad[failed] = True
        if bad.any():
            self.diverged += int(bad.sum())
            self._batch.reset(np.flatnonzero(bad))
        return bad

    def __reduce__(self) -> NoReturn:
        """A copy's arrays would no longer be the engine's: what is set in it would silently be lost.

        Raises:
            TaskError: always.
        """
        raise TaskError(
            "a simulation cannot be copied or pickled; make another and give it this one's state()"
        )

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {name: array.copy() for name, array in self._state.items()} | {"values": self.values.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`; arrays may come as anything that numpy reads."""
        self.set_parameters(np.arange(self.robots), np.asarray(state["values"]))
        for name, array in self._state.items():
            array[:] = np.asarray(state[name]).reshape(array.shape)
        if self.plant.stage:
            self._batch.forward(None, self.plant.stage)

    def _engine_of(self, threads: int) -> Batch:
        """What steps the simulations."""
        return Batch(self.model, self.robots, threads)

    def _advance(self, substeps: int) -> np.ndarray:
        """Steps the engine. Returns the indices of simulations in which it raised an error."""
        no_load_speed, stage = self._properties.get("no_load_speed"), self.plant.stage
        if no_load_speed is None:
            return self._engine(substeps, stage)
        failed = []
        for left in reversed(range(substeps)):
            self._limit_torque(no_load_speed)
            failed.append(self._engine(1, stage if left == 0 else 0))
        return np.concatenate(failed)

    def _engine(self, substeps: int, stage: int) -> np.ndarray:
        try:
            self._batch.step(nstep=substeps, stage=stage)
        except SimulationError as error:  # the others have run on
            return np.asarray(error.ids)
        return _NOBODY

    def _limit_torque(self, no_load_speed: np.ndarray) -> None:
        """A DC motor at a given voltage: the torque it can give falls linearly to zero at its no-load speed."""
        force, driven = self.field("actuator_forcerange"), self.plant.ctrl
        speed = self.qvel[:, self.plant.qvel] / no_load_speed
        force[:, driven, 0] = self._stall[..., 0] * np.clip(1 + speed, 0.0, 1.0)
        force[:, driven, 1] = self._stall[..., 1] * np.clip(1 - speed, 0.0, 1.0)

    def _room(self, name: str) -> np.ndarray:
        joints = len(self.plant.joints)
        if name not in _CHANNELS:
            return np.empty((self.robots, {"joint": joints, "axis": 3, "one": 1}[PROPERTIES[name][0]]))
        kind, place = _CHANNELS[name]
        if kind not in self._channels:
            self._channels[kind] = np.zeros((self.robots, 2 * joints + 6))
        first = {"position": 0, "velocity": joints, "gyro": 2 * joints, "gravity": 2 * joints + 3}[place]
        return self._channels[kind][:, first : first + (joints if place in ("position", "velocity") else 3)]

    def _unchanged(self, name: str) -> float | tuple[float, ...]:
        """A property where no parameter writes it."""
        if name == "no_load_speed" and self.plant.no_load_speed is not None:
            return self.plant.no_load_speed
        return PROPERTIES[name][1]

    def _check(self, values: np.ndarray) -> None:
        low, high = self._valid
        wrong = ~((values >= low) & (values <= high)) | (np.isinf(values) & ~self._endless)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            parameter = self.parameters[column]
            raise TaskError(
                f"{parameter.name}: {values[row, column]:g} {parameter.unit}; "
                f"valid: {low[column]:g} to {high[column]:g}"
            )
