"""Expectations of what the robot does: where it is, how fast, whether it stands, how well it follows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ros_bridge.hil.judging import measures
from ros_bridge.hil.judging.run import COVERED, Measured, Run, UnmeasuredError
from ros_bridge.hil.scenario.scenario import Expectation
from ros_bridge.hil.schedule import BODY

STAYS = 1.0
"""A robot has arrived where it stays for so long, in [s]; as `ros_bridge.sim_judge` has it."""
_GAP = 2.5
"""Control periods between two samples that are still one stretch."""


def on_target(run: Run, expectation: Expectation) -> Measured:
    """Share of the window in which the robot was where its task wants it."""
    found = run.samples(run.trace.truth_time, expectation, "where the robot was")
    if len(run.trace.on_target) != len(run.trace.truth_time):
        raise UnmeasuredError("nobody could judge where the robot was")
    return _share(run, expectation, run.trace.on_target[found].astype(bool))


def upright(run: Run, expectation: Expectation) -> Measured:
    """Share of the window in which the base was within the tilt limit by its own IMU; without one, `on_target`."""
    if run.spec.imu is None:
        return on_target(run, expectation)
    if len(run.trace.upright) != len(run.trace.time):
        raise UnmeasuredError("the IMU said nothing")
    found = run.samples(run.trace.time, expectation, "the IMU")
    return _share(run, expectation, run.trace.upright[found] >= math.cos(run.spec.safety.tilt))


def tracking_error(run: Run, expectation: Expectation) -> Measured:
    """Root mean square of the distance from what was asked for."""
    found = run.whole(run.trace.truth_time, expectation, "where the robot was")
    if len(run.trace.error) != len(run.trace.truth_time):
        raise UnmeasuredError("the task has no distance from what it asks for")
    error = run.trace.error[found]
    if not np.isfinite(error).all():
        raise UnmeasuredError(f"{int((~np.isfinite(error)).sum())} of {len(error)} distances are not finite")
    at = run.trace.truth_time[found[np.argmax(np.abs(error))]]
    return Measured(measures.root_mean_square(error), f"largest {np.abs(error).max():.3g} at {at:.2f} s")


def time_to_target(run: Run, expectation: Expectation) -> Measured:
    """From a fault's end, or from the window's begin, until the robot is on target, where it stays for a second.

    Of a fault in the body that lasts to the end of the run it counts from its begin.
    """
    since, why = _starts(run, expectation)
    time, flags = run.trace.truth_time, run.trace.on_target
    if not len(time) or len(flags) != len(time):
        raise UnmeasuredError("nobody could judge where the robot was")
    period = run.spec.period
    at = measures.held_from(time, flags.astype(bool), since, STAYS, period, _GAP * period)
    if math.isnan(at):
        raise UnmeasuredError(f"after {since:.2f} s ({why}) it was never on target for {STAYS:g} s")
    return Measured(at - since, f"{why} at {since:.2f} s, on target from {at:.2f} s on")


def falls(run: Run, expectation: Expectation) -> Measured:
    """How often the robot fell: a simulated one by its task, a real one by its IMU."""
    if run.scenario.robot == "real":
        return _real_falls(run, expectation)
    if run.facts.fell_at is not None:
        return Measured(1.0, f"fell at {run.facts.fell_at:.2f} s")
    run.whole(run.trace.truth_time, expectation, "where the robot was")
    return Measured(0.0, "")


def peak_velocity(run: Run, expectation: Expectation) -> Measured:
    """Highest speed as a share of the joint's limit, by the robot's own readings."""
    found, limit = run.whole(run.trace.time, expectation, "the robot's readings"), run.spec.velocity_limit
    time, velocity = run.trace.time[found], run.trace.velocity[found]
    return furthest(run.spec.joint_names, time, velocity, (-limit, limit), "rad/s")


def furthest(
    joints: Sequence[str],
    time: np.ndarray,
    values: np.ndarray,
    band: tuple[np.ndarray, np.ndarray],
    unit: str,
    tolerance: float = 0.0,
) -> Measured:
    """How far values came from the middle of their bands, as a share of half their widths.

    Args:
        joints: their names. Length J.
        time: of the samples, in [s]. Shape (T,), T at least 1.
        values: shape (T, J).
        band: lowest and highest values. Shapes (J,).
        unit: of the values.
        tolerance: what is beyond a band by no more than this is at its end, in `unit`.

    Raises:
        UnmeasuredError: a value is not finite, or is beside a band without width.
    """
    share, row, joint = measures.worst(measures.band_share(values, *band, tolerance))
    low, high = (float(end[joint]) for end in band)
    where = f"{joints[joint]}: {values[row, joint]:.3g} {unit} at {time[row]:.2f} s"
    if not math.isfinite(share):
        raise UnmeasuredError(f"{where} is no share of {low:g} to {high:g} {unit}")
    return Measured(share, f"{where}, of {low:.3g} to {high:.3g} {unit}")


def _share(run: Run, expectation: Expectation, flags: np.ndarray) -> Measured:
    """Of a window; time in which nothing was heard counts as time without. Shape (n,), bool."""
    begin, end = run.window(expectation)
    due = (end - begin) / run.spec.period
    count = len(flags) if len(flags) >= COVERED * due - 1.0 else due
    lacking = "" if count == len(flags) else f"; heard for {len(flags) * run.spec.period:.2f} s alone"
    spent = float(flags.sum()) * run.spec.period
    return Measured(float(flags.sum()) / count, f"{spent:.2f} of {end - begin:.2f} s{lacking}")


def _starts(run: Run, expectation: Expectation) -> tuple[float, str]:
    """From when on a robot has to come to its target, and why."""
    if expectation.fault is None and expectation.begin is not None:
        return expectation.begin, "from"
    course = run.course(expectation)
    if course is None:
        return 0.0, "from the beginning"
    least = expectation.begin or 0.0
    if math.isfinite(course.ended):
        return max(course.ended, least), "fault over"
    if course.fault.target == BODY:
        return max(course.begun, least), "fault began"
    raise UnmeasuredError(f"the fault ({course.fault.label}) never ended")


def _real_falls(run: Run, expectation: Expectation) -> Measured:
    if run.spec.imu is None or len(run.trace.upright) != len(run.trace.time):
        raise UnmeasuredError("nobody can tell whether a real robot without an IMU fell")
    standing = run.trace.upright >= math.cos(run.spec.safety.tilt)
    if standing.all():
        run.whole(run.trace.time, expectation, "the IMU")
        return Measured(0.0, "")
    at = run.trace.time[np.argmin(standing)]
    return Measured(1.0, f"beyond its tilt limit at {at:.2f} s")
