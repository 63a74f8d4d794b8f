"""Numbers, units and names as a reader wants to see them, and how text from files is made harmless."""

from __future__ import annotations

import html
import math
from typing import Any

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""


def escape(value: Any) -> str:
    """Text from a file, safe in HTML text and attributes."""
    return html.escape(str(value))


def chart_text(value: Any) -> str:
    """Text from a file, safe in plotly's labels, which know tags but not every entity."""
    return html.escape(str(value), quote=False)


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, all of a whole part and no exponents: 0.0412, 8 934."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count(value: int) -> str:
    """A large count: 950, 12.6 million."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{number(value / size)} {word}"
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """Time in the unit that suits it: 42 s, 17 min, 1 h 5 min."""
    if seconds < 120:
        return f"{number(seconds, 2)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def label(name: str) -> str:
    """`payload_mass` as `Payload mass`."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def unit_label(unit: str) -> str:
    """`1/s^2` as `1/s²`."""
    return unit.replace("^2", "²").replace("^3", "³")


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """A number with its unit; dimensionless numbers stand alone."""
    shown = number(value, digits)
    return shown if unit == "1" or shown == NOTHING else f"{shown}\N{NO-BREAK SPACE}{unit_label(unit)}"
