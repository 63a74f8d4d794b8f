"""What B tasks' policies did in one phase of R episodes of T control steps each, judged. M = T R samples of a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from adapt.inner_steps import linear_baseline
from adapt.networks.task_policies import Gaussian

_GROUP_SAMPLES = 16_384
"""Of a group of tasks: its layers' outputs, 4 MiB each, stay in a processor's cache. Twice as fast as all at once."""


@dataclass(frozen=True)
class Episodes:
    """Samples of B tasks for policy gradients, ordered by time, then by episode."""

    parameters: torch.Tensor
    """Of the policies that played. Shape (B, P)."""
    observation: torch.Tensor
    """As the environment gave it. Shape (B, M, O)."""
    inputs: torch.Tensor
    """What the policies saw of it. Shape (B, M, O)."""
    action: torch.Tensor
    """Shape (B, M, A)."""
    policy: Gaussian
    """What the actions were drawn from."""
    log_prob: torch.Tensor
    """Of the actions. Shape (B, M)."""
    advantage: torch.Tensor
    """Zero mean and unit variance over each task's samples. Shape (B, M)."""
    weight: torch.Tensor
    """Of each sample; sums to one over a task's, zero after an early end. Shape (B, M)."""
    reward_z: torch.Tensor
    """What was heard of the rewards, zero mean and unit variance over each task's samples that count. Shape (B, M)."""
    scales: torch.Tensor
    """Mean and standard deviation of those rewards, and standard deviation of the advantages, as they were before.
    Shape (B, 3)."""
    returns: torch.Tensor
    """Undiscounted return of each episode. Shape (B, R)."""
    reward: float
    """Mean per control step that counts."""

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Over each task's samples that count; values (B, M), result (B,)."""
        return (self.weight * values).sum(dim=1)

    def ratio(self, log_prob: torch.Tensor) -> torch.Tensor:
        """pi(a | s) over what the actions were drawn from, of a log density of them. Both (B, M)."""
        return torch.exp(log_prob - self.log_prob)

    def clipped_gain(self, log_prob: torch.Tensor, clip: float) -> torch.Tensor:
        """PPO's objective E[min(r A, clip(r) A)] (arXiv:1707.06347, equation 7), r the ratio. Shape (B,)."""
        ratio = self.ratio(log_prob)
        clipped = ratio.clamp(1 - clip, 1 + clip)
        return self.mean(torch.min(ratio * self.advantage, clipped * self.advantage))

    def thinned(self, stride: int) -> Episodes:
        """Only every so many control steps of all episodes, from the first one on."""
        episodes = self.returns.shape[1]

        def thin(samples: torch.Tensor) -> torch.Tensor:
            return samples.unflatten(1, (-1, episodes))[:, ::stride].flatten(1, 2)

        weight = thin(self.weight)
        return dataclasses.replace(
            self,
            observation=thin(self.observation),
            inputs=thin(self.inputs),
            action=thin(self.action),
            policy=Gaussian(thin(self.policy.mean), self.policy.log_std),
            log_prob=thin(self.log_prob),
            advantage=thin(self.advantage),
            reward_z=thin(self.reward_z),
            weight=weight / weight.sum(dim=1, keepdim=True),
        )

    def of(self, tasks: slice) -> Episodes:
        """Those of some tasks."""
        return dataclasses.replace(
            self,
            parameters=self.parameters[tasks],
            observation=self.observation[tasks],
            inputs=self.inputs[tasks],
            action=self.action[tasks],
            policy=Gaussian(self.policy.mean[tasks], self.policy.log_std[tasks]),
            log_prob=self.log_prob[tasks],
            advantage=self.advantage[tasks],
            weight=self.weight[tasks],
            reward_z=self.reward_z[tasks],
            scales=self.scales[tasks],
            returns=self.returns[tasks],
        )


def groups(phases: list[Episodes]) -> Iterator[list[Episodes]]:
    """The phases of a few tasks after the other: batches as large as a processor works fastest on."""
    for tasks in task_groups(phases[0]):
        yield [episodes.of(tasks) for episodes in phases]


def task_groups(episodes: Episodes) -> Iterator[slice]:
    """The tasks of each such batch."""
    tasks, samples = episodes.weight.shape
    size = max(1, _GROUP_SAMPLES // samples)
    for first in range(0, tasks, size):
        yield slice(first, min(first + size, tasks))


@dataclass(frozen=True)
class Played:
    """The same before anybody has judged it."""

    parameters: torch.Tensor
    """Of the policies that played. Shape (B, P)."""
    observation: torch.Tensor
    """Shape (B, T, R, O)."""
    inputs: torch.Tensor
    """What the policies saw of it. Shape (B, T, R, O)."""
    action: torch.Tensor
    """Shape (B, T, R, A)."""
    mean: torch.Tensor
    """Of what the actions were drawn from. Shape (B, T, R, A)."""
    log_std: torch.Tensor
    """Shape (B, 1, A)."""
    rewards: torch.Tensor
    """Shape (B, T, R)."""
    alive: torch.Tensor
    """1 for the steps that count, else 0. Shape (B, T, R)."""
    own: torch.Tensor | None = None
    """1 for those of them whose actions were the policy's, else 0; None: all. Shape (B, T, R)."""


def judge(played: Played, gamma: float, gae_lambda: float) -> Episodes:
    """Advantages of what was done, by a baseline that is fitted to it."""
    rewards, alive = played.rewards, played.alive
    returns = linear_baseline.discounted(rewards, gamma)
    values = linear_baseline.fit_predict(played.observation, returns, alive)
    advantage = linear_baseline.generalised_advantages(rewards, values, alive, gamma, gae_lambda)
    own = alive if played.own is None else played.own
    reward_mean, reward_std = linear_baseline.moments(rewards, alive)
    _, advantage_std = linear_baseline.moments(advantage, own)
    policy, action = Gaussian(played.mean.flatten(1, 2), played.log_std), played.action.flatten(1, 2)
    return Episodes(
        parameters=played.parameters,
        observation=played.observation.flatten(1, 2),
        inputs=played.inputs.flatten(1, 2),
        action=action,
        policy=policy,
        log_prob=policy.log_prob(action),
        advantage=linear_baseline.standardised(advantage, own).flatten(1, 2),
        weight=(own / own.sum(dim=(1, 2), keepdim=True)).flatten(1, 2),
        reward_z=linear_baseline.standardised(rewards, alive).flatten(1, 2),
        scales=torch.cat([reward_mean, reward_std, advantage_std], dim=1).squeeze(2),
        returns=rewards.sum(dim=1),
        reward=float(rewards.sum() / alive.sum()),
    )
