"""Catch: a ball falls, a paddle catches it (Mnih et al. 2014, arXiv:1406.6247; as in bsuite, arXiv:1908.03568)."""

from __future__ import annotations

import re

import numpy as np

from sim_tasks.discrete.protocol import DiscreteEnv
from sim_tasks.errors import TaskError

_SIZE = re.compile(r"(\d+)x(\d+)")


class Catch(DiscreteEnv):
    """The ball starts in a column of the top row, the paddle in the middle of the bottom one; actions 0, 1, 2 move it
    left, not, right. An episode is `rows` - 1 steps; its only reward is the last one's: +1 (a win) or -1.

    Observation: the board, shape (rows, columns), 1 where ball and paddle are. All its tasks are the same.

    Raises:
        TaskError: fewer than 2 rows or 1 column.
    """

    def __init__(
        self,
        envs: int,
        seed: int,
        *,
        size: str = "8x8",
        split: str = "train",
        tasks: int = 1,
    ):
        match = _SIZE.fullmatch(size)
        self.rows, self.columns = (int(match[1]), int(match[2])) if match else (0, 0)
        if self.rows < 2 or self.columns < 1:
            raise TaskError(
                f"size {size!r} of Catch; valid: rows x columns, as 8x8, 2 rows and 1 column at least"
            )
        super().__init__(
            f"catch:{size}",
            envs,
            seed,
            actions=3,
            observation_shape=(self.rows, self.columns),
            split=split,
            tasks=tasks,
        )
        self._ball, self._height, self._paddle = np.zeros((3, envs), np.int64)
        """Columns of ball and paddle, and the ball's row from above. Shape (N,)."""
        self.reset()

    def _advance(self, action: np.ndarray) -> None:
        self._paddle += action[:, 0]
        self._paddle -= 1
        np.clip(self._paddle, 0, self.columns - 1, out=self._paddle)
        self._height += 1
        np.equal(self._height, self.rows - 1, out=self.last)
        self.reward[:] = np.where(self._ball == self._paddle, 1.0, -1.0)
        self.reward *= self.last

    def _begin(self, ids: np.ndarray) -> None:
        self._ball[ids] = self.random.rows(ids).integers(0, self.columns, (len(ids),))
        self._height[ids] = 0
        self._paddle[ids] = self.columns // 2

    def _observe(self) -> None:
        self.observation.fill(0.0)
        self.observation[self._all, self._height, self._ball] = 1.0
        self.observation[self._all, self.rows - 1, self._paddle] = 1.0

    def _own_state(self) -> dict[str, np.ndarray]:
        return {"ball": self._ball.copy(), "height": self._height.copy(), "paddle": self._paddle.copy()}

    def _restore_own(self, state: dict[str, np.ndarray]) -> None:
        self._ball[:], self._height[:], self._paddle[:] = state["ball"], state["height"], state["paddle"]
