"""A scenario's limits as findings: how much of each the joint used that used most; 1 is all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ros_bridge.hil.judging.finding import Finding
from ros_bridge.hil.judging.motion import furthest
from ros_bridge.hil.judging.run import Measured, Run, UnmeasuredError
from ros_bridge.hil.scenario.scenario import Expectation

_EVERYWHERE = Expectation("limits", 1.0)
Band = tuple[float, float]


def limit_findings(run: Run) -> list[Finding]:
    """Of position, velocity and command, as far as the scenario has limits of them."""
    limits, trace = run.scenario.limits, run.trace
    readings = "the robot's readings"

    def whole() -> np.ndarray:
        return run.whole(trace.time, _EVERYWHERE, readings)

    def applied() -> np.ndarray:
        return run.samples(trace.applied_time, _EVERYWHERE, "commands on the robot's side")

    found = [
        _limit(run, "position", limits.position, trace.time, trace.position, "rad", whole),
        _limit(run, "velocity", _around_0(limits.velocity), trace.time, trace.velocity, "rad/s", whole),
        _limit(
            run,
            "command",
            _around_0(limits.command),
            trace.applied_time,
            trace.applied,
            "command unit",
            applied,
        ),
    ]
    return [finding for finding in found if finding is not None]


def _limit(
    run: Run,
    name: str,
    bands: Mapping[str, Band],
    time: np.ndarray,
    values: np.ndarray,
    unit: str,
    samples: Callable[[], np.ndarray],
) -> Finding | None:
    """Of values, shape (T, J), at times, shape (T,), of which `samples` says which count; None without a limit."""
    if not bands:
        return None
    measured: Measured | str
    try:
        rows, columns = samples(), [run.spec.joint_names.index(joint) for joint in bands]
        low, high = np.array(list(bands.values())).T
        measured = furthest(list(bands), time[rows], values[rows][:, columns], (low, high), unit)
    except UnmeasuredError as error:
        measured = str(error)
    value, detail = (None, measured) if isinstance(measured, str) else (measured.value, measured.detail)
    about = f"most that was used of the scenario's limits of {name}"
    return Finding(f"limits.{name}", about, value, 1.0, "1", True, detail)


def _around_0(most: Mapping[str, float]) -> dict[str, Band]:
    return {joint: (-math.fabs(limit), math.fabs(limit)) for joint, limit in most.items()}
