"""A teacher's policy and critic with a belief in place of what the policy was told.

Inputs are (observation, previous action, mean, log std) for the policy, and the task after them for the critic. Where
the mean is the truth, both decide as the teacher does, whatever the log std; so does the policy on any belief whose
teacher was told nothing. O observation, A action, Q task, L latent.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from adapt.networks.normaliser import RunningNorm
from adapt.networks.policy import Critic, GaussianPolicy

NEW = -1
"""A column that the teacher did not have."""


class EnvironmentLatent(nn.Module):
    """z = mu(task), a teacher's environment encoder (RMA, arXiv:2107.04034), at zero mean and unit variance over tasks.

    It does not learn. The teacher's own z may have any scale; a belief has the prior N(0, 1).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, teacher: GaussianPolicy, tasks: torch.Tensor):
        """
        Args:
            teacher: with an encoder.
            tasks: drawn from the prior, in the coordinates that the teacher was told. Shape (n, Q).
        """
        super().__init__()
        assert teacher.encoder is not None
        told = range(teacher.known, teacher.known + teacher.context_size)
        self.norm = norm_columns(teacher.norm, told)
        self.encoder = copy.deepcopy(teacher.encoder)
        self.requires_grad_(False)
        latent = self.encoder(self.norm(tasks))
        self.register_buffer("mean", latent.mean(dim=0))
        self.register_buffer("std", latent.std(dim=0).clamp(min=1e-3))

    @property
    def size(self) -> int:
        """L."""
        return len(self.mean)

    def forward(self, task: torch.Tensor) -> torch.Tensor:
        """Tasks, shape (..., Q), to z, shape (..., L)."""
        return (self.encoder(self.norm(task)) - self.mean) / self.std

    def absorbed(self, layers: nn.Sequential) -> nn.Sequential:
        """The teacher's layers, whose last L inputs are its own z, as the same function of this one's."""
        layers, kept = copy.deepcopy(layers), -self.size
        first = _first(layers)
        with torch.no_grad():
            first.bias.add_(first.weight[:, kept:] @ self.mean)
            first.weight[:, kept:] *= self.std
        return layers


def policy_on_belief(teacher: GaussianPolicy, latent: EnvironmentLatent | None, task: int) -> GaussianPolicy:
    """The teacher's policy on a belief over the task, or over the latent that its encoder makes of it.

    Args:
        teacher: told the task, or not told anything.
        latent: what its encoder makes of the task; None for the task itself.
        task: size of the task, Q.
    """
    policy = copy.deepcopy(teacher)
    known, told = teacher.known, teacher.context_size
    if latent is None:
        policy.context_size = 2 * task
        new = [NEW] * (2 * task - told)
        policy.norm = norm_columns(policy.norm, [*range(known + told), *new])
        policy.body = layer_columns(policy.body, [*range(_first(policy.body).in_features), *new])
    else:
        policy.context_size = 2 * latent.size
        policy.encoder = None
        new = [NEW] * latent.size
        policy.norm = norm_columns(policy.norm, [*range(known), *new, *new])
        policy.body = layer_columns(latent.absorbed(policy.body), [*range(known + latent.size), *new])
    return policy


def critic_on_belief(teacher: Critic, known: int, latent: int) -> Critic:
    """The teacher's critic, which sees `known` and is told the task, beside a belief of `latent` dimensions."""
    critic = copy.deepcopy(teacher)
    columns = [*range(known), *[NEW] * (2 * latent), *range(known, _first(critic.body).in_features)]
    critic.norm, critic.body = norm_columns(critic.norm, columns), layer_columns(critic.body, columns)
    return critic


def norm_columns(norm: nn.Module, columns: Sequence[int]) -> nn.Module:
    """The normaliser of other columns: those of `norm` by number, or `NEW` ones, which it leaves as they are."""
    if not isinstance(norm, RunningNorm):
        return copy.deepcopy(norm)
    made = RunningNorm(len(columns))
    made.mean[:] = _columns(norm.mean[None], columns, 0.0)[0]
    made.variance[:] = _columns(norm.variance[None], columns, 1.0)[0]
    made.count.copy_(norm.count)
    return made


def layer_columns(layers: nn.Sequential, columns: Sequence[int]) -> nn.Sequential:
    """The same function of other columns: inputs of `layers` by number, or `NEW` ones, which it ignores at first."""
    layers = copy.deepcopy(layers)
    first = _first(layers)
    first.weight = nn.Parameter(_columns(first.weight.detach(), columns, 0.0))
    first.in_features = len(columns)
    return layers


def _columns(rows: torch.Tensor, columns: Sequence[int], new: float) -> torch.Tensor:
    chosen = torch.tensor(columns)
    return torch.where(chosen == NEW, torch.full((), new), rows[:, chosen.clamp(min=0)]).contiguous()


def _first(layers: nn.Sequential) -> nn.Linear:
    first = layers[0]
    assert isinstance(first, nn.Linear)
    return first
