"""Faults of a scenario file, held against the robot: `read_faults`, and the magnitudes that a kind can have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from robots import RobotSpec
from ros_bridge.errors import BridgeError
from ros_bridge.hil.fault import START
from ros_bridge.hil.kinds import GOALS, HEARD, KINDS, MESSAGES, PER_SECOND, SCALES, SHARE, Kind
from ros_bridge.hil.scenario import fields
from ros_bridge.hil.scenario.fields import Fields
from ros_bridge.hil.scenario.lines import Item
from ros_bridge.hil.scenario.mistakes import Mistake
from ros_bridge.hil.schedule import Fault, possible_on

NEEDED = ("kind", "at")
OPTIONAL = ("target", "for", "magnitude", "joints", "field", "probability", "ramp", "name")
FIELD_UNITS = {"position": "rad", "velocity": "rad/s", "angular_velocity": "rad/s", "orientation": "1"}
"""Of what is added to a field of a message."""
LOCATED = ("tool_position",)
"""Kinds of goals whose messages name a frame in which they are places."""
COUNTS = ("messages", "processes")
"""Units of whole numbers."""
BEYOND = 10.0
"""A magnitude may be so many times the largest that is usual: more is taken for a slip of the unit."""


@dataclass(frozen=True)
class Run:
    """What faults are held against."""

    spec: RobotSpec
    duration: float
    """Of the run, in [s]; infinite where the file does not say it."""
    real: bool
    goal: str = ""
    """Kind of the family's goals, one of `robots.goal.SIZES`; empty: it has none."""


def magnitude_unit(kind: Kind, field: str) -> str:
    """Unit of a magnitude; empty where the kind has none."""
    if kind.unit not in (SHARE, PER_SECOND):
        return kind.unit
    own = FIELD_UNITS[field]
    return own if kind.unit == SHARE else f"{own}/s"


def magnitude_range(kind: Kind, field: str) -> tuple[float, float]:
    """Least and largest magnitude that a scenario may have, in `magnitude_unit`: what means something, up to `BEYOND`
    times what is usual."""
    most = BEYOND * max(abs(kind.low), abs(kind.high))
    if kind.unit in (SHARE, PER_SECOND):
        most *= SCALES[field]
    low, high = kind.valid
    return max(low, -most), min(high, most)


def read_faults(item: Item, run: Run, mistakes: list[Mistake]) -> tuple[tuple[Fault, ...], list[str]]:
    """The faults, and the names of all, also of those that are wrong, by number; empty: it has none."""
    items = fields.attempt(mistakes, lambda: fields.entries(item, "faults"), [])
    faults, names = list[Fault](), list[str]()
    for index, each in enumerate(items):
        fault = fields.attempt(mistakes, partial(_fault, each, index, run, mistakes), None)
        faults += [fault] if fault else []
        names.append(fields.attempt(mistakes, partial(_name, each, names), ""))
    return tuple(faults), names


def _name(item: Item, others: list[str]) -> str:
    """What expectations call it; empty: it has no name."""
    named = item.value.get("name") if isinstance(item.value, dict) else None
    if named is None:
        return ""
    name = fields.text(named)
    if name in others:
        raise named.wrong(f"{name!r} is the name of faults[{others.index(name)}] already")
    return name


def _fault(item: Item, index: int, run: Run, mistakes: list[Mistake]) -> Fault | None:
    """None: a mistake more was noted. Its seed is its number, so that two faults are not the same luck."""
    before = len(mistakes)
    entry = Fields(item, NEEDED, OPTIONAL, mistakes)
    name = entry.take("kind", lambda each: fields.choice(each, KINDS), "")
    begin = entry.take("at", lambda each: _begin(each, run), 0.0)
    rest = run.duration - max(begin, 0.0)
    duration = entry.take("for", lambda each: fields.above_zero(each, "s"), rest)
    probability = entry.take("probability", lambda each: fields.between(each, "1", 0.0, 1.0), 1.0)
    ramp = entry.take("ramp", lambda each: fields.time(each, duration), 0.0)
    if not name:
        return None
    kind = KINDS[name]
    target = entry.take("target", lambda each: fields.choice(each, kind.targets), kind.targets[0])
    field = entry.take("field", lambda each: _field(each, name, target), "")
    joints = entry.take("joints", lambda each: _joints(each, name, target, run.spec), ())
    magnitude = fields.attempt(mistakes, lambda: _magnitude(entry, item, name, field), 0.0)
    mistakes += _misfits(entry, item, name, target, run)
    if len(mistakes) > before:
        return None
    try:
        return Fault(name, target, begin, duration, magnitude, joints, field, index, probability, ramp)
    except BridgeError as error:
        raise item.wrong(str(error)) from error


