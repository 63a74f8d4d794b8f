"""`Simulation`: one copy of a dm_control environment, whose state is a row of a larger array."""

from __future__ import annotations

import copy
from typing import Any

import mujoco
import numpy as np
from dm_control.rl.control import PhysicsError

_WHOLE = int(mujoco.mjtState.mjSTATE_INTEGRATION)


class Simulation:
    """Physics and task of its own; `row` is its integration state, live both ways."""

    def __init__(self, environment: Any, row: np.ndarray):
        self._physics = environment.physics.copy()
        self._task = copy.deepcopy(environment.task)
        self.model: mujoco.MjModel = self._physics.model.ptr
        # MuJoCo would put a state with NaNs back to rest by itself, where nobody sees and counts it.
        self.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        self.data: mujoco.MjData = self._physics.data.ptr
        self._row = row
        self._own = np.empty_like(row)
        columns = mujoco.mj_stateSize(self.model, _WHOLE & (int(mujoco.mjtState.mjSTATE_CTRL) - 1))
        self._ctrl = row[columns : columns + self.model.nu]
        self._save()

    def begin(self, seed: int) -> None:
        """A new episode of the suite, drawn from this seed."""
        self._task.random.seed(seed)
        with self._physics.reset_context():
            self._task.initialize_episode(self._physics)
        self._save()

    def step(self, steps: int) -> str:
        """Physics steps with the row's controls. Returns why dm_control refuses to go on, else nothing."""
        error = ""
        self._task.before_step(self._ctrl.copy(), self._physics)
        try:
            with self._physics.check_invalid_state():
                self._load()
            self._physics.step(steps)
        except PhysicsError as refused:
            error = str(refused)
        self._task.after_step(self._physics)
        self._save()
        return error

    def rest(self) -> None:
        """The model's rest state."""
        self._physics.reset()
        self._save()

    def forward(self) -> None:
        """Brings positions and velocities up to date with the row."""
        mujoco.mj_setState(self.model, self.data, self._row, _WHOLE)
        mujoco.mj_step1(self.model, self.data)

    def observation(self) -> np.ndarray:
        """The suite's, flattened in the suite's order. Shape (O,), float64."""
        return np.concatenate([np.ravel(v) for v in self._task.get_observation(self._physics).values()])

    def reward(self) -> float:
        """The suite's."""
        return float(self._task.get_reward(self._physics))

    def terminated(self) -> bool:
        """Whether the suite ends the episode here."""
        return self._task.get_termination(self._physics) is not None

    def _load(self) -> None:
        """Takes over a state that was written into the row from outside since the last call."""
        mujoco.mj_getState(self.model, self.data, self._own, _WHOLE)
        if not np.array_equal(self._own, self._row):
            self.forward()

    def _save(self) -> None:
        mujoco.mj_getState(self.model, self.data, self._row, _WHOLE)
