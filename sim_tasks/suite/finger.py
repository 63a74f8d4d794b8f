"""Finger of the dm_control suite: spin a body, or turn it so that its tip meets a target."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch

from sim_tasks.errors import TaskError
from sim_tasks.suite.task import Fields, Random, SuiteTask, random_joints, sensor_columns

_SPIN_VELOCITY = 15.0
"""Backward speed of the hinge that counts as spinning, in [rad/s]. dm_control/suite/finger.py."""
_ATTEMPTS = 32
"""How many draws a start without contact is sought in. One in eleven touches: all of 32 do once in 10^33 starts."""
_ANGLES = ("proximal", "distal")
_RATES = ("proximal_velocity", "distal_velocity", "hinge_velocity")
_PLANE = [0, 2]
"""x and z of a position."""


class Spin(SuiteTask):
    """`finger/spin`."""

    fields = ("sensordata",)

    def __init__(self, model: mujoco.MjModel):
        self._model = model
        self._angles = sensor_columns(model, *_ANGLES)
        self._rates = sensor_columns(model, *_RATES)
        self._touch = sensor_columns(model, "touchtop", "touchbottom")
        self._tip = sensor_columns(model, "tip")[_PLANE]
        self._spinner = sensor_columns(model, "spinner")[_PLANE]

    def observation(self, fields: Fields) -> np.ndarray:
        sensors = fields["sensordata"]
        parts = [sensors[:, self._angles], self.tip(fields), sensors[:, self._rates]]
        return np.concatenate([*parts, np.log1p(sensors[:, self._touch])], axis=1)

    def tip(self, fields: Fields) -> np.ndarray:
        """x and z of the spinner's tip from its hinge, in [m]. Shape (N, 2)."""
        return fields["sensordata"][:, self._tip] - fields["sensordata"][:, self._spinner]

    def reward(self, fields: Fields) -> np.ndarray:
        return (fields["sensordata"][:, self._rates[-1]] <= -_SPIN_VELOCITY).astype(float)

    def place(self, batch: Batch, ids: np.ndarray, rng: Random) -> None:
        """Draws all joints, and takes the first draw where nothing touches.

        Raises:
            TaskError: a simulation touches in all draws.
        """
        qpos, contacts = batch.bind("qpos"), batch.bind("ncon")
        draws = random_joints(self._model, rng, (len(ids), _ATTEMPTS))
        left = np.arange(len(ids))
        for attempt in range(_ATTEMPTS):
            qpos[ids[left]] = draws[left, attempt]
            batch.forward(ids[left], stage=int(mujoco.mjtStage.mjSTAGE_POS))
            left = left[contacts[ids[left]] > 0]
            if not len(left):
                return
        raise TaskError(f"{len(left)} starts still touch after {_ATTEMPTS} draws")


class Turn(Spin):
    """`finger/turn_easy` and `finger/turn_hard`: the target's radius is the model's."""

    model_fields = ("site_pos",)

    def __init__(self, model: mujoco.MjModel):
        super().__init__(model)
        self._target_site = model.site("target").id
        self._target = sensor_columns(model, "target")[_PLANE]
        self._radius = float(model.site("target").size[0])
        self._arm = float(model.geom("cap1").size.sum())
        hinge = model.joint("hinge")
        self._hinge = (model.body_pos[hinge.bodyid[0]] + hinge.pos)[_PLANE]

    def observation(self, fields: Fields) -> np.ndarray:
        distance = self.distance(fields)[:, None]
        return np.concatenate([super().observation(fields), self.target(fields), distance], axis=1)

    def target(self, fields: Fields) -> np.ndarray:
        """x and z of the target from the spinner's hinge, in [m]. Shape (N, 2)."""
        return fields["sensordata"][:, self._target] - fields["sensordata"][:, self._spinner]

    def distance(self, fields: Fields) -> np.ndarray:
        """From the tip to the target's surface, negative inside, in [m]. Shape (N,)."""
        return np.linalg.norm(self.target(fields) - self.tip(fields), axis=1) - self._radius

    def reward(self, fields: Fields) -> np.ndarray:
        return (self.distance(fields) <= 0).astype(float)

    def place(self, batch: Batch, ids: np.ndarray, rng: Random) -> None:
        """Draws the target's angle, then the joints."""
        angle = rng.uniform(-np.pi, np.pi, len(ids))
        around = self._arm * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        batch.expand("site_pos")[ids[:, None], self._target_site, _PLANE] = self._hinge + around
        super().place(batch, ids, rng)
