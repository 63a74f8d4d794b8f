"""`TaskStock`: the next trial's task of each of N simulations, drawn and made ready for many of them at once."""

from __future__ import annotations

import numpy as np

from sim_tasks.batch_sim import BatchSim
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom


class TaskStock:
    """Tasks in advance: parameters cost almost as much to write to one simulation as to a hundred.

    A simulation's task is what its random stream gives from the beginning of its next segment on. That place is known
    long before, so that neither when a task is drawn nor for how many others shows in it.
    """

    def __init__(self, family: TaskFamily, sim: BatchSim, split: str):
        self._family, self._sim, self._split = family, sim, split
        self._physics = sim.draft()
        self._values = np.zeros_like(sim.values)
        self._context = np.zeros((sim.robots, len(family.belief_names)), np.float32)
        # Of which stream the tasks in stock are, and where it was before and after them.
        self._keys, self._begins, self._ends = np.ones((3, sim.robots), np.uint64)  # no segment begins at 1

    def deal(self, ids: np.ndarray, random: RowRandom) -> np.ndarray:
        """Gives simulations `ids`, shape (n,), sorted, the physics of new tasks, and moves their streams on.

        Returns:
            The tasks in the belief's coordinates. Shape (n, P + R), float32.

        Raises:
            TaskError: the family has no tasks of the split.
        """
        begins = random.next_segment()
        stocked = (self._begins == begins) & (self._keys == random.keys)
        if not stocked[ids].all():
            self._draw(np.flatnonzero(~stocked), random, begins)
        self._sim.take(ids, self._physics, self._values[ids])
        random.counters[ids] = self._ends[ids]
        return self._context[ids]

    def _draw(self, ids: np.ndarray, random: RowRandom, begins: np.ndarray) -> None:
        """Stocks what simulations `ids`, shape (n,), will need next."""
        ahead = random.ahead(ids, begins[ids])
        values = self._family.draw(ahead.all, len(ids), self._split)
        self._physics.write(ids, values)
        self._values[ids], self._context[ids] = values, self._family.normalise(values)
        self._keys[ids], self._begins[ids], self._ends[ids] = ahead.keys, begins[ids], ahead.counters
