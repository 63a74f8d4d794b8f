"""One control step of a policy whose parameters are an input: what is adapted by gradients on the robot."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from adapt.networks.task_policies import TaskPolicies

GRADIENT_OUTPUTS = ("log_std", "inputs")


class GradientStep(nn.Module):
    """N robots, each with P parameters of its own."""

    kind = "gradient"
    inputs = ("observation", "parameters")
    outputs = ("action", *GRADIENT_OUTPUTS)
    memory = 0
    latent = 0
    reward_free = False

    def __init__(
        self,
        policies: TaskPolicies,
        normalise: Callable[[torch.Tensor], torch.Tensor],
        start: torch.Tensor,
    ):
        """`start`: the parameters that adaptation starts from, shape (P,)."""
        super().__init__()
        self.policies = policies
        self.normalise = normalise
        self.start = start

    def forward(
        self, observation: torch.Tensor, parameters: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Observation (N, O) and parameters (N, P) to the mean action and its log standard deviation, (N, A) each.

        Besides: what the network sees of the observation, for whoever computes gradients. Shape (N, O).
        """
        inputs = self.normalise(observation)
        policy = self.policies.distribution(parameters, inputs.unsqueeze(1))
        return policy.mean.squeeze(1), policy.log_std.squeeze(1), inputs
