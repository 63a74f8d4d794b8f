"""`RewardTerm`: what a measured reward is made of, as data.

D measured numbers, K that are made of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from robots import quantities
from robots.errors import RobotError
from robots.tolerance import Tolerance

ACTIONS = ("action", "action_change")
"""What was sent in the control step that is rewarded, after the safety filter, in action units; and how much that
differs from the step before."""
MEASURED = (*quantities.NAMES, *ACTIONS)
"""All that a reward can be made of."""
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"linear": np.positive, "square": np.square}
"""What becomes of a number, by name; besides, any `Tolerance`."""


@dataclass(frozen=True)
class RewardPart:
    """`weight * shape(z)`. z is the number that is made of what was measured, or the length of several."""

    measured: str
    """One of `MEASURED`, raw, in its unit."""
    shape: Tolerance | str
    """Or one of `SHAPES`."""
    weight: float = 1.0
    target: tuple[float, ...] | Literal["goal"] | None = None
    """What is subtracted: D numbers, or the goal's first D; None: nothing."""
    mix: tuple[tuple[float, ...], ...] | None = None
    """K rows of D factors, applied to the difference; None: it stays as it is."""
    wrapped: bool = False
    """Whether the result is of angles in [rad], which are taken the short way round, within [-pi, pi)."""

    @property
    def unit(self) -> str:
        """Of what is measured."""
        return "1" if self.measured in ACTIONS else quantities.unit(self.measured)

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of this part."""
        return {
            "weight": self.weight,
            "measured": self.measured,
            "unit": self.unit,
            "target": list(self.target) if isinstance(self.target, tuple) else self.target,
            "mix": None if self.mix is None else [list(row) for row in self.mix],
            "wrapped": self.wrapped,
            "shape": _shape_manifest(self.shape),
        }

    @classmethod
    def from_manifest(cls, recorded: dict[str, Any]) -> RewardPart:
        """Inverse of `manifest`.

        Raises:
            RobotError: it is in another unit, or its tolerance is none.
        """
        target, mix = recorded["target"], recorded["mix"]
        part = cls(
            recorded["measured"],
            _shape(recorded["shape"]),
            recorded["weight"],
            tuple(target) if isinstance(target, list) else target,
            None if mix is None else tuple(tuple(row) for row in mix),
            recorded["wrapped"],
        )
        if part.unit != recorded["unit"]:
            raise RobotError(f"{part.measured!r} is in {part.unit}, not in {recorded['unit']!r}")
        return part


@dataclass(frozen=True)
class RewardTerm:
    """`offset` and the parts, added up."""

    name: str
    parts: tuple[RewardPart, ...]
    offset: float = 0.0

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of this term."""
        parts = [part.manifest() for part in self.parts]
        return {"name": self.name, "offset": self.offset, "parts": parts}

    @classmethod
    def from_manifest(cls, recorded: dict[str, Any]) -> RewardTerm:
        """Inverse of `manifest`.

        Raises:
            RobotError: names the term and what is wrong with it.
        """
        try:
            parts = tuple(RewardPart.from_manifest(part) for part in recorded["parts"])
        except RobotError as error:
            raise RobotError(f"reward term {recorded['name']!r}: {error}") from error
        return cls(recorded["name"], parts, recorded["offset"])


def _shape_manifest(shape: Tolerance | str) -> dict[str, Any]:
    """JSON has no infinity: null is no bound."""
    if isinstance(shape, str):
        return {"kind": shape}
    bounds = [bound if math.isfinite(bound) else None for bound in shape.bounds]
    rest = {name: getattr(shape, name) for name in ("margin", "sigmoid", "value_at_margin")}
    return {"kind": "tolerance", "bounds": bounds, **rest}


def _shape(recorded: dict[str, Any]) -> Tolerance | str:
    if recorded["kind"] != "tolerance":
        return recorded["kind"]
    low, high = recorded["bounds"]
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    return Tolerance(bounds, recorded["margin"], recorded["sigmoid"], recorded["value_at_margin"])
