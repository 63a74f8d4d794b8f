"""MAML (Finn, Abbeel, Levine 2017, arXiv:1703.03400): start parameters from which one gradient step adapts.

theta'_i = theta - alpha grad L_i(theta); a TRPO step on theta lowers the mean over tasks of L_i(theta'_i), each on
episodes of its adapted policy. The trust region is about the adapted policies. An inner step's Jacobian is
J = I - alpha H, H the Hessian of L_i; the divergence's Hessian in theta is J F J, F the adapted policy's Fisher
matrix: the rest vanishes, as the divergence has its minimum there. First order, J is I.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from adapt.inner_steps.episodes import Episodes, groups
from adapt.inner_steps.policy_gradient import (
    PolicyGradient,
    policy_gradient_loss,
    policy_gradient_steps,
)
from adapt.learners.gradient_meta import GradientMetaConfig, GradientMetaLearner
from adapt.learners.setup import Setup
from adapt.learners.trpo import Product, TRPOConfig, hessian, trust_region_step
from adapt.networks.task_policies import Gaussian, TaskPolicies


@dataclass(frozen=True)
class MAMLConfig(GradientMetaConfig):
    """Hyperparameters; TRPO's are those of the paper's half-cheetah."""

    second_order: bool = True
    """Whether the meta-gradient knows that the inner gradient depends on theta."""
    curvature_stride: int = 5
    """Only every so many control steps count for the curvature; TRPO (appendix C) takes a tenth of the data."""
    trpo: TRPOConfig = field(default_factory=TRPOConfig)


class MAMLLearner(GradientMetaLearner):
    """MAML with policy gradients inside and TRPO outside."""

    def __init__(self, setup: Setup):
        self.config: MAMLConfig = setup.config
        super().__init__(setup, self.config)

    @property
    def inner_step(self) -> PolicyGradient:
        """theta'_i = theta_i - alpha grad L_i(theta_i); equation 1."""
        return PolicyGradient()

    def meta_step(self, phases: list[Episodes], adapted: torch.Tensor) -> dict[str, float]:
        """The TRPO step on the start parameters."""
        config, policies = self.config, self.policies
        rate, second_order, tasks = config.inner_learning_rate, config.second_order, config.tasks
        parts = list(groups(phases))
        losses, gradients = zip(
            *(meta_gradient(policies, part, rate, second_order) for part in parts), strict=True
        )
        thin = [episodes.thinned(config.curvature_stride) for episodes in phases]
        products = [adapted_curvature(policies, part, rate, second_order) for part in groups(thin)]

        def curvature(vector: torch.Tensor) -> torch.Tensor:
            return torch.stack([product(vector) for product in products]).sum(dim=0) / tasks

        def evaluate(candidate: torch.Tensor) -> tuple[float, float]:
            outcome = torch.cat([meta_outcome(policies, candidate, part, rate) for part in parts], dim=1)
            loss, kl = outcome.mean(dim=1).tolist()
            return loss, kl

        gradient = torch.stack(gradients).sum(dim=0) / tasks
        step = trust_region_step(self.parameters, gradient, curvature, evaluate, config.trpo)
        self.replace_parameters(step.parameters)
        return {
            "policy_loss": sum(losses) / tasks,
            "gradient_norm": float(gradient.norm()),
            "improvement": -step.loss,
            "kl": step.kl,
            "backtracks": float(step.backtracks),
        }


def surrogate(policy: Gaussian, after: Episodes) -> torch.Tensor:
    """-E[pi(a | s) / pi_old(a | s) A] of the adapted policies. Shape (B,)."""
    return after.mean(-after.ratio(policy.log_prob(after.action)) * after.advantage)


def meta_gradient(
    policies: TaskPolicies, phases: list[Episodes], rate: float, second_order: bool
) -> tuple[float, torch.Tensor]:
    """Surrogate loss, and its gradient in theta, shape (P,); summed over tasks."""
    *before, after = phases
    start = phases[0].parameters.detach().requires_grad_()
    adapted = policy_gradient_steps(policies, start, before, rate, graph=second_order)
    loss = surrogate(policies.distribution(adapted, after.inputs), after).sum()
    (gradient,) = torch.autograd.grad(loss, start)
    return loss.item(), gradient.sum(dim=0)


def adapted_curvature(
    policies: TaskPolicies, phases: list[Episodes], rate: float, second_order: bool
) -> Product:
    """Product of J F J, summed over tasks, with a vector, shape (P,)."""
    *before, after = phases
    at, tasks = after.parameters.detach().requires_grad_(), len(after.parameters)
    fisher = hessian(after.mean(after.policy.kl(policies.distribution(at, after.inputs))), at)
    inner = []
    for episodes in before if second_order else []:
        at = episodes.parameters.detach().requires_grad_()
        inner.append(hessian(policy_gradient_loss(policies, at, episodes), at))

    def product(vector: torch.Tensor) -> torch.Tensor:
        vector = vector.repeat(tasks, 1)
        for step in inner:
            vector = vector - rate * step(vector)
        vector = fisher(vector)
        for step in reversed(inner):
            vector = vector - rate * step(vector)
        return vector.sum(dim=0)

    return product


def meta_outcome(
    policies: TaskPolicies, start: torch.Tensor, phases: list[Episodes], rate: float
) -> torch.Tensor:
    """Surrogate loss and KL divergence of start parameters, shape (P,), adapted anew. Shape (2, B)."""
    *before, after = phases
    parameters = start.detach().repeat(len(after.parameters), 1).requires_grad_()
    adapted = policy_gradient_steps(policies, parameters, before, rate, graph=False)
    with torch.no_grad():
        policy = policies.distribution(adapted, after.inputs)
        return torch.stack([surrogate(policy, after), after.mean(after.policy.kl(policy))])
