"""MAML's inner step (Finn, Abbeel, Levine 2017, arXiv:1703.03400): a policy gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from adapt.inner_steps.episodes import Episodes
from adapt.inner_steps.inner_step import HandWrittenStep
from adapt.networks.task_policies import TaskPolicies


def policy_gradient_loss(
    policies: TaskPolicies, parameters: torch.Tensor, episodes: Episodes
) -> torch.Tensor:
    """L_i = -E[log pi(a | s) A] (Williams 1992), of parameters (B, P). Shape (B,)."""
    log_prob = policies.distribution(parameters, episodes.inputs).log_prob(episodes.action)
    return episodes.mean(-log_prob * episodes.advantage)


def policy_gradient_steps(
    policies: TaskPolicies, parameters: torch.Tensor, before: list[Episodes], rate: float, graph: bool
) -> torch.Tensor:
    """theta' of theta that requires gradients, both (B, P); with a graph, the inner gradient has gradients too."""
    for episodes in before:
        loss = policy_gradient_loss(policies, parameters, episodes).sum()
        (gradient,) = torch.autograd.grad(loss, parameters, create_graph=graph)
        parameters = parameters - rate * gradient
    return parameters


@dataclass(frozen=True)
class PolicyGradient(HandWrittenStep):
    """theta'_i = theta_i - alpha grad L_i(theta_i); equation 1."""

    name: ClassVar[str] = "policy_gradient"

    def moved(self, policies: TaskPolicies, episodes: Episodes, rate: float) -> torch.Tensor:
        """theta' of the parameters that played. Shape (B, P)."""
        start = episodes.parameters.detach().requires_grad_()
        return policy_gradient_steps(policies, start, [episodes], rate, graph=False).detach()

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of it."""
        return {"name": self.name}
