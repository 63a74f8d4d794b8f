"""`Window`: what one robot did and met over R stretches of T control steps, from which its policy is to learn.

O observation, A action; M = T R control steps.
"""

from __future__ import annotations

import numpy as np

from adapt.online.gradient import Acted
from robots.safety import SAFE_MODE, Reason

LIMITED = int(
    SAFE_MODE | Reason.COMMAND_LIMIT | Reason.RATE_LIMIT | Reason.ACCELERATION_LIMIT | Reason.SERVO_EFFORT
)
"""Reasons by which the safety filter has changed what the policy asked for."""
_NOT_ITS_OWN = int(SAFE_MODE | Reason.SOFT_START)
"""Reasons by which what was done has nothing to do with what was asked for."""


class Window:
    """Filled step by step, in order of time. A step is whole when the reward for it is heard, one step later."""

    def __init__(self, rollouts: int, steps: int, observation: int, action: int):
        count = rollouts * steps
        self.rollouts, self.steps = rollouts, steps
        self.observation = np.zeros((count, observation), np.float32)
        self.inputs = np.zeros((count, observation), np.float32)
        self.action = np.zeros((count, action), np.float32)
        """As drawn, before anything limited it. Shape (M, A)."""
        self.mean = np.zeros((count, action), np.float32)
        self.log_std = np.zeros((count, action), np.float32)
        self.sent = np.zeros((count, action), np.float32)
        """The action of the control step before, as it was sent. Shape (M, A)."""
        self.reward = np.zeros(count, np.float32)
        self.alive = np.zeros(count, np.float32)
        """1 where the step counts: it was seen, and its reward is known. Shape (M,)."""
        self.own = np.zeros(count, np.float32)
        """1 where the policy's action was sent, limited or not: what happens elsewhere is a consequence of actions
        before. Shape (M,)."""
        self.limited = np.zeros(count, bool)
        """Whether the safety filter changed what was asked for. Shape (M,)."""
        self._continuous = (
            self.observation, self.inputs, self.action, self.mean, self.log_std, self.sent,
        )  # fmt: skip
        self.count = 0
        """Steps so far; the last one's reward may be still to come."""
        self._awaits_reward = False

    @property
    def full(self) -> bool:
        """Whether all steps are there, with their rewards."""
        return self.count == len(self.reward) and not self._awaits_reward

    @property
    def usable(self) -> float:
        """Share of the steps so far that count."""
        return float(self.alive[: self.count].mean()) if self.count else 1.0

    @property
    def driven(self) -> float:
        """Share of the steps so far in which the policy's action was sent."""
        return float(self.own[: self.count].mean()) if self.count else 1.0

    @property
    def interventions(self) -> float:
        """Share of the steps so far in which the safety filter changed what was asked for."""
        return float(self.limited[: self.count].mean()) if self.count else 0.0

    def clear(self) -> None:
        """Begins anew."""
        self.count, self._awaits_reward = 0, False

    def hear(self, reward: float) -> bool:
        """The reward of the newest step; whether it was still to come. A step without one, or NaN, does not count."""
        if not self._awaits_reward:
            return False
        self._awaits_reward = False
        t = self.count - 1
        with np.errstate(over="ignore"):
            self.reward[t] = reward
        if not (self.alive[t] and np.isfinite(self.reward[t])):
            self._drop(t)
        return True

    def add(self, observation: np.ndarray, acted: Acted, sent: np.ndarray, reasons: int) -> None:
        """A step of one robot, shapes (1, ...); `reasons`: a bit mask of `Reason`. Only while there is room."""
        t = self.count
        self.observation[t], self.inputs[t] = observation[0], acted.inputs[0]
        self.action[t], self.mean[t], self.log_std[t] = acted.action[0], acted.mean[0], acted.log_std[0]
        self.sent[t], self.reward[t] = sent[0], 0.0
        finite = all(np.isfinite(each[t]).all() for each in self._continuous)
        self.alive[t] = finite
        self.own[t] = finite and not reasons & _NOT_ITS_OWN
        self.limited[t] = bool(reasons & LIMITED)
        self.count, self._awaits_reward = t + 1, True

    def limits(self, blocks: int) -> np.ndarray:
        """Share of limited steps, of each of some stretches of the same length. Shape (blocks,)."""
        return np.array([part.mean() for part in np.array_split(self.limited[: self.count], blocks)])

    def rewards(self, blocks: int) -> np.ndarray:
        """Mean reward of the steps that count, of each of some stretches of the same length. Shape (blocks,).

        NaN where none counts. Only of steps whose reward was heard.
        """
        known = self.count - self._awaits_reward
        rewards = np.array_split(self.reward[:known], blocks)
        alive = np.array_split(self.alive[:known], blocks)
        return np.array(
            [r @ a / a.sum() if a.sum() else np.nan for r, a in zip(rewards, alive, strict=True)], np.float64
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that whoever computes gradients has to know; steps that do not count are zero.

        Live: it holds until the window is filled anew. A control step has no time to copy it.
        """
        names = ("observation", "inputs", "action", "mean", "log_std", "sent", "reward", "alive", "own")
        return {name: getattr(self, name) for name in names}

    def _drop(self, t: int) -> None:
        """Step t does not count, and nothing that is not finite stays."""
        self.alive[t] = self.own[t] = self.reward[t] = 0.0
        for each in self._continuous:
            each[t] = 0.0
