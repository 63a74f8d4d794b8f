"""`write_timing`: the page of what `adapt latency` has measured: how old, how late, how regular."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from adapt.report.figures import durations
from adapt.report.page import chart_page
from adapt.report.sections import chart, section
from adapt.report.text import escape
from adapt.report.theme import BLUE, ORANGE, SLATE

_DELAYS = (("age of what a step acts on", SLATE), ("processing", BLUE), ("both", ORANGE))
_INTERVALS = (("interval of joints", BLUE), ("interval of imu", SLATE))


def write_timing(result: dict[str, Any], measured: Sequence[dict[str, list[float]]], path: Path) -> Path:
    """Writes the page and returns its path.

    Args:
        result: what `adapt.latency.latency` has found.
        measured: of each bag, all durations in [ms] by name.
        path: of the page.
    """
    charts: dict[str, go.Figure] = {}
    sections = []
    for index, (bag, of) in enumerate(zip(result["bags"], measured, strict=True)):
        places = []
        for name, kinds, title in (("delays", _DELAYS, "Delay"), ("intervals", _INTERVALS, "Interval")):
            drawn = [(kind.capitalize(), of[kind], colour) for kind, colour in kinds if of.get(kind)]
            if any(value > 0 for _, values, _ in drawn for value in values):
                charts[f"{name}-{index}"] = durations(drawn, 1e-3 * result["period_ms"], title)
                places.append(chart(f"{name}-{index}", f"{title}s", "", 320))
        notes = "".join(f"<p>{escape(note)}</p>" for note in bag["notes"])
        words = f"{bag['steps']} control steps in {bag['seconds']:.1f} s."
        sections.append(section(f"bag-{index}", escape(bag["name"]), words, "".join(places) + notes))
    body = "\n".join(
        (
            f'<header><p class="eyebrow">{escape(result["family"])}</p><h1>Latency</h1>'
            f'<p class="lede">{_verdicts(result)}</p></header><main>',
            *sections,
            "</main>",
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(chart_page(f"{result['bags'][0]['name']}: latency", body, charts), encoding="utf-8")
    return path


def _verdicts(result: dict[str, Any]) -> str:
    """What came of it, in sentences. HTML."""
    found = [f"<code>{escape(of['name'])}</code>: {escape(of['words'])}." for of in result["parameters"]]
    return " ".join([*found, f"{escape(result['not_measured'].capitalize())}."])
