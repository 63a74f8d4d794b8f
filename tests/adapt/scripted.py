"""Learners that have learnt nothing: their control steps are written by hand, so that what they do is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sim_tasks.trial_env import TrialVecEnv


class Counter(nn.Module):
    """Remembers how many steps it has taken and what rewards it has heard; its action is made of the two."""

    kind = "memory"
    outputs = ("action", "next_hidden")
    memory = 2
    latent = 0

    def __init__(self, observation: int, action: int, reward: bool = True):
        super().__init__()
        self.action = action
        self.reward_free = not reward
        heard = ("previous_reward",) if reward else ()
        self.inputs = ("observation", "previous_action", *heard, "new_episode", "hidden")

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Memory: steps and sum of rewards, (N, 2). Action: 0.01 steps before this one + 0.1 rewards, all alike."""
        *heard, fresh, hidden = inputs
        reward = 0 * fresh if self.reward_free else heard[2]
        steps, rewards = hidden[:, :1], hidden[:, 1:] + reward
        action = (0.01 * steps + 0.1 * rewards).expand(-1, self.action).clamp(-1.0, 1.0)
        return action, torch.cat([steps + 1, rewards], dim=-1)


class Scripted:
    """A learner with a given control step."""

    def __init__(self, env: TrialVecEnv, step: nn.Module):
        self.env = env
        self.iteration_steps = env.robots
        self.step = lambda: step

    def set_progress(self, fraction: float) -> None:
        """Nothing to schedule."""

    def collect(self) -> int:
        raise NotImplementedError

    def update(self) -> dict[str, float]:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing was kept."""
