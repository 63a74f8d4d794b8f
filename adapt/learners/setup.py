"""What a learner is built from, and what every learner can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from adapt.networks.policy import Critic, GaussianPolicy
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

Teacher = tuple[GaussianPolicy, Critic]
"""Policy and critic of an oracle, or of a policy that was told nothing."""


class Learner(Protocol):
    """Trains over trials. No logging inside."""

    env: TrialVecEnv
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
class LearnerKind:
    """A registered learner."""

    build: Callable[[Setup], Learner]
    config: Any
    """Default configuration, a frozen dataclass; its field `frames` says how long to train, in control steps."""
    needs_teacher: bool = False
    about: str = ""
