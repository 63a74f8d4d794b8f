"""Cheetah of the dm_control suite: run forward at 10 m/s."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch

from sim_tasks.suite.task import Fields, Random, SuiteTask, sensor_columns, tolerance

_RUN_SPEED = 10.0
"""Speed from which on the reward is 1, in [m/s]. dm_control/suite/cheetah.py."""
_SETTLING_STEPS = 200
"""Physics steps between the drawn joint angles and the start. dm_control/suite/cheetah.py."""


class Cheetah(SuiteTask):
    """`cheetah/run`."""

    fields = ("qpos", "qvel", "sensordata")

    def __init__(self, model: mujoco.MjModel):
        self._limited = np.flatnonzero(model.jnt_limited)
        self._range = model.jnt_range[self._limited].T
        self._qpos0 = model.qpos0[self._limited].copy()
        self._speed = sensor_columns(model, "torso_subtreelinvel")[0]

    def observation(self, fields: Fields) -> np.ndarray:
        return np.concatenate([fields["qpos"][:, 1:], fields["qvel"]], axis=1)

    def reward(self, fields: Fields) -> np.ndarray:
        return tolerance(
            fields["sensordata"][:, self._speed],
            bounds=(_RUN_SPEED, float("inf")),
            margin=_RUN_SPEED,
            value_at_margin=0,
            sigmoid="linear",
        )

    def place(self, batch: Batch, ids: np.ndarray, rng: Random) -> None:
        """Draws the limited joints and lets the body settle, each on its own physics."""
        low, high = self._range
        self.settle(batch, ids, rng.uniform(low, high, (len(ids), len(low))))

    def settle(self, batch: Batch, ids: np.ndarray, joints: np.ndarray) -> None:
        """Lets simulations `ids` settle from limited joints, shape (n, 6), in [rad].

        dm_control's first settling step takes its forces from the pose before the draw (`mj_step2` without
        `mj_step1`). The same comes of one step from that pose, moved by the draw afterwards.
        """
        qpos, time = batch.bind("qpos"), batch.bind("time")
        batch.step(ids, nstep=1)
        qpos[ids[:, None], self._limited] += joints - self._qpos0
        batch.step(ids, nstep=_SETTLING_STEPS - 1)
        time[ids] = 0.0
