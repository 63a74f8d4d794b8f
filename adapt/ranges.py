"""Which numbers an option can have: counts from 1, other numbers from 0, where its field says nothing else."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar

from adapt.errors import AdaptError

Number = TypeVar("Number", int, float)


def ranged(default: Number, least: Number, most: float = math.inf) -> Number:
    """A field of a dataclass with its range, both ends included."""
    return dataclasses.field(default=default, metadata={"range": (least, most)})  # type: ignore[no-any-return]


def check_ranges(config: Any, where: str = "") -> None:
    """Holds all numbers of a configuration, its nested ones too, against their ranges.

    Raises:
        AdaptError: a number out of its range, or not finite; names the option, the value and the range.
    """
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), where + field.name
        if dataclasses.is_dataclass(value):
            check_ranges(value, f"{name}.")
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            usual = (1 if isinstance(number, int) else 0, math.inf)
            least, most = field.metadata.get("range", usual)
            if not (math.isfinite(number) and least <= number <= most):
                valid = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
                raise AdaptError(f"{name}: {number}; valid: {valid}")
