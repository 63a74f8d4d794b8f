"""Fewer samples for a screen, and none of what stands out is lost. Pure numpy; T samples, C columns, M kept."""

from __future__ import annotations

import numpy as np

LEVELS = 10000
"""An axis from its low end to its high one, in whole numbers: finer than a screen."""
_HUGE = 1e30
"""No axis is longer: numbers of random bits come to 1e308, and their difference is infinite."""
OUTSIDE = LEVELS // 50
"""So far beyond its axis is what is anywhere beyond it."""


def thin(time: np.ndarray, values: np.ndarray, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest of each bucket of samples, in the order in which they came; NaN where a bucket has none.

    A peak of a single sample stays. Its time is off by less than a bucket: all columns share theirs.

    Args:
        time: in [s]. Shape (T,).
        values: NaN and infinity are left out. Shape (T, C).
        buckets: as they are, if there are no more samples than two for each.

    Returns:
        Times, shape (M,), and values, shape (M, C).
    """
    finite = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    if len(time) <= 2 * buckets:
        return time, finite
    size = -(-len(time) // buckets)
    extra = -len(time) % size
    folded = np.pad(finite, ((0, extra), (0, 0)), constant_values=np.nan).reshape(-1, size, finite.shape[1])
    lows = np.where(np.isnan(folded), np.inf, folded)
    highs = np.where(np.isnan(folded), -np.inf, folded)
    low, high = lows.min(axis=1), highs.max(axis=1)
    rising = lows.argmin(axis=1) <= highs.argmax(axis=1)
    pairs = np.stack([np.where(rising, low, high), np.where(rising, high, low)], axis=1)
    pairs[~np.isfinite(pairs)] = np.nan
    times = np.pad(time, (0, extra), mode="edge").reshape(-1, size)
    return times[:, [0, -1]].ravel(), pairs.reshape(-1, finite.shape[1])


def spans(time: np.ndarray, holds: np.ndarray, gap: float = 0.0) -> list[list[float]]:
    """Begin and end, in [s], of each stretch in which something holds, until the sample after it.

    Args:
        time: in [s]. Shape (T,).
        holds: shape (T,), bool.
        gap: stretches that are no farther apart than this, in [s], are one.
    """
    if not len(time):
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    last = np.append(time, time[-1])
    found: list[list[float]] = []
    for begin, end in zip(last[edges[::2]].tolist(), last[edges[1::2]].tolist(), strict=True):
        if found and begin - found[-1][1] <= gap:
            found[-1][1] = end
        else:
            found.append([begin, end])
    return found


def axis_range(
    mainly: np.ndarray, also: np.ndarray, marks: tuple[float, ...] = (), reach: float = 4.0
) -> tuple[float, float]:
    """Ends of an axis that what counts fills, whatever the rest comes to.

    Args:
        mainly: what counts; where none of it is finite, `also` does. Any shape.
        also: extends the axis by as much again to either side; what is farther lies beyond. Any shape.
        marks: levels, such as limits, that are on it unless that makes it more than `reach` times longer.
        reach: see `marks`.
    """
    mainly, also = (np.clip(some[np.isfinite(some)], -_HUGE, _HUGE) for some in (mainly, also))
    if not mainly.size:
        mainly, also = (np.percentile(also, (2, 98)), also) if also.size else (np.zeros(1), also)
    low, high = float(mainly.min()), float(mainly.max())
    length = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-6)
    if also.size:
        low, high = (
            min(low, max(float(also.min()), low - length)),
            max(high, min(float(also.max()), high + length)),
        )
    near = [
        mark for mark in marks if np.isfinite(mark) and low - reach * length <= mark <= high + reach * length
    ]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.06 * (high - low) or max(0.5 * abs(high), 0.5)
    return low - margin, high + margin


def levels(values: np.ndarray, low: float, high: float) -> list[int | None]:
    """Values, shape (M,), as steps from the one before on an axis from 0 to `LEVELS`; None where there is none."""
    known = np.isfinite(values)
    placed = np.clip((values[known] - low) / (high - low) * LEVELS, -OUTSIDE, LEVELS + OUTSIDE)
    steps = iter(np.diff(np.round(placed).astype(np.int64), prepend=0).tolist())
    return [next(steps) if there else None for there in known.tolist()]


def ticks(time: np.ndarray) -> list[int]:
    """Times in [s], shape (M,), in [0.1 ms] as steps from the one before."""
    return np.diff(np.round(1e4 * time).astype(np.int64), prepend=0).tolist()
