"""VariBAD's evidence lower bound (Zintgraf et al. 2020, arXiv:1910.08348, eq. 5 to 9).

ELBO_t = E_{q(m | tau_:t)} [log p(tau_:H | m)] - KL(q(m | tau_:t) || q(m | tau_:t-1)),    q(m | tau_:-1) = N(0, 1)

At every t the whole trajectory is decoded, past and future. Sums over times t and transitions are estimated from
random ones of them. B trials, L latent, E times t, K transitions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adapt.learners.trial_buffer import Trials
from adapt.networks.trajectory import TransitionDecoder


@dataclass(frozen=True)
class Draws:
    """All random numbers of one estimate, drawn beforehand: other threads draw too."""

    rows: torch.Tensor
    """Which kept trials. Shape (B,)."""
    times: torch.Tensor
    """At which the trajectory is decoded, sorted. Shape (E,)."""
    transitions: torch.Tensor
    """Which are decoded. Shape (K,)."""
    noise: torch.Tensor
    """Standard normal. Shape (E, B, L)."""

    @classmethod
    def draw(cls, kept: int, steps: int, trials: int, times: int, transitions: int, latent: int) -> Draws:
        """For `trials` out of `kept` trials of `steps` steps, without repetition."""
        rows = torch.randperm(kept)[:trials]
        return cls(
            rows,
            torch.randperm(steps)[:times].sort().values,
            torch.randperm(steps)[:transitions],
            torch.randn(min(times, steps), len(rows), latent),
        )


def kl_to_previous(belief: torch.Tensor) -> torch.Tensor:
    """KL(q_t || q_{t-1}), N(0, 1) before the first. Beliefs (T, B, 2 L), mean and log std; shape (T, B)."""
    mean, log_std = belief.chunk(2, dim=-1)
    zero = torch.zeros_like(mean[:1])
    before_mean, before_log_std = torch.cat([zero, mean[:-1]]), torch.cat([zero, log_std[:-1]])
    precision = torch.exp(-2 * before_log_std)
    spread = torch.exp(2 * log_std) + (mean - before_mean).square()
    return (before_log_std - log_std + 0.5 * spread * precision - 0.5).sum(dim=-1)


def latent_samples(belief: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """m = mean + std x noise. Beliefs (..., 2 L), noise (..., L); shape (..., L)."""
    mean, log_std = belief.chunk(2, dim=-1)
    return mean + torch.exp(log_std) * noise


def reward_inputs(trials: Trials, k: torch.Tensor) -> torch.Tensor:
    """(s_k, a_k, s_k+1) of transitions `k`, shape (K,). Shape (K, B, 2 O + A)."""
    return torch.cat([trials.observation(k), trials.action(k), trials.observation(k + 1)], dim=-1)


def state_inputs(trials: Trials, k: torch.Tensor, ahead: int) -> torch.Tensor:
    """(s_k, a_k, ..., a_k+ahead-1). Shape (K, B, O + ahead A)."""
    return torch.cat([trials.observation(k), *(trials.action(k + step) for step in range(ahead))], dim=-1)


def reconstruction(
    decoder: TransitionDecoder,
    latent: torch.Tensor,
    inputs: torch.Tensor,
    target: torch.Tensor,
    valid: torch.Tensor,
) -> torch.Tensor:
    """Squared error of decoded targets, in their standard deviations, per transition and target.

    Args:
        decoder: of rewards or of observations.
        latent: shape (E, B, L).
        inputs: shape (K, B, inputs).
        target: shape (K, B, outputs).
        valid: which transitions count. Shape (K, B), bool.
    """
    error = (decoder(latent, inputs) - decoder.target_norm(target)).square().mean(dim=-1)
    weight = valid.to(error.dtype)
    return (error.mean(dim=0) * weight).sum() / weight.sum().clamp(min=1.0)
