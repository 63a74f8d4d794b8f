"""Returns of episodes while they are played, and the scale that rewards are learnt at. N simulations."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim_tasks.transition import Transition

_REMEMBERED = 100


class ReturnMeter:
    """Mean return of the newest episodes that have ended; those that were staggered into their middle do not count."""

    def __init__(self, robots: int):
        self._running = np.zeros(robots)
        self._whole = np.zeros(robots, dtype=bool)
        self._ended = np.zeros(0)

    def add(self, transition: Transition) -> None:
        """Counts one control step of all simulations."""
        self._running += transition.reward
        over = transition.terminated | transition.truncated | transition.done
        if over.any():
            ended = self._running[over & self._whole]
            self._ended = np.concatenate([self._ended, ended])[-max(_REMEMBERED, len(ended)) :]
            self._begin(over)

    def forget(self, ids: np.ndarray) -> None:
        """The episodes of simulations `ids`, shape (n,), are broken off for new ones: they do not count."""
        self._begin(ids)

    def mean(self) -> dict[str, float]:
        """`return`: the mean over the newest episodes; nothing before the first has ended."""
        return {"return": float(self._ended.mean())} if len(self._ended) else {}

    def state(self) -> dict[str, Any]:
        return {"running": self._running.copy(), "whole": self._whole.copy(), "ended": self._ended.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        self._running[:], self._whole[:] = np.asarray(state["running"]), np.asarray(state["whole"])
        self._ended = np.asarray(state["ended"]).copy()

    def _begin(self, ids: np.ndarray) -> None:
        self._running[ids] = 0.0
        self._whole[ids] = True


class RewardScale:
    """Divides rewards by the running standard deviation of the discounted return.

    As VariBAD's code and Gymnasium's `NormalizeReward` do: what is learnt does not depend on the rewards' unit.
    """

    def __init__(self, robots: int, gamma: float):
        self._gamma = gamma
        self._discounted = np.zeros(robots)
        self._count, self._mean, self._square = 1e-4, 0.0, 1.0

    @property
    def std(self) -> float:
        """Of the discounted return."""
        return float(np.sqrt(self._square + 1e-8))

    def scale(self, reward: np.ndarray, done: np.ndarray) -> np.ndarray:
        """Rewards, shape (N,), of one control step, scaled; `done` are trials that are over, shape (N,), bool."""
        self._discounted = self._discounted * self._gamma + reward
        self._learn(self._discounted)
        self._discounted[done] = 0.0
        return np.clip(reward / self.std, -10.0, 10.0)

    def state(self) -> dict[str, Any]:
        return {
            "discounted": self._discounted.copy(),
            "moments": np.array([self._count, self._mean, self._square]),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._discounted = np.asarray(state["discounted"]).copy()
        self._count, self._mean, self._square = np.asarray(state["moments"]).tolist()

    def _learn(self, values: np.ndarray) -> None:
        """Mean and variance of all so far and of `values` together (Chan, Golub, LeVeque 1983)."""
        count, mean, variance = len(values), float(values.mean()), float(values.var())
        total, delta = self._count + count, mean - self._mean
        spread = delta * delta * self._count * count / total
        self._square = (self._square * self._count + variance * count + spread) / total
        self._mean += delta * count / total
        self._count = total
