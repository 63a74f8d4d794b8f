"""`charts_of`: which charts a run has. J joints; times in [s] from the first command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from adapt.report.text import label
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.pages.campaign import Run
from ros_bridge.hil.pages.chart import Chart, Line, chart_data
from ros_bridge.hil.pages.trace_times import time_range


def charts_of(run: Run, trace: Trace, buckets: int) -> list[dict[str, Any]]:
    """The run's charts that have something in them, JSON-able."""
    start, end = time_range(trace)
    gap = (end - start) / 400
    with np.errstate(over="ignore", invalid="ignore"):  # of random bits
        drawn = (chart for chart in _charts(run, trace) if any(line.drawable for line in chart.lines))
        return [chart_data(chart, buckets, gap) for chart in drawn]


def _charts(run: Run, trace: Trace) -> Iterator[Chart]:
    yield from _task(run, trace)
    yield from _joints(run, trace)
    yield from _beliefs(run, trace)
    yield from _timing(run, trace)


def _task(run: Run, trace: Trace) -> Iterator[Chart]:
    yield Chart(
        "Distance from what it was asked for",
        str(run.result["units"].get("error", "")),
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
    count = max((line.values.shape[1] for line in lines if line.drawable), default=0)
    panels = [names[index] if index < len(names) else f"joint {index + 1}" for index in range(count)]
    marks = [_limits(limits, index) for index in range(count)]
    lines = [line for line in lines if not line.drawable or line.values.shape[1] == count]
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
