"""What a batched suite task is, and the look-ups and starts that several of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import mujoco
import numpy as np
from dm_control.utils import rewards
from mujoco.batch import Batch

from sim_tasks.errors import TaskError
from sim_tasks.row_random import Rows

Random = np.random.Generator | Rows
"""What a start draws from. `Rows` asks for draws whose first axis is the simulations'."""

XX, XZ, ZZ = 0, 2, 8
"""Columns of a flattened rotation matrix: dm_control's `xx`, `xz` and `zz`."""


class Fields(Protocol):
    """Per-simulation arrays by the name of their MjData field, such as a `Motion` or a dict of them."""

    def __getitem__(self, name: str, /) -> np.ndarray:
        """Shape (N, ...)."""
        ...


class SuiteTask(ABC):
    """Observation, reward and start of one suite task, for N simulations at a time.

    Observation and reward read MjData fields only, so that they equal dm_control's own on any physics.
    """

    fields: tuple[str, ...]
    """The MjData fields that observation and reward read."""
    model_fields: tuple[str, ...] = ()
    """The MjModel fields that a start writes per simulation."""

    @abstractmethod
    def observation(self, fields: Fields) -> np.ndarray:
        """The suite's observation, flattened in the suite's order. Shape (N, O), float64."""

    @abstractmethod
    def reward(self, fields: Fields) -> np.ndarray:
        """The suite's reward of the control step that led here, in [0, 1]. Shape (N,)."""

    @abstractmethod
    def place(self, batch: Batch, ids: np.ndarray, rng: Random) -> None:
        """Moves simulations `ids`, shape (n,), sorted, that were just reset, to a random start of the suite."""


def begin_episodes(batch: Batch, task: SuiteTask, ids: np.ndarray, rng: Random) -> None:
    """Resets simulations `ids`, shape (n,), sorted, to starts of the suite and brings their fields up to date."""
    batch.reset(ids, stage=int(mujoco.mjtStage.mjSTAGE_NONE))
    task.place(batch, ids, rng)
    forward_unactuated(batch, ids)


def forward_unactuated(batch: Batch, ids: np.ndarray) -> None:
    """Brings all fields of simulations `ids` up to date as dm_control does after a reset: without actuation.

    Force and acceleration sensors depend on it: a position servo would already pull.
    """
    flags = batch.expand("opt.disableflags")
    before = flags[ids].copy()
    flags[ids] |= int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
    batch.forward(ids)
    flags[ids] = before


def random_joints(model: mujoco.MjModel, rng: Random, shape: tuple[int, ...]) -> np.ndarray:
    """Slides and hinges drawn as the suite does: within their limits, else hinges in [-pi, pi).

    An unlimited slide stays where `qpos0` has it.

    Args:
        model: of slides and hinges only.
        rng: see `Random`.
        shape: how many draws, (n, ...).

    Returns:
        Shape (n, ..., nq).

    Raises:
        TaskError: the model has a ball or free joint.
    """
    hinge, slide = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
    qpos = np.broadcast_to(model.qpos0, (*shape, model.nq)).copy()
    for joint in range(model.njnt):
        if model.jnt_type[joint] not in (hinge, slide):
            raise TaskError(f"joint {model.joint(joint).name!r} is no slide or hinge")
        if model.jnt_limited[joint]:
            low, high = model.jnt_range[joint]
            qpos[..., model.jnt_qposadr[joint]] = rng.uniform(low, high, shape)
        elif model.jnt_type[joint] == hinge:
            qpos[..., model.jnt_qposadr[joint]] = rng.uniform(-np.pi, np.pi, shape)
    return qpos


def tolerance(x: np.ndarray, **options: Any) -> np.ndarray:
    """dm_control's `rewards.tolerance` of an array: 1 within the bounds, falling to 0 outside. Shape as `x`."""
    return np.asarray(rewards.tolerance(x, **options))


def sensor_columns(model: mujoco.MjModel, *names: str) -> np.ndarray:
    """Columns of `sensordata` that hold the named sensors, one after the other."""
    sensors = [model.sensor(name) for name in names]
    return np.concatenate([np.arange(s.adr[0], s.adr[0] + s.dim[0]) for s in sensors])


def sensors_of_kind(model: mujoco.MjModel, *kinds: mujoco.mjtSensor) -> tuple[str, ...]:
    """Names of the sensors of these kinds, in the model's order."""
    return tuple(
        model.sensor(i).name
        for i in np.flatnonzero(np.isin(model.sensor_type, [int(kind) for kind in kinds]))
    )
