"""Gaussian policy and critic on observation, previous action and a context."""

from __future__ import annotations

import copy
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
    ):
        """
        Args:
            observation: its size, O.
            action: its size, A.
            context: size of what else it is told, C.
            hidden: sizes of the hidden layers.
            normalise: whether inputs are brought to zero mean and unit variance, see `RunningNorm`.
            std: standard deviation of the actions at the start.
        """
        super().__init__()
        self.context_size = context
        self.norm = _norm(observation + action + context, normalise)
        self.body = mlp((observation + action + context, *hidden, action), output_gain=0.01)
        self.log_std = nn.Parameter(torch.full((action,), math.log(std)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs (observation, previous action, context), shape (..., O + A + C), to the mean, (..., A)."""
        return self.body(self.norm(inputs))

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


def widen(layers: nn.Sequential, inputs: int) -> nn.Sequential:
    """The same function with `inputs` further inputs at the end, which it ignores until it is trained on."""
    wider = copy.deepcopy(layers)
    first = wider[0]
    assert isinstance(first, nn.Linear)
    first.weight = nn.Parameter(nn.functional.pad(first.weight.detach(), (0, inputs)))
    first.in_features += inputs
    return wider
