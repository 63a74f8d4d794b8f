"""Ranges of the user's own in place of a family's: `pendulum_swingup+action_delay=0.005:0.05`.

They are part of the family's name, so that whoever knows a run's family knows them: its bounds, its evaluation, a
simulated robot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily
from sim_tasks.plant import Plant
from sim_tasks.randomisation import ActionDelay, ControlJitter, Parameter
from sim_tasks.randomisation.actuator import actuators
from sim_tasks.randomisation.timing import deepest_delay, longest_delay

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value in SI units, by the parameter's name."""
LONGEST_DELAY = 1.0
"""Of a command, in [s]: buffers hold every time step of it, in every simulation."""
_SEPARATOR = re.compile(r"\+(?=[^\W\d]\w*=)")


def split_ranges(name: str) -> tuple[str, dict[str, tuple[float, float]]]:
    """A family's name without its ranges, and these.

    Raises:
        TaskError: a range is not `name=low:high`, or there are two of one parameter.
    """
    base, *parts = _SEPARATOR.split(name)
    return base, _read(parts)


def name_with_ranges(name: str, ranges: Iterable[str]) -> str:
    """A family's name with ranges on top, each as `action_delay=0.005:0.05`; the same for the same ranges.

    Raises:
        TaskError: as `split_ranges`.
    """
    base, before = split_ranges(name)
    return base + _suffix(before | _read(ranges))


def with_ranges(family: TaskFamily, ranges: Ranges) -> TaskFamily:
    """A family some of whose parameters have other ranges, and whose plant can hold back commands for long enough.

    Raises:
        TaskError: an unknown parameter, one that is drawn from choices, or a range that it cannot have.
    """
    if not ranges:
        return family
    parameters = list(family.parameters)
    for name, span in ranges.items():
        index = family.parameter_index(name)
        parameters[index] = _ranged(family, index, *span)
    changed = tuple(parameters)
    plant = _long_enough(family.plant, changed, ranges)
    return replace(family, name=family.name + _suffix(ranges), parameters=changed, plant=plant)


def _read(parts: Iterable[str]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for part in parts:
        name, _, span = part.partition("=")
        low, _, high = span.partition(":")
        try:
            values = float(low), float(high)
        except ValueError:
            values = None
        if values is None or not name.isidentifier():
            raise TaskError(f"range {part!r}: expected NAME=LOW:HIGH, such as action_delay=0.01:0.05")
        if name in found:
            raise TaskError(f"range {part!r}: there is another one of {name}")
        found[name] = values
    return found


def _suffix(ranges: Ranges) -> str:
    return "".join(f"+{name}={_short(low)}:{_short(high)}" for name, (low, high) in sorted(ranges.items()))


def _short(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _ranged(family: TaskFamily, index: int, low: float, high: float) -> Parameter:
    """One parameter between other bounds, both in SI units."""
    parameter, (before, after) = family.parameters[index], family.bounds[:, index]
    if parameter.choices:
        choices = ", ".join(f"{choice:g}" for choice in dict.fromkeys(parameter.choices))
        raise TaskError(f"{family.name}: {parameter.name} has no range: it is one of {choices}")
    source = f"the user's; the family's own is {before:g} to {after:g}: {parameter.source}"[:1000]
    return replace(parameter, low=low, high=high, operation="abs", source=source)


def _long_enough(plant: Plant, parameters: tuple[Parameter, ...], ranges: Ranges) -> Plant:
    """The plant with longer buffers, where the user's delays need them and it can be made again."""
    delays = [p for p in parameters if isinstance(p.target, ActionDelay | ControlJitter)]
    if plant.with_delay is None or not any(p.name in ranges for p in delays):
        return plant
    needed = deepest_delay(delays, plant.model)
    if needed > LONGEST_DELAY:
        names = " and ".join(p.name for p in delays)
        raise TaskError(
            f"{names}: up to {needed:g} s, out-of-distribution ones included; valid: up to {LONGEST_DELAY:g} s"
        )
    enough = needed <= longest_delay(plant.model, actuators(plant.model, ()))
    return plant if enough else plant.with_delay(needed)
