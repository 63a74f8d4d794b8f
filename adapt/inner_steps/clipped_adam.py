"""Reptile's inner step here: Adam without momentum (arXiv:1803.02999, section 6) on PPO's clipped objective."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch

from adapt.inner_steps.episodes import Episodes
from adapt.inner_steps.inner_step import HandWrittenStep
from adapt.networks.task_policies import TaskPolicies

_BETA2, _EPSILON = 0.999, 1e-8
"""Adam's (arXiv:1412.6980)."""


@dataclass(frozen=True)
class ClippedAdam(HandWrittenStep):
    """Several gradients on one phase, Adam begun anew with it."""

    name: ClassVar[str] = "clipped_adam"
    epochs: int = 5
    """Gradients."""
    clip: float = 1.0
    """Largest deviation from 1 of the likelihood ratio that pays."""

    def moved(self, policies: TaskPolicies, episodes: Episodes, rate: float) -> torch.Tensor:
        """Adam with beta1 = 0, of the policies that played. Shape (B, P)."""
        parameters = episodes.parameters
        square = torch.zeros_like(parameters)
        for epoch in range(1, self.epochs + 1):
            at = parameters.detach().requires_grad_()
            log_prob = policies.distribution(at, episodes.inputs).log_prob(episodes.action)
            loss = -episodes.clipped_gain(log_prob, self.clip).sum()
            (gradient,) = torch.autograd.grad(loss, at)
            square = _BETA2 * square + (1 - _BETA2) * gradient.square()
            scale = (square / (1 - _BETA2**epoch)).sqrt() + _EPSILON
            parameters = parameters - rate * gradient / scale
        return parameters

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of it."""
        return {"name": self.name, **asdict(self)}
