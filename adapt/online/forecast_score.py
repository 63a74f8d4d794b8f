"""`ForecastScore`: how far forecasts have been off lately, in what is usual. N robots, K numbers whose forecast counts.

The error of some consecutive forecasts is added up, so that what is systematic grows and the sensors' noise does not,
taken in units of what it is in training, and clipped, so that a single knock or outlier cannot decide. The statistic is
the mean square over a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.bundle_schema import LEVELS
from adapt.errors import AdaptError
from robots.observation import ObservationLayout


@dataclass(frozen=True)
class Calibration:
    """What forecast errors are usual, as a bundle's manifest has it."""

    threshold: float
    """The windowed statistic above which a robot is unfamiliar."""
    window: float
    """In [s]."""
    smoothing: int
    """Consecutive forecast errors that are added up, S."""
    clip: float
    """Largest sum that counts, in units of `scale`."""
    scale: np.ndarray
    """Root mean square of the sums over sqrt(S) in training. Shape (K,)."""
    quantiles: np.ndarray
    """Of the highest statistic of a trial, at `LEVELS`. Shape (9,)."""

    @classmethod
    def of(cls, bundle: PolicyBundle) -> Calibration:
        """
        Raises:
            AdaptError: the bundle has none: its policy does not forecast, or it was exported without.
        """
        found: dict[str, Any] | None = bundle.manifest.get("familiarity")
        if found is None:
            raise AdaptError(
                f"{bundle.path}: manifest.json: familiarity: none; needed: a policy with a forecast (predict.onnx), "
                "exported with its calibration"
            )
        return cls(
            found["threshold"],
            found["window"],
            found["smoothing"],
            found["clip"],
            np.array(found["scale"], float),
            np.array(found["quantiles"], float),
        )

    def level(self, sums: np.ndarray) -> np.ndarray:
        """Sums of forecast errors over sqrt(S), shape (..., K), to one clipped mean square, shape (...)."""
        return np.square(np.clip(sums / self.scale, -self.clip, self.clip)).mean(axis=-1)

    def confidence(self, statistic: np.ndarray) -> np.ndarray:
        """Share of trials inside the family whose highest statistic is above this one. Shape as `statistic`."""
        return 1.0 - np.interp(statistic, self.quantiles, LEVELS)


class Window:
    """Mean of the newest W values of each robot; NaN while there are fewer."""

    def __init__(self, robots: int, steps: int):
        self.ring = np.zeros((robots, steps))
        self.place = np.zeros(robots, dtype=np.int64)
        self.filled = np.zeros(robots, dtype=np.int64)
        self._rows = np.arange(robots)

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        self.ring[ids] = 0.0
        self.place[ids] = 0
        self.filled[ids] = 0

    def add(self, values: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Takes in the values, shape (N,), of those that count, shape (N,), bool; returns all means, shape (N,)."""
        rows, steps = self._rows[counted], self.ring.shape[1]
        self.ring[rows, self.place[rows]] = values[rows]
        self.place[rows] = (self.place[rows] + 1) % steps
        self.filled[rows] = np.minimum(self.filled[rows] + 1, steps)
        return np.where(self.filled == steps, self.ring.mean(axis=1), np.nan)


class ForecastScore:
    """Of one forecaster of N robots."""

    def __init__(self, calibration: Calibration, robots: int, period: float):
        """`period`: of control, in [s]."""
        self._calibration = calibration
        self._window = Window(robots, max(1, round(calibration.window / period)))
        columns = len(calibration.scale)
        self._errors = np.zeros((robots, calibration.smoothing, columns))
        self._norm = np.sqrt(calibration.smoothing)
        self.sums = np.zeros((robots, columns))
        """Forecast errors added up over S steps, over sqrt(S). Shape (N, K)."""
        self.statistic = np.full(robots, np.nan)
        """NaN until a window is full. Shape (N,)."""

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Robots `ids` are new: nothing is held against them."""
        self._window.reset(ids)
        self.statistic[ids] = np.nan

    def add(self, error: np.ndarray, counted: np.ndarray) -> None:
        """One more error each, shape (N, K), of which some count, shape (N,), bool. One that is not finite is large."""
        self._errors[:, :-1] = self._errors[:, 1:].copy()
        self._errors[:, -1] = np.where(np.isfinite(error), error, np.inf)
        self.sums[:] = self._errors.sum(axis=1) / self._norm
        self.statistic[:] = self._window.add(self._calibration.level(self.sums), counted)

    def take(self, other: ForecastScore, ids: np.ndarray) -> None:
        """Robots `ids` are scored as `other` has them."""
        for name, array in self.arrays().items():
            array[ids] = other.arrays()[name][ids]

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it goes on from, robot by robot. Live."""
        return {
            "ring": self._window.ring,
            "place": self._window.place,
            "filled": self._window.filled,
            "errors": self._errors,
            "statistic": self.statistic,
        }


def forecast_columns(layout: ObservationLayout) -> np.ndarray:
    """Which of the observation's numbers count: the newest of each term but the goal, which no physics forecast.

    Shape (K,).
    """
    columns, begin = [], 0
    for term, size in zip(layout.terms, layout.sizes, strict=True):
        if term.name != "goal":
            columns += range(begin, begin + size)
        begin += size * term.history
    return np.array(columns, dtype=int)
