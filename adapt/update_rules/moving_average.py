"""Exponential moving averages of a quantity's mean and square, without bias at the start (as in Adam)."""

from __future__ import annotations

import torch

from adapt.update_rules.rule import Tensors

_DECAY, _EPSILON, _ROOT_EPSILON = 0.99, 1e-6, 1e-12


def begin(name: str) -> Tensors:
    """Averages of nothing yet, under a name."""
    return {
        f"{name}.mean": torch.zeros(()),
        f"{name}.square": torch.zeros(()),
        f"{name}.unseen": torch.ones(()),
    }


def add(state: Tensors, name: str, values: torch.Tensor) -> Tensors:
    """The averages with values of any shape added."""
    seen = {
        "mean": values.mean(),
        "square": values.square().mean(),
        "unseen": torch.zeros_like(values.mean()),
    }
    return {
        f"{name}.{moment}": _DECAY * state[f"{name}.{moment}"] + (1 - _DECAY) * new
        for moment, new in seen.items()
    }


def normalise(state: Tensors, name: str, values: torch.Tensor) -> torch.Tensor:
    """Values at zero mean and unit variance by the averages; same shape."""
    share = 1 - state[f"{name}.unseen"]
    mean = state[f"{name}.mean"] / share
    variance = (state[f"{name}.square"] / share - mean.square()).clamp(min=0)
    return (values - mean) / (torch.sqrt(variance + _ROOT_EPSILON) + _EPSILON)
