"""One task's panel: the place of its picture, and under it the parameters with their places in their ranges."""

from __future__ import annotations

from adapt.report.text import escape, label, number, quantity, unit_label
from adapt.view.recording import Quantity, Recording

_SHOWN = 8
"""A family with more parameters shows so many, and the others on demand."""


def panel(recording: Recording, index: int) -> str:
    """HTML of task `index`; `view.js` fills and moves it."""
    rows = [_row(kind, p, recording.values[0, index, p]) for p, kind in enumerate(recording.quantities)]
    more = ""
    if len(rows) > _SHOWN + 1:
        rest = "".join(rows[_SHOWN:])
        more = f"<details><summary>{len(rows) - _SHOWN} more</summary><ul>{rest}</ul></details>"
        rows = rows[:_SHOWN]
    name = f"Task {index + 1}"
    return (
        f'<article class="card panel" data-task="{index}">'
        f'<div class="picture"><canvas tabindex="0" role="img" aria-label="{name}, moving"></canvas>'
        f'<h2>{name}</h2><p class="return"><small>return</small> <b>0.0</b></p>'
        '<p class="episode"></p><p class="goal"></p></div>'
        f'<ul class="parameters">{"".join(rows)}</ul>{more}</article>'
    )


def _row(kind: Quantity, column: int, value: float) -> str:
    """A parameter's name, value and bar; `view.js` sets the bar, and the value again when the physics change."""
    ends = f"{quantity(kind.low, kind.unit)} to {quantity(kind.high, kind.unit)}"
    unit = "" if kind.unit == "1" else unit_label(kind.unit)
    return (
        f'<li data-parameter="{column}" title="drawn from {escape(ends)}">'
        f"<span>{escape(label(kind.name))}</span>"
        f'<i class="range"><u></u></i><b>{number(value)}</b><small>{escape(unit)}</small></li>'
    )
