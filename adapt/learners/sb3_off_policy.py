"""SAC (Haarnoja et al. 2018, arXiv:1812.05905) by stable-baselines3. N simulations, T steps. Loads it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import TrainFreq
from torch import nn

from adapt.learners.sb3 import SB3SACConfig
from adapt.learners.sb3_env import normaliser_module
from adapt.learners.sb3_learner import SB3Learner
from adapt.learners.setup import Setup
from adapt.networks.sb3_steps import ReactiveStep

_STORED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
"""Arrays of a replay buffer, each (size, N, ...)."""


class SACLearner(SB3Learner[SAC]):
    """SB3's SAC: a policy that does not adapt."""

    losses: ClassVar = {
        "actor_loss": "actor_loss",
        "critic_loss": "critic_loss",
        "entropy_weight": "ent_coef",
    }
    config: SB3SACConfig

    def __init__(self, setup: Setup):
        super().__init__(setup)
        config = self.config
        self.model = SAC(
            "MlpPolicy", buffer_size=config.buffer, learning_starts=config.warm_up, tau=config.tau,
            train_freq=config.horizon, policy_kwargs={"net_arch": list(config.hidden)}, **self._common,
        )  # fmt: skip
        self._begin(setup.seed)

    def collect(self) -> int:
        """Plays T steps in all simulations, at random during the warm-up; returns the control steps taken."""
        model = self.model
        assert isinstance(model.train_freq, TrainFreq)
        model.collect_rollouts(
            self.normalised, self._callback, model.train_freq, self._buffer, learning_starts=model.learning_starts
        )  # fmt: skip
        return self.iteration_steps

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All that learn, by name."""
        model = self.model
        assert model.ent_coef_optimizer is not None
        return {
            "actor": model.actor.optimizer,
            "critic": model.critic.optimizer,
            "entropy_weight": model.ent_coef_optimizer,
        }

    def step(self) -> nn.Module:
        """The policy's control step on a robot."""
        actor = self.model.actor
        return ReactiveStep(
            nn.Sequential(normaliser_module(self.normalised), actor.latent_pi, actor.mu, nn.Tanh())
        )

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        buffer, model = self._buffer, self.model
        assert model.log_ent_coef is not None
        return super().state() | {
            "log_entropy_weight": model.log_ent_coef,
            "original_observation": np.array(model._last_original_obs),
            "buffer": {name: getattr(buffer, name)[: buffer.size()] for name in _STORED}
            | {"position": buffer.pos, "full": buffer.full},
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        super().restore(state)
        model, buffer, saved = self.model, self._buffer, state["buffer"]
        assert model.log_ent_coef is not None
        model.log_ent_coef.copy_(state["log_entropy_weight"])
        model._last_original_obs = np.asarray(state["original_observation"]).copy()
        buffer.pos, buffer.full = saved["position"], saved["full"]
        for name in _STORED:
            getattr(buffer, name)[: buffer.size()] = np.asarray(saved[name])

    @property
    def _buffer(self) -> ReplayBuffer:
        buffer = self.model.replay_buffer
        assert buffer is not None
        return buffer

    def _train(self) -> None:
        steps = self.iteration_steps if self.config.gradient_steps < 0 else self.config.gradient_steps
        if self.model.num_timesteps > self.model.learning_starts and steps:
            self.model.train(steps, self.config.batch)
