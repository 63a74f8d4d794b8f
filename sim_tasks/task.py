"""`Task`: one draw from a family, which can be printed, saved and rebuilt to the last bit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily
from sim_tasks.randomisation import check_split
from sim_tasks.suite.family import PREFIX

_HEAD = {"family": str, "split": str, "seed": int, "index": int}
_PARAMETERS = "parameters"
_ENTRY = {"value", "unit"}


@dataclass(frozen=True)
class Task:
    """The physics of one robot of a family."""

    family: str
    """The family's name."""
    split: str
    seed: int
    index: int
    """Number of the task among those of its seed and split."""
    values: Mapping[str, float]
    """Parameters by name, in the family's order, in SI units."""
    units: Mapping[str, str]
    """By name of parameter."""

    def __str__(self) -> str:
        width = max(map(len, self.values), default=0)
        units = {name: "" if unit == "1" else f" {unit}" for name, unit in self.units.items()}
        rows = [f"  {name:{width}}  {value:.6g}{units[name]}" for name, value in self.values.items()]
        return "\n".join([f"{self.family}: {self.split} task {self.index} of seed {self.seed}", *rows])

    def row(self, family: TaskFamily) -> np.ndarray:
        """The parameters as `TrialVecEnv.reset` and `BatchSim.set_parameters` take a task's. Shape (P,).

        Raises:
            TaskError: the task is another family's, or its parameters are not that family's.
        """
        _check(self, family)
        return np.array([self.values[parameter.name] for parameter in family.parameters], dtype=float)

    def save(self, path: Path) -> None:
        """Writes the task as JSON, every float exactly; a file of that name is replaced at once or not at all."""
        parameters = {name: {"value": value, "unit": self.units[name]} for name, value in self.values.items()}
        head = {name: getattr(self, name) for name in _HEAD}
        text = json.dumps(head | {_PARAMETERS: parameters}, indent=2, allow_nan=False) + "\n"
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)


def make_task(family: TaskFamily, split: str, seed: int, index: int) -> Task:
    """Task `index` of a split and seed: row `index` of `family.sample(split, count, seed)`.

    Raises:
        TaskError: unknown split, or a negative seed or index.
    """
    check_split(split)
    for name, number in (("seed", seed), ("index", index)):
        if number < 0:
            raise TaskError(f"{name}: {number}; valid: 0 and more")
    row = family.sample(split, 1, seed, first=index)[0]
    names = [parameter.name for parameter in family.parameters]
    units = {parameter.name: parameter.unit for parameter in family.parameters}
    return Task(family.name, split, seed, index, dict(zip(names, row.tolist(), strict=True)), units)


def load_task(path: Path, family: TaskFamily | None = None) -> Task:
    """Reads a task that `Task.save` has written.

    Args:
        path: the file.
        family: whose task it has to be; None: the registered family that the file names.

    Raises:
        TaskError: the file cannot be read, or its task is not one of the family; names what is wrong and what is valid.
    """
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")), family)
    except (OSError, ValueError) as error:  # all of ours are ValueErrors
        raise TaskError(f"{path}: {error}") from error


def _read(content: Any, family: TaskFamily | None) -> Task:
    _check_keys("task", content, {*_HEAD, _PARAMETERS})
    for name, kind in _HEAD.items():
        if type(content[name]) is not kind:
            raise TaskError(f"{name}: {content[name]!r}; expected {kind.__name__}")
    check_split(content["split"])
    parameters = content[_PARAMETERS]
    if not isinstance(parameters, dict):
        raise TaskError(f"{_PARAMETERS}: {parameters!r}; expected a mapping")
    for name, entry in parameters.items():
        _check_keys(name, entry, _ENTRY)
        if type(entry["value"]) not in (float, int) or not np.isfinite(entry["value"]):
            raise TaskError(f"{name}: {entry['value']!r}; expected a finite number")
    values = {name: float(entry["value"]) for name, entry in parameters.items()}
    units = {name: entry["unit"] for name, entry in parameters.items()}
    task = Task(**{name: content[name] for name in _HEAD}, values=values, units=units)
    _check(task, _registered(task.family) if family is None else family)
    return task


def _registered(name: str) -> TaskFamily:
    """A family that this package brings; a file shall not make others be imported."""
    if name.partition("@")[0] not in family_names() and not name.startswith(PREFIX):
        raise TaskError(
            f"family {name!r} is not registered; valid: {', '.join(family_names())}; load your own and hand it over"
        )
    return load_family(name)


def _check_keys(what: str, content: Any, valid: set[str]) -> None:
    if not isinstance(content, dict):
        raise TaskError(f"{what}: {content!r}; expected a mapping of {', '.join(sorted(valid))}")
    _check_names(what, content, sorted(valid))


def _check_names(what: str, names: Mapping[str, Any], valid: list[str]) -> None:
    for problem, odd in (("unknown", set(names) - set(valid)), ("missing", set(valid) - set(names))):
        if odd:
            raise TaskError(f"{what}: {problem} {', '.join(sorted(odd))}; valid: {', '.join(valid)}")


def _check(task: Task, family: TaskFamily) -> None:
    if task.family != family.name:
        raise TaskError(f"a task of family {task.family!r}; valid here: {family.name!r}")
    _check_names(f"{family.name}: parameters", task.values, [p.name for p in family.parameters])
    for parameter in family.parameters:
        unit, value = task.units[parameter.name], task.values[parameter.name]
        if unit != parameter.unit:
            raise TaskError(f"{parameter.name}: unit {unit!r}; valid: {parameter.unit!r}")
        low, high = parameter.valid(family.model)
        if not low <= value <= high:
            raise TaskError(f"{parameter.name}: {value:g} {unit}; valid: {low:g} to {high:g}")
