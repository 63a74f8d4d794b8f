"""Hyperparameters of an actor-critic as numbers that may be anything: each has a range, which it cannot leave.

What is adapted, or drawn, is x in h(x) = low (high / low)^sigmoid(x); of a discount, 1 - discount is h, and the trace
is sigmoid(x). So all of them stay valid whatever an optimiser does, and sigmoid(x) uniform in [0, 1] is log-uniform in
the range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

RATE = "rate"
"""Factor of the optimiser's learning rate."""


@dataclass(frozen=True)
class Range:
    """Ends of a hyperparameter's range, neither of which is reached."""

    low: float
    high: float
    logarithmic: bool = True
    complement: bool = False
    """Whether it is 1 minus the hyperparameter that lies in the range."""

    def value(self, x: torch.Tensor) -> torch.Tensor:
        """The hyperparameter; same shape."""
        share = torch.sigmoid(x)
        if self.logarithmic:
            found = self.low * torch.exp(share * math.log(self.high / self.low))
        else:
            found = self.low + share * (self.high - self.low)
        return 1 - found if self.complement else found

    def share(self, value: float) -> float:
        """Where a hyperparameter lies between the ends, sigmoid(x).

        Raises:
            ValueError: it does not.
        """
        found = 1 - value if self.complement else value
        if not self.low < found < self.high:
            ends = sorted((1 - self.low, 1 - self.high)) if self.complement else [self.low, self.high]
            raise ValueError(f"{value}; valid: between {ends[0]:g} and {ends[1]:g}")
        if self.logarithmic:
            return math.log(found / self.low) / math.log(self.high / self.low)
        return (found - self.low) / (self.high - self.low)

    def x(self, value: float) -> float:
        """Inverse of `value`, of a number.

        Raises:
            ValueError: no x has this value.
        """
        share = self.share(value)
        return math.log(share / (1 - share))


RANGES: Mapping[str, Range] = {
    "discount": Range(1e-3, 0.3, complement=True),
    "trace": Range(0.0, 1.0, logarithmic=False),
    "policy_weight": Range(0.1, 10.0),
    "value_weight": Range(0.05, 5.0),
    "entropy_weight": Range(1e-4, 1.0),
    RATE: Range(0.01, 100.0),
}
"""Of all hyperparameters; discounts lie between 0.7 and 0.999."""
