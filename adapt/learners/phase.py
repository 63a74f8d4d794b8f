"""`Phase`: plays phases of B tasks' policies on one environment, R whole episodes of every task, side by side.

Simulation i belongs to task i // R. A phase is always T = `episode_steps` control steps of all simulations: one whose
episode ends early goes on being stepped, and what it does then does not count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from adapt.networks.task_policies import TaskPolicies
from adapt.update_rules.episodes import Episodes, Played, judge
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

    @torch.no_grad()
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
        env, each = self.env, (self.tasks, self.episodes)
        shape = (self.tasks, env.episode_steps, self.episodes)
        observation = torch.empty(*shape, env.observation.shape[1])
        mean = torch.empty(*shape, env.previous_action.shape[1])
        action = torch.empty_like(mean)
        rewards, told, alive = torch.zeros(3, *shape)
        hears = env.family.reward_measurable and not by_truth
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
        judged = told if hears else rewards
        inputs = self.normalise(observation)
        played = Played(parameters, observation, inputs, action, mean, log_std, judged, alive)
        episodes = judge(played, self._gamma, self._gae_lambda)
        return dataclasses.replace(
            episodes, returns=rewards.sum(dim=1), reward=float(rewards.sum() / alive.sum())
        )
