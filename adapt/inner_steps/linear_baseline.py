"""The linear-feature baseline of Duan et al. 2016 (arXiv:1604.06778), of B tasks at once, and advantages from it.

Every task's baseline is fitted to the returns of the very episodes that it then serves, as in the code of MAML and
ProMP. Letters: B tasks, T control steps, R episodes, O observation, F features.
"""

from __future__ import annotations

import torch

REGULARISATION = 1e-5
_CLIP = 10.0
"""Observations end here in the features; rllab."""


def features(observation: torch.Tensor) -> torch.Tensor:
    """Observations, shape (B, T, R, O), to o, o^2, t/100, (t/100)^2, (t/100)^3, 1. Shape (B, T, R, 2 O + 4)."""
    tasks, steps, episodes, _ = observation.shape
    clipped = observation.clamp(-_CLIP, _CLIP)
    time = torch.arange(steps, dtype=observation.dtype) / 100
    powers = torch.stack([time, time**2, time**3, torch.ones_like(time)], dim=-1)
    spread = powers[None, :, None].expand(tasks, steps, episodes, 4)
    return torch.cat([clipped, clipped.square(), spread], dim=-1)


def fit_predict(observation: torch.Tensor, returns: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    """Values of all states by regularised least squares on the returns, solved in double precision.

    Args:
        observation: shape (B, T, R, O).
        returns: discounted, from each step on. Shape (B, T, R).
        alive: 1 for the steps that count, 0 after an early end. Shape (B, T, R).

    Returns:
        Shape (B, T, R).
    """
    table = features(observation).flatten(1, 2)
    counted = table * alive.flatten(1, 2).unsqueeze(-1)
    gram = (counted.mT @ table).double()
    right = (counted.mT @ returns.flatten(1, 2).unsqueeze(-1)).double()
    gram += REGULARISATION * torch.eye(gram.shape[-1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, right).to(table.dtype)
    return (table @ weights).reshape(returns.shape)


def discounted(rewards: torch.Tensor, gamma: float) -> torch.Tensor:
    """Returns from each step on; rewards and result (B, T, R)."""
    returns = torch.empty_like(rewards)
    running = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        running = rewards[:, t] + gamma * running
        returns[:, t] = running
    return returns


def generalised_advantages(
    rewards: torch.Tensor, values: torch.Tensor, alive: torch.Tensor, gamma: float, gae_lambda: float
) -> torch.Tensor:
    """A_t = sum_k (gamma lambda)^k delta_{t+k}, delta_t = r_t + gamma V_{t+1} - V_t (arXiv:1506.02438, eq. 16).

    The horizon ends an episode as a terminal state does: the baseline knows the time. All (B, T, R); zero where an
    episode is over.
    """
    counted = values * alive
    following = torch.cat([counted[:, 1:], torch.zeros_like(counted[:, :1])], dim=1)
    return discounted(rewards * alive + gamma * following - counted, gamma * gae_lambda)


def standardised(values: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit variance over the steps of each task that count; 0 elsewhere. All (B, T, R)."""
    mean, std = moments(values, alive)
    return (values - mean) * alive / (std + 1e-8)


def moments(values: torch.Tensor, alive: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation over the steps of each task that count; of (B, T, R), shape (B, 1, 1) each."""
    count = alive.sum(dim=(1, 2), keepdim=True)
    mean = (values * alive).sum(dim=(1, 2), keepdim=True) / count
    centred = (values - mean) * alive
    return mean, (centred.square().sum(dim=(1, 2), keepdim=True) / count).sqrt()
