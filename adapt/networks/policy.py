"""Gaussian policy and critic on observation, previous action and a context."""

from __future__ import annotations

import math

import torch
from torch import nn

from adapt.networks.mlp import mlp
from adapt.networks.normaliser import RunningNorm

_LOG_2PI = math.log(2 * math.pi)


class GaussianPolicy(nn.Module):
    """Diagonal Gaussian with a state-independent standard deviation over actions in [-1, 1]."""

    context_size: int

    def __init__(
        self,
        observation: int,
        action: int,
        context: int,
        hidden: tuple[int, ...],
        *,
        normalise: bool = False,
        std: float = 0.6,
        latent: int = 0,
    ):
        """
        Args:
            observation: its size, O.
            action: its size, A.
            context: size of what else it is told, C.
            hidden: sizes of the hidden layers.
            normalise: whether inputs are brought to zero mean and unit variance, see `RunningNorm`.
            std: standard deviation of the actions at the start.
            latent: L, of the encoder through which it is told the context (RMA's mu, arXiv:2107.04034); 0: none.
        """
        super().__init__()
        self.context_size = context
        self.known = observation + action
        """What it sees without being told, O + A."""
        self.norm = _norm(self.known + context, normalise)
        self.encoder = mlp((context, *hidden, latent)) if latent else None
        self._encoded_size = context
        self.body = mlp((self.known + (latent or context), *hidden, action), output_gain=0.01)
        self.log_std = nn.Parameter(torch.full((action,), math.log(std)))

    @torch.no_grad()
    def ignore_context(self) -> None:
        """Acts as one that is told nothing, until it learns what the context is good for."""
        first = self.body[0]
        assert isinstance(first, nn.Linear)
        first.weight[:, self.known :] = 0.0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs (observation, previous action, context), shape (..., O + A + C), to the mean, (..., A)."""
        return self.body(self._encoded(self.norm(inputs)))

    def _encoded(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.encoder is None:
            return inputs
        told = self.known + self._encoded_size
        known, context, rest = inputs[..., : self.known], inputs[..., self.known : told], inputs[..., told:]
        return torch.cat([known, self.encoder(context), rest], dim=-1)

    def sample(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions drawn for inputs, shape (..., A), and their log density, shape (...)."""
        mean = self(inputs)
        action = mean + torch.exp(self.log_std) * torch.randn_like(mean)
        return action, self.log_prob(mean, action)

    def log_prob(self, mean: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Log density of actions, shape (..., A), summed over A; shape (...)."""
        scaled = (action - mean) * torch.exp(-self.log_std)
        return (-0.5 * scaled.square() - self.log_std - 0.5 * _LOG_2PI).sum(-1)

    def entropy(self) -> torch.Tensor:
        return (self.log_std + 0.5 * (1 + _LOG_2PI)).sum()


class Critic(nn.Module):
    """State value. It is told the task, whatever the policy knows: it never leaves training."""

    def __init__(
        self, observation: int, action: int, task: int, hidden: tuple[int, ...], *, normalise: bool = False
    ):
        super().__init__()
        self.norm = _norm(observation + action + task, normalise)
        self.body = mlp((observation + action + task, *hidden, 1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs, shape (..., O + A + task), to values, shape (...)."""
        return self.body(self.norm(inputs)).squeeze(-1)


def learn_scale(network: GaussianPolicy | Critic, inputs: torch.Tensor) -> None:
    """Lets a network that normalises its inputs see more of them, shape (..., size)."""
    if isinstance(network.norm, RunningNorm):
        network.norm.update(inputs)


def _norm(size: int, normalise: bool) -> nn.Module:
    return RunningNorm(size) if normalise else nn.Identity()
