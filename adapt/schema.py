"""Declares what JSON must look like: small checks, put together, that say where a value is wrong and what is valid.

A `Check` is called with a value and with the name of its place, such as `robot.gains[2]`. None of them trusts a type.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from adapt.errors import AdaptError

Check = Callable[[Any, str], None]
LARGEST = 1e9
"""Beyond it a number is taken for a mistake, unless a check says otherwise."""

_REPR = reprlib.Repr()  # `repr` of what is nested deeply fails
_REPR.maxlevel, _REPR.maxstring, _REPR.maxlong = 3, 80, 40


class SchemaError(AdaptError):
    """A value that is not what was declared; names its place."""


def shown(value: Any) -> str:
    """Any value, in one line of at most 80 characters."""
    return _REPR.repr(value)[:80]


def fail(where: str, expected: str, value: Any) -> SchemaError:
    return SchemaError(f"{where}: expected {expected}, got {shown(value)}")


def text(most: int = 200, least: int = 1) -> Check:
    """Printable text in one line."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
            raise fail(where, f"text of {least} to {most} printable characters", value)

    return check


def pattern(expression: str, what: str) -> Check:
    """Text that a regular expression matches as a whole."""
    compiled = re.compile(expression, re.ASCII)

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise fail(where, what, value)

    return check


def choice(*valid: str) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in valid:
            raise SchemaError(f"{where}: {shown(value)}; valid: {', '.join(valid)}")

    return check


def flag(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        raise fail(where, "true or false", value)


def number(least: float = -LARGEST, most: float = LARGEST, above: float | None = None) -> Check:
    """A finite number; `above` excludes that value and all below it."""
    valid = f"{least:g}" if above is None else f"above {above:g}"

    def check(value: Any, where: str) -> None:
        # Compared as it is: a whole number may be too large for a float. NaN is in no interval.
        sound = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
        if not sound or (above is not None and value <= above):
            raise fail(where, f"a number from {valid} to {most:g}", value)

    return check


def whole(least: int, most: int) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise fail(where, f"a whole number from {least} to {most}", value)

    return check


def items(each: Check, least: int, most: int | None = None) -> Check:
    """A list of `least` to `most` values; without `most` of exactly `least`."""
    most = least if most is None else most
    count = f"{least}" if most == least else f"{least} to {most}"

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise fail(where, f"a list of {count}", value)
        for index, item in enumerate(value):
            each(item, f"{where}[{index}]")

    return check


def nullable(inner: Check) -> Check:
    """Null, or what `inner` accepts."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def either(word: Check, other: Check) -> Check:
    """Text that `word` accepts, or what else `other` does."""

    def check(value: Any, where: str) -> None:
        (word if isinstance(value, str) else other)(value, where)

    return check


def record(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these fields and no others, looked at in this order."""
    fields = {**needed, **(optional or {})}

    def check(value: Any, where: str) -> None:
        _expect_object(value, where)
        inside = f"{where}: " if where else ""
        for name in value:
            if name not in fields:
                raise SchemaError(f"{inside}unknown field {shown(name)}; valid: {', '.join(fields)}")
        for name, inner in fields.items():
            if name in value:
                inner(value[name], f"{where}.{name}" if where else name)
            elif name in needed:
                raise SchemaError(f"{inside}missing field {name!r}; needed: {', '.join(needed)}")

    return check


def table(key: Check, each: Check, most: int) -> Check:
    """An object with at most so many fields, whose names are data too."""

    def check(value: Any, where: str) -> None:
        _expect_object(value, where)
        if len(value) > most:
            raise SchemaError(f"{where}: expected at most {most} fields, got {len(value)}")
        for name, inner in value.items():
            key(name, where)
            each(inner, f"{where}.{name}")

    return check


def variants(field: str, kinds: Mapping[str, Check]) -> Check:
    """An object whose other fields depend on one of them."""

    def check(value: Any, where: str) -> None:
        _expect_object(value, where)
        kind = value.get(field)
        choice(*kinds)(kind, f"{where}.{field}")
        kinds[kind](value, where)

    return check


def _expect_object(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise fail(where or "top level", "an object", value)
