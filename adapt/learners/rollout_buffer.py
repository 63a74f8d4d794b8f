"""Rollouts that an agent learns from more than once: the newest ones, in a fixed place in memory.

N environments, R observations of a rollout, J joints, A actions, B rollouts of a batch, K frames of an observation.
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
        stacked: int = 1,
    ):
        """`stacked`: K, see `DiscreteEnv.stacked`."""
        lead = (capacity, length)
        self._stacked = stacked
        shape = (length + stacked - 1, *(observation[1:] if stacked > 1 else observation))
        self.observation = np.zeros((capacity, *shape), dtype)
        """As the environments gave them: pictures stay bytes. Shape (capacity, R, ...); where they are stacks, all
        frames of the first and the newest of each other: (capacity, R + K - 1, ...)."""
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

    def observe(self, places: np.ndarray, t: int, observation: np.ndarray) -> None:
        """Writes observation t of the rollouts in some places; before it, `last` of the one before has to be written.

        Args:
            places: shape (n,).
            t: in [0, R).
            observation: shape (n, ...).

        Raises:
            ValueError: it is not the stack that the environment has promised.
        """
        if self._stacked == 1:
            self.observation[places, t] = observation
            return
        if t == 0:
            self.observation[places, : self._stacked] = observation
        else:
            self.observation[places, t + self._stacked - 1] = observation[:, -1]
        if not np.array_equal(self._observations(places, t, t + 1)[0], observation):
            raise ValueError(
                f"observation {t} is no stack of the newest {self._stacked} frames of its episode"
            )

    def sample(self, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Rollouts drawn with replacement: all fields, time first. Shapes (R, count, ...)."""
        places = rng.integers(self._size, size=count)
        drawn = {name: _time_first(getattr(self, name)[places]) for name in FIELDS if name != "observation"}
        return {"observation": self._observations(places, 0, self.reward.shape[1]), **drawn}

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
            if name == "observation" and self._stacked > 1 and kept.ndim == field.ndim + 1:
                kept = _newest_frames(kept)  # of a version that kept whole stacks
            if kept.shape != (size, *field.shape[1:]) or size > len(field) or kept.dtype != field.dtype:
                raise ValueError(
                    f"rollouts' {name}: {kept.shape} of {kept.dtype}; expected at most {field.shape} of {field.dtype}"
                )
            field[:size] = kept
        self._next, self._size = state["next"], size

    def _observations(self, places: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Observations from `begin` to before `end` of the rollouts in some places. Shape (end - begin, B, ...)."""
        if self._stacked == 1:
            return _time_first(self.observation[places, begin:end])
        steps, frames = np.arange(end)[:, None], np.arange(self._stacked)
        first = np.zeros((end, len(places)), np.int64)
        first[1:] = np.where(self.last[places, : end - 1].T, steps[1:], 0)
        # Observations that the episodes began with; 0 if that was in a rollout before.
        first = np.maximum.accumulate(first, axis=0)[begin:, :, None]
        index = steps[begin:, :, None] + frames
        found = self.observation[places[:, None], index]
        found[(first > 0) & (index < first + self._stacked - 1)] = 0
        return found


def _time_first(drawn: np.ndarray) -> np.ndarray:
    """(B, R, ...) to (R, B, ...). Drawn first: `np.take` along a later axis copies the whole buffer."""
    return np.ascontiguousarray(drawn.swapaxes(0, 1))


def _newest_frames(stacks: np.ndarray) -> np.ndarray:
    """All frames of the first observation of each rollout and the newest of the others, from (size, R, K, ...)."""
    return np.concatenate([stacks[:, 0], stacks[:, 1:, -1]], axis=1)
