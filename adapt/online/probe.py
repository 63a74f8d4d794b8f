"""`Probe`: listens to robots that are not learnt from, to find out whether they can be understood after all.

It begins with nothing understood, as the trials do that familiarity is calibrated on: what strange readings have spoilt
is not in it. A robot that is of the family, but another one than was understood, it comes to know within some seconds;
one that is outside keeps its score up. N robots.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.online.forecast_score import Calibration, ForecastScore
from adapt.online.kinds import make_adapter
from adapt.types import Belief, HasState, OnlineAdapter

PATIENCE = 6.0
"""In [s]. Then it begins anew: what it has heard meanwhile may have spoilt it, too."""


class Probe:
    """Costs nothing while nobody is probed."""

    def __init__(self, bundle: PolicyBundle, robots: int, calibration: Calibration, period: float):
        """`period`: of control, in [s]."""
        self.score = ForecastScore(calibration, robots, period)
        self.active = np.zeros(robots, dtype=bool)
        """Who is probed. Shape (N,), bool."""
        self.understood = make_adapter(bundle, robots)
        self._steps = np.zeros(robots, dtype=np.int64)
        """Since it began."""
        self._patience, self._smoothing = round(PATIENCE / period), calibration.smoothing

    def begin(self, ids: np.ndarray) -> None:
        """Listens to robots `ids`, shape (N,), bool."""
        self.understood.reset(ids)
        self.score.reset(ids)
        self.active |= ids
        self._steps[ids] = 0

    @property
    def busy(self) -> bool:
        """Whether anybody is probed."""
        return bool(self.active.any())

    @property
    def settled(self) -> np.ndarray:
        """Who has been forecast for so long that all errors that are added up are of it. Shape (N,), bool."""
        return self.active & (self._steps >= self._smoothing)

    def end(self, ids: np.ndarray | slice = slice(None)) -> None:
        self.active[ids] = False

    def hand_over(self, ids: np.ndarray, driver: OnlineAdapter, score: ForecastScore) -> None:
        """The driver understands robots `ids`, shape (N,), bool, as the probe does."""
        _copy(self.understood, driver, ids)
        score.take(self.score, ids)

    def belief(self) -> Belief:
        """Of those who are probed; of the others it means nothing."""
        belief = self.understood.belief()
        assert belief is not None
        return belief

    def listen(
        self,
        observation: np.ndarray,
        previous_action: np.ndarray,
        previous_reward: np.ndarray,
        new_episode: np.ndarray,
        listen: np.ndarray,
    ) -> None:
        """One control step, as `OnlineAdapter.act` has it."""
        if self.busy:
            heard = self.active & listen
            if (old := self.active & (self._steps >= self._patience)).any():
                self.begin(old)
            self._steps += 1
            self.understood.act(observation, previous_action, previous_reward, new_episode, listen=heard)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it goes on from but what is understood. Live."""
        return {"active": self.active, "steps": self._steps, **self.score.arrays()}


def _copy(source: OnlineAdapter, target: OnlineAdapter, ids: np.ndarray) -> None:
    """What is understood of robots `ids`, from one adapter of a bundle to another one."""
    new, state = cast(HasState, source).state(), cast(HasState, target).state()
    for name, array in state.items():
        array[ids] = new[name][ids]
    cast(HasState, target).restore(state)
