"""How a caller says which task it wants: by number, by name and value, or as numbers in the family's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily

TaskChoice = int | Mapping[str, float] | np.ndarray | Sequence[float] | None
"""None: one is drawn. A number: that task of the split, the same in every process (`TaskFamily.sample` with seed 0).
Names with values in SI units: those are fixed, the others drawn. P values in SI units in the family's order."""
OPTIONS = ("split", "task")


def read_options(options: Mapping[str, Any] | None) -> tuple[str | None, Any]:
    """Split and task of what was given to `reset`.

    Raises:
        TaskError: an option is not known; the message lists the valid ones.
    """
    options = options or {}
    unknown = [str(name) for name in options if name not in OPTIONS]
    if unknown:
        raise TaskError(f"unknown option {', '.join(unknown)}; valid: {', '.join(OPTIONS)}")
    return options.get("split"), options.get("task")


def per_simulation(choice: Any, count: int) -> list[TaskChoice]:
    """One choice for each of `count` simulations: of an array (count, P), of as many mappings, or the same for all.

    Raises:
        TaskError: there are more or fewer of them than simulations.
    """
    rows = isinstance(choice, np.ndarray) and choice.ndim == 2
    rows |= isinstance(choice, list | tuple) and bool(choice) and isinstance(choice[0], Mapping)
    if not rows:
        return [choice] * count
    if len(choice) != count:
        raise TaskError(f"task: {len(choice)} tasks for {count} simulation(s)")
    return list(choice)


def fill(family: TaskFamily, choice: TaskChoice, split: str, drawn: np.ndarray) -> np.ndarray:
    """The chosen task in SI units, with drawn values for what was left open. Shapes (P,).

    Raises:
        TaskError: an unknown parameter, a wrong number of values, or what is no choice at all.
    """
    if choice is None:
        return drawn
    if isinstance(choice, Mapping):
        values = drawn.copy()
        for name, value in choice.items():
            values[family.parameter_index(name)] = _number(family, name, value)
        return values
    if isinstance(choice, Integral):
        if isinstance(choice, bool) or choice < 0:
            raise TaskError(f"task number {choice}; valid: 0 and above")
        return family.sample(split, 1, seed=0, first=int(choice))[0]
    return _in_order(family, choice)


def _in_order(family: TaskFamily, choice: Any) -> np.ndarray:
    names = ", ".join(parameter.name for parameter in family.parameters)
    try:
        values = np.asarray(choice, dtype=float)
    except (TypeError, ValueError) as error:
        raise TaskError(
            f"task {choice!r}: valid: a number, names with values, or values of {names}"
        ) from error
    if values.shape != (len(family.parameters),):
        raise TaskError(
            f"task of shape {values.shape}; expected ({len(family.parameters)},), values of {names}"
        )
    return values


def _number(family: TaskFamily, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        unit = family.parameters[family.parameter_index(name)].unit
        raise TaskError(f"{name}: {value!r} is no number in [{unit}]") from error
