"""`ExpectationKind`: what a scenario may expect, and which options of the file go with it."""

from __future__ import annotations

from dataclasses import dataclass

OPTIONS = ("fault", "from", "to", "parameter", "tolerance", "reason")
"""All that an expectation may have beside its limit, by the words of a scenario file."""
WINDOW = ("from", "to")


@dataclass(frozen=True)
class ExpectationKind:
    """One thing that can be expected of a run."""

    about: str
    """What is measured, in words."""
    unit: str
    """Of the value and the limit; empty: the task's."""
    at_most: bool
    """Whether the value may be at most the limit; else at least."""
    options: tuple[str, ...] = WINDOW
    """Of `OPTIONS`, which ones it may have."""
    needs: tuple[str, ...] = ()
    """Of its options, which ones it must have."""
