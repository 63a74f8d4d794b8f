"""VariBAD's networks (Zintgraf et al. 2020, arXiv:1910.08348): trajectory encoder and decoders.

O observation, A action, L latent. A belief is (mean, log standard deviation), shape (..., 2 L).
"""

from __future__ import annotations

import torch
from torch import nn

from adapt.networks.mlp import mlp
from adapt.networks.normaliser import RunningNorm

LOG_STD_RANGE = (-5.0, 2.0)
"""Bounds of the belief's log standard deviation."""


class TrajectoryEncoder(nn.Module):
    """q(m | trajectory so far): a GRU over embedded observation, previous action, previous reward, episode flag."""

    def __init__(
        self, observation: int, action: int, latent: int, hidden: int, embedding: int, *, reward: bool
    ):
        super().__init__()
        self.observation, self.action, self.latent, self.hidden = observation, action, latent, hidden
        self.reward = reward
        """Whether rewards are listened to; they are the column before the last of what is heard."""
        self.norm = RunningNorm(self.size)
        self.embed = nn.Linear(self.size, embedding)
        self.gru = nn.GRU(embedding, hidden)
        self.head = nn.Linear(hidden, 2 * latent)
        nn.init.orthogonal_(self.head.weight, 0.5)
        nn.init.zeros_(self.head.bias)

    @property
    def size(self) -> int:
        """Of what there is to hear in a control step: observation, previous action, previous reward, episode flag."""
        return self.observation + self.action + 2

    def forward(self, heard: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What was heard, shape (T, N, size), and the memory before, shape (N, H).

        Returns:
            Beliefs, shape (T, N, 2 L), and the memory after, shape (N, H).
        """
        features, memory = self.gru(self.embedded(heard), memory[None])
        return self.belief(features), memory[0]

    def embedded(self, heard: torch.Tensor) -> torch.Tensor:
        """Shape (..., size) to (..., E)."""
        normal = self.norm(heard)
        if not self.reward:
            normal = torch.cat(
                [normal[..., :-2], torch.zeros_like(normal[..., :1]), normal[..., -1:]], dim=-1
            )
        return torch.relu(self.embed(normal))

    def belief(self, features: torch.Tensor) -> torch.Tensor:
        """Features of the GRU, shape (..., H), to beliefs, shape (..., 2 L)."""
        mean, log_std = self.head(features).chunk(2, dim=-1)
        return torch.cat([mean, log_std.clamp(*LOG_STD_RANGE)], dim=-1)


class TransitionDecoder(nn.Module):
    """p(target | m, transition) at unit variance: the reward of s, a, s', or how s changes under actions."""

    def __init__(self, inputs: int, latent: int, outputs: int, hidden: tuple[int, ...]):
        super().__init__()
        self.norm = RunningNorm(inputs)
        self.target_norm = RunningNorm(outputs)
        self.known = nn.Linear(inputs, hidden[0])
        self.told = nn.Linear(latent, hidden[0], bias=False)
        self.body = nn.Sequential(nn.ReLU(), mlp((*hidden, outputs)))

    def forward(self, latent: torch.Tensor, transitions: torch.Tensor) -> torch.Tensor:
        """Every latent, shape (E, B, L), with every transition of its trial, (K, B, inputs): (E, K, B, outputs)."""
        known = self.known(self.norm(transitions))
        return self.body(known[None] + self.told(latent)[:, None])


class TaskHead(nn.Module):
    """Reads the physical task off a belief, as a Gaussian in the family's normalised coordinates, Q dimensions."""

    def __init__(self, latent: int, task: int, hidden: int = 64):
        super().__init__()
        self.body = mlp((2 * latent, hidden, 2 * task), output_gain=0.1)

    def forward(self, belief: torch.Tensor) -> torch.Tensor:
        """Belief, shape (..., 2 L), to mean and log standard deviation, shape (..., 2 Q)."""
        mean, log_std = self.body(belief).chunk(2, dim=-1)
        return torch.cat([mean, log_std.clamp(-4.0, 0.5)], dim=-1)
