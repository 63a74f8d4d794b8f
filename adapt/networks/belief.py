"""Recurrent belief over the task: what the robot's own sensor stream says of its physics."""

from __future__ import annotations

import torch
from torch import nn

from adapt.networks.mlp import mlp

LOG_STD_RANGE = (-4.0, 0.5)
"""Bounds of the belief's log standard deviation, in units of the prior's; smooth in between."""


CHANGE_SCALE = 10.0
"""Weight of the change of the observation in one step among the inputs: accelerations are what gives masses away,
and they are small beside the observation itself."""


class BeliefEncoder(nn.Module):
    """GRU posterior q(task | history), diagonal Gaussian in the family's normalised coordinates, L dimensions.

    It hears observation, previously sent action and whether an episode begins: nothing else, no reward. Its memory,
    shape (N, M), is the GRU's state and the last observation.
    """

    def __init__(self, observation: int, action: int, latent: int, hidden: int = 64):
        super().__init__()
        self.observation = observation
        self.latent = latent
        self.hidden = hidden
        self.memory = hidden + observation
        self.embed = nn.Sequential(nn.Linear(2 * observation + action + 1, hidden), nn.Tanh())
        self.gru = nn.GRU(hidden, hidden)
        self.head = nn.Linear(hidden, 2 * latent)
        nn.init.orthogonal_(self.head.weight, 0.1)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A stretch of history to beliefs.

        Args:
            inputs: observation, previous action, episode flag. Shape (T, N, O + A + 1).
            memory: before the stretch. Shape (N, M).

        Returns:
            Beliefs (mean, log standard deviation), shape (T, N, 2 L), and the memory after it, shape (N, M).
        """
        state, last = memory[:, : self.hidden], memory[:, self.hidden :]
        seen = inputs[..., : self.observation]
        features, state = self.gru(
            self.heard(inputs, torch.cat([last[None], seen[:-1]])), state[None].contiguous()
        )
        return self.belief(features), torch.cat([state[0], seen[-1]], dim=-1)

    def heard(self, inputs: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Embeds inputs, shape (..., O + A + 1), with the observations one step before, (..., O); (..., H)."""
        change = (inputs[..., : self.observation] - before) * (1 - inputs[..., -1:])
        return self.embed(torch.cat([inputs, CHANGE_SCALE * change], dim=-1))

    def belief(self, features: torch.Tensor) -> torch.Tensor:
        """GRU features, shape (..., H), to mean and log standard deviation, shape (..., 2 L)."""
        mean, raw = self.head(features).chunk(2, dim=-1)
        low, high = LOG_STD_RANGE
        return torch.cat([mean, low + (high - low) * torch.sigmoid(raw + 2.0)], dim=-1)


class MotionModel(nn.Module):
    """Mean of p(next observation | last two observations, newest sent actions, belief), as a change of the newest.

    Two observations, because the way between two positions is a second, often better, measurement of velocity.
    """

    def __init__(self, observation: int, actions: int, latent: int, hidden: int = 64):
        super().__init__()
        self.body = mlp(
            (2 * observation + actions + 2 * latent, hidden, hidden, observation), output_gain=0.1
        )

    def forward(
        self, observation: torch.Tensor, before: torch.Tensor, actions: torch.Tensor, belief: torch.Tensor
    ) -> torch.Tensor:
        """Observation and the one before (..., O), actions newest first (..., actions), belief (..., 2 L).

        Returns the next observation, shape (..., O).
        """
        change = CHANGE_SCALE * (observation - before)
        return observation + self.body(torch.cat([observation, change, actions, belief], dim=-1))
