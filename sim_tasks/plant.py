"""`Plant`: what is simulated: a compiled model, its control period, and which joints and actuators a policy drives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import mujoco
import numpy as np

from robots import RobotSpec
from sim_tasks.errors import TaskError
from sim_tasks.models import actuator_of, load_model
from sim_tasks.motors import IDEAL, Motors


@dataclass(frozen=True)
class Plant:
    """A model with the order in which its joints and actuators are spoken of. J joints, U actuators."""

    name: str
    model: mujoco.MjModel
    substeps: int
    """Time steps per control step."""
    joints: tuple[str, ...] = ()
    """Joints that `position` and `velocity` speak of, one degree of freedom each."""
    actuators: tuple[int, ...] = ()
    """Indices of the actuators in the order of a command."""
    stage: int = int(mujoco.mjtStage.mjSTAGE_NONE)
    """How far quantities such as body positions are computed anew after a control step; without it they describe the
    state one time step before."""
    no_load_speed: tuple[float, ...] | None = None
    """Joint speeds in [rad/s] at which the motors have no torque left; None: they always have. Shape (J,)."""
    with_delay: Callable[[float], Plant] | None = None
    """Makes the same plant with buffers for commands that are delayed by so many seconds; None: nobody knows how."""

    @property
    def period(self) -> float:
        """Control period in [s]."""
        return self.substeps * self.model.opt.timestep

    @cached_property
    def qpos(self) -> slice | np.ndarray:
        """Where the joints' positions stand in `qpos`."""
        return _tight([int(self.model.joint(name).qposadr[0]) for name in self.joints])

    @cached_property
    def qvel(self) -> slice | np.ndarray:
        """Where the joints' velocities stand in `qvel`."""
        return _tight([int(self.model.joint(name).dofadr[0]) for name in self.joints])

    @cached_property
    def ctrl(self) -> slice | np.ndarray:
        """Where the command stands in `ctrl`."""
        return _tight(list(self.actuators))

    @cached_property
    def control_range(self) -> np.ndarray:
        """Lowest and highest controls in the model's units. Shape (2, U)."""
        return self.model.actuator_ctrlrange[list(self.actuators)].T.copy()


def robot_plant(spec: RobotSpec, max_delay: float = 0.0, stage: int = 0, motors: Motors = IDEAL) -> Plant:
    """A robot as it is simulated.

    Args:
        spec: the robot.
        max_delay: for how long commands can be delayed, in [s]; 0: as long as the model's own buffers allow.
        stage: see `Plant.stage`.
        motors: how the motors answer commands.

    Raises:
        TaskError: the model cannot be had, its motors cannot be like that, or the control period is not a multiple of
            its time step.
    """
    model = load_model(spec, max(max_delay, motors.delay or 0.0), motors.apply)
    return Plant(
        spec.name,
        _without_reset(model),
        _substeps(spec.name, spec.period, model.opt.timestep),
        spec.joint_names,
        tuple(actuator_of(model, name) for name in spec.joint_names),
        stage,
        motors.speeds(len(spec.joints)),
        partial(robot_plant, spec, stage=stage, motors=motors),
    )


def model_plant(
    name: str, model: mujoco.MjModel, substeps: int, joints: Sequence[str] = (), stage: int = 0
) -> Plant:
    """A body that is no robot of ours, such as a benchmark's: all its actuators in their own order."""
    return Plant(name, _without_reset(model), substeps, tuple(joints), tuple(range(model.nu)), stage)


def _without_reset(model: mujoco.MjModel) -> mujoco.MjModel:
    """MuJoCo would put a simulation with NaNs back to rest by itself, where nobody sees and counts it."""
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    return model


def _substeps(name: str, period: float, timestep: float) -> int:
    substeps = period / timestep
    if abs(substeps - round(substeps)) > 1e-9 or round(substeps) < 1:
        raise TaskError(
            f"{name}: control period {period} s is not a multiple of the model's time step {timestep} s"
        )
    return round(substeps)


def _tight(indices: list[int]) -> slice | np.ndarray:
    """Indices as a slice where they are consecutive: reading through a slice is cheaper."""
    if indices and indices == list(range(indices[0], indices[0] + len(indices))):
        return slice(indices[0], indices[0] + len(indices))
    return np.array(indices, dtype=int)
