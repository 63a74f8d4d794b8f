"""`charts_of`: which charts a run has, as data that `plots.js` draws. J joints; times in [s] from the first command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adapt.report.text import label, unit_label
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.pages.campaign import Run
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


def charts_of(run: Run, trace: Trace, buckets: int) -> list[dict[str, Any]]:
    """The run's charts that have something in them, JSON-able."""
    start, end = time_range(trace)
    gap = (end - start) / 400
    with np.errstate(over="ignore", invalid="ignore"):  # of random bits
        drawn = (chart for chart in _charts(run, trace) if any(_has(line) for line in chart.lines))
        return [_data(chart, buckets, gap) for chart in drawn]


_ROWS = {
    "time": ("position", "velocity", "upright"),
    "seen_time": ("seen_position", "seen_velocity"),
    "command_time": ("command",),
    "requested_time": ("requested", "reasons"),
    "applied_time": ("applied",),
    "belief_time": ("belief_mean", "belief_std"),
    "familiarity_time": ("unfamiliar",),
    "latency_time": ("latency",),
    "truth_time": ("qpos", "goal", "on_target", "error", "lateness"),
}
"""Which arrays of a trace have a row for each of which times."""


def mismatches(trace: Trace) -> list[str]:
    """What has another number of rows than its times, and is left out of the page; in words."""
    counted = [(name, len(getattr(trace, name)), time) for time, names in _ROWS.items() for name in names]
    return [
        f"trace.npz: {name} has {rows} rows, {time} {len(getattr(trace, time))}"
        for name, rows, time in counted
        if rows and rows != len(getattr(trace, time))
    ]


def time_range(trace: Trace) -> tuple[float, float]:
    """First and last moment of everything that was heard."""
    times = [
        time
        for name in vars(trace)
        if (name == "time" or name.endswith("_time"))
        and len(time := np.asarray(getattr(trace, name))[np.isfinite(getattr(trace, name))])
    ]
    if not times:
        return 0.0, 1.0
    start, end = min(float(time.min()) for time in times), max(float(time.max()) for time in times)
    return start, max(end, start + 1e-3)


def _has(line: Line) -> bool:
    return len(line.time) > 0 and line.values.size > 0 and len(line.values) == len(line.time)


def _charts(run: Run, trace: Trace) -> Iterator[Chart]:
    yield from _task(run, trace)
    yield from _joints(run, trace)
    yield from _beliefs(run, trace)
    yield from _timing(run, trace)


def _task(run: Run, trace: Trace) -> Iterator[Chart]:
    yield Chart(
        "Distance from what it was asked for",
        "",
        [Line("error", "own", trace.truth_time, _column(trace.error))],
        zero=True,
    )
    goal = _table(trace.goal)
    names = [str(name) for name in run.result["goal_names"]]
    for index in range(goal.shape[1]):
        name = names[index] if index < len(names) else f"goal {index + 1}"
        line = Line("asked for", "certified", trace.truth_time, goal[:, [index]])
        yield Chart(f"Goal: {label(name)}", "", [line], height=80)
    yield Chart(
        "Upright (cosine of the base's tilt)", "1",
        [Line("by the IMU", "own", trace.time, _column(trace.upright))], [[("upright", 1.0)]],
    )  # fmt: skip


def _joints(run: Run, trace: Trace) -> Iterator[Chart]:
    names, unit = [str(name) for name in run.result["joint_names"]], run.result["units"].get("command", "")
    limits = run.result["limits"]
    for title, which, unit_of in (("Position", "position", "rad"), ("Speed", "velocity", "rad/s")):
        own, seen = _table(getattr(trace, which)), _table(getattr(trace, f"seen_{which}"))
        lines = [
            Line("robot's own", "own", trace.time, own),
            Line("as the node saw it", "seen", trace.seen_time, seen, counts=False),
        ]
        yield _of_joints(title, unit_of, lines, limits.get(which), names)
    lines = [
        Line("certified", "certified", trace.command_time, _table(trace.command)),
        Line(
            "requested", "requested", trace.requested_time, _table(trace.requested), counts=False, gaps=True
        ),
        Line("reached the robot", "applied", trace.applied_time, _table(trace.applied), counts=False),
    ]
    yield _of_joints("Command", str(unit), lines, limits.get("command"), names, reach=20.0)


def _of_joints(
    title: str, unit: str, lines: list[Line], limits: Any, names: list[str], reach: float = 4.0
) -> Chart:
    count = max((line.values.shape[1] for line in lines if _has(line)), default=0)
    panels = [names[index] if index < len(names) else f"joint {index + 1}" for index in range(count)]
    marks = [_limits(limits, index) for index in range(count)]
    lines = [line for line in lines if not _has(line) or line.values.shape[1] == count]
    return Chart(title, unit, lines, marks, panels, joints=True, reach=reach)


def _limits(limits: Any, index: int) -> list[tuple[str, float]]:
    """Of one joint: lowest and highest, or the largest to either side."""
    if not isinstance(limits, list) or index >= len(limits):
        return []
    ends = limits[index] if isinstance(limits[index], list) else [limits[index]]
    numbers = [float(end) for end in ends if isinstance(end, (int, float))]
    numbers = [-numbers[0], *numbers] if len(numbers) == 1 else numbers
    return [("limit", number) for number in numbers if np.isfinite(number)]


def _beliefs(run: Run, trace: Trace) -> Iterator[Chart]:
    mean, std = _table(trace.belief_mean), _table(trace.belief_std)
    if mean.shape != std.shape or len(trace.belief_names) != mean.shape[1]:
        return
    for index, name in enumerate(map(str, trace.belief_names)):
        truth = run.result["truth"].get(name)
        marks = [[("truth", float(truth))]] if isinstance(truth, (int, float)) else []
        unit = str(run.result["parameter_units"].get(name, ""))
        line = Line(
            "belief, ± its standard deviation", "certified", trace.belief_time, mean[:, [index]],
            gaps=True, band=std[:, [index]],
        )  # fmt: skip
        yield Chart(f"Belief: {label(name)}", unit, [line], marks, height=96, reach=20.0)


def _timing(run: Run, trace: Trace) -> Iterator[Chart]:
    period = run.result["period"]
    limit = run.result["real_time"].get("limit_ms")
    for title, name, time, values, mark in (
        ("Latency, from a reading to its command", "latency", trace.latency_time, trace.latency,
         ("control period", 1e3 * period) if period else None),
        ("Lateness of the simulated robot", "lateness", trace.truth_time, trace.lateness,
         ("limit", float(limit)) if isinstance(limit, (int, float)) else None),
    ):  # fmt: skip
        marks = [[mark]] if mark else []
        yield Chart(
            title, "ms", [Line(name, "own", time, 1e3 * _column(values))], marks, zero=True, height=96
        )


def _column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).reshape(-1, 1)


def _table(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values if values.ndim == 2 else np.zeros((0, 0))


def _data(chart: Chart, buckets: int, gap: float) -> dict[str, Any]:
    lines = [_timed(line) for line in chart.lines if _has(line)]
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
