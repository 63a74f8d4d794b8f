"""`Vocabulary`: words of scenario files that other parts explain: expectations, protections, bundles."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ros_bridge.hil.judging.expectations import EXPECTATIONS
from ros_bridge.hil.judging.kinds import ExpectationKind
from ros_bridge.hil.protections import PROTECTIONS
from ros_bridge.hil.scenario.bundles import SHIPPED


@dataclass(frozen=True)
class Vocabulary:
    """What a file is held against."""

    expectations: Mapping[str, ExpectationKind] = field(default_factory=lambda: EXPECTATIONS)
    """By name."""
    protections: Collection[str] = tuple(PROTECTIONS)
    """Names that `protects` may have."""
    bundles: Path = SHIPPED
    """Folder of the shipped bundles."""
    check_bundles: bool = True
    """Whether a scenario's bundle has to be there and to fit its family; not so where another one takes its place."""
    own_families: bool = False
    """Whether a file may name a family of the user's own, `file.py:function`: loading it runs its code."""
