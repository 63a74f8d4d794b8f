"""`LatencyMeter`: how long the last steps took, without allocating while it measures."""

from __future__ import annotations

import numpy as np

_PROBABILITIES = np.array([0.5, 0.99, 1.0])


class LatencyMeter:
    """A ring of the last `size` durations."""

    def __init__(self, size: int = 4096):
        self._ring = np.zeros(size)
        self.count = 0
        """Durations added so far."""

    def add(self, seconds: float) -> None:
        self._ring[self.count % len(self._ring)] = seconds
        self.count += 1

    def summary(self) -> dict[str, float]:
        """`p50`, `p99` and `max` of the ring in [ms]; NaN while it is empty."""
        return quantiles(1e3 * self._ring[: self.count])


def quantiles(values: np.ndarray) -> dict[str, float]:
    """`p50`, `p99` and `max` of some values, in their unit; NaN where there are none."""
    found = np.quantile(values, _PROBABILITIES).tolist() if len(values) else [np.nan] * 3
    return dict(zip(("p50", "p99", "max"), found, strict=True))
