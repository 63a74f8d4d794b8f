"""Which reading a command answers: commands carry no stamp. M readings, C commands; all times in [s] of one clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

KEEPS_UP = 0.9
"""Commands per reading of somebody who does not need to leave any out."""


def latencies(published: Sequence[float], arrivals: Sequence[float]) -> np.ndarray:
    """From each reading's publication to the arrival of the command that answers it. Shape (M,); NaN: no answer.

    Who answers takes one reading at a time and hears only the newest (depth 1): done with one, it takes the newest that
    came meanwhile, or waits for the next. Where both could be meant, because one may have got lost on the way, it is
    the one that took nearer to what answers usually take.
    """
    usual = _usual(np.asarray(published), np.asarray(arrivals))
    found = np.full(len(published), np.nan)
    first, before = 0, -np.inf
    for arrival in arrivals:
        end = int(np.searchsorted(published, arrival))
        waiting = int(
            np.searchsorted(published, before, side="right")
        )  # the first that came after the last answer
        choices = [waiting - 1] if waiting > first else []
        choices += [max(waiting, first)] if max(waiting, first) < end else []
        if choices:
            spent = np.array([arrival - max(published[index], before) for index in choices])
            index = choices[int(np.argmin(np.abs(spent - usual)))]  # if it is infinite, the first
            found[index] = arrival - published[index]
            first = index + 1
        before = arrival
    return found


def _usual(published: np.ndarray, arrivals: np.ndarray) -> float:
    """Median time from a reading to the next command; infinite where so many are missing that somebody is too slow."""
    after = np.searchsorted(arrivals, published)
    answered = after < len(arrivals)
    if len(arrivals) < KEEPS_UP * len(published) or not answered.any():
        return np.inf
    return float(np.median(arrivals[after[answered]] - published[answered]))
