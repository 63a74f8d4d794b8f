"""`make_adapter`: from a bundle to the adapter of its kind."""

from __future__ import annotations

from adapt.bundle import PolicyBundle
from adapt.online.adapters import BeliefAdapter, FixedAdapter, MemoryAdapter
from adapt.online.gradient import GradientAdapter
from adapt.types import KeepsState

_KINDS = {"belief": BeliefAdapter, "memory": MemoryAdapter, "none": FixedAdapter, "gradient": GradientAdapter}


def make_adapter(bundle: PolicyBundle, robots: int = 1) -> KeepsState:
    """The adapter of the bundle's kind, for `robots` robots side by side."""
    return _KINDS[bundle.manifest["adapter"]["kind"]](bundle, robots)
