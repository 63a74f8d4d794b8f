"""Episodes without a simulation: random samples in double precision, drawn from the policies that they are of."""

from __future__ import annotations

import torch

from adapt.inner_steps.episodes import Episodes
from adapt.networks.task_policies import Gaussian, TaskPolicies


def made_episodes(
    policies: TaskPolicies, parameters: torch.Tensor, steps: int, episodes: int, observation: int, seed: int
) -> Episodes:
    """T x R samples of each of B tasks, one of them over early; parameters (B, P)."""
    generator = torch.Generator().manual_seed(seed)
    tasks, samples = len(parameters), steps * episodes
    inputs = torch.randn(tasks, samples, observation, generator=generator, dtype=torch.float64)
    policy = policies.distribution(parameters, inputs)
    policy = Gaussian(policy.mean.detach(), policy.log_std.detach())
    action = policy.sample(generator)
    weight = torch.ones(tasks, samples, dtype=torch.float64)
    weight[0, -1] = 0.0
    return Episodes(
        parameters=parameters.detach(),
        observation=inputs,
        inputs=inputs,
        action=action,
        policy=policy,
        log_prob=policy.log_prob(action),
        advantage=torch.randn(tasks, samples, generator=generator, dtype=torch.float64),
        reward_z=torch.randn(tasks, samples, generator=generator, dtype=torch.float64),
        scales=torch.rand(tasks, 3, generator=generator, dtype=torch.float64),
        weight=weight / weight.sum(dim=1, keepdim=True),
        returns=torch.zeros(tasks, episodes, dtype=torch.float64),
        reward=0.0,
    )
