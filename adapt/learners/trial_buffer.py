"""The newest whole trials, for a variational autoencoder to learn from. N simulations, T steps of a trial.

What is heard at a step: observation, previous action, previous reward, whether an episode begins. Step k and step k + 1
together hold the whole transition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sim_tasks.trial_env import TrialVecEnv


@dataclass(frozen=True)
class Trials:
    """B trials of up to T steps, time first."""

    heard: torch.Tensor
    """Shape (T + 1, B, O + A + 2); the last is what came of the last step."""
    length: torch.Tensor
    """Steps that were played. Shape (B,), int."""
    earned: torch.Tensor
    """The true reward of the step before, 0 before the first. Shape (T + 1, B, 1)."""
    task: torch.Tensor
    """True task in the belief's coordinates. Shape (B, Q)."""
    sizes: tuple[int, int]
    """O and A."""

    def observation(self, k: torch.Tensor) -> torch.Tensor:
        """At steps `k`, shape (K,). Shape (K, B, O)."""
        return self.heard[self._rows(k), :, : self.sizes[0]]

    def action(self, k: torch.Tensor) -> torch.Tensor:
        """What was sent at steps `k`. Shape (K, B, A)."""
        return self.heard[self._rows(k + 1), :, self.sizes[0] : sum(self.sizes)]

    def reward(self, k: torch.Tensor) -> torch.Tensor:
        """What steps `k` earned. Shape (K, B, 1)."""
        return self.earned[k + 1]

    def valid(self, k: torch.Tensor, ahead: int = 1) -> torch.Tensor:
        """Whether `k` and the `ahead` - 1 steps after it were played, up to an observation of the same episode.

        Shape (K, B), bool.
        """
        after = k + torch.arange(1, ahead + 1)[:, None]
        begins = self.heard[self._rows(after), :, -1]
        return (k[:, None] + ahead <= self.length) & (begins == 0).all(dim=0)

    def _rows(self, k: torch.Tensor) -> torch.Tensor:
        """Of what is heard before steps `k`; beyond the trial, the last."""
        return k.clamp(max=len(self.heard) - 1)


class TrialBuffer:
    """Writes down the trials that are being played, and keeps the last `capacity` of those that ended."""

    def __init__(self, env: TrialVecEnv, capacity: int):
        self.sizes = env.observation.shape[1], env.previous_action.shape[1]
        size = sum(self.sizes) + 2
        self._now = np.zeros((env.robots, env.trial_steps + 1, size), np.float32)
        self._kept = np.zeros((capacity, env.trial_steps + 1, size), np.float32)
        self._earned_now = np.zeros((env.robots, env.trial_steps + 1, 1), np.float32)
        self._earned = np.zeros((capacity, env.trial_steps + 1, 1), np.float32)
        self._length = np.zeros(capacity, dtype=np.int64)
        self._task = np.zeros((capacity, env.context.shape[1]), np.float32)
        self._whole = np.zeros(env.robots, dtype=bool)
        self._every = np.arange(env.robots)
        self.added = 0
        """Trials that were ever kept."""

    def __len__(self) -> int:
        return min(self.added, len(self._kept))

    def hear(self, env: TrialVecEnv, heard: np.ndarray, earned: np.ndarray) -> None:
        """Before a control step: what all trials hear, shape (N, O + A + 2), and have just earned, shape (N, 1)."""
        self._now[self._every, env.elapsed] = heard
        self._earned_now[self._every, env.elapsed] = earned
        self._whole |= env.elapsed == 0  # trials that were staggered into their middle have no beginning

    def end(self, env: TrialVecEnv, ids: np.ndarray, heard: np.ndarray, earned: np.ndarray) -> None:
        """Trials `ids`, shape (n,), are over: what they hear and earn last, shapes (n, O + A + 2) and (n, 1)."""
        self._now[ids, env.elapsed[ids]] = heard
        self._earned_now[ids, env.elapsed[ids]] = earned
        for robot in ids[self._whole[ids]]:
            place = self.added % len(self._kept)
            self._kept[place], self._earned[place] = self._now[robot], self._earned_now[robot]
            self._length[place] = env.elapsed[robot]
            self._task[place] = env.context[robot]
            self.added += 1
        self._whole[ids] = False

    def sample(self, rows: torch.Tensor) -> Trials:
        """Kept trials `rows`, shape (B,)."""
        chosen = rows.numpy()
        heard, earned = (
            torch.from_numpy(np.ascontiguousarray(each[chosen].swapaxes(0, 1)))
            for each in (self._kept, self._earned)
        )
        length, task = torch.from_numpy(self._length[chosen]), torch.from_numpy(self._task[chosen])
        return Trials(heard, length, earned, task, self.sizes)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        size = len(self)
        return {
            "now": self._now.copy(),
            "kept": self._kept[:size].copy(),
            "earned_now": self._earned_now.copy(),
            "earned": self._earned[:size].copy(),
            "length": self._length[:size].copy(),
            "task": self._task[:size].copy(),
            "whole": self._whole.copy(),
            "added": self.added,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.added = int(state["added"])
        self._now[:], self._whole[:] = np.asarray(state["now"]), np.asarray(state["whole"])
        for name, array in (("kept", self._kept), ("length", self._length), ("task", self._task)):
            array[: len(self)] = np.asarray(state[name])
        # Checkpoints from before the two were told apart: what was heard was what was earned.
        self._earned_now[:] = np.asarray(state.get("earned_now", self._now[..., -2:-1]))
        self._earned[: len(self)] = np.asarray(state.get("earned", self._kept[: len(self), :, -2:-1]))
