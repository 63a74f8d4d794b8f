"""Quadruped of the dm_control suite on flat ground: walk, run."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch

from sim_tasks.errors import TaskError
from sim_tasks.suite.task import ZZ, Fields, Random, SuiteTask, sensor_columns, sensors_of_kind, tolerance

SPEEDS = {"walk": 0.5, "run": 5.0}
"""Speed from which on the move reward is 1, in [m/s]. dm_control/suite/quadruped.py."""
_HEIGHTS = np.concatenate([[0.0], np.cumsum(np.full(511, 0.01))])
"""Heights of the torso that a start tries, in [m]: the suite goes up by 1 cm until nothing touches."""


class Quadruped(SuiteTask):
    """`quadruped/walk` and `quadruped/run`; `speed` in [m/s]."""

    fields = ("qpos", "qvel", "act", "xmat", "sensordata")

    def __init__(self, model: mujoco.MjModel, speed: float):
        kinds = mujoco.mjtSensor
        hinges = np.flatnonzero(model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE))
        self._speed = speed
        self._torso = model.body("torso").id
        self._root = int(model.joint("root").qposadr[0])
        self._angles = model.jnt_qposadr[hinges].copy()
        self._rates = model.jnt_dofadr[hinges].copy()
        self._velocity = sensor_columns(model, "velocimeter")
        imu = sensors_of_kind(model, kinds.mjSENS_GYRO, kinds.mjSENS_ACCELEROMETER)
        toes = sensors_of_kind(model, kinds.mjSENS_FORCE, kinds.mjSENS_TORQUE)
        self._imu = sensor_columns(model, *imu)
        self._toes = sensor_columns(model, *toes)

    def observation(self, fields: Fields) -> np.ndarray:
        sensors = fields["sensordata"]
        return np.concatenate(
            [
                fields["qpos"][:, self._angles],
                fields["qvel"][:, self._rates],
                fields["act"],
                sensors[:, self._velocity],
                fields["xmat"][:, self._torso, ZZ : ZZ + 1],
                sensors[:, self._imu],
                np.arcsinh(sensors[:, self._toes]),
            ],
            axis=1,
        )

    def reward(self, fields: Fields) -> np.ndarray:
        return self._upright(fields) * self._moving(fields)

    def _upright(self, fields: Fields) -> np.ndarray:
        return tolerance(
            fields["xmat"][:, self._torso, ZZ],
            bounds=(1.0, float("inf")),
            margin=2.0,
            value_at_margin=0,
            sigmoid="linear",
        )

    def _moving(self, fields: Fields) -> np.ndarray:
        return tolerance(
            fields["sensordata"][:, self._velocity[0]],
            bounds=(self._speed, float("inf")),
            margin=self._speed,
            value_at_margin=0.5,
            sigmoid="linear",
        )

    def place(self, batch: Batch, ids: np.ndarray, rng: Random) -> None:
        """Draws an orientation and puts the torso at the lowest height where nothing touches."""
        orientation = rng.standard_normal((len(ids), 4))
        orientation /= np.linalg.norm(orientation, axis=1, keepdims=True)
        self.lift(batch, ids, orientation)

    def lift(self, batch: Batch, ids: np.ndarray, orientation: np.ndarray) -> None:
        """Places simulations `ids` with unit quaternions w x y z, shape (n, 4), as low as they are free of contact.

        The ground is flat, so that a height without contact stays without when it grows: bisection finds the
        height that the suite's search from below stops at.

        Raises:
            TaskError: a body touches at every height.
        """
        qpos, contacts = batch.bind("qpos"), batch.bind("ncon")
        qpos[ids, self._root + 3 : self._root + 7] = orientation
        low, high = np.zeros(len(ids), int), np.full(len(ids), len(_HEIGHTS) - 1)
        while np.any(low < high):
            middle = (low + high) // 2
            self._raise_to(batch, ids, _HEIGHTS[middle])
            free = contacts[ids] == 0
            low, high = np.where(free, low, np.minimum(middle + 1, high)), np.where(free, middle, high)
        self._raise_to(batch, ids, _HEIGHTS[high])
        if np.any(contacts[ids] > 0):
            raise TaskError(f"no height up to {_HEIGHTS[-1]:.2f} m is free of contact")

    def _raise_to(self, batch: Batch, ids: np.ndarray, height: np.ndarray) -> None:
        qpos = batch.bind("qpos")
        qpos[ids, self._root : self._root + 2] = 0.0
        qpos[ids, self._root + 2] = height
        batch.forward(ids, stage=int(mujoco.mjtStage.mjSTAGE_POS))