def _misfits(entry: Fields, item: Item, name: str, target: str, run: Run) -> Iterator[Mistake]:
    """What does not go together, or not with this robot."""
    kind, items = KINDS[name], entry.items
    if "target" not in items and len(kind.targets) > 1:
        yield item.wrong(f"key 'target' is missing; valid for {name}: {', '.join(kind.targets)}")
    elif target in kind.targets and (why := possible_on(run.spec, name, target)):
        yield items["kind" if "target" not in items else "target"].wrong(why)
    if target == GOALS and not run.goal:
        yield items["target" if "target" in items else "kind"].wrong(
            "the family has no goals that could be told"
        )
    if name == "frame" and run.goal and run.goal not in LOCATED:
        yield items["kind"].wrong(f"goals of kind {run.goal} are in no frame; valid: {', '.join(LOCATED)}")
    if _at_start(items.get("at")) and target not in HEARD:
        yield items["at"].wrong(f"start: only of faults in what the node hears, not of {target} {name}")
    if _at_start(items.get("at")) and "for" not in items:
        yield item.wrong(
            "key 'for' is missing: what is at work from the start has to end for control to begin"
        )
    if kind.sim_only and run.real:
        possible = ", ".join(other for other, each in KINDS.items() if not each.sim_only)
        yield items["kind"].wrong(
            f"{name} is in the robot's body, which only a simulated robot can suffer; got robot: real; "
            f"valid: {possible}"
        )
    if name == "swapped" and "joints" not in items and len(run.spec.joints) > 2:
        yield item.wrong("key 'joints' is missing: the two that are swapped")
    if "probability" in items and target not in MESSAGES:
        yield items["probability"].wrong(f"only of faults in messages, not of {target} {name}; remove it")
    if "ramp" in items and not kind.ramps:
        valid = ", ".join(other for other, each in KINDS.items() if each.ramps)
        yield items["ramp"].wrong(f"{name} does not come in degrees; these do: {valid}")


def _at_start(item: Item | None) -> bool:
    return item is not None and item.value == "start"


def _begin(item: Item, run: Run) -> float:
    if _at_start(item):
        return START
    begin = fields.time(item)
    if begin >= run.duration:
        raise item.wrong(f"begins at {begin:g} s, when the run has ended; valid: below {run.duration:g} s")
    return begin


def _field(item: Item, name: str, target: str) -> str:
    valid = KINDS[name].fields(target)
    if not valid:
        raise item.wrong(f"{target} {name} is in no part that could be named; remove it")
    return fields.choice(item, valid)


def _joints(item: Item, name: str, target: str, spec: RobotSpec) -> tuple[str, ...]:
    if not KINDS[name].names_joints(target):
        raise item.wrong(f"{target} {name} is not in some joints alone; remove it")
    joints = fields.choices(item, spec.joint_names, f"joints of {spec.name}")
    if name == "swapped" and len(joints) != 2:
        raise item.wrong(f"swapped needs two joints, got {len(joints)}")
    return joints


def _magnitude(entry: Fields, item: Item, name: str, field: str) -> float:
    """Needed where the kind has a unit, and nowhere else."""
    kind, given = KINDS[name], entry.items.get("magnitude")
    if not kind.unit:
        if given is not None:
            raise given.wrong(f"{name} has no magnitude; remove it")
        return 0.0
    if kind.unit in (SHARE, PER_SECOND) and not field:
        if "field" in entry.items:
            return 0.0  # it is wrong, which was noted
        raise item.wrong(f"key 'field' is missing: {name} has another unit in each")
    unit, (low, high) = magnitude_unit(kind, field), magnitude_range(kind, field)
    if given is None:
        raise item.wrong(
            f"key 'magnitude' is missing; {name}: {kind.about}; valid: {low:g} to {high:g} {unit}"
        )
    if unit in COUNTS:
        return float(fields.whole(given, math.ceil(low), high))
    return fields.between(given, unit, low, high)
