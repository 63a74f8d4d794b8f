"""PPO (Schulman et al. 2017, arXiv:1707.06347) by stable-baselines3, and with an LSTM by sb3-contrib.

N simulations, T steps. Loads both.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3 import PPO
from torch import nn

from adapt.errors import AdaptError
from adapt.learners.sb3 import SB3PPOConfig, SB3RecurrentPPOConfig
from adapt.learners.sb3_env import normaliser_module
from adapt.learners.sb3_learner import SB3Learner
from adapt.learners.setup import Setup
from adapt.networks.sb3_steps import LSTMStep, ReactiveStep, RewardLSTMStep

OnPolicy = TypeVar("OnPolicy", bound=PPO | RecurrentPPO)


class OnPolicyLearner(SB3Learner[OnPolicy]):
    """PPO, with a memory or without."""

    losses: ClassVar = {
        "policy_loss": "policy_gradient_loss", "value_loss": "value_loss", "entropy_loss": "entropy_loss",
        "kl": "approx_kl", "std": "std",
    }  # fmt: skip

    def __init__(self, setup: Setup):
        """
        Raises:
            AdaptError: minibatches do not divide the data of an update.
        """
        config: SB3PPOConfig = setup.config
        if config.batch < 2 or config.robots * config.horizon % config.batch:
            raise AdaptError(
                f"batch: {config.batch}; expected a divisor, above 1, of robots x horizon = "
                f"{config.robots * config.horizon}"
            )
        super().__init__(
            setup, hears_past=getattr(config, "hears_past", False), scale_rewards=config.scale_rewards
        )
        self._common |= {
            "n_steps": config.horizon, "n_epochs": config.epochs, "gae_lambda": config.gae_lambda,
            "clip_range": config.clip, "ent_coef": config.entropy, "vf_coef": config.value_weight,
            "max_grad_norm": config.max_gradient,
        }  # fmt: skip
        self._policy_kwargs = {"net_arch": list(config.hidden), "log_std_init": config.log_std}
        self.model = self._make()
        self._begin(setup.seed)

    def collect(self) -> int:
        """Plays T steps in all simulations with the present policy; returns the control steps taken."""
        model = self.model
        model.collect_rollouts(self.normalised, self._callback, model.rollout_buffer, model.n_steps)
        return self.iteration_steps

    @abstractmethod
    def _make(self) -> OnPolicy:
        """SB3's algorithm."""

    def _train(self) -> None:
        self.model.train()

    def _head(self) -> nn.Module:
        """From features to the mean of the actions."""
        policy = self.model.policy
        return nn.Sequential(policy.mlp_extractor.policy_net, policy.action_net)


class PPOLearner(OnPolicyLearner[PPO]):
    """SB3's PPO: a policy that does not adapt."""

    def step(self) -> nn.Module:
        """The policy's control step on a robot."""
        return ReactiveStep(nn.Sequential(normaliser_module(self.normalised), self._head()))

    def _make(self) -> PPO:
        return PPO("MlpPolicy", policy_kwargs=self._policy_kwargs, **self._common)


class RecurrentPPOLearner(OnPolicyLearner[RecurrentPPO]):
    """sb3-contrib's RecurrentPPO: an LSTM that remembers the episode."""

    config: SB3RecurrentPPOConfig

    def step(self) -> nn.Module:
        """The policy's control step on a robot."""
        policy, hears = self.model.policy, self.watched
        assert isinstance(policy, RecurrentActorCriticPolicy)
        parts = normaliser_module(self.normalised), policy.lstm_actor, self._head()
        if hears.hears_reward:
            return RewardLSTMStep(*parts, hears_action=True)
        return LSTMStep(*parts, hears_action=hears.hears_past)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        states = self.model._last_lstm_states
        assert states is not None
        return super().state() | {"memory": {"pi": torch.stack(states.pi), "vf": torch.stack(states.vf)}}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        super().restore(state)
        pi, vf = (tuple(state["memory"][name].clone()) for name in ("pi", "vf"))
        self.model._last_lstm_states = RNNStates(pi, vf)

    def _make(self) -> RecurrentPPO:
        kwargs = self._policy_kwargs | {"lstm_hidden_size": self.config.lstm}
        return RecurrentPPO("MlpLstmPolicy", policy_kwargs=kwargs, **self._common)
