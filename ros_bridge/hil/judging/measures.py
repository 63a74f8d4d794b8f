"""What is measured of arrays: pure functions. Times in [s], rising. T samples, J joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_EPSILON = 1e-9
Interval = tuple[float, float]


def inside(time: np.ndarray, begin: float, end: float) -> np.ndarray:
    """Which samples, shape (T,), lie in a window, both ends included. Shape (T,), bool."""
    return (time >= begin - _EPSILON) & (time <= end + _EPSILON)


def first_time(time: np.ndarray, flags: np.ndarray, since: float) -> float:
    """Of the first sample from `since` on whose flag is set; NaN: none. Shapes (T,)."""
    found = np.flatnonzero(flags.astype(bool) & (time >= since - _EPSILON))
    return float(time[found[0]]) if len(found) else np.nan


def held_from(
    time: np.ndarray, flags: np.ndarray, since: float, hold: float, period: float, gap: float
) -> float:
    """From when on flags are set for at least `hold` without a break, from `since` on; NaN: never.

    Args:
        time: of the samples. Shape (T,).
        flags: shape (T,), bool.
        since: earliest beginning.
        hold: how long they have to stay set.
        period: what one sample stands for, so that `hold / period` samples in a row are enough.
        gap: two samples that are further apart are a break, whatever their flags.
    """
    later = time >= since - _EPSILON
    time, flags = time[later], flags[later].astype(bool)
    if not flags.any():
        return np.nan
    joined = np.zeros(len(time) + 1, dtype=bool)
    joined[1:-1] = flags[1:] & flags[:-1] & (np.diff(time) <= gap + _EPSILON)
    begins, ends = time[flags & ~joined[:-1]], time[flags & ~joined[1:]]
    long = np.flatnonzero(ends - begins + period >= hold - _EPSILON)
    return float(begins[long[0]]) if len(long) else np.nan


def settled_at(time: np.ndarray, flags: np.ndarray) -> float:
    """Of the first sample from which on all flags are set; NaN: the last one is not, or there is none. Shapes (T,)."""
    if not len(flags) or not flags[-1]:
        return np.nan
    broken = np.flatnonzero(~flags)
    return float(time[broken[-1] + 1 if len(broken) else 0])


def time_with(
    time: np.ndarray, flags: np.ndarray, begin: float, end: float, most: float, period: float
) -> float:
    """How long flags were set in a window, in [s]. Each holds until the next sample, the last one for a `period`.

    Args:
        time: of the samples. Shape (T,).
        flags: shape (T,), bool.
        begin: of the window.
        end: of the window.
        most: what lasts longer than this is silence, in which nobody knows, and counts for nothing.
        period: in [s].
    """
    if not len(time):
        return 0.0
    ends = np.append(time[1:], time[-1] + period)
    counts = flags.astype(bool) & (ends - time <= most + _EPSILON)
    overlap = np.minimum(ends, end) - np.maximum(time, begin)
    return float(overlap[counts].clip(min=0.0).sum())


def root_mean_square(values: np.ndarray) -> float:
    """Of values, any shape, in their unit; NaN where there are none or one is."""
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else np.nan


def band_share(values: np.ndarray, low: np.ndarray, high: np.ndarray, tolerance: float = 0.0) -> np.ndarray:
    """How far values are from the middle of their band, as a share of half its width: 1 at either end.

    Args:
        values: shape (T, J).
        low: lowest values. Shape (J,).
        high: highest values. Shape (J,).
        tolerance: what is nearer to the middle than this counts as there, in the values' unit.

    Returns:
        Shape (T, J). Where a band has no width: 0 in it and infinite beside it. Infinite where a value is not finite.
    """
    half = (high - low) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.maximum(np.abs(values - (low + high) / 2) - tolerance, 0.0)
        share = np.where(half > 0.0, off / half, np.where(off > 0.0, np.inf, 0.0))
    return np.where(np.isfinite(values), share, np.inf)


def worst(shares: np.ndarray) -> tuple[float, int, int]:
    """The largest of shares, shape (T, J), with its sample and joint; NaN counts as infinite. T, J at least 1."""
    known = np.where(np.isnan(shares), np.inf, shares)
    row, column = np.unravel_index(int(known.argmax()), known.shape)
    return float(known[row, column]), int(row), int(column)


def union(intervals: Sequence[Interval]) -> list[Interval]:
    """The same times as intervals that do not overlap, in order."""
    merged = list[Interval]()
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged


def longest_gap(time: np.ndarray, begin: float, end: float, away: Sequence[Interval] = ()) -> Interval:
    """The longest time between two samples in a window, both of its ends being one.

    Args:
        time: of the samples. Shape (T,).
        begin: of the window.
        end: of the window.
        away: what does not count.

    Returns:
        How long it was, in [s], and when it began.
    """
    marks = np.concatenate([[begin], time[(time > begin) & (time < end)], [max(end, begin)]])
    gaps = np.diff(marks)
    for low, high in union(away):
        gaps = gaps - np.clip(np.minimum(marks[1:], high) - np.maximum(marks[:-1], low), 0.0, None)
    return float(gaps.max()), float(marks[int(gaps.argmax())])


def unanswered(asked: np.ndarray, answers: np.ndarray, within: float) -> np.ndarray:
    """Which of the times `asked`, shape (S,), have no answer, shape (C,), in `within` [s] after. Shape (S,), bool."""
    following = np.searchsorted(answers, asked)
    padded = np.append(answers, np.inf)
    return padded[following] > asked + within + _EPSILON
