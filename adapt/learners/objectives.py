"""What a belief is trained on: named terms, summed with weights. The exchangeable part of RMA.

`privileged`            log-likelihood of the simulator's true parameters (as in RMA, arXiv:2107.04034, with a
                        posterior in place of a point estimate), or RMA's own regression of the teacher's latent;
`state` + `kl`          VariBAD's evidence lower bound with a state decoder (arXiv:1910.08348): reward-free;
all three               both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

ACTION_HISTORY = 3
"""Sent actions that the motion model sees, newest first: an action delay reaches over two control periods."""
PRIOR_SHARE = 0.1
"""Share of motion-model samples that see the prior instead of a belief, so that both predict honestly."""


@dataclass(frozen=True)
class Objective:
    """Weights of the terms that a belief is trained on; 0: it does not learn from that one."""

    privileged: float = 1.0
    """Of the simulator's truth."""
    state: float = 0.0
    """Of the forecast of the next observation."""
    kl: float = 0.0
    """Of the divergence from the prior."""


@dataclass(frozen=True)
class Stretch:
    """T consecutive steps of N trials, as the encoder heard them."""

    heard: torch.Tensor
    """Observation, previous action, episode flag. Shape (T, N, O + A + 1)."""
    task: torch.Tensor
    """True task in the belief's coordinates. Shape (T, N, Q)."""
    observation_size: int
    action_size: int
    fresh: torch.Tensor | None = None
    """Whether a trial begins with the step; None: none does but the first. Shape (T, N), bool."""
    scale: torch.Tensor | float = 1.0
    """Units in which forecasts of the observation err. Shape (O,)."""

    @property
    def observation(self) -> torch.Tensor:
        return self.heard[..., : self.observation_size]

    @property
    def previous_action(self) -> torch.Tensor:
        return self.heard[..., self.observation_size : self.observation_size + self.action_size]

    @property
    def new_episode(self) -> torch.Tensor:
        return self.heard[..., -1]


def privileged(belief: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
    """-log q(task | history) per dimension, without its constant. Belief (..., 2 Q), task (..., Q)."""
    mean, log_std = belief.chunk(2, dim=-1)
    return (0.5 * ((task - mean) * torch.exp(-log_std)).square() + log_std).mean()


def regression(belief: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
    """|mean - z|^2 per dimension (RMA, arXiv:2107.04034, phase 2). Belief (..., 2 L), latent z (..., L).

    The log standard deviation learns, beside it, how far off the mean is: none of that moves the mean.
    """
    mean, log_std = belief.chunk(2, dim=-1)
    error = latent - mean
    doubt = 0.5 * (error.detach() * torch.exp(-log_std)).square() + log_std
    return (error.square() + doubt).mean()


def kl(belief: torch.Tensor) -> torch.Tensor:
    """KL(q || N(0, 1)) per dimension. Belief (..., 2 L)."""
    mean, log_std = belief.chunk(2, dim=-1)
    return (0.5 * (mean.square() + torch.exp(2 * log_std) - 1) - log_std).mean()


def state(motion_model: nn.Module, belief: torch.Tensor, stretch: Stretch) -> torch.Tensor:
    """Squared error of the forecast of the next observation, in the stretch's scale.

    Steps whose action history or next observation crosses an episode's beginning are left out.
    """
    steps = len(stretch.observation)
    first, last = ACTION_HISTORY - 1, steps - 1
    actions = torch.cat(
        [stretch.previous_action[first + 1 - lag : steps - lag] for lag in range(ACTION_HISTORY)], dim=-1
    )
    fresh = stretch.new_episode
    crossed = torch.stack([fresh[first + 1 - lag : steps - lag] for lag in range(ACTION_HISTORY)]).sum(dim=0)
    told = belief[first:last]
    told = torch.where(torch.rand(told.shape[:2])[..., None] < PRIOR_SHARE, torch.zeros_like(told), told)
    now, before = stretch.observation[first:last], stretch.observation[first - 1 : last - 1]
    predicted = motion_model(now, before, actions, told)
    error = ((predicted - stretch.observation[first + 1 :]) / stretch.scale).square().mean(dim=-1)
    keep = (crossed == 0).float()
    return (error * keep).sum() / keep.sum().clamp(min=1.0)
