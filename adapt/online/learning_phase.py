"""The phases of learning on a robot, as diagnostics say them."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """What is going on."""

    COLLECTING = "collecting"
    """Explores, and records."""
    COMPUTING = "computing"
    """A proposal is computed; acts by the mean."""
    WAITING = "waiting for accept"
    """A proposal has passed its gates, and a person has to allow it; acts by the mean."""
    TRIAL = "on trial"
    """Acts by a proposal, explores, and records."""
    DONE = "adapted"
    """As many steps were kept as the policy was made for; acts by the mean."""
    GAVE_UP = "gave up"
    """Too many windows or proposals in a row have failed; acts by the mean."""


RECORDED = (Phase.COLLECTING, Phase.TRIAL)
"""In which it explores, and experience is collected."""
