"""Environments with discrete actions, by name: what update rules are meta-trained in and judged by."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sim_tasks.discrete.catch import Catch
from sim_tasks.discrete.protocol import DiscreteEnv
from sim_tasks.errors import TaskError

__all__ = ["DiscreteEnv", "make", "names"]


def names() -> tuple[str, ...]:
    """Names that `make` knows; some stand for more: `catch:5x5` for any size."""
    return ("catch",)


def make(name: str, envs: int, seed: int, split: str = "train", **options: Any) -> DiscreteEnv:
    """N environments side by side.

    Args:
        name: one of `names()`, or `catch:ROWSxCOLUMNS`.
        envs: how many, N.
        seed: fixes everything that is drawn.
        split: which tasks: train or test.
        options: keyword arguments of the environment's class; `tasks`, how many of them N environments play, is one
            of all.

    Raises:
        TaskError: the name or an option is not known; the message lists the valid ones.
    """
    kind, _, rest = name.partition(":")
    if kind == "catch":
        return _build(name, Catch, {"size": rest or "8x8"}, envs, seed, split, options)
    raise TaskError(f"unknown environment {name!r}; valid: {', '.join(names())}, catch:ROWSxCOLUMNS")


def _build(
    name: str,
    build: Callable[..., DiscreteEnv],
    named: dict[str, Any],
    envs: int,
    seed: int,
    split: str,
    options: dict[str, Any],
) -> DiscreteEnv:
    """Builds one; what the name says is no option."""
    known = [
        key for key in inspect.signature(build).parameters if key not in {"envs", "seed", "split", *named}
    ]
    unknown = [key for key in options if key not in known]
    if unknown:
        raise TaskError(f"{name}: unknown option {unknown[0]!r}; valid: {', '.join(known)}")
    return build(envs=envs, seed=seed, split=split, **named, **options)
