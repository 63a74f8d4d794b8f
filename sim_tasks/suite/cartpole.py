"""Cart-pole of the dm_control suite with one, two or three poles: balance, swing up."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch

from sim_tasks.suite.task import XZ, ZZ, Fields, Random, SuiteTask, tolerance

_CART_RANGE = (-0.25, 0.25)
"""Where the sparse reward wants the cart, in [m]. dm_control/suite/cartpole.py."""
_COSINE_RANGE = (0.995, 1.0)
"""Where the sparse reward wants the poles' cosines. dm_control/suite/cartpole.py."""
_FIRST_POLE = 2
"""Body of the first pole; before it come the world and the cart."""


class Cartpole(SuiteTask):
    """All tasks of `cartpole`: from upright or from hanging, with dense or sparse reward."""

    fields = ("qpos", "qvel", "xmat", "ctrl")

    def __init__(self, model: mujoco.MjModel, swing_up: bool, sparse: bool):
        self._joints = model.nv
        self._swing_up = swing_up
        self._sparse = sparse

    def observation(self, fields: Fields) -> np.ndarray:
        simulations = len(fields["qpos"])
        poles = fields["xmat"][:, _FIRST_POLE:, [ZZ, XZ]].reshape(simulations, -1)
        return np.concatenate([fields["qpos"][:, :1], poles, fields["qvel"]], axis=1)

    def reward(self, fields: Fields) -> np.ndarray:
        cart, cosines = fields["qpos"][:, 0], fields["xmat"][:, _FIRST_POLE:, ZZ]
        if self._sparse:
            upright = tolerance(cosines, bounds=_COSINE_RANGE).prod(axis=1)
            return tolerance(cart, bounds=_CART_RANGE) * upright
        upright = ((cosines + 1) / 2).mean(axis=1)
        centred = (1 + tolerance(cart, margin=2)) / 2
        return upright * self._gentle(fields) * self._slow(fields) * centred

    def _gentle(self, fields: Fields) -> np.ndarray:
        force = fields["ctrl"][:, 0]
        small = tolerance(force, margin=1, value_at_margin=0, sigmoid="quadratic")
        return (4 + small) / 5

    def _slow(self, fields: Fields) -> np.ndarray:
        return (1 + tolerance(fields["qvel"][:, 1:], margin=5).min(axis=1)) / 2

    def place(self, batch: Batch, ids: np.ndarray, rng: Random) -> None:
        """Draws cart and poles close to upright, or hanging with the outer poles loose; velocities are small."""
        poles, shape = self._joints - 1, (len(ids), self._joints)
        if self._swing_up:
            spread = np.array([0.01, 0.01] + [0.1] * (poles - 1))
            mean = np.array([0.0, np.pi] + [0.0] * (poles - 1))
            qpos = mean + spread * rng.standard_normal(shape)
        else:
            limit = np.array([0.1] + [0.034] * poles)
            qpos = rng.uniform(-limit, limit, shape)
        batch.bind("qpos")[ids] = qpos
        batch.bind("qvel")[ids] = 0.01 * rng.standard_normal(shape)
