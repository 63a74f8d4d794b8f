"""The registered task families, by name."""

from __future__ import annotations

from collections.abc import Callable

from sim_tasks.errors import TaskError
from sim_tasks.families.pendulum_swingup import pendulum_swingup
from sim_tasks.family import TaskFamily

_FAMILIES: dict[str, Callable[[], TaskFamily]] = {"pendulum_swingup": pendulum_swingup}


def family_names() -> tuple[str, ...]:
    return tuple(_FAMILIES)


def load_family(name: str) -> TaskFamily:
    """Builds a registered family.

    Raises:
        TaskError: the name is not registered; the message lists the valid ones.
    """
    if name not in _FAMILIES:
        raise TaskError(f"unknown family {name!r}; valid: {', '.join(_FAMILIES)}")
    return _FAMILIES[name]()
