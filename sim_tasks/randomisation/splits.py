"""Train, test and out-of-distribution draws, disjoint by construction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.parameter import OOD_MARGIN, Parameter
from sim_tasks.row_random import Rows

SPLITS = ("train", "test", "ood")
CELLS = 1024
"""The key parameter's range is cut into so many cells."""
TEST_EVERY = 8
"""One cell in so many belongs to the held-out tasks."""


def check_split(split: str) -> None:
    """Raises TaskError if there is no such split."""
    if split not in SPLITS:
        raise TaskError(f"unknown split {split!r}; valid: {', '.join(SPLITS)}")


def key_column(parameters: Sequence[Parameter]) -> int | None:
    """Index of the parameter that keeps the splits apart: the first continuous one; None if all are choices."""
    return next((i for i, p in enumerate(parameters) if p.distribution != "choice"), None)


def unit_draws(
    rng: Rows, count: int, parameters: Sequence[Parameter], split: str, width: float = 1.0
) -> np.ndarray:
    """Places of `count` tasks in their distributions, shape (count, P), in [0, 1).

    Along the key parameter every eighth cell is held out; `ood` ones lie outside [0, 1) in one parameter besides. A
    width below 1 leaves the middle of every distribution, and along the key parameter whole blocks of cells.

    Raises:
        TaskError: the split is unknown, or no parameter has values out of distribution.
    """
    check_split(split)
    draws = rng.random((count, len(parameters)))
    key, blocks = key_column(parameters), CELLS // TEST_EVERY
    outside = min(round((1 - width) / 2 * blocks), (blocks - 1) // 2)
    block = rng.integers(outside, blocks - outside, count)
    place = rng.integers(0, TEST_EVERY - 1, count) if split == "train" else TEST_EVERY - 1
    places = draws if width == 1 else 0.5 + width * (draws - 0.5)
    if key is not None:
        places[:, key] = (block * TEST_EVERY + place + draws[:, key]) / CELLS
    return _beyond(rng, places, parameters) if split == "ood" else places


def _beyond(rng: Rows, draws: np.ndarray, parameters: Sequence[Parameter]) -> np.ndarray:
    """Moves one random parameter of each draw outside [0, 1), by up to `OOD_MARGIN`. Shape as `draws`."""
    able = np.array([i for i, p in enumerate(parameters) if p.ood != "none"])
    if not len(able):
        raise TaskError(
            f"no out-of-distribution tasks: none of {', '.join(p.name for p in parameters)} has any"
        )
    sides = np.array([p.ood for p in parameters])
    count = len(draws)
    which = able[rng.integers(0, len(able), count)]
    distance = OOD_MARGIN * (1 - rng.random(count))
    upwards = (rng.random(count) < 0.5) & (sides[which] != "low") | (sides[which] == "high")
    draws[np.arange(count), which] = np.where(upwards, 1 + distance, -distance)
    return draws
