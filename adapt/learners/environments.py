"""Where learners of discrete actions live: what of an environment is theirs to choose, and how it is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from adapt.learners.setup import DiscreteSetup
from adapt.ranges import ranged
from sim_tasks.discrete import DiscreteEnv, is_atari, is_robot, make


@dataclass(frozen=True)
class AtariConfig:
    """How Atari games are played."""

    sticky: float = ranged(0.25, 0.0, 1.0)
    """Probability that the emulator repeats its action before, at every frame."""
    full_actions: bool = True
    """All 18 actions, or those alone that do something in a game."""
    clip: bool = False
    """Whether rewards that are learnt from are cut to [-1, 1]; returns are scores in any case."""


@dataclass(frozen=True)
class EnvironmentConfig:
    """What all learners of discrete actions have in common."""

    envs: int = 2
    """Environments side by side, N."""
    bins: int = ranged(5, 2)
    """Actions of each joint of a robot, A; other environments have their own."""
    repeat: int = ranged(1, 1)
    """Control steps that a robot's action is held for."""
    joint: bool = False
    """Whether one action stands for the bins of all of a robot's joints; else every joint has a policy of its own."""
    one_task: bool = False
    """Whether a robot stays the same for the whole training, as the seed draws it; else every episode has another."""
    atari: AtariConfig = field(default_factory=AtariConfig)
    """Of Atari games alone."""


def environment(setup: DiscreteSetup, envs: int = 0, split: str = "train") -> DiscreteEnv:
    """A learner's environments, or as many as `envs` says, on tasks of a split. Robots are another one in every
    episode, unless the configuration says otherwise.

    Raises:
        TaskError: no such environment; the message lists the valid ones.
    """
    config: EnvironmentConfig = setup.config
    count = envs or config.envs
    options: dict[str, Any] = {}
    if is_robot(setup.environment):
        options = {
            "bins": config.bins,
            "repeat": config.repeat,
            "joint": config.joint,
            "threads": setup.threads,
        }
        options |= {} if config.one_task else {"tasks": count, "change": "episode"}
    elif is_atari(setup.environment):
        options = {"threads": setup.threads, **asdict(config.atari)}
    return make(setup.environment, count, setup.seed, split, **options)
