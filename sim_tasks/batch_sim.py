"""`BatchSim`: N differently randomised copies of a plant, stepped together by `mujoco.batch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from sim_tasks.errors import TaskError
from sim_tasks.motors import RestCommand
from sim_tasks.physics import Physics
from sim_tasks.plant import Plant
from sim_tasks.randomisation import Parameter, SimFields, check_delays
from sim_tasks.randomisation.actuator import require_limited
from sim_tasks.row_random import Rows

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
        self._physics = Physics(plant, self.parameters, robots, self._batch.expand)
        self._rest = RestCommand(plant.model, plant.joints, plant.actuators)
        self._stall = np.tile(plant.model.actuator_forcerange[list(plant.actuators)], (robots, 1, 1))
        self._delay = np.tile(plant.model.actuator_delay, (robots, 1))
        if plant.no_load_speed is not None:
            require_limited(plant.model, np.array(plant.actuators))
        self.values = np.tile(self._physics.default, (robots, 1))
        """Current parameters in SI units. Shape (N, P)."""
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
        return self._physics.field(name)

    def expanded(self, name: str) -> np.ndarray | None:
        """A model field that some parameter has written, or None: all simulations have the model's."""
        return self._physics.fields.get(name)

    def property(self, name: str) -> np.ndarray:
        """Live property of each simulation, see `physics.PROPERTIES`. Shape (N, J), (N, 3) or (N, 1).

        Raises:
            TaskError: there is no such property.
        """
        return self._physics.property(name)

    def used(self, name: str) -> np.ndarray | None:
        """A property that some parameter has written, or None: nothing to do for it."""
        return self._physics.used(name)

    def channels(self, kind: str) -> np.ndarray | None:
        """All properties of one kind, `noise` or `offset`, side by side: see `Physics.channels`."""
        return self._physics.channels(kind)

    def get_model(self, robot: int) -> mujoco.MjModel:
        """A copy of the model with one simulation's own fields."""
        return self._batch.get_model(robot)

    def get_data(self, robot: int) -> mujoco.MjData:
        """One simulation's state; derived fields need `mj_forward`."""
        return self._batch.get_data(robot)

    def set_parameters(
        self, ids: np.ndarray, values: np.ndarray, then: Callable[[SimFields], None] | None = None
    ) -> None:
        """Gives simulations `ids`, shape (n,), their physics, shape (n, P), in SI units; keeps their motion.

        `then` may change the fields and properties of these simulations further; the next call knows nothing of it.

        Raises:
            TaskError: a value is not finite or not physical; names the parameter.
        """
        self._physics.write(ids, values)
        if then is not None:
            then(self._physics)
        self._settle(ids, values)

    def draft(self) -> Physics:
        """Room to write the physics of all simulations to before they get it, for `take`."""
        return self._physics.draft(self.robots)

    def take(self, ids: np.ndarray, draft: Physics, values: np.ndarray) -> None:
        """As `set_parameters`, of physics that was already written to a draft with values, shape (n, P)."""
        self._physics.take(ids, draft)
        self._settle(ids, values)

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
        bad = self._beyond()
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

    def _settle(self, ids: np.ndarray, values: np.ndarray) -> None:
        """Simulations `ids` have the physics of other parameters: what depends on it follows."""
        self.values[ids] = values
        if self._physics.fields:
            self._batch.set_const(ids)
        # What is drawn anew at every step starts from here, so that it never accumulates.
        if self.used("no_load_speed") is not None:
            self._stall[ids] = self.field("actuator_forcerange")[ids][:, self.plant.ctrl]
        if self.used("control_jitter") is not None:
            self._delay[ids] = self.field("actuator_delay")[ids]

    def _engine_of(self, threads: int) -> Batch:
        """What steps the simulations."""
        return Batch(self.model, self.robots, threads)

    def _beyond(self) -> np.ndarray:
        """Which simulations are too fast, or not finite. Shape (N,), bool."""
        slow, finite = np.abs(self.qvel) < DIVERGED, np.isfinite(self.qpos)  # NaN is not below
        if slow.all() and finite.all():
            return np.zeros(self.robots, dtype=bool)
        return np.logical_not(slow.all(axis=1) & finite.all(axis=1))

    def _advance(self, substeps: int) -> np.ndarray:
        """Steps the engine. Returns the indices of simulations in which it raised an error."""
        no_load_speed, stage = self.used("no_load_speed"), self.plant.stage
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
