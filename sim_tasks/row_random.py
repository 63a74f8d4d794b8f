"""`RowRandom`: one stream of random numbers per simulation, drawn for many simulations at once.

What simulation i draws depends on the seed and on i alone, never on how many others stand beside it: a batch of one
repeats what the same simulation did inside a batch of thousands. The generator is SplitMix64 (Steele, Lea, Flood:
"Fast splittable pseudorandom number generators", OOPSLA 2014), counted per row; normals by Box and Muller (1958).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = (np.uint64(30), np.uint64(27), np.uint64(31))
_TO_DOUBLE = (np.uint64(11), 2.0**-53)

Shape = int | tuple[int, ...]


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's output function, in place. Any shape, uint64."""
    x ^= x >> _SHIFT[0]
    x *= _MIX[0]
    x ^= x >> _SHIFT[1]
    x *= _MIX[1]
    x ^= x >> _SHIFT[2]
    return x


class RowRandom:
    """Streams of N simulations; `rows` of them draw with the calls of numpy's `Generator`."""

    def __init__(self, seed: Sequence[int], count: int, first: int = 0):
        """
        Args:
            seed: non-negative integers, mixed by numpy's `SeedSequence`.
            count: how many streams, N.
            first: number of the first stream.
        """
        base = np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)
        self._keys = _mix(base + np.arange(first, first + count, dtype=np.uint64) * _GOLDEN)
        self.counters = np.zeros(count, dtype=np.uint64)
        """How many numbers each stream has given. Shape (N,)."""
        self._all = Rows(self, slice(None), count)

    @property
    def all(self) -> Rows:
        """All streams."""
        return self._all

    def rows(self, ids: np.ndarray) -> Rows:
        """The streams of simulations `ids`, shape (n,)."""
        return Rows(self, ids, len(ids))

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here, as int64."""
        return {"keys": self._keys.view(np.int64).copy(), "counters": self.counters.view(np.int64).copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `state`."""
        self._keys[:] = np.asarray(state["keys"]).view(np.uint64)
        self.counters[:] = np.asarray(state["counters"]).view(np.uint64)

    def bits(self, ids: np.ndarray | slice, width: int) -> np.ndarray:
        """The next `width` words of the given streams. Shape (n, width), uint64."""
        counters = self.counters[ids]
        steps = counters[:, None] + np.arange(1, width + 1, dtype=np.uint64)
        self.counters[ids] = counters + np.uint64(width)
        steps *= _GOLDEN
        steps += self._keys[ids][:, None]
        return _mix(steps)


class Rows:
    """Some streams, with the part of numpy's `Generator` that families use. The first axis is always theirs, n."""

    def __init__(self, source: RowRandom, ids: np.ndarray | slice, count: int):
        self._source, self._ids, self._count = source, ids, count

    def random(self, shape: Shape) -> np.ndarray:
        """Uniform in [0, 1). Shape (n, ...)."""
        shape, width = self._check(shape)
        bits = self._source.bits(self._ids, width)
        return ((bits >> _TO_DOUBLE[0]) * _TO_DOUBLE[1]).reshape(shape)

    def uniform(self, low: object, high: object, shape: Shape) -> np.ndarray:
        """Uniform between `low` and `high`, which broadcast against the shape (n, ...)."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        return low + (high - low) * self.random(shape)

    def integers(self, low: int, high: int, shape: Shape) -> np.ndarray:
        """Whole numbers from `low` to `high`, exclusive. Shape (n, ...)."""
        return low + np.floor((high - low) * self.random(shape)).astype(np.int64)

    def standard_normal(self, shape: Shape) -> np.ndarray:
        """Gaussian with mean 0 and variance 1. Shape (n, ...)."""
        shape, width = self._check(shape)
        half = (width + 1) // 2
        draws = self.random((self._count, 2 * half))
        radius = np.sqrt(-2.0 * np.log1p(-draws[:, :half]))
        angle = (2.0 * np.pi) * draws[:, half:]
        out = np.empty((self._count, 2 * half))
        np.multiply(radius, np.cos(angle), out=out[:, :half])
        np.multiply(radius, np.sin(angle), out=out[:, half:])
        return out[:, :width].reshape(shape)

    def normal(self, mean: object, std: object, shape: Shape) -> np.ndarray:
        """Gaussian; mean and standard deviation broadcast against the shape (n, ...)."""
        return np.asarray(mean, float) + np.asarray(std, float) * self.standard_normal(shape)

    def _check(self, shape: Shape) -> tuple[tuple[int, ...], int]:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if shape[0] != self._count:
            raise ValueError(f"shape {shape}: the first axis must be the {self._count} streams")
        width = 1
        for size in shape[1:]:
            width *= size
        return shape, width
