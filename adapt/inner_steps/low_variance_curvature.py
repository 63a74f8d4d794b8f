"""ProMP's inner step (Rothfuss et al. 2018, arXiv:1810.06784): a gradient of the low variance curvature objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from adapt.inner_steps.episodes import Episodes
from adapt.inner_steps.inner_step import HandWrittenStep
from adapt.networks.task_policies import TaskPolicies


def lvc_objective(
    policies: TaskPolicies, parameters: torch.Tensor, episodes: Episodes
) -> tuple[torch.Tensor, torch.Tensor]:
    """J_LVC of parameters, (B, P), with the likelihood ratio of those that played, and KL from those. (B,) each.

    J_LVC = E[pi(a | s) / stop(pi(a | s)) A] (equation 12).
    """
    policy = policies.distribution(parameters, episodes.inputs)
    objective = episodes.mean(episodes.ratio(policy.log_prob(episodes.action)) * episodes.advantage)
    return objective, episodes.mean(episodes.policy.kl(policy))


@dataclass(frozen=True)
class LowVarianceCurvature(HandWrittenStep):
    """theta'_i = theta_i + alpha grad J_LVC(theta_i)."""

    name: ClassVar[str] = "low_variance_curvature"

    def moved(self, policies: TaskPolicies, episodes: Episodes, rate: float) -> torch.Tensor:
        """theta' of the parameters that played. Shape (B, P)."""
        parameters = episodes.parameters.detach().requires_grad_()
        objective, _ = lvc_objective(policies, parameters, episodes)
        (gradient,) = torch.autograd.grad(objective.sum(), parameters)
        return parameters.detach() + rate * gradient

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of it."""
        return {"name": self.name}
