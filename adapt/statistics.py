"""Statistics of returns: score between two bounds, CVaR, bootstrap intervals over tasks and seeds.

n tasks, S training seeds, T control steps, B bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

BOOTSTRAP = 2000
CVAR = 0.05
"""Share of worst returns that CVaR averages over."""
_CHUNK = 1_000_000
"""About so many drawn returns are held at once."""

Statistic = Callable[..., np.ndarray]
"""Of samples, along their last axis."""


def mean(returns: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    return returns.mean(axis=-1)


def score(learner: np.ndarray, dr: np.ndarray, oracle: np.ndarray) -> np.ndarray:
    """(learner - DR) / (oracle - DR) of mean returns, along the last axis."""
    return (mean(learner) - mean(dr)) / (mean(oracle) - mean(dr))


def cvar(returns: np.ndarray, share: float = CVAR) -> np.ndarray:
    """Mean of the worst `share` of returns, along the last axis."""
    count = max(1, round(share * returns.shape[-1]))
    return mean(np.partition(returns, count - 1, axis=-1)[..., :count])


def bootstrap(statistic: Statistic, *samples: np.ndarray, seed: int = 0) -> list[float]:
    """95 % percentile interval of a statistic of samples, shape (n,) or (S, n) each.

    Tasks are drawn with replacement, the same for all samples. Of samples with seeds, these are drawn as well, for
    each sample its own: the interval says how far another set of tasks and other trainings may lie.
    """
    counts = tuple(len(sample) if sample.ndim == 2 else 1 for sample in samples)
    tasks, *seeds = _draws(samples[0].shape[-1], counts, seed)
    parts = -(-tasks.size * sum(counts) // _CHUNK)
    values = [
        statistic(*(_drawn(sample, rows[b], tasks[b]) for sample, rows in zip(samples, seeds, strict=True)))
        for b in np.array_split(np.arange(BOOTSTRAP), parts)
    ]
    low, high = np.percentile(np.concatenate(values), [2.5, 97.5])
    return [float(low), float(high)]


def bootstrap_curve(samples: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`bootstrap` of the mean over seeds and tasks at every control step of samples, shape (S, T, n).

    Returns:
        Lower and upper ends, shape (T,) each.
    """
    count, steps, size = samples.shape
    tasks, seeds = (
        _shares(draws, of) for draws, of in zip(_draws(size, (count,), seed), (size, count), strict=True)
    )
    drawn = np.zeros((steps, BOOTSTRAP))
    for each, share in zip(samples, seeds.T, strict=True):
        drawn += each @ tasks.T * share
    low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
    return low, high


@lru_cache(maxsize=8)
def _draws(tasks: int, seeds: tuple[int, ...], seed: int) -> tuple[np.ndarray, ...]:
    """Drawn tasks, shape (B, n), and of each sample the drawn seeds, shape (B, S)."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, size, (BOOTSTRAP, size)) for size in (tasks, *seeds))


def _drawn(sample: np.ndarray, seeds: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """Draws, shapes (b, S) and (b, n), of a sample, shape (n,) or (S, n). Shape (b, S n)."""
    return np.atleast_2d(sample)[seeds[:, :, None], tasks[:, None, :]].reshape(len(tasks), -1)


def _shares(draws: np.ndarray, size: int) -> np.ndarray:
    """How often each of `size` items was drawn, as a share of the draws, shape (B, k). Shape (B, size)."""
    places = draws + size * np.arange(len(draws))[:, None]
    counts = np.bincount(places.ravel(), minlength=len(draws) * size)
    return counts.reshape(-1, size) / draws.shape[1]
