"""`Layout`: one grid world as tables, so that worlds of every kind are stepped by the same few lines.

The canvas has `SIZE` x `SIZE` cells, numbered row by row; smaller worlds are walled off in it. Actions are 0 stay,
1 up, 2 down, 3 left, 4 right.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

SIZE = 7
CELLS = SIZE * SIZE
ACTIONS = 5
OBJECTS = 4
"""How many objects a world may have."""
_MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
_ROW, _COLUMN = np.divmod(np.arange(CELLS), SIZE)


@dataclass
class Layout:
    """One world. C cells, A actions, K objects; object k is the same thing wherever it lies."""

    wall: np.ndarray
    """Shape (C,), bool."""
    horizon: int
    """Steps of an episode that nothing ends before."""
    start: np.ndarray
    """Cells that episodes may begin in. Shape (C,), bool."""
    target: np.ndarray = field(default_factory=lambda: np.zeros((CELLS, ACTIONS), np.int64))
    """Where an action leads. Shape (C, A)."""
    cost: np.ndarray = field(default_factory=lambda: np.zeros((CELLS, ACTIONS), np.float32))
    """Reward of the move itself. Shape (C, A)."""
    ends: np.ndarray = field(default_factory=lambda: np.zeros(CELLS, bool))
    """Cells that end the episode. Shape (C,), bool."""
    slip: float = 0.0
    """Probability that a random action is taken in place of the agent's."""
    wind: float = 0.0
    """Probability that the action `down` is taken in place of the agent's."""
    paid_late: bool = False
    """Whether all reward is paid with the episode's last step alone."""
    roams: bool = False
    """Whether objects lie elsewhere in every episode and after every return; else always at `place`."""
    present: np.ndarray = field(default_factory=lambda: np.zeros(OBJECTS, bool))
    """Which objects there are. Shape (K,), bool."""
    place: np.ndarray = field(default_factory=lambda: np.zeros(OBJECTS, np.int64))
    """Cells of the objects. Shape (K,)."""
    reward: np.ndarray = field(default_factory=lambda: np.zeros(OBJECTS, np.float32))
    """Of collecting them. Shape (K,)."""
    ending: np.ndarray = field(default_factory=lambda: np.zeros(OBJECTS))
    """Probability that collecting ends the episode. Shape (K,)."""
    returning: np.ndarray = field(default_factory=lambda: np.zeros(OBJECTS))
    """Probability per step that a collected object is back. Shape (K,)."""

    def add(self, index: int, place: int, reward: float, ending: float = 0.0, returning: float = 0.0) -> None:
        """Puts object `index` into a cell."""
        self.present[index], self.place[index], self.reward[index] = True, place, reward
        self.ending[index], self.returning[index] = ending, returning

    def key(self) -> bytes:
        """What tells this world's structure from others'."""
        where = np.where(self.present, self.place, -1)
        parts = (self.wall, where, self.start, self.ends, self.target)
        return b"".join(part.tobytes() for part in parts)


def cell(row: int, column: int) -> int:
    """Number of a cell."""
    return row * SIZE + column


def walks(wall: np.ndarray) -> np.ndarray:
    """Where the five actions lead between walls, shape (C,): walls and the border stop. Shape (C, A)."""
    target = np.zeros((CELLS, ACTIONS), np.int64)
    for action, (down, right) in enumerate(_MOVES):
        row, column = np.clip(_ROW + down, 0, SIZE - 1), np.clip(_COLUMN + right, 0, SIZE - 1)
        ahead = row * SIZE + column
        target[:, action] = np.where(wall[ahead], np.arange(CELLS), ahead)
    return target


def distances(target: np.ndarray, start: int) -> np.ndarray:
    """Fewest steps from a cell to all, shape (C,); -1 where none lead."""
    found = np.full(CELLS, -1)
    found[start], edge, steps = 0, np.array([start]), 0
    while len(edge):
        steps += 1
        ahead = np.unique(target[edge])
        edge = ahead[found[ahead] < 0]
        found[edge] = steps
    return found


def stack(layouts: list[Layout]) -> dict[str, np.ndarray]:
    """Fields of T worlds, each shape (T, ...)."""
    return {item.name: np.stack([getattr(one, item.name) for one in layouts]) for item in fields(Layout)}
