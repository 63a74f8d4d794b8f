"""`RunningNorm`: inputs at zero mean and unit variance, from all that has been seen so far."""

from __future__ import annotations

import torch
from torch import nn

CLIP = 10.0
"""Normalised inputs end here: a rare outlier must not run away with a network."""


class RunningNorm(nn.Module):
    """Running mean and variance of inputs of some size, F (Chan, Golub, LeVeque 1983)."""

    mean: torch.Tensor
    variance: torch.Tensor
    count: torch.Tensor

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.tensor(1e-4, dtype=torch.float64))

    @property
    def std(self) -> torch.Tensor:
        """Shape (F,)."""
        return torch.sqrt(self.variance + 1e-8)

    @torch.no_grad()
    def update(self, inputs: torch.Tensor) -> None:
        """Learns from inputs, shape (..., F)."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        old, count = float(self.count), len(rows)
        total, delta = old + count, rows.mean(dim=0) - self.mean
        spread = delta.square() * (old * count / total)
        variance = rows.var(dim=0, unbiased=False)
        self.variance.copy_((self.variance * old + variance * count + spread) / total)
        self.mean += delta * (count / total)
        self.count.fill_(total)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs, shape (..., F), normalised and clipped; same shape."""
        return ((inputs - self.mean) * torch.rsqrt(self.variance + 1e-8)).clamp(-CLIP, CLIP)
