"""`Transition`: what one control step of N trials gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Transition:
    """What one control step gave. The environment's `observation` is already the next one."""

    reward: np.ndarray
    """What is scored, of the true motion. Shape (N,)."""
    truncated: np.ndarray
    """Episodes whose time is over. Shape (N,), bool."""
    terminated: np.ndarray
    """Episodes that ended in a terminal state, or whose simulation diverged. Shape (N,), bool."""
    done: np.ndarray
    """Trials that are over: the last of their episodes has ended, or they diverged. Shape (N,), bool."""
    heard_reward: np.ndarray
    """What a policy hears of the step's reward: on a robot what its sensors tell, by the family's `measured_reward`, 0
    where it has none; on a benchmark's body `reward`. Shape (N,), float32."""
