"""`Chart` and `Line`, and `chart_data`: a chart as data that `plot.js` draws. Times in [s] from the first command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adapt.report.text import unit_label
from ros_bridge.hil.pages.thinning import axis_range, levels, spans, thin, ticks


@dataclass(frozen=True)
class Line:
    """One of a chart's lines."""

    name: str
    style: str
    """A class of the style sheet."""
    time: np.ndarray
    """Shape (T,)."""
    values: np.ndarray
    """One column for each of the chart's panels. Shape (T, C)."""
    counts: bool = True
    """Whether the axis follows it, wherever it goes."""
    gaps: bool = False
    """Whether NaN means that there was nothing, and is no fault."""
    band: np.ndarray | None = None
    """Half width of a band about it. Shape (T, C)."""

    @property
    def drawable(self) -> bool:
        """Whether there is something in it, and a time for each sample."""
        return len(self.time) > 0 and self.values.size > 0 and len(self.values) == len(self.time)


@dataclass(frozen=True)
class Chart:
    """A quantity against time: one panel, or one for each joint."""

    title: str
    unit: str
    lines: Sequence[Line]
    """The first is drawn on top."""
    marks: Sequence[Sequence[tuple[str, float]]] = ()
    """Levels of each panel, such as limits, by name."""
    panels: Sequence[str] = ("",)
    joints: bool = False
    """Whether the panels are the joints."""
    reach: float = 4.0
    """As of `thinning.axis_range`."""
    zero: bool = False
    """Whether 0 is on the axis."""
    height: int = 120
    """In [px]."""


def chart_data(chart: Chart, buckets: int, gap: float) -> dict[str, Any]:
    """JSON-able.

    Args:
        chart: one with a line that is drawable; the others are left out.
        buckets: as of `thinning.thin`.
        gap: stretches without a finite number that are no farther apart, in [s], are one.
    """
    lines = [_timed(line) for line in chart.lines if line.drawable]
    thinned = [thin(line.time, line.values, buckets) for line in lines]
    bands = [
        (None, None) if line.band is None else (
            thin(line.time, line.values - line.band, buckets)[1], thin(line.time, line.values + line.band, buckets)[1]
        )
        for line in lines
    ]  # fmt: skip
    panels = []
    for index, name in enumerate(chart.panels):
        marks = chart.marks[index] if index < len(chart.marks) else ()
        marks = [(mark, value) for mark, value in marks if np.isfinite(value)]
        low, high = _range(chart, lines, bands, index, tuple(mark for _, mark in marks))
        panels.append(
            {
                "name": name,
                "range": [low, high],
                "marks": [{"name": mark, "value": value} for mark, value in marks],
                "lines": [
                    _line(line, index, values[:, index], band, (low, high), gap)
                    for line, (_, values), band in zip(lines, thinned, bands, strict=True)
                ],
            }
        )
    return {
        "title": chart.title,
        "unit": unit_label(chart.unit),
        "joints": chart.joints,
        "height": chart.height,
        "lines": [
            {"name": line.name, "style": line.style, "times": ticks(time)}
            for line, (time, _) in zip(lines, thinned, strict=True)
        ],
        "panels": panels,
    }


def _timed(line: Line) -> Line:
    """Without samples of which it is not known when they were."""
    known = np.isfinite(line.time)
    if known.all():
        return line
    band = None if line.band is None else line.band[known]
    return replace(line, time=line.time[known], values=line.values[known], band=band)


def _range(
    chart: Chart, lines: list[Line], bands: list[Any], index: int, marks: tuple[float, ...]
) -> tuple[float, float]:
    mainly = [line.values[:, index] for line in lines if line.counts]
    also = [line.values[:, index] for line in lines if not line.counts]
    also += [edge[:, index] for band in bands for edge in band if edge is not None]
    empty = np.zeros(0)
    mainly += [np.zeros(1)] if chart.zero else []
    return axis_range(np.concatenate([empty, *mainly]), np.concatenate([empty, *also]), marks, chart.reach)


def _line(
    line: Line, index: int, thinned: np.ndarray, band: Any, ends: tuple[float, float], gap: float
) -> dict[str, Any]:
    """Levels; `broken`: when it was not finite; `beyond`: the farthest that lies outside of the axis, and when."""
    values, (low, high) = line.values[:, index], ends
    data: dict[str, Any] = {"y": levels(thinned, low, high)}
    if not line.gaps:
        broken = spans(line.time, ~np.isfinite(values), gap)
        data["broken"] = [[round(at, 4) for at in span] for span in broken]
    outside = np.where(np.isfinite(values), np.maximum(low - values, values - high), -np.inf)
    if outside.size and outside.max() > 0:
        worst = int(outside.argmax())
        data["beyond"] = {"at": round(float(line.time[worst]), 4), "text": f"{values[worst]:.3g}"}
    if band[0] is not None:
        data["band"] = [levels(edge[:, index], low, high) for edge in band]
    return data
