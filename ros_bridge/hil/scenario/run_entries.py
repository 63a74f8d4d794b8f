"""What a scenario file says of the run itself: which task, which limits, how the node is started, which seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, get_args

from robots import RobotSpec
from ros_bridge.hil.scenario import fields
from ros_bridge.hil.scenario.fields import Fields
from ros_bridge.hil.scenario.lines import Item
from ros_bridge.hil.scenario.mistakes import Mistake
from ros_bridge.hil.scenario.scenario import Limits, NodeOptions, TaskChoice, TaskKind
from sim_tasks.family import TaskFamily
from sim_tasks.hidden_task import TASKS

T = TypeVar("T")
TASK_KINDS = get_args(TaskKind)
DRAWN = "drawn"
COMMAND_UNITS = {"position": "rad", "velocity": "rad/s", "effort": "N m"}
"""By the robot's interface."""
LARGEST_SEED = 2**31 - 1


def read_task(item: Item, family: TaskFamily, mistakes: list[Mistake]) -> TaskChoice:
    """Which robot of the family it is: `held_out: 3`, `out_of_family: drawn`, or `values: {mass: 0.6}`."""
    given = fields.mapping(item, TASK_KINDS)
    for name, each in given.items():
        if name not in TASK_KINDS:
            raise Mistake(each.key_line, each.key, f"unknown key; valid: {', '.join(TASK_KINDS)}")
    if len(given) != 1:
        raise item.wrong(f"expected one of {', '.join(TASK_KINDS)}, got {item.shown}")
    if "values" in given:
        return TaskChoice("values", values=_values(given["values"], family, mistakes))
    if "held_out" in given:
        return TaskChoice("held_out", _index(given["held_out"]))
    if all(parameter.ood == "none" for parameter in family.parameters):
        raise item.wrong(f"no parameter of {family.name} has values out of the family")
    return TaskChoice("out_of_family", _index(given["out_of_family"]))


def _index(item: Item) -> int | None:
    """None: drawn."""
    if item.value == DRAWN:
        return None
    if not isinstance(item.value, int):
        raise item.unexpected(f"{DRAWN}, or a whole number from 0 to {TASKS - 1}")
    return fields.whole(item, 0, TASKS - 1)


def _values(item: Item, family: TaskFamily, mistakes: list[Mistake]) -> dict[str, float]:
    """Physical parameters; they need not be in the family's range, but the simulation must be able to have them."""
    names = [parameter.name for parameter in family.parameters]
    entry, found = Fields(item, (), names, mistakes), dict[str, float]()
    for parameter in family.parameters:
        if parameter.name in entry.items:
            low, high = parameter.valid(family.model)
            found[parameter.name] = entry.take(
                parameter.name,
                lambda each, unit=parameter.unit, low=low, high=high: fields.between(each, unit, low, high),
                0.0,
            )
    return found


def read_limits(item: Item, spec: RobotSpec, mistakes: list[Mistake]) -> Limits:
    """Beside the robot's own."""
    entry = Fields(item, (), ("lateness", "position", "velocity", "command"), mistakes)

    def by_joint(parse: Callable[[Item, str], T], unit: str) -> Callable[[Item], dict[str, T]]:
        return lambda each: _by_joint(each, spec, lambda one: parse(one, unit), mistakes)

    return Limits(
        entry.take("lateness", lambda each: fields.above_zero(each, "s"), None),
        entry.take("position", by_joint(fields.pair, "rad"), {}),
        entry.take("velocity", by_joint(fields.above_zero, "rad/s"), {}),
        entry.take("command", by_joint(fields.above_zero, COMMAND_UNITS[spec.interface]), {}),
    )


def _by_joint(
    item: Item, spec: RobotSpec, parse: Callable[[Item], T], mistakes: list[Mistake]
) -> dict[str, T]:
    """Of the joints that are named and sound."""
    entry = Fields(item, (), spec.joint_names, mistakes)
    found = {name: entry.take(name, parse, None) for name in spec.joint_names}
    return {name: value for name, value in found.items() if value is not None}


def read_node(item: Item, bundle: Callable[[Item], str], mistakes: list[Mistake]) -> NodeOptions:
    """How the node is started; `bundle` reads the name of one."""
    entry = Fields(item, (), ("record", "belief_file", "fallback"), mistakes)
    return NodeOptions(
        entry.take("record", fields.flag, True),
        entry.take("belief_file", fields.flag, False),
        entry.take("fallback", bundle, ""),
    )


def read_seeds(item: Item) -> tuple[int, ...]:
    """Each once."""
    seeds = [fields.whole(each, 0, LARGEST_SEED) for each in fields.entries(item, "seeds")]
    for index, seed in enumerate(seeds):
        if seed in seeds[:index]:
            raise item.value[index].wrong(f"{seed} stands there twice")
    return tuple(seeds)
