"""Grid worlds: many small tasks, each one's layout drawn, in which an update rule is discovered and tested."""

from __future__ import annotations

import numpy as np

from sim_tasks.discrete.grid_kinds import KINDS, draw
from sim_tasks.discrete.grid_layout import ACTIONS, CELLS, OBJECTS, SIZE, Layout, stack
from sim_tasks.discrete.protocol import DiscreteEnv
from sim_tasks.errors import TaskError
from sim_tasks.randomisation import SPLITS

_AGENT, _WALL, _OBJECT, _TIME, _OWED = 0, 1, 2, 2 + OBJECTS, 3 + OBJECTS
PLANES = 4 + OBJECTS
_STATE = ("cell", "place", "there", "elapsed", "owed")


class Grid(DiscreteEnv):
    """Worlds of one kind, see `grid_kinds`. All kinds have the same observations and actions, so that one network fits
    them all: 0 stay, 1 up, 2 down, 3 left, 4 right.

    Observation: planes, shape (8, 7, 7): the agent, the walls, each of four objects that are there, and over all cells
    the remaining time, as a fraction of the horizon, and the reward that is owed.

    Raises:
        TaskError: an unknown kind, another split than train and test, or fewer than no worlds.
    """

    def __init__(
        self, envs: int, seed: int, *, kind: str, split: str = "train", tasks: int = 1, worlds: int = 0
    ):
        """
        Args:
            envs: how many, N.
            seed: fixes everything that is drawn.
            kind: of world.
            split: which worlds.
            tasks: how many worlds N environments play at a time.
            worlds: how many there are in all, the seed's first ones; a task is one of them. 0: every task is a new one.
        """
        if kind not in KINDS:
            raise TaskError(f"unknown kind {kind!r} of grid worlds; valid: {', '.join(KINDS)}")
        if split not in ("train", "test"):
            raise TaskError(f"split {split!r} of grid worlds; valid: train, test")
        if worlds < 0:
            raise TaskError(f"worlds: {worlds}; valid: 0 or more")
        super().__init__(
            f"grid:{kind}",
            envs,
            seed,
            actions=ACTIONS,
            observation_shape=(PLANES, SIZE, SIZE),
            split=split,
            tasks=tasks,
        )
        self.kind, self._count = kind, np.uint64(worlds)
        self._pool = np.random.default_rng([seed, 14, SPLITS.index(split)]).integers(
            2**63, size=worlds, dtype=np.uint64
        )
        """What the worlds are drawn from, if they are few. Shape (worlds,)."""
        self._drawn = np.zeros(tasks, np.uint64)
        """What each task's layout was drawn from. Shape (tasks,)."""
        self.layouts: list[Layout] = [draw(kind, split, np.random.default_rng(0))] * tasks
        """The present tasks'."""
        self.cell = np.zeros(envs, np.int64)
        self.place = np.zeros((envs, OBJECTS), np.int64)
        self.there = np.zeros((envs, OBJECTS), dtype=bool)
        self.elapsed = np.zeros(envs, np.int64)
        self.owed = np.zeros(envs, np.float32)
        self._planes = self.observation.reshape(envs, PLANES, CELLS)
        self._draw_tasks(np.arange(tasks))
        self.reset()

    def _advance(self, action: np.ndarray) -> None:
        table, every, u = self._table, self._all, self.random.all.random((self.envs, 2 + 3 * OBJECTS))
        taken = np.where(u[:, 0] < table["slip"], (u[:, 1] * ACTIONS).astype(np.int64), action[:, 0])
        taken[u[:, 0] >= 1.0 - table["wind"]] = 2  # down
        self.reward[:] = table["cost"][every, self.cell, taken]
        self.cell[:] = table["target"][every, self.cell, taken]
        self._come_back(u[:, 2 : 2 + 2 * OBJECTS])
        found = self.there & (self.place == self.cell[:, None])
        self.there &= ~found
        self.reward += (found * table["reward"]).sum(axis=1)
        self.elapsed += 1
        self.last[:] = (
            (self.elapsed >= table["horizon"])
            | table["ends"][every, self.cell]
            | (found & (u[:, 2 + 2 * OBJECTS :] < table["ending"])).any(axis=1)
        )
        self.owed += self.reward
        late = table["paid_late"]
        self.reward[late] = np.where(self.last[late], self.owed[late], 0.0)
        self.owed[~late | self.last] = 0.0

    def _begin(self, ids: np.ndarray) -> None:
        u = self.random.rows(ids).random((len(ids), 1 + OBJECTS))
        self.cell[ids] = self._pick(self._starts, ids, u[:, :1])[:, 0]
        elsewhere = self._pick(self._free, ids, u[:, 1:])
        table = self._table
        self.place[ids] = np.where(table["roams"][ids, None], elsewhere, table["place"][ids])
        self.there[ids] = table["present"][ids]
        self.elapsed[ids] = 0
        self.owed[ids] = 0.0

    def _observe(self) -> None:
        planes, every = self._planes, self._all
        planes.fill(0.0)
        planes[every, _AGENT, self.cell] = 1.0
        planes[:, _WALL] = self._table["wall"]
        for index in range(OBJECTS):
            planes[every, _OBJECT + index, self.place[:, index]] = self.there[:, index]
        planes[:, _TIME] = (1.0 - self.elapsed / self._table["horizon"])[:, None]
        planes[:, _OWED] = self.owed[:, None]

    def _come_back(self, u: np.ndarray) -> None:
        """Objects that were collected before this step return, by chance `u`, shape (N, 2 K)."""
        table = self._table
        back = ~self.there & table["present"] & (u[:, :OBJECTS] < table["returning"])
        if back.any():
            elsewhere = self._pick(self._free, self._all, u[:, OBJECTS:])
            self.place[:] = np.where(back & table["roams"][:, None], elsewhere, self.place)
            self.there |= back

    def _pick(self, cells: tuple[np.ndarray, np.ndarray], ids: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Cells of those that each task has, by chance `u`, shape (n, k)."""
        listed, counts = cells
        tasks = self.task_of[ids]
        return listed[tasks[:, None], (u * counts[tasks, None]).astype(np.int64)]

    def _draw_tasks(self, tasks: np.ndarray) -> None:
        drawn = self.task_random.bits(tasks, 1)[:, 0]
        self._drawn[tasks] = self._pool[drawn % self._count] if self._count else drawn
        self._lay_out(tasks)

    def _lay_out(self, tasks: np.ndarray) -> None:
        """Makes the worlds of tasks, shape (n,), from what they were drawn from."""
        for task in tasks:
            self.layouts[task] = draw(self.kind, self.split, np.random.default_rng(int(self._drawn[task])))
        self.play(self.layouts)

    def play(self, layouts: list[Layout]) -> None:
        """Gives every task the world that is told, until it is renewed; `reset` is up to the caller."""
        self.layouts = layouts
        every = stack(layouts)
        self._table = {name: values[self.task_of] for name, values in every.items()}
        self._starts, self._free = _listed(every["start"]), _listed(~every["wall"])

    def _own_state(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name).copy() for name in _STATE} | {
            "drawn": self._drawn.view(np.int64).copy()
        }

    def _restore_own(self, state: dict[str, np.ndarray]) -> None:
        for name in _STATE:
            getattr(self, name)[:] = state[name]
        self._drawn[:] = np.asarray(state["drawn"]).view(np.uint64)
        self._lay_out(np.arange(self.tasks))


def _listed(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells that are true in a mask, shape (T, C), in front of the others, and how many they are, shape (T,)."""
    return np.argsort(~mask, axis=1, kind="stable"), mask.sum(axis=1)
