"""Reptile (Nichol, Achiam, Schulman 2018, arXiv:1803.02999) for reinforcement learning.

Each task's policy learns for K inner steps, each on episodes of its own; then theta moves towards where they ended:
theta <- theta + epsilon mean_i(theta_i - theta), epsilon falling to zero. No derivative of the inner learner is taken.

The paper gives no reinforcement learning, so the inner learner is chosen here, for two reasons of the paper's own.
Reptile sees only where an inner learner goes, so it has to get somewhere: one plain policy-gradient step per phase
moves too little, and with one gradient step Reptile is joint training (section 5.1: the useful second-order term grows
with their number). Hence several gradients per phase, on PPO's clipped objective, which stays near the policy that
played. And Adam with beta1 = 0 (section 6), begun anew with each phase, so that the step's length does not depend on
the rewards' scale and no momentum is carried from one task to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adapt.inner_steps.clipped_adam import ClippedAdam
from adapt.inner_steps.episodes import Episodes
from adapt.learners.gradient_meta import GradientMetaConfig, GradientMetaLearner
from adapt.learners.setup import Setup


@dataclass(frozen=True)
class ReptileConfig(GradientMetaConfig):
    """Hyperparameters; of the paper: Adam without momentum, and the falling meta-step.

    How far the inner learner gets decides. half_cheetah_dir after 4 M control steps, seed 0, before and after the inner
    steps: -21 and 16 with three that may change likelihoods by 0.3; -25 and 103 with a rate of 1e-2 and changes up to
    1; -32 and 165 to 200 with eight as they are here.
    """

    rollouts: int = 3
    inner_steps: int = 8
    inner_learning_rate: float = 3e-3
    """Adam's in the inner steps."""
    later_learning_rate: float = 3e-3
    inner_epochs: int = 5
    """Gradients per inner step."""
    clip: float = 1.0
    """Largest deviation from 1 of the likelihood ratio that pays."""
    meta_step: float = 1.0
    """Epsilon at the start; falls linearly to zero."""


class ReptileLearner(GradientMetaLearner):
    """Reptile; `return` is that of the last phase, before the last inner step."""

    plays_adapted = False

    def __init__(self, setup: Setup):
        self.config: ReptileConfig = setup.config
        super().__init__(setup, self.config)

    @property
    def inner_step(self) -> ClippedAdam:
        """Several gradients on one phase."""
        return ClippedAdam(self.config.inner_epochs, self.config.clip)

    def meta_step(self, phases: list[Episodes], adapted: torch.Tensor) -> dict[str, float]:
        """theta <- theta + epsilon mean_i(theta_i - theta)."""
        epsilon = self.config.meta_step * (1 - self._progress)
        moved = reptile_step(self.parameters, adapted, epsilon)
        distance = (adapted - self.parameters).norm(dim=1).mean()
        metrics = {
            "inner_distance": float(distance),
            "meta_distance": float((moved - self.parameters).norm()),
            "meta_step": epsilon,
        }
        self.replace_parameters(moved)
        return metrics


def reptile_step(parameters: torch.Tensor, adapted: torch.Tensor, epsilon: float) -> torch.Tensor:
    """From theta, shape (P,), towards the mean of the tasks' parameters, shape (B, P)."""
    return parameters + epsilon * (adapted - parameters).mean(dim=0)
