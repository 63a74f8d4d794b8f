"""`Familiarity`: whether a robot still is one of the family that its policy was trained for, by forecasts that fail.

Step after step the belief forecasts the next observation; how far it is off is scored as `ForecastScore` says. Who is
unfamiliar is not learnt from, and probed (`Probe`): the lower of both scores decides. Where what drives a robot does
not fit it, and what the probe has understood does, that takes its place.

N robots, O observation, A action, K numbers whose forecast counts, S errors that are added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.adapters import MotionPredictor
from adapt.online.forecast_score import Calibration, ForecastScore, forecast_columns
from adapt.online.probe import Probe
from adapt.types import Belief, OnlineAdapter
from robots.safety import SAFE_MODE, Reason

RELEASE = 0.8
"""A robot is familiar again when its score falls below this: less than 1, so that it does not flicker."""
JUDGED = ("score", "confidence", "unfamiliar", "fallback")
"""What is said of one robot, in this order, see `Judgement`; `unfamiliar` as 1 or 0."""
_UNTOLD = int(SAFE_MODE | Reason.SOFT_START)


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

    def of(self, robot: int = 0) -> np.ndarray:
        """One robot's, in the order of `JUDGED`. Shape (4,)."""
        return np.array([getattr(self, name)[robot] for name in JUDGED], float)


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
        self._now, self._before = np.zeros((2, robots, bundle.observation.size), np.float32)
        self._sent = np.zeros((robots, self._history * actions), np.float32)
        self._actions = actions
        self._run = np.zeros(robots, dtype=np.int64)
        """Control steps in a row, up to the last one, that forecasts can be made of."""
        self._fresh = np.zeros(robots, dtype=bool)
        self._nothing = np.zeros(robots)
        self._own = ForecastScore(self.calibration, robots, period)
        """Of what the robots are driven by."""
        self.probe = Probe(bundle, robots, self.calibration, period)
        self.sums = self._own.sums
        """As `ForecastScore.sums`, of what the robots are driven by. Live. Shape (N, K)."""
        self.counted = np.zeros(robots, dtype=bool)
        """Whose newest step counts. Shape (N,), bool."""
        self.unfamiliar = np.zeros(robots, dtype=bool)
        self._statistic = np.full(robots, np.nan)

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Robots `ids` are new: nothing is held against them."""
        self.interrupt(ids)
        self._own.reset(ids)
        self.probe.end(ids)
        self._statistic[ids] = np.nan
        self.unfamiliar[ids] = False

    def interrupt(self, ids: np.ndarray | slice = slice(None)) -> None:
        """The next readings of robots `ids` do not follow from the last: no forecast reaches over. The score stays."""
        self._run[ids] = 0

    def hear(
        self,
        observation: np.ndarray,
        sent: np.ndarray,
        adapter: OnlineAdapter,
        fresh: np.ndarray,
        frozen: bool = False,
    ) -> np.ndarray:
        """Holds the forecast against what is observed now, before the adapter has heard it.

        Args:
            observation: shape (N, O).
            sent: the action of the control step before, shape (N, A).
            adapter: of this bundle, which drives. Where a probe has understood a robot, it is given that.
            fresh: whose reading is new and usable. Shape (N,), bool.
            frozen: whether what is understood is to stay as it is: probes do not count.

        Returns:
            Who is unfamiliar. Live. Shape (N,), bool.
        """
        self._sent[:, self._actions :] = self._sent[:, : -self._actions].copy()
        self._sent[:, : self._actions] = sent
        self.counted[:] = fresh & (self._run >= self._needed)
        self._score(self._own, observation, adapter.belief(), self.counted)
        self._statistic[:] = self._own.statistic
        if self.probe.busy:
            counted = self.counted & self.probe.settled
            self._score(self.probe.score, observation, self.probe.belief(), counted)
            if not frozen:
                lower = np.fmin(self._statistic, self.probe.score.statistic)
                np.copyto(self._statistic, lower, where=self.probe.active)
        self._judge(adapter)
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
        understood = self.probe.understood.state()
        copied = {name: array.copy() for name, array in self._arrays().items()}
        return copied | {f"probe/understood/{name}": array for name, array in understood.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Inverse of `state`.

        Raises:
            AdaptError: an array is missing or of another shape or type; names it, and nothing is changed.
        """
        arrays, begin = self._arrays(), "probe/understood/"
        for name, like in arrays.items():
            array = state.get(name)
            if array is None or array.shape != like.shape or array.dtype != like.dtype:
                found = "none" if array is None else f"{array.dtype} of shape {array.shape}"
                raise AdaptError(f"familiarity: {name}: {found}; expected {like.dtype} of shape {like.shape}")
        understood = {name.removeprefix(begin): a for name, a in state.items() if name.startswith(begin)}
        try:
            self.probe.understood.restore(understood)
        except AdaptError as error:
            raise AdaptError(f"familiarity: {begin}{error}") from error
        for name, array in arrays.items():
            array[...] = state[name]

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            **self._own.arrays(),
            **{f"probe/{name}": array for name, array in self.probe.arrays().items()},
            "run": self._run,
            "now": self._now,
            "before": self._before,
            "sent": self._sent,
            "fresh": self._fresh,
            "lowest": self._statistic,
            "unfamiliar": self.unfamiliar,
        }

    def _score(
        self, score: ForecastScore, observation: np.ndarray, belief: Belief | None, counted: np.ndarray
    ) -> None:
        """What was forecast by a belief of the control step before, against what is observed now."""
        assert belief is not None
        forecast = self._predict(self._now, self._before, self._sent, belief.mean, belief.log_std)
        score.add((observation - forecast)[:, self._columns], counted)

    def _judge(self, adapter: OnlineAdapter) -> None:
        """Who is unfamiliar now; probes begin and end with it."""
        score = self._statistic / self.calibration.threshold
        with np.errstate(invalid="ignore"):  # NaN until the window is full
            unfamiliar = (score > 1.0) | (self.unfamiliar & ~(score < RELEASE))
        begun, ended = unfamiliar & ~self.unfamiliar, self.unfamiliar & ~unfamiliar
        self.unfamiliar[:] = unfamiliar
        if begun.any():
            self.probe.begin(begun)
        if ended.any():  # also where nobody may learn: then it is what drives that fits
            better = ended & ~(self._own.statistic < RELEASE * self.calibration.threshold)
            if better.any():
                self.probe.hand_over(better, adapter, self._own)
            self.probe.end(ended)
