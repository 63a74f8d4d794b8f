"""`BatchSim`: N differently randomised copies of a robot, stepped together by `mujoco.batch`."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch

from robots import RobotSpec, SensorFrame
from sim_tasks.errors import TaskError
from sim_tasks.randomisation import Parameter

_SENSING = ("position_offset", "position_noise", "velocity_noise")
_STATE = ("time", "qpos", "qvel", "ctrl", "history", "qacc_warmstart")
DIVERGED = 1e4
"""Speed in [rad/s] beyond which a simulation counts as diverged."""


class BatchSim:
    """N robots with their own physics, actuator delay and sensor errors. J joints, P parameters.

    `position`, `velocity` are the true ones, shape (N, J); `sense()` gives what the robots' encoders say.
    """

    def __init__(self, spec: RobotSpec, parameters: Sequence[Parameter], robots: int, threads: int = 0):
        self.spec = spec
        self.robots = robots
        self.parameters = tuple(parameters)
        self.model = mujoco.MjModel.from_xml_path(str(spec.model))
        substeps = spec.period / self.model.opt.timestep
        if abs(substeps - round(substeps)) > 1e-9 or round(substeps) < 1:
            raise TaskError(
                f"{spec.name}: control period {spec.period} s is not a multiple of the model's "
                f"time step {self.model.opt.timestep} s"
            )
        self.substeps = round(substeps)
        # MuJoCo would put a simulation with NaNs back to rest by itself, where `step` no longer sees it.
        self.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        self.diverged = 0
        """How many simulations had to be reset because they diverged."""
        self._batch = Batch(self.model, robots, threads)
        joints = [self.model.joint(name) for name in spec.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self._ctrl = np.array([_actuator_of(self.model, name) for name in spec.joint_names])
        self._state = {name: self._batch.bind(name) for name in _STATE}
        self._sensing = {name: np.zeros((robots, len(joints))) for name in _SENSING}
        self._fields: dict[str, np.ndarray] = {}
        self.values = np.tile([p.target.default(self.model) for p in self.parameters], (robots, 1))
        """Current parameters in SI units. Shape (N, P)."""
        self._batch.reset()

    @property
    def position(self) -> np.ndarray:
        return self._state["qpos"][:, self._qpos]

    @property
    def velocity(self) -> np.ndarray:
        return self._state["qvel"][:, self._qvel]

    @property
    def time(self) -> np.ndarray:
        """Simulated time in [s]. Shape (N,)."""
        return self._state["time"].reshape(self.robots)

    def field(self, name: str) -> np.ndarray:
        """Live per-simulation model field. Shape (N, ...)."""
        if name not in self._fields:
            self._fields[name] = self._batch.expand(name)
        return self._fields[name]

    def sensing(self, name: str) -> np.ndarray:
        """Live sensor property. Shape (N, J)."""
        return self._sensing[name]

    def set_parameters(self, ids: np.ndarray, values: np.ndarray) -> None:
        """Gives simulations `ids`, shape (n,), their physics, shape (n, P), in SI units; keeps their motion."""
        if not np.isfinite(values).all():
            raise TaskError("a physical parameter is not finite")
        self.values[ids] = values
        for column, parameter in enumerate(self.parameters):
            parameter.target.write(self, ids, values[:, column])
        self._batch.set_const(ids)

    def reset(self, ids: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> None:
        """Starts simulations `ids`, shape (n,), from true positions [rad] and velocities [rad/s], (n, J)."""
        self._batch.reset(ids, stage=int(mujoco.mjtStage.mjSTAGE_NONE))
        self._state["qpos"][ids[:, None], self._qpos] = position
        self._state["qvel"][ids[:, None], self._qvel] = velocity

    def push(self, ids: np.ndarray, velocity: np.ndarray) -> None:
        """Adds to the joint velocities of simulations `ids`, in [rad/s], shape (n, J)."""
        self._state["qvel"][ids[:, None], self._qvel] += velocity

    def step(self, command: np.ndarray, substeps: int | None = None) -> np.ndarray:
        """Holds the commands, shape (N, J), for one control period (or some of its substeps).

        Returns:
            Which simulations diverged and were put back to the model's rest state. Shape (N,), bool.
        """
        self._state["ctrl"][:, self._ctrl] = command
        self._batch.step(nstep=substeps or self.substeps)
        speed = self._state["qvel"]
        sound = (np.abs(speed) < DIVERGED) & np.isfinite(speed)
        bad = np.logical_not(np.all(sound, axis=1) & np.all(np.isfinite(self._state["qpos"]), axis=1))
        if bad.any():
            self.diverged += int(bad.sum())
            self._batch.reset(np.flatnonzero(bad))
        return bad

    def sense(self, rng: np.random.Generator) -> SensorFrame:
        """What the encoders say now: offset and noise included."""
        shape = (2, self.robots, len(self._qpos))
        noise = rng.standard_normal(shape)
        position = (
            self.position + self._sensing["position_offset"] + self._sensing["position_noise"] * noise[0]
        )
        velocity = self.velocity + self._sensing["velocity_noise"] * noise[1]
        return SensorFrame(self.time.copy(), position, velocity)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {name: array.copy() for name, array in self._state.items()} | {"values": self.values.copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.set_parameters(np.arange(self.robots), state["values"])
        for name, array in self._state.items():
            array[:] = state[name]


def _actuator_of(model: mujoco.MjModel, joint: str) -> int:
    for actuator in range(model.nu):
        if model.actuator_trnid[actuator, 0] == model.joint(joint).id:
            return actuator
    raise TaskError(f"joint {joint!r} has no actuator in the model")
