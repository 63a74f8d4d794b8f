"""Whether a window of experience on trial is worse than the one before it. Both are `Window`s of one robot."""

from __future__ import annotations

import numpy as np

from adapt.online.experience import Window

BLOCKS = 5
"""A window is compared block by block, so that one can tell a change from its scatter."""
EARLY = 2
"""How many times clearer it has to be, before a trial is over, that it is worse: one looks several times."""


def at_a_block(window: Window) -> int:
    """How many whole blocks of a window are there, where the last of them has just ended; else 0."""
    block = max(len(window.reward) // BLOCKS, 1)
    return 0 if window.count % block else window.count // block


def fallen(before: Window, after: Window, blocks: int, margin: float) -> bool:
    """Whether the mean reward has fallen by more than `margin` standard errors; `blocks` are there of `after`.

    A window of which nothing counts has fallen.
    """
    return _rise(-before.rewards(BLOCKS), -after.rewards(blocks), _margin(margin, blocks)) > 0.0


def limited_more(before: Window, after: Window, blocks: int, margin: float, allowed: float) -> bool:
    """Whether the share of steps that the safety filter limits has risen by more than is allowed, and scatters."""
    return _rise(before.limits(BLOCKS), after.limits(blocks), _margin(margin, blocks)) > allowed


def _margin(margin: float, blocks: int) -> float:
    return margin * (EARLY if blocks < BLOCKS else 1)


def _rise(before: np.ndarray, after: np.ndarray, margin: float) -> float:
    """By how much a mean has risen, less so many standard errors; infinite where nothing is known of one.

    The blocks before, shape (b,), say how blocks scatter; those after, shape (a,), may be few.
    """
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(before) or not len(after):
        return np.inf
    scatter = before.var(ddof=1) if len(before) > 1 else 0.0
    error = np.sqrt(scatter * (1 / len(before) + 1 / len(after)))
    return float(after.mean() - before.mean() - margin * error)
