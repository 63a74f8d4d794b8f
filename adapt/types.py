"""What the rooms of the deploy half hand to each other. N robots, A actions, O observation, L latent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Belief:
    """What an adapter holds to be true of the robot it is driving. Q named physical quantities."""

    mean: np.ndarray
    """Latent mean. Shape (N, L)."""
    log_std: np.ndarray
    """Latent log standard deviation. Shape (N, L)."""
    parameters: np.ndarray
    """Physical quantities, in the units that the bundle's manifest names. Shape (N, Q)."""
    parameter_std: np.ndarray
    """Their standard deviations, in the same units. Shape (N, Q)."""


class OnlineAdapter(Protocol):
    """Acts, and learns from the robot's own sensor stream which robot it is."""

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Forgets everything about robots `ids`: a new trial."""
        ...

    def act(
        self,
        observation: np.ndarray,
        previous_action: np.ndarray,
        previous_reward: np.ndarray,
        new_episode: np.ndarray,
        listen: np.ndarray,
    ) -> np.ndarray:
        """One control step.

        Args:
            observation: shape (N, O), float32.
            previous_action: what was really sent after the safety filter, in [-1, 1]; shape (N, A), float32.
            previous_reward: shape (N, 1), float32; zeros where none was measured.
            new_episode: 1 where an episode begins; shape (N, 1), float32.
            listen: robots whose readings may be learnt from; the others keep their memory. Shape (N,), bool.

        Returns:
            Actions. Shape (N, A), float32.
        """
        ...

    def belief(self) -> Belief | None:
        """The present belief, or None for an adapter that has none."""
        ...


class HasState(Protocol):
    """Something of which what it has understood can be kept over restarts."""

    def state(self) -> dict[str, np.ndarray]:
        """What has been understood of the robots, float32; empty where nothing is. For a later `restore`."""
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Inverse of `state`, of what may come from a file.

        Raises:
            AdaptError: an array is missing, is of another shape, or is not finite although it must be; names it.
        """
        ...


class KeepsState(OnlineAdapter, HasState, Protocol):
    """An adapter with a state, as all are that a bundle brings."""
