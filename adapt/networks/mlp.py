"""Multilayer perceptrons with orthogonal initialisation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import nn


def mlp(sizes: Sequence[int], output_gain: float = 1.0) -> nn.Sequential:
    """Tanh layers of the given sizes with a linear last one; orthogonal weights, zero biases."""
    layers: list[nn.Module] = []
    last = len(sizes) - 2
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(layer.weight, output_gain if index == last else math.sqrt(2))
        nn.init.zeros_(layer.bias)
        layers += [layer] if index == last else [layer, nn.Tanh()]
    return nn.Sequential(*layers)
