"""ProMP (Rothfuss et al. 2018, arXiv:1810.06784): proximal meta-policy search.

The inner step is on the low variance curvature objective, J_LVC = E[pi(a | s) / stop(pi(a | s)) A] (equation 12),
whose second derivatives are those of the expected return; the meta-step is several Adam steps on the clipped
objective of the adapted policies, with a penalty on how far the start policy moves (equations 13 to 15).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.inner_steps.episodes import Episodes, groups
from adapt.inner_steps.low_variance_curvature import LowVarianceCurvature, lvc_objective
from adapt.learners.gradient_meta import GradientMetaConfig, GradientMetaLearner
from adapt.learners.setup import Setup

_PENALTIES = (1e-5, 1e5)
"""Bounds of adaptive weights; at the lower one a divergence of 0.01 is lost in the noise of the objective."""


@dataclass(frozen=True)
class ProMPConfig(GradientMetaConfig):
    """Hyperparameters; the optimiser's are those of the paper's code."""

    learning_rate: float = 1e-3
    """Adam's, of the start parameters."""
    outer_steps: int = 5
    """Adam steps per iteration."""
    clip: float = 0.3
    """Largest deviation from 1 of the likelihood ratio of the adapted policies."""
    kl_penalty: float = 5e-4
    """Weight of the start policy's KL divergence, at the start; one for each inner step."""
    adaptive_penalty: bool = True
    """Whether the weight is doubled and halved to keep the divergence near its target."""
    target_kl: float = 0.01


class ProMPLearner(GradientMetaLearner):
    """ProMP."""

    def __init__(self, setup: Setup):
        self.config: ProMPConfig = setup.config
        super().__init__(setup, self.config)
        self.parameters.requires_grad_()
        self.optimizer = torch.optim.Adam([self.parameters], lr=self.config.learning_rate)
        self.penalty = np.full(self.config.inner_steps, self.config.kl_penalty)
        """Weights of the inner divergences. Shape (K,)."""

    @property
    def inner_step(self) -> LowVarianceCurvature:
        """theta'_i = theta_i + alpha grad J_LVC(theta_i)."""
        return LowVarianceCurvature()

    def meta_step(self, phases: list[Episodes], adapted: torch.Tensor) -> dict[str, float]:
        """Adam steps on the same episodes; the divergences are those before the last of them."""
        losses, kl = [], np.zeros(0)
        for _ in range(self.config.outer_steps):
            self.optimizer.zero_grad(set_to_none=True)
            parts = [self._backward(part) for part in groups(phases)]
            self.optimizer.step()
            losses.append(sum(loss for loss, _ in parts))
            kl = np.sum([kl for _, kl in parts], axis=0)
        if self.config.adaptive_penalty:
            self.penalty = adapted_penalty(self.penalty, kl, self.config.target_kl)
        return {
            "policy_loss": float(np.mean(losses)),
            "inner_kl": float(kl.mean()),
            "kl_penalty": float(self.penalty.mean()),
        }

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return super().state() | {
            "optimizer": optimizer_state(self.optimizer),
            "penalty": self.penalty.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        super().restore(state)
        restore_optimizer(self.optimizer, state["optimizer"])
        self.penalty = np.asarray(state["penalty"]).copy()

    def _backward(self, phases: list[Episodes]) -> tuple[float, np.ndarray]:
        """Adds some tasks' part of the gradient of -J_ProMP; returns their part of it and of the divergences, (K,)."""
        config, (*before, after) = self.config, phases
        parameters, kls = self.parameters.repeat(len(after.parameters), 1), []
        for step, episodes in enumerate(before):
            objective, kl = lvc_objective(self.policies, parameters, episodes)
            (gradient,) = torch.autograd.grad(objective.sum(), parameters, create_graph=True)
            parameters = parameters + self.inner_rate(step) * gradient
            kls.append(kl.sum() / config.tasks)
        log_prob = self.policies.distribution(parameters, after.inputs).log_prob(after.action)
        outer = after.clipped_gain(log_prob, config.clip).sum() / config.tasks
        divergence = torch.stack(kls)
        loss = (torch.from_numpy(self.penalty).to(divergence.dtype) * divergence).mean() - outer
        loss.backward()
        return loss.item(), divergence.detach().numpy()


def adapted_penalty(penalty: np.ndarray, kl: np.ndarray, target: float) -> np.ndarray:
    """Doubled where the divergence is over 1.5 times its target, halved where under two thirds. All (K,).

    As in PPO with an adaptive penalty (Schulman et al. 2017, arXiv:1707.06347, section 4), which ProMP's code follows.
    Within bounds: a divergence that stays small for hundreds of iterations would halve a weight to where no doubling
    brings it back.
    """
    adapted = np.where(kl > 1.5 * target, 2 * penalty, np.where(kl < target / 1.5, penalty / 2, penalty))
    return np.clip(adapted, *_PENALTIES)
