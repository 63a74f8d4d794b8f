"""`SerialBatch`: N dm_control environments behind the calls of `mujoco.batch.Batch`, stepped one at a time.

For suite tasks whose observation and reward can only be had of one simulation at a time. On one core, as dm_control:
from 0.55 of its speed on the smallest bodies to 0.8 on the largest (dog).
"""

from __future__ import annotations

import copy
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import SimulationError

from sim_tasks.errors import TaskError
from sim_tasks.suite.simulation import Simulation

_STATE = {
    "time": mujoco.mjtState.mjSTATE_TIME,
    "qpos": mujoco.mjtState.mjSTATE_QPOS,
    "qvel": mujoco.mjtState.mjSTATE_QVEL,
    "act": mujoco.mjtState.mjSTATE_ACT,
    "history": mujoco.mjtState.mjSTATE_HISTORY,
    "qacc_warmstart": mujoco.mjtState.mjSTATE_WARMSTART,
    "ctrl": mujoco.mjtState.mjSTATE_CTRL,
}
_WHOLE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
_OPTION = "opt."
OBSERVATION, REWARD, TERMINATED = "suite_observation", "suite_reward", "suite_terminated"
"""What `bind` gives beside the engine's fields: the suite's own. Shapes (N, O), (N,) and (N,)."""


class SerialBatch:
    """N copies of a dm_control environment, each with its own model, task and random state.

    `bind`, `expand`, `step`, `forward`, `reset`, `set_const`, `get_model` and `get_data` do what they do on
    `mujoco.batch.Batch`; `begin` starts episodes as the suite does.
    """

    def __init__(self, environment: Any, model: mujoco.MjModel, count: int):
        """
        Args:
            environment: dm_control's, which is left alone.
            model: the environment's, for the layout of the state.
            count: how many simulations, N.
        """
        self.model, self.nsim = model, count
        self.state = np.zeros((count, mujoco.mj_stateSize(self.model, _WHOLE)))
        self._expanded: dict[str, np.ndarray] = {}
        self._places: dict[str, list[np.ndarray]] = {}
        self._outputs: dict[str, np.ndarray] = {}
        self._scratch = mujoco.MjData(self.model)
        self._simulations = [Simulation(environment, row) for row in self.state]
        sample = self._simulations[0].observation()
        self._suite = {
            OBSERVATION: np.zeros((count, len(sample))),
            REWARD: np.zeros(count),
            TERMINATED: np.zeros(count, dtype=bool),
        }

    def bind(self, name: str) -> np.ndarray:
        """Live array of a field of the state, or of any other `MjData` field as of the last call. Shape (N, ...)."""
        if name in self._suite:
            return self._suite[name]
        if name in _STATE:
            view = self.state[:, _columns(self.model, _STATE[name])]
            return view[:, 0] if name == "time" else view
        if name not in self._outputs:
            template = np.asarray(getattr(self._scratch, name))
            self._outputs[name] = np.zeros((self.nsim, *template.shape), template.dtype)
            self._read(range(self.nsim))
        return self._outputs[name]

    def expand(self, name: str) -> np.ndarray:
        """Live model field of all simulations, `opt.` before those of the options. Shape (N, ...).

        Raises:
            TaskError: the model has no such array.
        """
        if name not in self._expanded:
            self._places[name] = [_place(simulation.model, name) for simulation in self._simulations]
            self._expanded[name] = np.stack(self._places[name])
        return self._expanded[name]

    def begin(self, ids: np.ndarray, seeds: np.ndarray) -> None:
        """New episodes of the suite in simulations `ids`, shape (n,), from seeds of its own generator, (n,)."""
        for row, seed in zip(ids, seeds, strict=True):
            self._simulations[row].begin(int(seed))
        self._read(ids)

    def step(self, ids: np.ndarray | None = None, nstep: int = 1, stage: int = 0) -> None:
        """`nstep` physics steps; `stage` is ignored: all fields are up to date as in dm_control.

        Raises:
            SimulationError: dm_control refused to go on with some simulations; the others have run on.
        """
        rows, failed, message = self._rows(ids), [], ""
        for row in rows:
            self._write_model(row)
            error = self._simulations[row].step(nstep)
            if error:
                failed.append(row)
                message = message or error
            self._suite[REWARD][row] = self._simulations[row].reward()
            self._suite[TERMINATED][row] = self._simulations[row].terminated()
        self._read(rows)
        if failed:
            raise SimulationError(np.array(failed), message, len(rows))

    def forward(self, ids: np.ndarray | None = None, stage: int = 0) -> None:
        """Brings the fields of simulations up to date with their state."""
        rows = self._rows(ids)
        for row in rows:
            self._simulations[row].forward()
        self._read(rows)

    def reset(self, ids: np.ndarray | None = None, stage: int = 0) -> None:
        """The model's rest state."""
        rows = self._rows(ids)
        for row in rows:
            self._simulations[row].rest()
        self._read(rows)

    def set_const(self, ids: np.ndarray | None = None) -> None:
        """Hands the expanded fields to the models, with all that MuJoCo derives from them."""
        for row in self._rows(ids):
            self._write_model(row)
            mujoco.mj_setConst(self._simulations[row].model, self._scratch)
            self._simulations[row].forward()

    def get_model(self, sim: int) -> mujoco.MjModel:
        """A copy of one simulation's model."""
        return copy.copy(self._simulations[sim].model)

    def get_data(self, sim: int) -> mujoco.MjData:
        """One simulation's state; derived fields need `mj_forward`."""
        data = mujoco.MjData(self.model)
        mujoco.mj_setState(self.model, data, self.state[sim], _WHOLE)
        return data

    def _rows(self, ids: np.ndarray | None) -> np.ndarray:
        return np.arange(self.nsim) if ids is None else np.asarray(ids)

    def _write_model(self, row: int) -> None:
        for name, values in self._expanded.items():
            self._places[name][row][...] = values[row]

    def _read(self, rows: Any) -> None:
        for row in rows:
            simulation = self._simulations[row]
            self._suite[OBSERVATION][row] = simulation.observation()
            for name, values in self._outputs.items():
                values[row] = getattr(simulation.data, name)


def _columns(model: mujoco.MjModel, component: mujoco.mjtState) -> slice:
    """Where a component stands in a state vector: components follow one another in the order of their bits."""
    before = _WHOLE & (int(component) - 1)
    start = mujoco.mj_stateSize(model, before)
    return slice(start, start + mujoco.mj_stateSize(model, int(component)))


def _place(model: mujoco.MjModel, name: str) -> np.ndarray:
    """A model's own array of this name."""
    owner = model.opt if name.startswith(_OPTION) else model
    array = getattr(owner, name.removeprefix(_OPTION), None)
    if not isinstance(array, np.ndarray):
        raise TaskError(f"{name!r} is no array of the model, so it cannot differ between simulations")
    return array
