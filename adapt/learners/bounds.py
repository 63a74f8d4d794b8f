"""The two bounds that every adaptive learner is held against, on the same networks.

Told the task, PPO gives the oracle; not told, the non-adaptive policy under domain randomisation (DR). The critic is
told the task in both: it never leaves training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.learners.ppo import PPO, PPOConfig, Rollout
from adapt.networks.policy import Critic, GaussianPolicy
from sim_tasks.trial_env import TrialVecEnv


class BoundLearner:
    """PPO whose policy is told the task (`oracle`) or not (`dr`). N simulations, T steps."""

    def __init__(self, env: TrialVecEnv, seed: int, *, told_task: bool, config: PPOConfig | None = None):
        self.config = config or PPOConfig()
        self.env = env
        torch.manual_seed(seed)
        observation, action = env.observation.shape[1], env.previous_action.shape[1]
        task, hidden = env.context.shape[1], self.config.hidden
        self.policy = GaussianPolicy(observation, action, task if told_task else 0, hidden)
        self.critic = Critic(observation, action, task, hidden)
        self.ppo = PPO(self.policy, self.critic, self.config)
        self._known = observation + action + self.policy.context_size
        self._rollout = Rollout(
            self.config.horizon, self.config.robots, self._known, observation + action + task, action
        )

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rate."""
        self.ppo.set_progress(fraction)

    @torch.no_grad()
    def collect(self) -> int:
        """Plays T steps in all simulations with the present policy; returns the control steps taken."""
        env, cut = self.env, {}
        for t in range(self.config.horizon):
            inputs = self._inputs()
            known = inputs[:, : self._known]
            action, log_prob = self.policy.sample(known)
            transition = env.step(action.numpy())
            self._rollout.record(t, known, inputs, action, log_prob, transition)
            if transition.done.any():
                cut[t] = self._inputs()
                env.reset(np.flatnonzero(transition.done))
        self._rollout.evaluate(self.critic, self._inputs(), cut)
        return self.config.horizon * self.config.robots

    def update(self) -> dict[str, float]:
        """One PPO update on what was collected; returns mean losses."""
        return self.ppo.update(self._rollout, self.ppo.shuffles(self._rollout))

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "policy": self.policy.state_dict(),
            "critic": self.critic.state_dict(),
            "optimizer": optimizer_state(self.ppo.optimizer),
            "env": self.env.state(),
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.policy.load_state_dict(state["policy"])
        self.critic.load_state_dict(state["critic"])
        restore_optimizer(self.ppo.optimizer, state["optimizer"])
        self.env.restore(state["env"])
        torch.set_rng_state(state["torch_rng"])

    def _inputs(self) -> torch.Tensor:
        env = self.env
        return torch.from_numpy(np.concatenate([env.observation, env.previous_action, env.context], axis=1))
