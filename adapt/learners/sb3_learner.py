"""What SB3's algorithms need to train here: a learner around one, which plays and learns; its checkpoints; its errors.

N simulations, T steps. Loads stable-baselines3.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
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
        recorded = self.model.logger.name_to_value
        recorded.clear()
        try:
            self._train()
        except ValueError:  # torch refuses a distribution whose mean is not finite
            if all(bool(each.isfinite().all()) for each in self.model.policy.parameters()):
                raise
            return dict.fromkeys(self.losses, math.nan)
        found = {ours: f"train/{theirs}" for ours, theirs in self.losses.items()}
        losses = {name: float(recorded[key]) for name, key in found.items() if key in recorded}
        return losses | self.watched.report()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All that learn, by name."""
        return {"policy": self.model.policy.optimizer}

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        model = self.model
        return self.watched.state() | {
            "policy": model.policy.state_dict(),
            "optimizers": {name: optimizer_state(each) for name, each in self.optimizers().items()},
            "normaliser": normaliser_state(self.normalised),
            "observation": np.array(model._last_obs),
            "episode_starts": np.array(model._last_episode_starts),
            "counts": {"steps": model.num_timesteps, "updates": model._n_updates},
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": _numpy_state(),
            "action_rng": model.action_space.np_random.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        model = self.model
        self.watched.restore(state)
        model.policy.load_state_dict(state["policy"])
        for name, each in self.optimizers().items():
            restore_optimizer(each, state["optimizers"][name])
        restore_normaliser(self.normalised, state["normaliser"])
        model._last_obs = np.asarray(state["observation"]).copy()
        model._last_episode_starts = np.asarray(state["episode_starts"]).copy()
        model.num_timesteps, model._n_updates = state["counts"]["steps"], state["counts"]["updates"]
        torch.set_rng_state(state["torch_rng"])
        _restore_numpy(state["numpy_rng"])
        model.action_space.np_random.bit_generator.state = state["action_rng"]

    @abstractmethod
    def _train(self) -> None:
        """SB3's own update."""

    def _rate(self, _: float) -> float:
        config = self.config
        return config.learning_rate * (1.0 + self._progress * (config.rate_end - 1.0))

    def _begin(self, seed: int) -> None:
        """Silences SB3's logger and begins the episodes."""
        self.model.set_logger(Logger(None, []))
        self.watched.seed(seed * self.config.robots)
        _, self._callback = self.model._setup_learn(self.config.frames)


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
