"""The registered task families, by name.

A name may carry a protocol, `half_cheetah_vel@roml`: the ranges and horizon of that paper. `dm_control:cheetah/run`
makes a family out of a task of dm_control's suite, `my_families.py:my_family` is one of the user's own. Each may carry
ranges of the user's own, `pendulum_swingup+action_delay=0.005:0.05`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim_tasks.errors import TaskError
from sim_tasks.families.ant import ant_dir, ant_goal
from sim_tasks.families.double_pendulum_swingup import double_pendulum_swingup
from sim_tasks.families.go2_velocity import go2_velocity
from sim_tasks.families.half_cheetah import half_cheetah_dir, half_cheetah_vel
from sim_tasks.families.half_cheetah_body import half_cheetah_body, half_cheetah_mass
from sim_tasks.families.own import own_family
from sim_tasks.families.pendulum_swingup import pendulum_swingup
from sim_tasks.families.point_robot import point_robot
from sim_tasks.families.protocols import PROTOCOLS
from sim_tasks.families.ranges import split_ranges, with_ranges
from sim_tasks.families.ur5e import ur5e_reach, ur5e_track
from sim_tasks.families.walker_hopper import hopper_rand_params, walker2d_rand_params
from sim_tasks.family import TaskFamily
from sim_tasks.suite.family import PREFIX, suite_family


@dataclass(frozen=True)
class Entry:
    """A registered family: how it is built, and the options that each of its protocols stands for."""

    build: Callable[..., TaskFamily]
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_FAMILIES: dict[str, Entry] = {
    "pendulum_swingup": Entry(pendulum_swingup),
    "double_pendulum_swingup": Entry(
        double_pendulum_swingup, {"acrobot": {"actuated": "acrobot"}, "pendubot": {"actuated": "pendubot"}}
    ),
    "go2_velocity": Entry(go2_velocity),
    "ur5e_reach": Entry(ur5e_reach),
    "ur5e_track": Entry(ur5e_track),
    "half_cheetah_vel": Entry(half_cheetah_vel, PROTOCOLS["half_cheetah_vel"]),
    "half_cheetah_dir": Entry(half_cheetah_dir, PROTOCOLS["half_cheetah_dir"]),
    "half_cheetah_mass": Entry(half_cheetah_mass, PROTOCOLS["half_cheetah_mass"]),
    "half_cheetah_body": Entry(half_cheetah_body, PROTOCOLS["half_cheetah_body"]),
    "ant_dir": Entry(ant_dir, PROTOCOLS["ant_dir"]),
    "ant_goal": Entry(ant_goal, PROTOCOLS["ant_goal"]),
    "walker2d_rand_params": Entry(walker2d_rand_params, PROTOCOLS["walker2d_rand_params"]),
    "hopper_rand_params": Entry(hopper_rand_params, PROTOCOLS["hopper_rand_params"]),
    "point_robot": Entry(point_robot, PROTOCOLS["point_robot"]),
}


def family_names() -> tuple[str, ...]:
    """Names of the registered families, without protocols."""
    return tuple(_FAMILIES)


def family_protocols(name: str) -> tuple[str, ...]:
    """The protocols of a registered family; other families have none."""
    return tuple(_FAMILIES[name].protocols) if name in _FAMILIES else ()


def load_family(name: str, **options: Any) -> TaskFamily:
    """Builds a family.

    Args:
        name: family, family@protocol, dm_control:domain/task, file.py:function or module:function; any of them with
            ranges, see `families.ranges`.
        options: keyword arguments of the family's own function, on top of the protocol's.

    Raises:
        TaskError: the name, protocol, an option or a parameter is not known; the message lists the valid ones.
    """
    whole, ranges = split_ranges(name)
    return with_ranges(_load(whole, options), ranges)


def _load(name: str, options: Mapping[str, Any]) -> TaskFamily:
    if name.startswith(PREFIX):
        return _of_suite(name.removeprefix(PREFIX), options)
    if ":" in name:
        return _build(own_family(name), name, options)
    base, _, protocol = name.partition("@")
    if base not in _FAMILIES:
        raise TaskError(
            f"unknown family {name!r}; valid: {', '.join(_FAMILIES)}, {PREFIX}domain/task "
            "for dm_control's tasks, file.py:function or module:function for your own"
        )
    entry = _FAMILIES[base]
    if protocol and protocol not in entry.protocols:
        valid = ", ".join(f"{base}@{known}" for known in entry.protocols) or "it has none"
        raise TaskError(f"unknown protocol {protocol!r} of {base}; valid: {valid}")
    return _build(entry.build, base, {**entry.protocols.get(protocol, {}), **options})


def _build(build: Callable[..., TaskFamily], name: str, options: Mapping[str, Any]) -> TaskFamily:
    try:
        return build(**options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise TaskError(f"{name}: {error}") from error


def _of_suite(task: str, options: Mapping[str, Any]) -> TaskFamily:
    if options:
        raise TaskError(f"{PREFIX}{task} takes no options, got {', '.join(options)}")
    return suite_family(task)
