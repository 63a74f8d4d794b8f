"""From sensor readings to a policy's observation. Used by the simulator and by the robot alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robots.errors import RobotError
from robots.frame import SensorFrame

_MEASUREMENTS: dict[str, tuple[str, Callable[[SensorFrame], np.ndarray]]] = {
    "sin_position": ("1", lambda frame: np.sin(frame.position)),
    "cos_position": ("1", lambda frame: np.cos(frame.position)),
    "position": ("rad", lambda frame: frame.position),
    "velocity": ("rad/s", lambda frame: frame.velocity),
}


@dataclass(frozen=True)
class ObservationTerm:
    """One measured quantity of all joints: `clip(scale * measurement, -clip, clip)`."""

    name: str
    scale: float = 1.0
    clip: float = 10.0

    def __post_init__(self) -> None:
        if self.name not in _MEASUREMENTS:
            raise RobotError(f"unknown observation term {self.name!r}; valid: {', '.join(_MEASUREMENTS)}")

    @property
    def unit(self) -> str:
        return _MEASUREMENTS[self.name][0]


class ObservationLayout:
    """Terms in order, each over all joints; O = terms x joints."""

    def __init__(self, terms: Sequence[ObservationTerm], joints: int):
        self.terms = tuple(terms)
        self.joints = joints
        self.size = len(self.terms) * joints

    def build(self, frame: SensorFrame) -> np.ndarray:
        """Observation, dimensionless float32, shape (N, O). Non-finite readings stay non-finite."""
        out = np.empty((len(frame.stamp), self.size), dtype=np.float32)
        for index, term in enumerate(self.terms):
            columns = slice(index * self.joints, (index + 1) * self.joints)
            value = _MEASUREMENTS[term.name][1](frame) * term.scale
            out[:, columns] = np.clip(value, -term.clip, term.clip)
        return out

    def columns(self, term: str) -> tuple[slice, float]:
        """Where a term stands in the observation, and its scale.

        Raises:
            RobotError: the layout has no such term.
        """
        names = [item.name for item in self.terms]
        if term not in names:
            raise RobotError(f"no observation term {term!r}; this layout has {', '.join(names)}")
        index = names.index(term)
        return slice(index * self.joints, (index + 1) * self.joints), self.terms[index].scale

    def manifest(self) -> list[dict[str, Any]]:
        """What a bundle records of this layout."""
        return [
            {"name": term.name, "unit": term.unit, "scale": term.scale, "clip": term.clip}
            for term in self.terms
        ]

    @classmethod
    def from_manifest(cls, terms: list[dict[str, Any]], joints: int) -> ObservationLayout:
        """The layout that `manifest()` recorded.

        Raises:
            RobotError: a term is unknown or measured in another unit.
        """
        layout = cls([ObservationTerm(t["name"], t["scale"], t["clip"]) for t in terms], joints)
        for term, recorded in zip(layout.terms, terms, strict=True):
            if term.unit != recorded["unit"]:
                raise RobotError(f"observation {term.name!r} is in {term.unit}, not in {recorded['unit']!r}")
        return layout
