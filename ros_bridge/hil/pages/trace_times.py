"""Which of a trace's arrays belong to which times, and from when to when it goes."""

from __future__ import annotations

import numpy as np

from ros_bridge.hil.judging.trace import Trace

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
