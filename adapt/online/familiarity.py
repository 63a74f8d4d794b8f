"""`Familiarity`: whether a robot still is one of the family that its policy was trained for, by forecasts that fail.

Step after step the belief forecasts the next observation. The error of some consecutive forecasts is added up, so that
what is systematic grows and the sensors' noise does not, taken in units of what it is in training, and clipped, so that
a single knock or outlier cannot decide. The mean square over a window, over its threshold, is the score.

N robots, O observation, A action, K numbers whose forecast counts, W steps of the window, S of the sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.bundle_schema import LEVELS
from adapt.errors import AdaptError
from adapt.online.adapters import MotionPredictor
from adapt.types import Belief
from robots.observation import ObservationLayout
from robots.safety import SAFE_MODE, Reason

RELEASE = 0.8
"""A robot is familiar again when its score falls below this: less than 1, so that it does not flicker."""
_UNTOLD = int(SAFE_MODE | Reason.SOFT_START)


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


@dataclass(frozen=True)
class Judgement:
    """How familiar N robots are, after a control step."""

    score: np.ndarray
    """Multiple of the threshold; NaN until a window is full. Shape (N,)."""
    confidence: np.ndarray
    """In [0, 1]: share of trials inside the family that come to a higher score; NaN likewise. Shape (N,)."""
    unfamiliar: np.ndarray
    """Above the threshold, or above it before and not yet below `RELEASE`. Shape (N,), bool."""
    fallback: np.ndarray
    """Share of the command that is the fallback's. Shape (N,)."""


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


class Familiarity:
    """The scores of N robots side by side. What is heard and done is told by `AdaptiveController`.

    A step counts when it, and all that its forecast is made of, were on fresh readings, outside safe mode and soft
    start, in one episode.

    Raises:
        AdaptError: the bundle has no calibration.
        BundleError: its forecast cannot be run.
    """

    def __init__(self, bundle: PolicyBundle, robots: int = 1, calibration: Calibration | None = None):
        """`calibration`: in place of the bundle's."""
        self.calibration = calibration or Calibration.of(bundle)
        self._predict = MotionPredictor(bundle)
        self._columns = forecast_columns(bundle.observation)
        self._history = int(bundle.manifest["adapter"]["action_history"])
        # A forecast is made of so many actions and of two observations.
        self._needed = max(2, self._history) + self.calibration.smoothing - 1
        actions, period = len(bundle.manifest["action"]["centre"]), bundle.manifest["robot"]["control_period"]
        self._window = Window(robots, max(1, round(self.calibration.window / period)))
        self._now, self._before = np.zeros((2, robots, bundle.observation.size), np.float32)
        self._sent = np.zeros((robots, self._history * actions), np.float32)
        self._actions = actions
        self._errors = np.zeros((self.calibration.smoothing, robots, len(self._columns)))
        self._run = np.zeros(robots, dtype=np.int64)
        """Control steps in a row, up to the last one, that forecasts can be made of."""
        self._fresh = np.zeros(robots, dtype=bool)
        self._nothing = np.zeros(robots)
        self.sums = np.zeros((robots, len(self._columns)))
        """Forecast errors added up over S steps, over sqrt(S). Shape (N, K)."""
        self.counted = np.zeros(robots, dtype=bool)
        """Whose newest step counts. Shape (N,), bool."""
        self.unfamiliar = np.zeros(robots, dtype=bool)
        self._statistic = np.full(robots, np.nan)

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Robots `ids` are new: nothing is held against them."""
        self.interrupt(ids)
        self._window.reset(ids)
        self._statistic[ids] = np.nan
        self.unfamiliar[ids] = False

    def interrupt(self, ids: np.ndarray | slice = slice(None)) -> None:
        """The next readings of robots `ids` do not follow from the last: no forecast reaches over. The score stays."""
        self._run[ids] = 0

    def hear(
        self, observation: np.ndarray, sent: np.ndarray, belief: Belief | None, fresh: np.ndarray
    ) -> np.ndarray:
        """Holds the forecast against what is observed now, before the adapter has heard it.

        Args:
            observation: shape (N, O).
            sent: the action of the control step before, shape (N, A).
            belief: that of the control step before.
            fresh: whose reading is new and usable. Shape (N,), bool.

        Returns:
            Who is unfamiliar. Live. Shape (N,), bool.
        """
        assert belief is not None
        self._sent[:, self._actions :] = self._sent[:, : -self._actions].copy()
        self._sent[:, : self._actions] = sent
        forecast = self._predict(self._now, self._before, self._sent, belief.mean, belief.log_std)
        self._add_up((observation - forecast)[:, self._columns])
        self.counted[:] = fresh & (self._run >= self._needed)
        self._statistic[:] = self._window.add(self.calibration.level(self.sums), self.counted)
        score = self._statistic / self.calibration.threshold
        with np.errstate(invalid="ignore"):  # NaN until the window is full
            self.unfamiliar[:] = (score > 1.0) | (self.unfamiliar & ~(score < RELEASE))
        self._before[:] = self._now
        self._now[fresh] = observation[fresh]
        self._fresh[:] = fresh
        return self.unfamiliar

    def sent(self, reasons: np.ndarray) -> None:
        """What became of the control step: bit mask of `robots.safety.Reason`, shape (N,)."""
        told = self._fresh & ((reasons & _UNTOLD) == 0)
        self._run[:] = np.where(told, self._run + 1, 0)

    def judgement(self, fallback: np.ndarray | None = None) -> Judgement:
        """As it is now, beside the fallback's share of the command, shape (N,)."""
        return Judgement(
            self._statistic / self.calibration.threshold,
            self.calibration.confidence(self._statistic),
            self.unfamiliar.copy(),
            (self._nothing if fallback is None else fallback).copy(),
        )

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Inverse of `state`.

        Raises:
            AdaptError: an array is missing or of another shape or type; names it, and nothing is changed.
        """
        arrays = self._arrays()
        for name, like in arrays.items():
            array = state.get(name)
            if array is None or array.shape != like.shape or array.dtype != like.dtype:
                found = "none" if array is None else f"{array.dtype} of shape {array.shape}"
                raise AdaptError(f"familiarity: {name}: {found}; expected {like.dtype} of shape {like.shape}")
        for name, array in arrays.items():
            array[...] = state[name]

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "ring": self._window.ring,
            "place": self._window.place,
            "filled": self._window.filled,
            "errors": self._errors,
            "run": self._run,
            "now": self._now,
            "before": self._before,
            "sent": self._sent,
            "fresh": self._fresh,
            "statistic": self._statistic,
            "unfamiliar": self.unfamiliar,
        }

    def _add_up(self, error: np.ndarray) -> None:
        """One more error, shape (N, K), among the newest S; what is not finite adds nothing."""
        self._errors[:-1] = self._errors[1:].copy()
        self._errors[-1] = np.where(np.isfinite(error), error, 0.0)
        self.sums[:] = self._errors.sum(axis=0) / np.sqrt(len(self._errors))
