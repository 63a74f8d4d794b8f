"""Expectations of a scenario file: `read_expectations`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from robots.reason import Reason
from ros_bridge.hil.judging.kinds import ExpectationKind
from ros_bridge.hil.scenario import fields
from ros_bridge.hil.scenario.fields import Fields
from ros_bridge.hil.scenario.lines import Item
from ros_bridge.hil.scenario.mistakes import Mistake, valid_names
from ros_bridge.hil.scenario.scenario import Expectation

AT_MOST, AT_LEAST = "at_most", "at_least"
REASONS = tuple(reason.name.lower() for reason in Reason if reason and reason.name)
"""What the node can say of its commands."""


@dataclass(frozen=True)
class Context:
    """What expectations are held against."""

    kinds: Mapping[str, ExpectationKind]
    """By name."""
    faults: list[str]
    """Names of the file's faults, by number; empty: without a name."""
    parameters: tuple[str, ...]
    """Physical ones, of which the policy may have a belief."""
    duration: float
    """Of the run, in [s]; infinite where the file does not say it."""


def read_expectations(item: Item, context: Context, mistakes: list[Mistake]) -> tuple[Expectation, ...]:
    """In the file's order. A name may have a list: the same, of several faults, times or parameters.

    Raises:
        Mistake: it is no mapping.
    """
    found = list[Expectation]()
    for name, each in fields.mapping(item, context.kinds).items():
        if name not in context.kinds:
            unknown = f"unknown expectation; {valid_names(name, context.kinds)}"
            mistakes.append(Mistake(each.key_line, each.key, unknown))
            continue
        several = each.value if isinstance(each.value, list) and each.value else [each]
        for one in several:
            read = partial(_expectation, one, name, context, mistakes)
            expectation = fields.attempt(mistakes, read, None)
            if expectation is not None:
                found.append(expectation)
    return tuple(found)


def _expectation(item: Item, name: str, context: Context, mistakes: list[Mistake]) -> Expectation:
    kind = context.kinds[name]
    if not isinstance(item.value, dict):
        if kind.needs:
            raise item.unexpected(f"a mapping with the keys {', '.join((_limit(kind), *kind.needs))}")
        return Expectation(name, fields.quantity(item, kind.unit), line=item.key_line)
    wrong = AT_LEAST if kind.at_most else AT_MOST
    if wrong in item.value:
        raise item.value[wrong].wrong(f"{name} has an {_limit(kind)}, got {wrong}")
    entry = Fields(item, (_limit(kind), *kind.needs), _optional(kind), mistakes)
    begin = entry.take("from", lambda each: fields.time(each, context.duration), None)
    return Expectation(
        name,
        entry.take(_limit(kind), lambda each: fields.quantity(each, kind.unit), 0.0),
        entry.take("fault", lambda each: _fault(each, context.faults), None),
        begin,
        entry.take("to", lambda each: _end(each, begin or 0.0, context.duration), None),
        entry.take("parameter", lambda each: fields.choice(each, context.parameters), ""),
        entry.take("tolerance", lambda each: fields.above_zero(each, "1"), None),
        entry.take("reason", lambda each: fields.choice(each, REASONS), ""),
        item.key_line,
    )


def _limit(kind: ExpectationKind) -> str:
    return AT_MOST if kind.at_most else AT_LEAST


def _optional(kind: ExpectationKind) -> list[str]:
    return [option for option in kind.options if option not in kind.needs]


def _fault(item: Item, names: list[str]) -> int:
    """Number of a fault, which the file gives by its name or its number."""
    if isinstance(item.value, str) and item.value in names:
        return names.index(item.value)
    if isinstance(item.value, int) and not isinstance(item.value, bool) and 0 <= item.value < len(names):
        return item.value
    named = [name for name in names if name]
    numbers = f", or a number from 0 to {len(names) - 1}" if names else ""
    raise item.wrong(f"no fault {item.shown}; {valid_names(item.value, named)}{numbers}")


def _end(item: Item, begin: float, duration: float) -> float:
    end = fields.time(item, duration)
    if not end > begin:
        raise item.wrong(f"got {item.shown}; valid: after {begin:g} s, when it begins")
    return end
