"""`Finding`: how one expectation came out, and `Outcome`: how a run did."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any


class Outcome(enum.Enum):
    """Of a run."""

    PASSED = "passed"
    FAILED = "failed"
    INVALID = "invalid"
    """The simulated robot did not keep its schedule: nothing is known of the node."""
    ERROR = "error"
    """It did not come to a run: a process did not start, or ended by itself."""


@dataclass(frozen=True)
class Finding:
    """How one expectation came out."""

    name: str
    about: str
    """In words."""
    value: float | None
    """What was measured, in `unit`; None: nothing was, and the expectation is missed."""
    limit: float
    unit: str
    at_most: bool
    """Whether the value may be at most the limit; else at least."""
    detail: str = ""

    @property
    def margin(self) -> float | None:
        """How much better than the limit, in `unit`; negative where it was missed; None where nothing was measured."""
        if self.value is None:
            return None
        return self.limit - self.value if self.at_most else self.value - self.limit

    @property
    def passed(self) -> bool:
        """Whether the limit was kept."""
        margin = self.margin
        return margin is not None and not math.isnan(margin) and margin >= 0.0

    def to_json(self) -> dict[str, Any]:
        """For `result.json`."""
        return {
            "name": self.name,
            "about": self.about,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "at_most": self.at_most,
            "margin": self.margin,
            "passed": self.passed,
            "detail": self.detail,
        }
