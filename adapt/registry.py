"""What is registered, and what there is to know of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim_tasks.family import TaskFamily

_SHOWN = 12
"""So many parameters are printed of a family; JSON has all."""
_SPEED_SECONDS = 0.5


def listed(what: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """Names of `robots`, `families`, `environments` or `learners`, each with what there is to know of it.

    Args:
        what: `robots`, `families`, `environments`, those with discrete actions, or `learners`.
        names: of families: only these, which may be any that `load_family` takes.

    Raises:
        UserError: one of the names is not known; the message lists the valid ones.
    """
    if what == "robots":
        from robots import load_robot, robot_names

        return {name: load_robot(name).description for name in robot_names()}
    if what == "families":
        from sim_tasks.families import family_names, load_family

        return {name: describe_family(load_family(name), name) for name in names or family_names()}
    if what == "environments":
        return _environments()
    from adapt.learners import LEARNERS

    return {name: kind.about for name, kind in LEARNERS.items()}


def _environments() -> dict[str, str]:
    """What `sim_tasks.discrete.names` lists, each in a line."""
    from sim_tasks.discrete import names
    from sim_tasks.discrete.grid_kinds import KINDS
    from sim_tasks.families import family_names, load_family

    own = {
        "catch": "catch a falling ball; 3 actions. catch:ROWSxCOLUMNS is one of another size",
        "point": "push a mass to an unseen goal; 9 actions",
        "point:sparse": "the same, rewarded at the goal only",
    }
    grids = {f"grid:{n}": f"grid world, 5 actions: {_first_line(kind)}" for n, kind in KINDS.items()}
    families = {name: f"each joint's actions in bins: {load_family(name).about}" for name in family_names()}
    known = own | grids | families
    return {name: known.get(name, "Atari 2600, as its screen shows it; 18 actions") for name in names()}


def _first_line(described: object) -> str:
    return (described.__doc__ or "").partition("\n")[0]


def describe_family(family: TaskFamily, name: str) -> dict[str, Any]:
    """A family as plain data: sizes, times, parameters with units and ranges; its speed where it is not batched."""
    from sim_tasks.families import family_protocols

    low, high = family.bounds
    result = {
        "about": family.about,
        "body": family.plant.name,
        "deployable": family.on_robot,
        "observation_size": family.observation_size,
        "action_size": family.action_size,
        "control_period_s": family.period,
        "episode_steps": family.episode_steps,
        "goal": list(family.goal.names) if family.goal else [],
        "held_out_tasks_disjoint": family.disjoint,
        "protocols": list(family_protocols(name)),
        "batched": family.batched,
        "parameters": [
            {
                "name": p.name,
                "unit": p.unit,
                "low": float(low[i]),
                "high": float(high[i]),
                "distribution": p.distribution,
                "source": p.source,
            }
            for i, p in enumerate(family.parameters)
        ],
    }
    return result if family.batched else result | {"steps_per_s": _speed(family)}


def lines(name: str, entry: Any) -> Iterator[str]:
    """An entry of `listed` in words."""
    if isinstance(entry, str):
        yield f"{name}: {entry}"
        return
    yield f"{name}: {entry['about']}"
    seconds = entry["episode_steps"] * entry["control_period_s"]
    yield (
        f"  {entry['body']}{'' if entry['deployable'] else ' (benchmark body)'}, observation "
        f"{entry['observation_size']}, action {entry['action_size']}, {entry['episode_steps']} steps "
        f"of {entry['control_period_s']:g} s ({seconds:g} s)"
    )
    if entry["goal"]:
        yield f"  goal that the policy is told: {', '.join(entry['goal'])}"
    if entry["protocols"]:
        yield f"  protocols: {', '.join(f'{name}@{protocol}' for protocol in entry['protocols'])}"
    if not entry["held_out_tasks_disjoint"]:
        yield "  so few tasks that training and held-out ones are the same"
    if not entry["batched"]:
        yield f"  one simulation at a time: {entry['steps_per_s']:,.0f} control steps/s here"
    for parameter in entry["parameters"][:_SHOWN]:
        yield (
            f"    {parameter['name']:<26} {parameter['low']:>10.4g} to {parameter['high']:<10.4g} "
            f"{parameter['unit']:<10} {parameter['distribution']}"
        )
    if (more := len(entry["parameters"]) - _SHOWN) > 0:
        yield f"    and {more} more (--json lists all)"


def suite_lines() -> Iterator[str]:
    """The tasks of dm_control's suite, in words: which are stepped together, and which one simulation at a time."""
    from sim_tasks.suite.catalogue import BATCHED, task_names

    others = [name for name in task_names() if name not in BATCHED]
    yield f"dm_control:domain/task: any task of dm_control's suite; batched: {', '.join(BATCHED)}"
    yield f"  one simulation at a time: {', '.join(others)}"
    yield "  `adapt list families dm_control:reacher/easy` says how fast one of them is on this machine"


def _speed(family: TaskFamily) -> float:
    """Control steps per second of four simulations, with resets."""
    import numpy as np

    from sim_tasks.trial_env import TrialVecEnv

    env = TrialVecEnv(family, 4, seed=0)
    action = np.zeros((4, family.action_size))
    begin, steps = time.perf_counter(), 0
    while (now := time.perf_counter()) - begin < _SPEED_SECONDS:
        done = env.step(action).done
        env.reset(np.flatnonzero(done))
        steps += 4
    return steps / (now - begin)
