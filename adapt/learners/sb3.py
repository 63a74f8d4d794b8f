"""PPO, SAC and RecurrentPPO as stable-baselines3 and sb3-contrib have them: configurations, and how they are built.

Defaults are SB3's own; where RL Baselines3 Zoo has another value for MuJoCo's bodies (`mujoco-defaults`), that one, and
the field says so. SB3 itself is loaded when one of them is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapt.learners.environments import EnvironmentConfig
from adapt.learners.setup import DiscreteSetup, Setup
from adapt.ranges import ranged

if TYPE_CHECKING:
    from adapt.learners.sb3_discrete import DiscretePPOLearner
    from adapt.learners.sb3_off_policy import SACLearner
    from adapt.learners.sb3_on_policy import PPOLearner, RecurrentPPOLearner


@dataclass(frozen=True)
class SB3PPOConfig:
    """Hyperparameters of `sb3_ppo`."""

    frames: int = 1_000_000
    """Control steps of the whole training; the Zoo's."""
    robots: int = 16
    """Simulations side by side, N; with `horizon`, as many control steps per update as SB3 has by default: 2048."""
    horizon: int = 128
    """Control steps per simulation and update, T."""
    batch: int = 64
    """Control steps per minibatch; has to divide N T."""
    epochs: int = 10
    """Passes over the data of one update."""
    gamma: float = ranged(0.99, 0.0, 1.0)
    """Discount per control step."""
    gae_lambda: float = ranged(0.95, 0.0, 1.0)
    learning_rate: float = 3e-4
    """Of Adam."""
    rate_end: float = 1.0
    """What of the learning rate is left at the end: SB3 keeps it, the Zoo's `lin_` lets it fall to 0."""
    clip: float = 0.2
    entropy: float = 0.0
    value_weight: float = 0.5
    max_gradient: float = 0.5
    """Gradients are clipped to this norm."""
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers, of policy and critic."""
    log_std: float = ranged(0.0, -5.0, 2.0)
    """Logarithm of the actions' standard deviation at the start."""
    normalise: bool = True
    """Whether observations are brought to zero mean and unit variance, by `VecNormalize`; the Zoo's."""
    scale_rewards: bool = True
    """Whether rewards are learnt at unit variance of the return, by `VecNormalize`; the Zoo's."""


@dataclass(frozen=True)
class SB3RecurrentPPOConfig(SB3PPOConfig):
    """Hyperparameters of `sb3_recurrent_ppo`."""

    batch: int = 128
    """Control steps per minibatch; has to divide N T."""
    lstm: int = 256
    """Units of the LSTM, H; policy and critic have one each."""
    hears_past: bool = True
    """Whether the memory hears the previous action, and the previous reward where the family says that it can be
    measured (Duan et al. 2016, arXiv:1611.02779); SB3 has the observation alone."""


@dataclass(frozen=True)
class SB3SACConfig:
    """Hyperparameters of `sb3_sac`."""

    frames: int = 1_000_000
    """Control steps of the whole training; the Zoo's."""
    robots: int = 8
    """Simulations side by side, N; 0: as many per core as usual on two. SB3 has one."""
    horizon: int = 8
    """Control steps per simulation and update, T. SB3 has one."""
    gradient_steps: int = ranged(-1, -1)
    """Per update; -1: as many as control steps were taken, as SB3's default on one simulation."""
    buffer: int = 100_000
    """Control steps that are remembered. SB3's million would be saved with every checkpoint."""
    warm_up: int = ranged(10_000, 0)
    """Control steps with random actions, before learning starts; the Zoo's."""
    batch: int = 256
    """Control steps per gradient step."""
    gamma: float = ranged(0.99, 0.0, 1.0)
    """Discount per control step."""
    tau: float = ranged(0.005, 0.0, 1.0)
    """How much of the critics goes into their slow copies per gradient step."""
    learning_rate: float = 3e-4
    """Of Adam: actor, critics and entropy weight."""
    rate_end: float = 1.0
    """What of the learning rate is left at the end: SB3 keeps it, the Zoo's `lin_` lets it fall to 0."""
    hidden: tuple[int, ...] = (256, 256)
    """Sizes of the hidden layers, of actor and critics."""
    normalise: bool = True
    """Whether observations are brought to zero mean and unit variance, by `VecNormalize`. The Zoo does so on some."""


@dataclass(frozen=True)
class SB3DiscretePPOConfig(EnvironmentConfig):
    """Hyperparameters of `sb3_discrete_ppo`: all of them the Zoo's for Atari (`atari`), but for the layers."""

    envs: int = 8
    """Environments side by side, N."""
    frames: int = 10_000_000
    """Steps of all environments, of the whole training."""
    horizon: int = 128
    """Steps per environment and update, T."""
    batch: int = 256
    """Steps per minibatch; has to divide N T."""
    epochs: int = 4
    """Passes over the data of one update."""
    gamma: float = ranged(0.99, 0.0, 1.0)
    """Discount per step."""
    gae_lambda: float = ranged(0.95, 0.0, 1.0)
    learning_rate: float = 2.5e-4
    """Of Adam."""
    clip: float = 0.1
    end: float = 0.0
    """What of learning rate and `clip` is left at the end; the Zoo's `lin_`."""
    entropy: float = 0.01
    value_weight: float = 0.5
    max_gradient: float = 0.5
    """Gradients are clipped to this norm."""
    dense: tuple[int, ...] = (256,)
    """Layers that policy and critic share, after the convolutions where observations are pictures."""
    convolutions: str = "dqn"
    """`dqn` (Mnih et al. 2013), or `nature` (2015), which is SB3's with a dense layer of 512."""


def build_sb3_ppo(setup: Setup) -> PPOLearner:
    from adapt.learners.sb3_on_policy import PPOLearner

    return PPOLearner(setup)


def build_sb3_recurrent_ppo(setup: Setup) -> RecurrentPPOLearner:
    from adapt.learners.sb3_on_policy import RecurrentPPOLearner

    return RecurrentPPOLearner(setup)


def build_sb3_sac(setup: Setup) -> SACLearner:
    from adapt.learners.sb3_off_policy import SACLearner

    return SACLearner(setup)


def build_sb3_discrete_ppo(setup: DiscreteSetup) -> DiscretePPOLearner:
    from adapt.learners.sb3_discrete import DiscretePPOLearner

    return DiscretePPOLearner(setup)
