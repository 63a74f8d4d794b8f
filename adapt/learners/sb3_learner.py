"""What SB3's algorithms need to train here: a learner around one, which plays and learns; its checkpoints; its errors.

N simulations, T steps. Loads stable-baselines3.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.learners.sb3_env import Watched, normaliser_state, restore_normaliser
from adapt.learners.setup import Setup
from sim_tasks.doors.sb3_env import AdaptVecEnv

Model = TypeVar("Model", bound=BaseAlgorithm)


class SB3Learner(ABC, Generic[Model]):
    """What all of them have in common.

    Simulation i of seed s draws from seed N s + i, so that trainings with other seeds meet other tasks. SB3 seeds and
    uses the global generators of torch and numpy.
    """

    losses: ClassVar[dict[str, str]]
    """Our names of what SB3 records in an update, and its own."""
    model: Model

    def __init__(self, setup: Setup, *, hears_past: bool = False, scale_rewards: bool = False):
        config = self.config = setup.config
        door = AdaptVecEnv(setup.family, config.robots, threads=setup.threads)
        self.watched = Watched(door, hears_past)
        self.normalised = VecNormalize(
            self.watched, norm_obs=config.normalise, norm_reward=scale_rewards, gamma=config.gamma
        )
        self.env = door.trials
        self.iteration_steps = config.robots * config.horizon
        self._progress = 0.0
        self._common: dict[str, Any] = {
            "env": self.normalised, "seed": setup.seed, "device": "cpu", "gamma": config.gamma,
            "learning_rate": self._rate, "batch_size": config.batch,
        }  # fmt: skip

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rate."""
        self._progress = fraction
        self.model._update_learning_rate(list(self.optimizers().values()))

    def update(self) -> dict[str, float]:
        """SB3's update on what was collected; returns mean losses, none before learning starts."""
        return learn(self.model, self._train, self.losses) | self.watched.report()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All that learn, by name."""
        return {"policy": self.model.policy.optimizer}

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        algorithm = algorithm_state(self.model, self.optimizers())
        return self.watched.state() | algorithm | {"normaliser": normaliser_state(self.normalised)}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.watched.restore(state)
        restore_normaliser(self.normalised, state["normaliser"])
        restore_algorithm(self.model, self.optimizers(), state)

    @abstractmethod
    def _train(self) -> None:
        """SB3's own update."""

    def _rate(self, _: float) -> float:
        config = self.config
        return config.learning_rate * (1.0 + self._progress * (config.rate_end - 1.0))

    def _begin(self, seed: int) -> None:
        """Begins the episodes."""
        self.watched.seed(seed * self.config.robots)
        self._callback = begin(self.model, self.config.frames)


def begin(model: BaseAlgorithm, frames: int) -> BaseCallback:
    """Silences SB3's logger and begins the episodes; what rollouts are collected with."""
    model.set_logger(Logger(None, []))
    return model._setup_learn(frames)[1]


def learn(model: BaseAlgorithm, train: Callable[[], None], names: Mapping[str, str]) -> dict[str, float]:
    """SB3's update; mean losses that it recorded, by our names of its own ones, none before learning starts."""
    recorded = model.logger.name_to_value
    recorded.clear()
    try:
        train()
    except ValueError:  # torch refuses a distribution whose mean is not finite
        if all(bool(each.isfinite().all()) for each in model.policy.parameters()):
            raise
        return dict.fromkeys(names, math.nan)
    found = {ours: f"train/{theirs}" for ours, theirs in names.items()}
    return {name: float(recorded[key]) for name, key in found.items() if key in recorded}


def algorithm_state(model: BaseAlgorithm, optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Any]:
    """All that an algorithm of SB3 goes on from, but for its environments."""
    return {
        "policy": model.policy.state_dict(),
        "optimizers": {name: optimizer_state(each) for name, each in optimizers.items()},
        "observation": np.array(model._last_obs),
        "episode_starts": np.array(model._last_episode_starts),
        "counts": {"steps": model.num_timesteps, "updates": model._n_updates},
        "torch_rng": torch.get_rng_state(),
        "numpy_rng": _numpy_state(),
        "action_rng": model.action_space.np_random.bit_generator.state,
    }


def restore_algorithm(
    model: BaseAlgorithm, optimizers: Mapping[str, torch.optim.Optimizer], state: dict[str, Any]
) -> None:
    """Inverse of `algorithm_state`."""
    model.policy.load_state_dict(state["policy"])
    for name, each in optimizers.items():
        restore_optimizer(each, state["optimizers"][name])
    model._last_obs = np.asarray(state["observation"]).copy()
    model._last_episode_starts = np.asarray(state["episode_starts"]).copy()
    model.num_timesteps, model._n_updates = state["counts"]["steps"], state["counts"]["updates"]
    torch.set_rng_state(state["torch_rng"])
    _restore_numpy(state["numpy_rng"])
    model.action_space.np_random.bit_generator.state = state["action_rng"]


def _numpy_state() -> dict[str, Any]:
    """Of numpy's global generator, from which SB3 draws its minibatches."""
    state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    keys = state["state"]["key"].astype(np.int64)  # safetensors' readers differ on unsigned integers
    return {
        "keys": keys, "position": int(state["state"]["pos"]),
        "gauss": {"held": int(state["has_gauss"]), "value": float(state["gauss"])},
    }  # fmt: skip


def _restore_numpy(state: dict[str, Any]) -> None:
    keys, gauss = np.asarray(state["keys"]).astype(np.uint32), state["gauss"]
    np.random.set_state(("MT19937", keys, state["position"], gauss["held"], gauss["value"]))  # noqa: NPY002
