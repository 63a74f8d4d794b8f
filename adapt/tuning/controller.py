"""The meta-controller: a bandit that finds out which rule learns best in a family, lifetime by lifetime.

Upper confidence bounds over a sliding window (Garivier and Moulines 2011, arXiv:0805.3415), as Agent57's controller has
them (Badia et al. 2020, arXiv:2003.13350): what was best may be so no longer, for example since eta was carried on.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Controller:
    """Chooses one of A arms, and hears what came of it: a return, of any size.

    Returns are brought to [0, 1] by the smallest and the largest in the window.

    Raises:
        ValueError: fewer than 1 arm, or a window that cannot hold one pull of each.
    """

    arms: int
    window: int = 100
    """Pulls that count."""
    exploration: float = 0.5
    """Of the bound mean + exploration sqrt(log(min(t, window)) / n); in units of the window's range of returns."""
    _pulls: deque[tuple[int, float]] = field(init=False)

    def __post_init__(self):
        if self.arms < 1 or self.window < self.arms:
            raise ValueError(
                f"{self.arms} arms, window {self.window}; valid: 1 arm or more, and a window of as many pulls"
            )
        self._pulls = deque(maxlen=self.window)

    def choose(self) -> int:
        """The arm to pull; one that the window knows nothing of comes first."""
        arms, returns = self._seen()
        counts = np.bincount(arms, minlength=self.arms)
        if not counts.all():
            return int(np.argmin(counts > 0))
        spread = float(np.ptp(returns)) or 1.0
        means = np.bincount(arms, (returns - returns.min()) / spread, self.arms) / counts
        return int(np.argmax(means + self.exploration * np.sqrt(math.log(len(arms)) / counts)))

    def hear(self, arm: int, value: float) -> None:
        """The return of a pull.

        Raises:
            ValueError: there is no such arm, or the return is not finite; nothing was heard.
        """
        if not 0 <= arm < self.arms:
            raise ValueError(f"arm {arm}; valid: 0 to {self.arms - 1}")
        if not math.isfinite(value):
            raise ValueError(f"return {value} of arm {arm}; valid: finite")
        self._pulls.append((arm, value))

    def best(self) -> int:
        """The arm to keep: of the largest mean in the window.

        Raises:
            ValueError: none was pulled.
        """
        arms, returns = self._seen()
        if not len(arms):
            raise ValueError("no arm was pulled")
        counts = np.bincount(arms, minlength=self.arms)
        means = np.bincount(arms, returns, self.arms) / np.maximum(counts, 1)
        return int(np.argmax(np.where(counts > 0, means, -np.inf)))

    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        arms = np.array([arm for arm, _ in self._pulls], np.int64)
        return arms, np.array([value for _, value in self._pulls])


def play(controller: Controller, pull: Callable[[int], float], pulls: int) -> np.ndarray:
    """Lets a controller pull; the arms that it chose, shape (pulls,)."""
    chosen = np.zeros(pulls, np.int64)
    for index in range(pulls):
        chosen[index] = controller.choose()
        controller.hear(int(chosen[index]), pull(int(chosen[index])))
    return chosen
