"""What a learner is built from, and what every learner can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from adapt.networks.policy import Critic, GaussianPolicy
from sim_tasks.family import TaskFamily

Teacher = tuple[GaussianPolicy, Critic]
"""Policy and critic of an oracle, or of a policy that was told nothing."""


class Learner(Protocol):
    """Trains over trials. No logging inside."""

    env: Any
    """Where it trains: a `TrialVecEnv`, or a `DiscreteEnv` of learners whose actions are discrete."""
    iteration_steps: int
    """Control steps that one `collect` takes."""

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets learning rates."""
        ...

    def collect(self) -> int:
        """The data of one iteration; returns the control steps taken."""
        ...

    def update(self) -> dict[str, float]:
        """Learns from it; returns mean losses, and `reward` per control step."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        ...

    def restore(self, state: dict[str, Any]) -> None: ...


class DiscreteLearner(Learner, Protocol):
    """A learner of discrete actions. N environments, J joints, A actions."""

    config: Any
    """An `EnvironmentConfig`."""

    def act(self, observation: np.ndarray, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Logits, shape (N, J, A), and actions drawn by them, (N, J), in states, shape (N, ...)."""
        ...


@dataclass(frozen=True)
class Setup:
    """What a learner is built from."""

    family: TaskFamily
    config: Any
    """The learner's own configuration."""
    seed: int = 0
    threads: int = 0
    """Of the simulation; 0 for all cores."""
    teacher: Teacher | None = None


@dataclass(frozen=True)
class DiscreteSetup:
    """What a learner of discrete actions is built from."""

    environment: str
    """A name that `sim_tasks.discrete.make` knows."""
    config: Any
    """The learner's own configuration."""
    seed: int = 0
    threads: int = 0
    """Of the simulation; 0 for all cores."""


@dataclass(frozen=True)
class LearnerKind:
    """A registered learner."""

    build: Callable[..., Learner]
    """Takes a `Setup`, or where it is `discrete` a `DiscreteSetup`."""
    config: Any
    """Default configuration, a frozen dataclass; its field `frames` says how long to train, in control steps."""
    needs_teacher: bool = False
    about: str = ""
    discrete: bool = False
    """Whether its actions are discrete: it trains in an environment of `sim_tasks.discrete`, not only on families."""
    pin: Callable[[Any], Any] | None = None
    """Makes a configuration say all that a run has to be begun with again, such as the hash of a file."""
