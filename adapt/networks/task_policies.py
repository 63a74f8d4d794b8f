"""One small Gaussian policy with the parameters of B tasks side by side, applied by batched matrix products.

The parameters of a task are one flat vector of length P, so that a gradient step, a mean over tasks and a
conjugate-gradient iterate are plain vector arithmetic, and one call of autograd serves all tasks.
Letters: B tasks, M samples of each, O observation, A action.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

_LOG_2PI = math.log(2 * math.pi)
_LEAST_LOG_STD = math.log(1e-6)
"""MAML's and ProMP's code: the standard deviation is at least 1e-6."""


@dataclass(frozen=True)
class Gaussian:
    """Diagonal Gaussians over actions."""

    mean: torch.Tensor
    """Shape (B, M, A)."""
    log_std: torch.Tensor
    """The same in all states. Shape (B, 1, A)."""

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """Actions, shape (B, M, A)."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + torch.exp(self.log_std) * noise

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        """Log density of actions, shape (B, M, A), summed over A; shape (B, M)."""
        scaled = (action - self.mean) * torch.exp(-self.log_std)
        return -0.5 * scaled.square().sum(-1) - (self.log_std + 0.5 * _LOG_2PI).sum(-1)

    def kl(self, other: Gaussian) -> torch.Tensor:
        """KL(self || other) in each state, shape (B, M)."""
        spread = torch.exp(2 * (self.log_std - other.log_std))
        offset = (self.mean - other.mean).square() * torch.exp(-2 * other.log_std)
        return 0.5 * (spread + offset - 1).sum(-1) + (other.log_std - self.log_std).sum(-1)


class TaskPolicies:
    """Tanh layers with a linear last one to the mean; a state-independent log standard deviation, adapted too."""

    def __init__(self, observation: int, action: int, hidden: Sequence[int]):
        self._layers = list(itertools.pairwise((observation, *hidden, action)))
        self._action = action
        self.lengths = [n for inputs, outputs in self._layers for n in (inputs * outputs, outputs)] + [action]
        """Of its tensors in the parameter vector: weights and biases of each layer, then the log standard deviation."""
        self.size = sum(self.lengths)
        """Length of a task's parameter vector, P."""

    def initial(self, std: float) -> torch.Tensor:
        """A parameter vector: Glorot's uniform weights, zero biases, as in MAML's code. Shape (P,)."""
        parts = []
        for inputs, outputs in self._layers:
            bound = math.sqrt(6 / (inputs + outputs))
            parts += [torch.empty(inputs * outputs).uniform_(-bound, bound), torch.zeros(outputs)]
        return torch.cat([*parts, torch.full((self._action,), math.log(std))])

    def distribution(self, parameters: torch.Tensor, inputs: torch.Tensor) -> Gaussian:
        """What the tasks' policies do.

        Args:
            parameters: shape (B, P).
            inputs: observations, normalised if the learner does that. Shape (B, M, O).
        """
        parts = parameters.split(self.lengths, dim=1)
        hidden = inputs
        for index, (width_in, width_out) in enumerate(self._layers):
            weight = parts[2 * index].view(-1, width_in, width_out)
            hidden = torch.baddbmm(parts[2 * index + 1].unsqueeze(1), hidden, weight)
            if index < len(self._layers) - 1:
                hidden = torch.tanh(hidden)
        return Gaussian(hidden, parts[-1].unsqueeze(1).clamp(min=_LEAST_LOG_STD))
