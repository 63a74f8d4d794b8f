"""Environments with discrete actions, by name: what update rules are meta-trained in and judged by."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from sim_tasks.discrete.atari_scores import SCORES
from sim_tasks.discrete.grid_kinds import KINDS
from sim_tasks.discrete.protocol import DiscreteEnv
from sim_tasks.errors import TaskError
from sim_tasks.families import family_names

__all__ = ["DiscreteEnv", "is_atari", "is_robot", "make", "names"]

_CLASSES = {"catch": "Catch", "grid": "Grid", "point": "Point", "atari": "Atari", "binned": "Binned"}
"""By module, which is imported when it is asked for: emulators are not needed to simulate."""


def names() -> tuple[str, ...]:
    """Names that `make` knows. It knows more: catch of any size, families with protocols and ranges, all ROMs."""
    grids, games = (f"grid:{kind}" for kind in KINDS), (f"atari:{game}" for game in SCORES)
    return ("catch", *grids, "point", "point:sparse", *family_names(), *games)


def make(name: str, envs: int, seed: int, split: str = "train", **options: Any) -> DiscreteEnv:
    """N environments side by side.

    Args:
        name: one of `names()`, `catch:ROWSxCOLUMNS`, or what `load_family` knows: that robot with binned actions.
        envs: how many, N.
        seed: fixes everything that is drawn.
        split: which tasks, `train` or `test`.
        options: keyword arguments of the environment's class: of all `tasks`, how many tasks N environments play, by
            default one.

    Raises:
        TaskError: the name, split or an option is not known; the message lists the valid ones.
    """
    module, named = _read(name)
    build = getattr(importlib.import_module(f"{__name__}.{module}"), _CLASSES[module])
    parameters = inspect.signature(build).parameters
    known = [key for key in parameters if key not in {"envs", "seed", "split", *named}]
    unknown = [key for key in options if key not in known]
    if unknown:
        raise TaskError(f"{name}: unknown option {unknown[0]!r}; valid: {', '.join(known)}")
    return build(envs=envs, seed=seed, split=split, **named, **options)


def is_robot(name: str) -> bool:
    """Whether an environment is a robot with binned actions.

    Raises:
        TaskError: the name is not known; the message lists the valid ones.
    """
    return _read(name)[0] == "binned"


def is_atari(name: str) -> bool:
    """Whether an environment is an Atari game; raises as `is_robot`."""
    return _read(name)[0] == "atari"


def _read(name: str) -> tuple[str, dict[str, Any]]:
    """The module that knows a name, and the options that the name stands for."""
    kind, _, rest = name.partition(":")
    if kind == "catch":
        return kind, {"size": rest or "8x8"}
    if kind == "grid":
        return kind, {"kind": rest}
    if name in ("point", "point:sparse"):
        return kind, {"sparse": bool(rest)}
    if kind == "atari":
        return kind, {"game": rest}
    if rest or name.partition("+")[0].partition("@")[0] in family_names():
        return "binned", {"family": name}
    raise TaskError(
        f"unknown environment {name!r}; valid: catch, catch:ROWSxCOLUMNS, {', '.join(f'grid:{k}' for k in KINDS)}, "
        f"point, point:sparse, atari:GAME as atari:Pong, and the robot families {', '.join(family_names())}"
    )
