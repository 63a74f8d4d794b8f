"""What B tasks' policies did in one phase: R whole episodes of every task, side by side, on one environment.

Simulation i belongs to task i // R. A phase is always T = `episode_steps` control steps of all simulations: one whose
episode ends early goes on being stepped, and what it does then does not count. M = T R samples of a task.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from adapt.learners import linear_baseline
from adapt.learners.task_policies import Gaussian, TaskPolicies
from sim_tasks.trial_env import TrialVecEnv

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
            returns=self.returns[tasks],
        )


def groups(phases: list[Episodes]) -> Iterator[list[Episodes]]:
    """The phases of a few tasks after the other: batches as large as a processor works fastest on."""
    tasks, samples = phases[0].weight.shape
    size = max(1, _GROUP_SAMPLES // samples)
    for first in range(0, tasks, size):
        yield [episodes.of(slice(first, first + size)) for episodes in phases]


class Phase:
    """Plays phases of B tasks with R episodes each."""

    def __init__(
        self,
        env: TrialVecEnv,
        policies: TaskPolicies,
        normalise: Callable[[torch.Tensor], torch.Tensor],
        *,
        tasks: int,
        gamma: float,
        gae_lambda: float,
    ):
        self.env = env
        self.tasks, self.episodes = tasks, env.robots // tasks
        self._policies, self._normalise = policies, normalise
        self._gamma, self._gae_lambda = gamma, gae_lambda

    @torch.no_grad()
    def play(
        self, parameters: torch.Tensor, values: np.ndarray, generator: torch.Generator | None = None
    ) -> Episodes:
        """One phase.

        Args:
            parameters: of the tasks' policies, shape (B, P).
            values: the tasks in SI units, shape (B, physical parameters).
            generator: of the actions' noise; None for torch's global one.
        """
        env, each = self.env, (self.tasks, self.episodes)
        shape = (self.tasks, env.episode_steps, self.episodes)
        observation = torch.empty(*shape, env.observation.shape[1])
        mean = torch.empty(*shape, env.previous_action.shape[1])
        action, rewards, alive = torch.empty_like(mean), torch.zeros(shape), torch.zeros(shape)
        counts = np.ones(env.robots, dtype=bool)
        log_std = self._policies.distribution(parameters, observation[:, 0]).log_std
        env.reset(np.arange(env.robots), np.repeat(values, self.episodes, axis=0))
        for t in range(env.episode_steps):
            observation[:, t] = torch.from_numpy(env.observation).view(*each, -1)
            policy = self._policies.distribution(parameters, self._normalise(observation[:, t]))
            mean[:, t], action[:, t] = policy.mean, policy.sample(generator)
            transition = env.step(action[:, t].reshape(env.robots, -1).numpy())
            rewards[:, t] = torch.from_numpy(np.where(counts, transition.reward, 0.0)).view(each)
            alive[:, t] = torch.from_numpy(counts).view(each)
            counts &= ~transition.terminated
        policy = Gaussian(mean.flatten(1, 2), log_std)
        return self._judged(parameters, observation, action, policy, rewards, alive)

    def _judged(
        self,
        parameters: torch.Tensor,
        observation: torch.Tensor,
        action: torch.Tensor,
        policy: Gaussian,
        rewards: torch.Tensor,
        alive: torch.Tensor,
    ) -> Episodes:
        """Advantages of what was done; observations, actions, rewards and alive (B, T, R, ...)."""
        returns = linear_baseline.discounted(rewards, self._gamma)
        values = linear_baseline.fit_predict(observation, returns, alive)
        advantage = linear_baseline.generalised_advantages(
            rewards, values, alive, self._gamma, self._gae_lambda
        )
        flat, actions = observation.flatten(1, 2), action.flatten(1, 2)
        return Episodes(
            parameters=parameters,
            observation=flat,
            inputs=self._normalise(flat),
            action=actions,
            policy=policy,
            log_prob=policy.log_prob(actions),
            advantage=linear_baseline.standardised(advantage, alive).flatten(1, 2),
            weight=(alive / alive.sum(dim=(1, 2), keepdim=True)).flatten(1, 2),
            returns=rewards.sum(dim=1),
            reward=float(rewards.sum() / alive.sum()),
        )
