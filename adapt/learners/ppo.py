"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347), shared by all learners with a policy.

Generalised advantages: arXiv:1506.02438. T steps of N simulations.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.learners.returns import RewardScale
from adapt.networks.policy import Critic, GaussianPolicy
from adapt.ranges import ranged
from sim_tasks.transition import Transition

RATES = (1e-5, 1e-2)
"""Lowest and highest learning rate that may follow from the divergence; rsl_rl's."""


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of the update; the defaults were chosen on `pendulum_swingup`."""

    gamma: float = ranged(0.99, 0.0, 1.0)
    """Discount per control step."""
    gae_lambda: float = ranged(0.95, 0.0, 1.0)
    epochs: int = 4
    minibatches: int = 8
    learning_rate: float = 1e-3
    """Adam's at the start; falls linearly to a tenth, or follows `target_kl`."""
    target_kl: float = 0.0
    """Above 0, the policy's learning rate follows its divergence from the policy that played: a third less after a
    minibatch with more than twice as much, half as much again after one with less than half (Rudin et al. 2021,
    arXiv:2109.11978; there the critic's as well)."""
    clip: float = 0.2
    entropy: float = 1e-3
    value_weight: float = 0.5
    """Of the critic's loss, against the policy's."""
    huber: bool = False
    """Whether the critic's error counts linearly beyond 1, as VariBAD's does."""
    max_grad_norm: float = 0.5


class Rollout:
    """What the policy did, preallocated: T steps of N simulations."""

    def __init__(self, steps: int, robots: int, policy_inputs: int, critic_inputs: int, action: int):
        self.steps = steps
        self.policy_inputs = torch.zeros(steps, robots, policy_inputs)
        self.critic_inputs = torch.zeros(steps, robots, critic_inputs)
        self.actions = torch.zeros(steps, robots, action)
        self.log_probs = torch.zeros(steps, robots)
        self.played = torch.zeros(steps, robots)
        """Rewards as the task gives them."""
        self.rewards = torch.zeros(steps, robots)
        """Rewards as they are learnt from, perhaps scaled."""
        self.values = torch.zeros(steps, robots)
        self.next_values = torch.zeros(steps, robots)
        self.done = torch.zeros(steps, robots)
        self.terminated = torch.zeros(steps, robots)

    def record(
        self,
        t: int,
        policy_inputs: torch.Tensor,
        critic_inputs: torch.Tensor,
        action: torch.Tensor,
        log_prob: torch.Tensor,
        transition: Transition,
        scale: RewardScale | None = None,
    ) -> None:
        """Step t: what was known, what was done, shape (N, ...) each, and what came of it."""
        self.policy_inputs[t], self.critic_inputs[t] = policy_inputs, critic_inputs
        self.actions[t], self.log_probs[t] = action, log_prob
        reward = scale.scale(transition.reward, transition.done) if scale else transition.reward
        self.played[t] = torch.from_numpy(transition.reward)
        self.rewards[t] = torch.from_numpy(reward)
        self.done[t] = torch.from_numpy(transition.done.astype(np.float32))
        self.terminated[t] = torch.from_numpy(transition.terminated.astype(np.float32))

    @torch.no_grad()
    def evaluate(self, critic: Critic, last_inputs: torch.Tensor, cut: dict[int, torch.Tensor]) -> None:
        """Fills in the values of all states.

        Args:
            critic: the state value.
            last_inputs: critic inputs after step T, shape (N, ...).
            cut: critic inputs, shape (N, ...), after those steps at which trials ended, before their reset.
        """
        ends = {t: critic(inputs[self.done[t] > 0]) for t, inputs in cut.items()}
        self.bootstrap(critic(self.critic_inputs), critic(last_inputs), ends)

    def bootstrap(self, values: torch.Tensor, last: torch.Tensor, ends: dict[int, torch.Tensor]) -> None:
        """Takes down the values of all states.

        Args:
            values: before each step, shape (T, N).
            last: after step T, shape (N,).
            ends: after those steps at which trials ended, of these trials before their reset, shape (ended,).
        """
        self.values[:] = values
        self.next_values[:-1] = values[1:]
        self.next_values[-1] = last
        for t, end in ends.items():
            ended = self.done[t] > 0
            self.next_values[t, ended] = end * (1 - self.terminated[t, ended])

    def without(self, first: int) -> Rollout:
        """A view on all but the first robots."""
        view = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(view, name, value[:, first:])
        return view

    def advantages(self, gamma: float, gae_lambda: float) -> torch.Tensor:
        """A_t = delta_t + gamma lambda (1 - done_t) A_{t+1}; a time limit bootstraps from the state it cut off."""
        delta = self.rewards + gamma * self.next_values - self.values
        advantages = torch.empty_like(delta)
        running = torch.zeros_like(delta[0])
        for t in reversed(range(self.steps)):
            running = delta[t] + gamma * gae_lambda * (1 - self.done[t]) * running
            advantages[t] = running
        return advantages


