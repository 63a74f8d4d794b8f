"""`Phase`: plays phases of B tasks' policies on one environment, R whole episodes of every task, side by side.

Simulation i belongs to task i // R. A phase is always T = `episode_steps` control steps of all simulations: one whose
episode ends early goes on being stepped, and what it does then does not count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from adapt.inner_steps.episodes import Episodes, Played, judge
from adapt.networks.task_policies import TaskPolicies
from sim_tasks.trial_env import TrialVecEnv


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
        self._policies, self.normalise = policies, normalise
        self._gamma, self._gae_lambda = gamma, gae_lambda

    def play(
        self,
        parameters: torch.Tensor,
        values: np.ndarray,
        generator: torch.Generator | None = None,
        by_truth: bool = False,
    ) -> Episodes:
        """One phase.

        Args:
            parameters: of the tasks' policies, shape (B, P).
            values: the tasks in SI units, shape (B, physical parameters).
            generator: of the actions' noise; None for torch's global one.
            by_truth: whether actions are judged by the true reward; otherwise by what a policy hears of it, where it
                hears any: all that it can adapt on. `Episodes.returns` are true in either case.
        """
        played, told = self._act(parameters, values, generator)
        return self._judged(played, played.rewards if by_truth else told)

    def play_for_both(
        self, parameters: torch.Tensor, values: np.ndarray, generator: torch.Generator | None = None
    ) -> tuple[Episodes, Episodes]:
        """One phase, judged by what a policy hears, and by the truth; see `play`."""
        played, told = self._act(parameters, values, generator)
        heard = self._judged(played, told)
        return heard, heard if told is played.rewards else self._judged(played, played.rewards)

    @torch.no_grad()
    def _act(
        self, parameters: torch.Tensor, values: np.ndarray, generator: torch.Generator | None
    ) -> tuple[Played, torch.Tensor]:
        """What was done, with its true rewards; and what a policy hears of them, the same where it hears none."""
        env, each = self.env, (self.tasks, self.episodes)
        shape = (self.tasks, env.episode_steps, self.episodes)
        observation = torch.empty(*shape, env.observation.shape[1])
        mean = torch.empty(*shape, env.previous_action.shape[1])
        action = torch.empty_like(mean)
        rewards, told, alive = torch.zeros(3, *shape)
        hears = env.family.reward_measurable
        counts = np.ones(env.robots, dtype=bool)
        log_std = self._policies.distribution(parameters, observation[:, 0]).log_std
        env.reset(np.arange(env.robots), np.repeat(values, self.episodes, axis=0))
        for t in range(env.episode_steps):
            observation[:, t] = torch.from_numpy(env.observation).view(*each, -1)
            policy = self._policies.distribution(parameters, self.normalise(observation[:, t]))
            mean[:, t], action[:, t] = policy.mean, policy.sample(generator)
            transition = env.step(action[:, t].reshape(env.robots, -1).numpy())
            rewards[:, t] = torch.from_numpy(np.where(counts, transition.reward, 0.0)).view(each)
            if hears:
                told[:, t] = torch.from_numpy(np.where(counts, transition.heard_reward, 0.0)).view(each)
            alive[:, t] = torch.from_numpy(counts).view(each)
            counts &= ~transition.terminated
        inputs = self.normalise(observation)
        played = Played(parameters, observation, inputs, action, mean, log_std, rewards, alive)
        return played, told if hears else rewards

    @torch.no_grad()
    def _judged(self, played: Played, rewards: torch.Tensor) -> Episodes:
        """By some rewards; returns are true in any case."""
        true, alive = played.rewards, played.alive
        episodes = judge(dataclasses.replace(played, rewards=rewards), self._gamma, self._gae_lambda)
        return dataclasses.replace(episodes, returns=true.sum(dim=1), reward=float(true.sum() / alive.sum()))
