"""The registered learners, by name: how each is built on a family and how long it trains by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from adapt.errors import AdaptError
from adapt.learners.belief import BeliefConfig, BeliefLearner
from adapt.learners.bounds import BoundLearner
from adapt.learners.ppo import PPOConfig
from adapt.networks.policy import Critic, GaussianPolicy
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

Teacher = tuple[GaussianPolicy, Critic]
"""Policy and critic of an oracle."""


class Learner(Protocol):
    """Trains over trials. No logging inside."""

    env: TrialVecEnv

    def set_progress(self, fraction: float) -> None: ...

    def collect(self) -> int: ...

    def update(self) -> dict[str, float]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class LearnerKind:
    """A registered learner."""

    build: Callable[[TaskFamily, int, int, Teacher | None], Learner]
    """From family, seed, simulation threads and teacher."""
    config: object
    iterations: int
    """Default number of iterations; an iteration is one `collect` and one `update`."""
    needs_teacher: bool = False
    about: str = ""


def _build_ppo(told_task: bool, stream: int) -> Callable[..., BoundLearner]:
    def build(family: TaskFamily, seed: int, threads: int, teacher: Teacher | None) -> BoundLearner:
        config = PPOConfig()
        env = TrialVecEnv(family, config.robots, seed, stream=stream, threads=threads)
        env.stagger()
        return BoundLearner(env, seed, told_task=told_task, config=config)

    return build


def _build_belief(family: TaskFamily, seed: int, threads: int, teacher: Teacher | None) -> BeliefLearner:
    if teacher is None:
        raise AdaptError("belief: needs a teacher, policy and critic of an oracle run")
    config = BeliefConfig()
    env = TrialVecEnv(family, config.robots, seed, stream=2, threads=threads, episodes=2)
    env.stagger(config.horizon)
    return BeliefLearner(env, seed, teacher, config)


LEARNERS: dict[str, LearnerKind] = {
    "dr": LearnerKind(
        _build_ppo(told_task=False, stream=0), PPOConfig(), 180,
        about="PPO under domain randomisation, no adaptation: the lower bound",
    ),
    "oracle": LearnerKind(
        _build_ppo(told_task=True, stream=1), PPOConfig(), 180,
        about="PPO that is told the task: the upper bound, and the belief's teacher",
    ),
    "belief": LearnerKind(
        _build_belief, BeliefConfig(), 45, needs_teacher=True,
        about="GRU belief over the task, reward-free, with the oracle's policy on it",
    ),
}  # fmt: skip


def learner_kind(name: str) -> LearnerKind:
    """A registered learner.

    Raises:
        AdaptError: the name is not registered; the message lists the valid ones.
    """
    if name not in LEARNERS:
        raise AdaptError(f"unknown learner {name!r}; valid: {', '.join(LEARNERS)}")
    return LEARNERS[name]
