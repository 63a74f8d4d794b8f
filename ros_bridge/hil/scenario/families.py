"""Families that scenarios name, each loaded once: a campaign has the same few again and again."""

from __future__ import annotations

from functools import lru_cache

from robots.goal import GoalLayout
from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily


@lru_cache(maxsize=32)
def family_named(name: str) -> TaskFamily:
    """A family, as `load_family` takes its name.

    Raises:
        TaskError: there is none of that name; the message lists the valid ones.
    """
    return load_family(name)


@lru_cache(maxsize=32)
def goal_layout(name: str) -> GoalLayout | None:
    """What a family tells its policies, and between which values it was drawn in training; None: nothing."""
    family = family_named(name)
    return family.goal.layout(family.episode_seconds) if family.goal else None


@lru_cache(maxsize=1)
def deployable_names() -> tuple[str, ...]:
    """Registered families whose policies can drive a robot."""
    return tuple(name for name in family_names() if family_named(name).on_robot)


def is_own(name: str) -> bool:
    """Whether loading a family runs code that is not this project's: `file.py:function` or `module:function`."""
    return ":" in name and not name.startswith("dm_control:")
