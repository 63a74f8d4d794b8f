"""Planar walker of the dm_control suite: stand, walk, run."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch

from sim_tasks.suite.task import (
    XX,
    XZ,
    ZZ,
    Fields,
    Random,
    SuiteTask,
    random_joints,
    sensor_columns,
    tolerance,
)

SPEEDS = {"stand": 0.0, "walk": 1.0, "run": 8.0}
"""Speed from which on the move reward is 1, in [m/s]. dm_control/suite/walker.py."""
_STAND_HEIGHT = 1.2
"""Torso height from which on the stand reward is 1, in [m]. dm_control/suite/walker.py."""


class Walker(SuiteTask):
    """`walker/stand`, `walker/walk` and `walker/run`; `speed` in [m/s], 0 to stand."""

    fields = ("qvel", "xpos", "xmat", "sensordata")

    def __init__(self, model: mujoco.MjModel, speed: float):
        self._model = model
        self._speed = speed
        self._torso = model.body("torso").id
        self._forward = sensor_columns(model, "torso_subtreelinvel")[0]

    def observation(self, fields: Fields) -> np.ndarray:
        simulations = len(fields["qvel"])
        orientations = fields["xmat"][:, 1:, [XX, XZ]].reshape(simulations, -1)
        height = fields["xpos"][:, self._torso, 2:]
        return np.concatenate([orientations, height, fields["qvel"]], axis=1)

    def reward(self, fields: Fields) -> np.ndarray:
        height = fields["xpos"][:, self._torso, 2]
        standing = tolerance(height, bounds=(_STAND_HEIGHT, float("inf")), margin=_STAND_HEIGHT / 2)
        upright = (1 + fields["xmat"][:, self._torso, ZZ]) / 2
        stand = (3 * standing + upright) / 4
        return stand if self._speed == 0 else stand * (5 * self._moving(fields) + 1) / 6

    def _moving(self, fields: Fields) -> np.ndarray:
        return tolerance(
            fields["sensordata"][:, self._forward],
            bounds=(self._speed, float("inf")),
            margin=self._speed / 2,
            value_at_margin=0.5,
            sigmoid="linear",
        )

    def place(self, batch: Batch, ids: np.ndarray, rng: Random) -> None:
        """Draws all joints but the two slides of the root; the body starts at rest."""
        batch.bind("qpos")[ids] = random_joints(self._model, rng, (len(ids),))
