"""How a robot learns by gradients: what its user may set, within bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapt.errors import AdaptError
from adapt.online.gates import GateSettings


@dataclass(frozen=True)
class LearningSettings:
    """How a robot learns.

    Raises:
        AdaptError: a setting is out of range.
    """

    exploration: float = 1.0
    """Standard deviations of exploration, in those of the policy; at most 1."""
    by_itself: bool = True
    """Whether a proposal that has passed its gates acts at once; otherwise it waits for `accept`."""
    attempts: int = 3
    """So many windows or proposals may fail, one after the other, before adaptation ends."""
    margin: float = 1.0
    """A proposal is rolled back where its return falls by more than this many standard errors."""
    interventions: float = 0.02
    """Or where the share of control steps rises by more, in which the safety filter has to limit it."""
    gates: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("exploration", self.exploration, 0.0, 1.0),
            ("attempts", self.attempts, 1, 1000),
            ("margin", self.margin, 0.0, 10.0),
            ("interventions", self.interventions, 0.0, 1.0),
            ("gates.trust_region", self.gates.trust_region, 0.0, 2.0),
            ("gates.spread", self.gates.spread, 1.0, 10.0),
            ("gates.interventions", self.gates.interventions, 0.0, 1.0),
        ):
            if not low <= value <= high:  # also NaN
                raise AdaptError(f"{name}: {value}; valid: {low:g} to {high:g}")
