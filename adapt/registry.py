"""What is registered, with a line about each."""

from __future__ import annotations


def listed(what: str) -> dict[str, str]:
    """Names of `robots`, `families` or `learners`, each with a line about it."""
    if what == "robots":
        from robots import load_robot, robot_names

        return {name: load_robot(name).description for name in robot_names()}
    if what == "families":
        from sim_tasks.families import family_names, load_family

        families = (load_family(name) for name in family_names())
        return {
            family.name: f"{family.plant.name}, {len(family.parameters)} randomised parameters, "
            f"episodes of {family.episode_seconds:g} s at {1 / family.period:g} Hz"
            for family in families
        }
    from adapt.learners import LEARNERS

    return {name: kind.about for name, kind in LEARNERS.items()}
