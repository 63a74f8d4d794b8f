"""Whether a window of experience on trial is worse than the one before it. Both are `Window`s of one robot."""

from __future__ import annotations

import numpy as np

from adapt.online.experience import Window

BLOCKS = 5
"""A window's return is compared block by block, so that one can tell a fall from its scatter."""


def at_a_block(window: Window) -> int:
    """How many whole blocks of a window are there, where the last of them has just ended; else 0."""
    block = max(len(window.reward) // BLOCKS, 1)
    return 0 if window.count % block else window.count // block


def fallen(before: Window, after: Window, blocks: int, margin: float) -> bool:
    """Whether the mean reward has fallen by more than `margin` standard errors, by the scatter of the blocks before.

    `blocks`: how many there are of `after`. A window of which nothing counts has fallen.
    """
    earlier, later = before.means(BLOCKS), after.means(blocks)
    earlier, later = earlier[np.isfinite(earlier)], later[np.isfinite(later)]
    if not len(later) or not len(earlier):
        return True
    scatter = earlier.var(ddof=1) if len(earlier) > 1 else 0.0
    error = np.sqrt(scatter / len(earlier) + scatter / len(later))
    return bool(earlier.mean() - later.mean() > margin * error)


def limited_more(before: Window, after: Window, allowed: float) -> bool:
    """Whether the share of steps that the safety filter limits has risen by more than what is allowed."""
    return after.interventions > before.interventions + allowed
