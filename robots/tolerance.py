"""`Tolerance`: 1 where a number is within bounds, less the farther it is outside. In numpy alone.

dm_control's `rewards.tolerance` (github.com/google-deepmind/dm_control, dm_control/utils/rewards.py), with those of its
sigmoids that are used here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robots.errors import RobotError

SIGMOIDS = ("gaussian", "long_tail", "quadratic", "cosine")
_TO_ZERO = ("quadratic", "cosine")
"""Those that end at 0."""


@dataclass(frozen=True)
class Tolerance:
    """In [0, 1]; distances are in the unit of what it is asked about.

    Raises:
        RobotError: names the field that is not what it should be, and what is valid.
    """

    bounds: tuple[float, float] = (0.0, 0.0)
    """Lowest and highest number that counts as right; may be infinite."""
    margin: float = 0.0
    """Distance from the bounds at which `value_at_margin` is left; 0: nothing is left outside of them."""
    sigmoid: str = "gaussian"
    """One of `SIGMOIDS`."""
    value_at_margin: float = 0.1

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not low <= high:
            raise RobotError(f"bounds: {[low, high]}; the lower one is first")
        if not 0 <= self.margin < math.inf:
            raise RobotError(f"margin: {self.margin}; valid: 0 or more")
        if self.sigmoid not in SIGMOIDS:
            raise RobotError(f"sigmoid: {self.sigmoid!r}; valid: {', '.join(SIGMOIDS)}")
        left, to_zero = self.value_at_margin, self.sigmoid in _TO_ZERO
        if not (0 <= left < 1 if to_zero else 0 < left < 1):
            valid = "from 0, below 1" if to_zero else "above 0, below 1"
            raise RobotError(f"value_at_margin: {left}; valid with {self.sigmoid}: {valid}")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Of any numbers; NaN of NaN. Shape as `x`."""
        low, high = self.bounds
        outside = np.maximum(low - x, x - high)
        if self.margin == 0:
            return np.where(np.isnan(x), x, outside <= 0)
        return self._fallen(np.maximum(outside, 0.0) / self.margin * self._steepness)

    @cached_property
    def _steepness(self) -> float:
        """What is left after a margin is `value_at_margin`."""
        left = self.value_at_margin
        if self.sigmoid == "gaussian":
            return math.sqrt(-2 * math.log(left))
        if self.sigmoid == "long_tail":
            return math.sqrt(1 / left - 1)
        return math.sqrt(1 - left) if self.sigmoid == "quadratic" else math.acos(2 * left - 1) / math.pi

    def _fallen(self, d: np.ndarray) -> np.ndarray:
        """What is left at scaled distances outside of the bounds, 0 or more."""
        if self.sigmoid == "gaussian":
            return np.exp(-0.5 * d * d)
        if self.sigmoid == "long_tail":
            return 1 / (d * d + 1)
        d = np.minimum(d, 1.0)  # both sigmoids are 0 from there on
        return 1 - d * d if self.sigmoid == "quadratic" else (1 + np.cos(np.pi * d)) / 2
