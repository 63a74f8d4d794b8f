"""How fast a command may go that has to stop where it is to stop."""

from __future__ import annotations

import numpy as np


def stoppable(way: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The longest step on a way after which steps that shrink by `change` each end where the way does.

    Both in [command unit], shapes (..., J) and (J,); the whole way where `change` is infinite.
    A step of k change + r, with r < change, and those that follow it add up to k (k + 1) / 2 change + (k + 1) r.
    """
    with np.errstate(invalid="ignore"):
        whole = np.floor((np.sqrt(1 + 8 * way / change) - 1) / 2)
        step = whole * change + (way - whole * (whole + 1) / 2 * change) / (whole + 1)
    return np.where(np.isfinite(change), step, way)
