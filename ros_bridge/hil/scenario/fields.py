"""Checked values of a scenario file: words, numbers with units, times, mappings with known keys."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from ros_bridge.hil.scenario.lines import Item
from ros_bridge.hil.scenario.mistakes import Mistake, valid_names

T = TypeVar("T")
_DEGREE = math.pi / 180.0
UNITS: dict[str, dict[str, float]] = {
    "s": {"s": 1.0, "ms": 1e-3, "min": 60.0},
    "ms": {"ms": 1.0, "s": 1e3},
    "rad": {"rad": 1.0, "deg": _DEGREE},
    "rad/s": {"rad/s": 1.0, "deg/s": _DEGREE},
    "m": {"m": 1.0, "cm": 1e-2, "mm": 1e-3},
    "kg": {"kg": 1.0, "g": 1e-3},
    "1": {"%": 1e-2},
    "of the time": {"%": 1e-2},
}
"""Units that a number may carry, in place of the one that is expected, and how much of it they are. A number without a
unit is in the one that is expected."""
_QUANTITY = re.compile(r"([-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)\s*([^\d\s.].*)", re.ASCII)


class Fields:
    """A mapping whose keys are read one by one. What is wrong with one does not keep the others from being read."""

    def __init__(
        self, item: Item, needed: Collection[str], optional: Collection[str], mistakes: list[Mistake]
    ):
        """Notes unknown and missing keys.

        Raises:
            Mistake: it is no mapping.
        """
        self.items, self._mistakes = mapping(item, (*needed, *optional)), mistakes
        valid = (*needed, *optional)
        for name, each in self.items.items():
            if name not in valid:
                mistakes.append(Mistake(each.key_line, each.key, f"unknown key; {valid_names(name, valid)}"))
        for name in needed:
            if name not in self.items:
                mistakes.append(item.wrong(f"key {name!r} is missing; needed: {', '.join(needed)}"))

    def take(self, name: str, parse: Callable[[Item], T], default: T) -> T:
        """What a key says; the default where it is absent, and where it is wrong, which is noted."""
        item = self.items.get(name)
        if item is None:
            return default
        return attempt(self._mistakes, lambda: parse(item), default)


def attempt(mistakes: list[Mistake], read: Callable[[], T], default: T) -> T:
    """What `read` returns, or the default and a mistake more."""
    try:
        return read()
    except Mistake as mistake:
        mistakes.append(mistake)
        return default


def mapping(item: Item, valid: Collection[str] = ()) -> dict[str, Item]:
    """The values by key."""
    if not isinstance(item.value, dict):
        keys = f" with keys of {', '.join(valid)}" if valid else ""
        raise item.unexpected(f"a mapping{keys}")
    return item.value


def entries(item: Item, what: str) -> list[Item]:
    """A list that is not empty."""
    if not isinstance(item.value, list) or not item.value:
        raise item.unexpected(f"a list of {what}")
    return item.value


def text(item: Item) -> str:
    """In one line."""
    if not isinstance(item.value, str) or not item.value.strip():
        raise item.unexpected("text")
    return " ".join(item.value.split())


def choice(item: Item, valid: Collection[str]) -> str:
    """One of some words."""
    if not isinstance(item.value, str) or item.value not in valid:
        raise item.wrong(f"got {item.shown}; {valid_names(item.value, valid)}")
    return item.value


def choices(item: Item, valid: Collection[str], what: str) -> tuple[str, ...]:
    """Some of some words, none twice."""
    names = [choice(each, valid) for each in entries(item, what)]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise item.value[index].wrong(f"{name} stands there twice")
    return tuple(names)


def flag(item: Item) -> bool:
    """true or false."""
    if not isinstance(item.value, bool):
        raise item.unexpected("true or false")
    return item.value


def whole(item: Item, least: int = 0, most: float = math.inf) -> int:
    """A whole number in a range, both ends included."""
    value = item.value
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        valid = f"from {least} to {most}" if most < math.inf else f"of {least} or more"
        raise item.unexpected(f"a whole number {valid}")
    return value


def quantity(item: Item, unit: str) -> float:
    """A finite number in `unit`; one with another unit that fits is converted."""
    value: Any = item.value
    factor, units = 1.0, {unit: 1.0, **UNITS.get(unit, {})}
    found = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found:
        value, given = float(found[1]), found[2].strip()
        if given not in units:
            raise item.wrong(
                f"unit {given!r}; {valid_names(given, [name for name in units if _behind(name)])}"
            )
        factor = units[given]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        behind = _behind(unit)
        raise item.unexpected(f"a finite number{' in' if behind else ''}{behind}")
    return value * factor


def _behind(unit: str) -> str:
    """A unit as it stands behind a number."""
    return "" if unit in ("1", "", "of the time") else f" {unit}"


def between(item: Item, unit: str, low: float, high: float) -> float:
    """A number in `unit`, in a range, both ends included."""
    value = quantity(item, unit)
    if not low <= value <= high:
        valid = f"{low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
        raise item.wrong(f"got {item.shown}; valid: {valid}{_behind(unit)}")
    return value


def time(item: Item, most: float = math.inf) -> float:
    """In [s], from 0."""
    return between(item, "s", 0.0, most)


def above_zero(item: Item, unit: str) -> float:
    """A positive number in `unit`."""
    value = quantity(item, unit)
    if not value > 0.0:
        raise item.wrong(f"got {item.shown}; valid: above 0{_behind(unit)}")
    return value


def pair(item: Item, unit: str) -> tuple[float, float]:
    """Lowest and highest, in `unit`."""
    if not isinstance(item.value, list) or len(item.value) != 2:
        raise item.unexpected(f"[lowest, highest] in {unit}")
    low, high = (quantity(each, unit) for each in item.value)
    if not low < high:
        raise item.wrong(f"lowest {low:g} is not below highest {high:g}")
    return low, high
