"""Rollouts that an agent learns from more than once: the newest ones, in a fixed place in memory.

N environments, R observations of a rollout, J joints, A actions, B rollouts of a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FIELDS = ("observation", "action", "reward", "last", "logits")


class RolloutBuffer:
    """The newest `capacity` rollouts; where it is full, a rollout takes the oldest one's place."""

    def __init__(
        self,
        capacity: int,
        length: int,
        observation: tuple[int, ...],
        dtype: np.dtype[Any],
        joints: int,
        actions: int,
    ):
        lead = (capacity, length)
        self.observation = np.zeros((*lead, *observation), dtype)
        """As the environments gave them: pictures stay bytes. Shape (capacity, R, ...)."""
        self.action = np.zeros((*lead, joints), np.int64)
        """Taken in them. Shape (capacity, R, J)."""
        self.reward = np.zeros(lead, np.float32)
        """That came with each observation, of the action before it. Shape (capacity, R)."""
        self.last = np.zeros(lead, dtype=bool)
        """Whether an observation ended an episode. Shape (capacity, R)."""
        self.logits = np.zeros((*lead, joints, actions), np.float32)
        """That the actions were drawn by. Shape (capacity, R, J, A)."""
        self._next, self._size = 0, 0

    def __len__(self) -> int:
        """Rollouts that there are."""
        return self._size

    def begin(self, count: int) -> np.ndarray:
        """Makes room for `count` new rollouts; their places, shape (count,), to be written to in the fields.

        Raises:
            ValueError: the buffer has fewer places.
        """
        capacity = len(self.reward)
        if count > capacity:
            raise ValueError(f"{count} rollouts at once; the buffer holds {capacity}")
        places = (self._next + np.arange(count)) % capacity
        self._next = (self._next + count) % capacity
        self._size = min(self._size + count, capacity)
        return places

    def sample(self, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Rollouts drawn with replacement: all fields, time first. Shapes (R, count, ...)."""
        places = rng.integers(self._size, size=count)
        return {name: np.take(getattr(self, name).swapaxes(0, 1), places, axis=1) for name in FIELDS}

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs: the rollouts that there are."""
        kept: dict[str, Any] = {name: getattr(self, name)[: self._size].copy() for name in FIELDS}
        return kept | {"next": self._next, "size": self._size}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            ValueError: it is of a buffer of other rollouts.
        """
        size = state["size"]
        for name in FIELDS:
            field, kept = getattr(self, name), np.asarray(state[name])
            if kept.shape != (size, *field.shape[1:]) or size > len(field) or kept.dtype != field.dtype:
                raise ValueError(
                    f"rollouts' {name}: {kept.shape} of {kept.dtype}; expected at most {field.shape} of {field.dtype}"
                )
            field[:size] = kept
        self._next, self._size = state["next"], size
