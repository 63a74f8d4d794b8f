"""Adam (arXiv:1412.6980) as a function, so that gradients pass through its steps: the optimiser of a rule's agents.

As the authors of DiscoRL have it: no gradient passes through the denominator, and an update of a parameter, before the
learning rate, ends at +-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from adapt.update_rules.rule import Tensors

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_COUNT, _FIRST, _SECOND = "count", "first.", "second."


@dataclass(frozen=True)
class Adam:
    """With a learning rate for all parameters."""

    rate: float = 3e-4
    largest: float = 1.0
    """Update of a parameter at a rate of 1."""

    def begin(self, params: Tensors) -> Tensors:
        """Moments of nothing yet."""
        moments = {_COUNT: torch.zeros(())}
        for name, value in params.items():
            moments[_FIRST + name] = torch.zeros_like(value)
            moments[_SECOND + name] = torch.zeros_like(value)
        return moments

    def mean(self, moments: Tensors, name: str) -> torch.Tensor:
        """Of a parameter's gradients until now, not divided by the share that was seen; its shape."""
        return moments[_FIRST + name]

    def step(
        self,
        params: Tensors,
        gradients: Tensors,
        moments: Tensors,
        rates: Mapping[str, torch.Tensor | float] | None = None,
    ) -> tuple[Tensors, Tensors]:
        """New parameters and moments; `rates` multiply the learning rate of parameters by name."""
        count = moments[_COUNT] + 1
        first_share, second_share = 1 - _BETA1**count, 1 - _BETA2**count
        following, updated = {_COUNT: count}, {}
        for name, value in params.items():
            gradient = gradients[name]
            first = _BETA1 * moments[_FIRST + name] + (1 - _BETA1) * gradient
            second = _BETA2 * moments[_SECOND + name] + (1 - _BETA2) * gradient.square()
            denominator = torch.sqrt(second.detach() / second_share) + _EPSILON
            update = (first / first_share / denominator).clamp(-self.largest, self.largest)
            updated[name] = value - self.rate * (rates[name] if rates is not None else 1.0) * update
            following[_FIRST + name], following[_SECOND + name] = first, second
        return updated, following
