"""The simulations of suite families: batched, or dm_control's own one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from mujoco.batch import Batch

from sim_tasks.batch_sim import BatchSim
from sim_tasks.plant import Plant
from sim_tasks.randomisation import Parameter
from sim_tasks.row_random import Rows
from sim_tasks.suite.serial import SerialBatch
from sim_tasks.suite.task import SuiteTask, begin_episodes

SEEDS = 2**31
"""Seeds of the suite's own generators are drawn below this; numpy's `RandomState` takes them below 2^32."""


class SuiteSim(BatchSim):
    """All simulations together; they begin episodes as the suite's task does, each on its own physics."""

    def __init__(
        self, task: SuiteTask, plant: Plant, parameters: Sequence[Parameter], robots: int, threads: int = 0
    ):
        super().__init__(plant, parameters, robots, threads)
        self._task = task
        for name in task.fields:  # what is bound later is zero until the next call
            self.bind(name)

    def begin(self, ids: np.ndarray, start: Callable[..., Any], random: Rows) -> None:
        begin_episodes(self._batch, self._task, ids, random)

    def _engine_of(self, threads: int) -> Batch:
        """Each simulation keeps its `MjData`: the stages computed after one step serve the next, 15 to 20 % faster
        where a control step is one or two physics steps, for 0.2 MB each."""
        return Batch(self.model, self.robots, threads, persistent=True)

    def state(self) -> dict[str, Any]:
        return super().state() | {name: self._batch.expand(name).copy() for name in self._task.model_fields}

    def restore(self, state: dict[str, Any]) -> None:
        for name in self._task.model_fields:
            array = self._batch.expand(name)
            array[:] = np.asarray(state[name]).reshape(array.shape)
        super().restore(state)


class SerialSim(BatchSim):
    """dm_control environments, one after the other on one core."""

    def __init__(
        self,
        environment: Any,
        plant: Plant,
        parameters: Sequence[Parameter],
        robots: int,
        threads: int = 0,
    ):
        self._environment = environment
        self._seeds = np.zeros(robots, dtype=np.int64)
        super().__init__(plant, parameters, robots, threads)

    def _engine_of(self, threads: int) -> Batch:
        self._serial = SerialBatch(self._environment, self.model, self.robots)
        return cast(Batch, self._serial)

    def begin(self, ids: np.ndarray, start: Callable[..., Any], random: Rows) -> None:
        self._seeds[ids] = random.integers(0, SEEDS, len(ids))
        self._serial.begin(ids, self._seeds[ids])

    def state(self) -> dict[str, Any]:
        return super().state() | {"seeds": self._seeds.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Episodes begin again from their seeds, which puts targets where they were, and go on from the state."""
        self._seeds[:] = np.asarray(state["seeds"])
        self.set_parameters(np.arange(self.robots), np.asarray(state["values"]))
        self._serial.begin(np.arange(self.robots), self._seeds)
        super().restore(state)
