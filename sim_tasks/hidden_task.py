"""`HiddenTask`: one robot whose physics nobody is told, and what happens to it in mid-run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom

TASKS = 64
"""Hidden tasks of a seed are numbered from 0 to this, exclusive."""
CHANGE = 1.2
"""Smallest factor by which the changing parameter changes."""
_CANDIDATES = 256


@dataclass(frozen=True)
class HiddenChange:
    """The physics change in mid-run, and the robot is knocked."""

    time: float
    """Since the first command, in [s]."""
    values: np.ndarray
    """Physical parameters from then on, in SI units. Shape (P,)."""
    knock: np.ndarray
    """Added to the velocities `qvel`, in [rad/s] and [m/s]. Shape (nv,)."""


@dataclass(frozen=True)
class HiddenTask:
    """Physics, start and change of one held-out robot. P parameters, J joints."""

    name: str
    values: np.ndarray
    """Physical parameters in SI units. Shape (P,)."""
    start: np.ndarray
    """True generalised positions `qpos`, in [rad] and [m]. Shape (nq,)."""
    start_velocity: np.ndarray
    """True velocities `qvel`, at rest. Shape (nv,)."""
    seed: int
    """Of the sensors' noise."""
    change: HiddenChange | None = None


def hidden_task(
    family: TaskFamily,
    index: int,
    seed: int,
    change_time: float | None = None,
    split: str = "test",
    values: Mapping[str, float] | None = None,
) -> HiddenTask:
    """Task `index` of a seed and split; with `change_time` [s], the family's change happens then.

    The changing parameter grows (a payload is added) by at least a factor `CHANGE`, or shrinks where the range ends;
    in a range that is too narrow for either it goes as far as it can.

    Args:
        split: held out (`test`), or out of the family (`ood`).
        values: physical parameters in SI units by name, in place of a drawn task; the others are the model's own.

    Raises:
        TaskError: the index is not one of `TASKS`, the time is not positive, the split or a name is unknown, or a
            value is none that is physical.
    """
    if not 0 <= index < TASKS:
        raise TaskError(f"task {index}: valid: 0 to {TASKS - 1}")
    if change_time is not None and not change_time > 0:
        raise TaskError(f"change time {change_time}: expected more than 0 s")
    physics = family.sample(split, 1, seed, first=index)[0] if values is None else _chosen(family, values)
    rng = RowRandom([seed, 31, index], 1).all
    qpos, qvel = family.start(rng, 1)
    noise = int(rng.integers(0, 2**31, 1)[0])
    change = None if change_time is None else _change(family, physics, change_time, [seed, 37, index])
    return HiddenTask(
        f"{family.name} {seed}/{index}", physics, qpos[0], np.zeros_like(qvel[0]), noise, change
    )


def _chosen(family: TaskFamily, values: Mapping[str, float]) -> np.ndarray:
    """The model's own parameters but for those that are named. Shape (P,)."""
    physics = family.defaults()
    for name, value in values.items():
        column = family.parameter_index(name)
        low, high = family.parameters[column].valid(family.model)
        if not low <= value <= high:  # NaN neither
            unit = family.parameters[column].unit
            raise TaskError(f"{family.name}: {name} {value}: valid: {low:g} to {high:g} {unit}")
        physics[column] = value
    return physics


def _apart(candidates: np.ndarray, value: float) -> float:
    """The first candidate that is a factor `CHANGE` above the value, else below it, else the farthest from it."""
    more, less = candidates[candidates > CHANGE * value], candidates[candidates < value / CHANGE]
    apart = more if len(more) else less
    return float(apart[0] if len(apart) else candidates[np.abs(candidates - value).argmax()])


def _change(family: TaskFamily, values: np.ndarray, time: float, seed: list[int]) -> HiddenChange:
    if family.change is None:
        raise TaskError(f"{family.name}: nothing changes in mid-run in this family")
    column = family.parameter_index(family.change.parameter)
    random = RowRandom(seed, _CANDIDATES).all
    candidates = family.draw(random, _CANDIDATES, "test")[:, column]
    changed = values.copy()
    changed[column] = _apart(candidates, float(values[column]))
    knock = np.zeros(family.model.nv)
    joints = family.plant.qvel
    knock[joints] = family.change.knock * np.where(
        random.random(_CANDIDATES)[: len(knock[joints])] < 0.5, -1, 1
    )
    return HiddenChange(time, changed, knock)
