"""`Reward`: named terms of the true motion, multiplied or added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.motion import Motion

Term = Callable[[Motion], np.ndarray]
"""From the true motion to a number per simulation. Shape (N,)."""


@dataclass(frozen=True)
class Reward:
    """Terms by name; a product is of factors in [0, 1], a sum of anything."""

    terms: dict[str, Term]
    combine: Literal["product", "sum"]

    @classmethod
    def product(cls, **terms: Term) -> Reward:
        return cls(terms, "product")

    @classmethod
    def sum(cls, **terms: Term) -> Reward:
        return cls(terms, "sum")

    def __call__(self, motion: Motion) -> np.ndarray:
        """Reward of one control step. Shape (N,).

        Raises:
            TaskError: a term is not one number per simulation.
        """
        values = [_per_simulation(name, term(motion), motion) for name, term in self.terms.items()]
        total = values[0]
        for value in values[1:]:
            total = total * value if self.combine == "product" else total + value
        return total


def _per_simulation(name: str, value: np.ndarray, motion: Motion) -> np.ndarray:
    """Other shapes would mix simulations with one another without a word."""
    value, count = np.asarray(value, dtype=float), len(motion.qpos)
    if value.shape != (count,):
        raise TaskError(
            f"reward {name!r}: shape {value.shape}; expected ({count},), one number per simulation"
        )
    return value
