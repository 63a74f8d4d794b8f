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
_UNIT, _HALF_UNIT = np.float32(2.0**-32), np.float32(2.0**-33)
_TURN = np.float32(2.0 * np.pi * 2.0**-32)
_MINUS_TWO = np.float32(-2.0)
_BLOCK = 16384
"""Pairs of normals that are made at once: so many fit into a processor's cache."""

_SEGMENT = np.uint64(2**32)
"""Numbers of a stream that a trial may draw: see `RowRandom.next_segment`."""

Shape = int | tuple[int, ...]


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's output function, in place. Any shape, uint64."""
    x ^= x >> _SHIFT[0]
    x *= _MIX[0]
    x ^= x >> _SHIFT[1]
    x *= _MIX[1]
    x ^= x >> _SHIFT[2]
    return x


def _box_muller(words: np.ndarray, out: np.ndarray) -> None:
    """Turns words, shape (n, h), uint64, into two normals each, shape (n, 2 h): one half is radius, the other angle.

    Single precision: numpy computes its logarithm, sine and cosine several at a time, each as if it were alone.
    """
    half = words.shape[1]
    halves = words.view(np.uint32).reshape(len(words), half, 2)
    radius = np.multiply(halves[:, :, 0], _UNIT, dtype=np.float32, casting="unsafe")
    radius += _HALF_UNIT  # never zero
    np.log(radius, out=radius)
    radius *= _MINUS_TWO
    np.sqrt(radius, out=radius)
    angle = np.multiply(halves[:, :, 1], _TURN, dtype=np.float32, casting="unsafe")
    np.multiply(radius, np.cos(angle), out=out[:, :half])
    np.multiply(radius, np.sin(angle, out=angle), out=out[:, half:])


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
        self._place(
            _mix(base + np.arange(first, first + count, dtype=np.uint64) * _GOLDEN),
            np.zeros(count, dtype=np.uint64),
        )

    def _place(self, keys: np.ndarray, counters: np.ndarray) -> None:
        self.keys = keys
        """Which stream each is. Shape (N,), uint64."""
        self.counters = counters
        """How many numbers each stream has given. Shape (N,), uint64."""
        self._all = Rows(self, slice(None), len(keys))

    @property
    def all(self) -> Rows:
        """All streams."""
        return self._all

    def rows(self, ids: np.ndarray) -> Rows:
        """The streams of simulations `ids`, shape (n,)."""
        return Rows(self, ids, len(ids))

    def next_segment(self) -> np.ndarray:
        """The next place in each stream that is known before the stream gets there: a multiple of 2^32, or 0.

        Shape (N,), uint64, as `counters`.
        """
        return (self.counters + (_SEGMENT - np.uint64(1))) // _SEGMENT * _SEGMENT

    def ahead(self, ids: np.ndarray, counters: np.ndarray) -> RowRandom:
        """The streams of simulations `ids`, from other places on, shapes (n,); they themselves stay where they are."""
        copies = RowRandom.__new__(RowRandom)
        copies._place(self.keys[ids], counters.copy())
        return copies

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here, as int64."""
        return {"keys": self.keys.view(np.int64).copy(), "counters": self.counters.view(np.int64).copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `state`."""
        self.keys[:] = np.asarray(state["keys"]).view(np.uint64)
        self.counters[:] = np.asarray(state["counters"]).view(np.uint64)

    def bits(self, ids: np.ndarray | slice, width: int) -> np.ndarray:
        """The next `width` words of the given streams. Shape (n, width), uint64."""
        counters = self.counters[ids]
        steps = counters[:, None] + np.arange(1, width + 1, dtype=np.uint64)
        self.counters[ids] = counters + np.uint64(width)
        steps *= _GOLDEN
        steps += self.keys[ids][:, None]
        return _mix(steps)


class Rows:
    """Some streams, with the part of numpy's `Generator` that families use. The first axis is always theirs, n."""

    def __init__(self, source: RowRandom, ids: np.ndarray | slice, count: int):
        self._source, self._ids, self._count = source, ids, count

    def random(self, shape: Shape) -> np.ndarray:
        """Uniform in [0, 1). Shape (n, ...)."""
        shape, width = self._check(shape)
        bits = self._source.bits(self._ids, width)
        bits >>= _TO_DOUBLE[0]
        return (bits * _TO_DOUBLE[1]).reshape(shape)

    def uniform(self, low: object, high: object, shape: Shape) -> np.ndarray:
        """Uniform between `low` and `high`, which broadcast against the shape (n, ...)."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        return low + (high - low) * self.random(shape)

    def integers(self, low: int, high: int, shape: Shape) -> np.ndarray:
        """Whole numbers from `low` to `high`, exclusive. Shape (n, ...)."""
        return low + np.floor((high - low) * self.random(shape)).astype(np.int64)

    def standard_normal(self, shape: Shape, room: np.ndarray | None = None) -> np.ndarray:
        """Gaussian with mean 0 and variance 1, in steps of single precision, up to 6.8. Shape (n, ...).

        `room`, shape (n, an even number), may be given to be written to, so that no memory has to be found.
        """
        shape, width = self._check(shape)
        half = (width + 1) // 2
        out = np.empty((self._count, 2 * half)) if room is None else room[:, : 2 * half]
        rows = max(1, _BLOCK // max(half, 1))
        for first in range(0, self._count, rows):
            block = slice(first, min(first + rows, self._count))
            ids = block if isinstance(self._ids, slice) else self._ids[block]
            _box_muller(self._source.bits(ids, half), out[block])
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
