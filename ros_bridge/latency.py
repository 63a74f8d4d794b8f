"""`LatencyMeter`: how long the last steps took, without allocating while it measures."""

from __future__ import annotations

import numpy as np


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
    if not len(values):
        return {"p50": np.nan, "p99": np.nan, "max": np.nan}
    return {
        "p50": float(np.quantile(values, 0.5)),
        "p99": float(np.quantile(values, 0.99)),
        "max": float(values.max()),
    }
