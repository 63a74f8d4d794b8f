"""`Mirror`: one simulation of a batch as a model and data of MuJoCo's own, for renderers and viewers."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from sim_tasks.batch_sim import BatchSim

_STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)


class Mirror:
    """The model and data stay the same objects, whichever simulation they show: a viewer may keep them.

    Args:
        model: of the plant, to be written to; a copy of the first simulation's where none is given.
        data: of that model.
    """

    def __init__(self, sim: BatchSim, model: mujoco.MjModel | None = None, data: mujoco.MjData | None = None):
        self.model = sim.get_model(0) if model is None else model
        self.data = mujoco.MjData(self.model) if data is None else data
        self._buffer = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        self._values: np.ndarray | None = None

    def show(self, sim: BatchSim, simulation: int = 0) -> None:
        """Takes over a simulation's physics and state, with all that follows from them, such as body positions."""
        values = sim.values[simulation]
        if self._values is None or not np.array_equal(values, self._values):
            model = sim.get_model(simulation)
            for part in ("", "opt", "stat"):
                _copy(
                    getattr(model, part) if part else model, getattr(self.model, part) if part else self.model
                )
            self._values = values.copy()
        mujoco.mj_getState(self.model, sim.get_data(simulation), self._buffer, _STATE)
        mujoco.mj_setState(self.model, self.data, self._buffer, _STATE)
        mujoco.mj_forward(self.model, self.data)


def _copy(source: Any, target: Any) -> None:
    """Copies the numbers in which two structures of MuJoCo differ."""
    for name in dir(source):
        value = getattr(source, name, None)
        if isinstance(value, np.ndarray):
            if not np.array_equal(value, getattr(target, name)):
                getattr(target, name)[...] = value
        elif isinstance(value, int | float) and not name.startswith("_") and value != getattr(target, name):
            setattr(target, name, value)
