"""Work per second."""

from __future__ import annotations

import time
from collections.abc import Callable


def rate(step: Callable[[], int], seconds: float) -> float:
    """Units of work per second of `step`, which returns how much it did; the first call warms up."""
    step()
    begin, done = time.perf_counter(), 0
    while (now := time.perf_counter()) - begin < seconds:
        done += step()
    return done / (now - begin)