class PPO:
    """The update of a policy and its critic on one rollout."""

    def __init__(self, policy: GaussianPolicy, critic: Critic, config: PPOConfig):
        self.policy = policy
        self.critic = critic
        self.config = config
        groups = [{"params": [*network.parameters()]} for network in (policy, critic)]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate, eps=1e-5)

    @property
    def learning_rate(self) -> float:
        """The policy's."""
        return self.optimizer.param_groups[0]["lr"]

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.optimizer.param_groups[0]["lr"] = value

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rates, but one that `target_kl` sets."""
        rate = self.config.learning_rate * (1 - 0.9 * fraction)
        self.optimizer.param_groups[1]["lr"] = rate
        if not self.config.target_kl:
            self.learning_rate = rate

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "policy": self.policy.state_dict(),
            "critic": self.critic.state_dict(),
            "policy_optimizer": optimizer_state(self.optimizer),
            "learning_rate": self.learning_rate,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.policy.load_state_dict(state["policy"])
        self.critic.load_state_dict(state["critic"])
        restore_optimizer(self.optimizer, state.get("policy_optimizer", {}))  # empty before the first step
        self.learning_rate = state["learning_rate"]

    def shuffles(self, rollout: Rollout) -> list[torch.Tensor]:
        """The order of samples in each epoch of one update: all random numbers that it needs."""
        return [torch.randperm(rollout.rewards.numel()) for _ in range(self.config.epochs)]

    def update(self, rollout: Rollout, shuffles: list[torch.Tensor]) -> dict[str, float]:
        """Several epochs of minibatches over the rollout, in the order of `shuffles`; returns mean losses."""
        config = self.config
        advantages = rollout.advantages(config.gamma, config.gae_lambda)
        data = (
            rollout.policy_inputs.flatten(0, 1),
            rollout.critic_inputs.flatten(0, 1),
            rollout.actions.flatten(0, 1),
            rollout.log_probs.flatten(),
            advantages.flatten(),
            (advantages + rollout.values).flatten(),
        )
        size = -(-len(data[0]) // config.minibatches)
        losses = [
            self._step(*(array[batch] for array in data))
            for shuffle in shuffles
            for batch in shuffle.split(size)
        ]
        policy_loss, value_loss, kl = np.mean(losses, axis=0)
        return {
            "policy_loss": float(policy_loss),
            "value_loss": float(value_loss),
            "policy_kl": float(kl),
            "learning_rate": self.learning_rate,
            "reward": float(rollout.played.mean()),
            "action_std": float(torch.exp(self.policy.log_std.detach()).mean()),
        }

    def _step(
        self,
        policy_inputs: torch.Tensor,
        critic_inputs: torch.Tensor,
        actions: torch.Tensor,
        log_probs: torch.Tensor,
        advantages: torch.Tensor,
        returns: torch.Tensor,
    ) -> tuple[float, float, float]:
        config = self.config
        now = self.policy.log_prob(self.policy(policy_inputs), actions)
        policy_loss = clipped_loss(now, log_probs, advantages, config.clip)
        value_loss = value_error(self.critic(critic_inputs), returns, config.huber)
        loss = policy_loss + config.value_weight * value_loss - config.entropy * self.policy.entropy()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for network in (self.policy, self.critic):
            nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
        self.optimizer.step()
        kl = divergence(now.detach(), log_probs).item()
        if config.target_kl:
            self.learning_rate = followed(self.learning_rate, kl, config.target_kl)
        return policy_loss.item(), value_loss.item(), kl


def clipped_loss(
    now: torch.Tensor, before: torch.Tensor, advantages: torch.Tensor, clip: float
) -> torch.Tensor:
    """-L^CLIP, the paper's eq. 7, with advantages at zero mean and unit variance.

    Log densities of the actions, now and when they were drawn, and advantages: one shape, any.
    """
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(now - before)
    clipped = torch.clamp(ratio, 1 - clip, 1 + clip)
    return -torch.min(ratio * advantages, clipped * advantages).mean()


def divergence(now: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """KL(before || now) from log densities of actions that `before` drew, one shape: the mean of r - 1 - log r."""
    log_ratio = now - before
    return (torch.exp(log_ratio) - 1 - log_ratio).mean()


def followed(rate: float, kl: float, target: float) -> float:
    """The learning rate after a minibatch with a divergence, see `PPOConfig.target_kl`; within `RATES`."""
    low, high = RATES
    if kl > 2 * target:
        return max(rate / 1.5, low)
    return min(rate * 1.5, high) if kl < target / 2 else rate


def value_error(values: torch.Tensor, returns: torch.Tensor, huber: bool) -> torch.Tensor:
    """Mean error of values against returns, same shape: squared, or linear beyond 1 (see `PPOConfig.huber`)."""
    if huber:
        return nn.functional.smooth_l1_loss(values, returns)
    return (values - returns).square().mean()
