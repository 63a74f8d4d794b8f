"""Expectations of what the node believes of its robot, and whether it knows it at all."""

from __future__ import annotations

import math

import numpy as np

from ros_bridge.hil.judging import measures
from ros_bridge.hil.judging.run import Measured, Run, UnmeasuredError
from ros_bridge.hil.judging.truth import changed_by, truth_at
from ros_bridge.hil.kinds import REPLACED
from ros_bridge.hil.scenario.scenario import Expectation

FRESH = 1.0
"""The last belief may be so old at the end, in [s]: what the node has not said it does not believe."""


def adapted_within(run: Run, expectation: Expectation) -> Measured:
    """Until the belief is within the tolerance of the truth, and stays so.

    Of a fault that changes the parameter it counts from its begin and has to stay so while it lasts; of any other from
    its end to the end of the run, where it ended the node from the next one's first command; without a fault from the
    beginning.
    """
    since, until = _adapts(run, expectation)
    column, span = _column(run, expectation)
    found = _fresh(run, since, until)
    time, mean = run.trace.belief_time[found], run.trace.belief_mean[found, column]
    truth = truth_at(run.spec, run.facts, expectation.parameter, time)
    off = np.abs(mean - truth) / span
    if np.isnan(truth).any():
        raise UnmeasuredError(
            f"a fault in the body changes {expectation.parameter}, nobody knows by how much"
        )
    assert expectation.tolerance is not None
    at = measures.settled_at(time, off <= expectation.tolerance)
    if math.isnan(at):
        raise UnmeasuredError(
            f"at {time[-1]:.2f} s the belief was off by {off[-1]:.3g} of the range; "
            f"tolerance {expectation.tolerance:g}"
        )
    return Measured(
        at - since, f"from {since:.2f} s on; within {expectation.tolerance:g} of the range from {at:.2f} s on"
    )


def belief_error(run: Run, expectation: Expectation) -> Measured:
    """Distance of the last belief from the truth, as a share of the parameter's range."""
    mean, std, truth, span, at = _last(run, expectation)
    return Measured(abs(mean - truth) / span, _compared(mean, std, truth, at))


def belief_sigmas(run: Run, expectation: Expectation) -> Measured:
    """Distance of the last belief from the truth, in its own standard deviations."""
    mean, std, truth, _, at = _last(run, expectation)
    if not std > 0.0:
        raise UnmeasuredError(f"the belief's standard deviation is {std:g}")
    return Measured(abs(mean - truth) / std, _compared(mean, std, truth, at))


def unfamiliar_within(run: Run, expectation: Expectation) -> Measured:
    """Until the node says that the robot is none of its family: from a fault's begin, or `from`."""
    if not len(run.trace.familiarity_time):
        raise UnmeasuredError("the node does not say whether it knows the robot")
    since = run.window(expectation)[0]
    if expectation.fault is not None:
        since = max(since, run.needed_course(expectation).begun)
    at = measures.first_time(run.trace.familiarity_time, run.trace.unfamiliar.astype(bool), since)
    if math.isnan(at):
        raise UnmeasuredError(f"after {since:.2f} s it never said so")
    return Measured(at - since, f"from {since:.2f} s on; said at {at:.2f} s")


def unfamiliar_share(run: Run, expectation: Expectation) -> Measured:
    """Share of the node's judgements that say so."""
    found = run.samples(run.trace.familiarity_time, expectation, "judgements of familiarity")
    said = run.trace.unfamiliar[found].astype(bool)
    return Measured(float(said.mean()), f"{int(said.sum())} of {len(said)} judgements")


def _adapts(run: Run, expectation: Expectation) -> measures.Interval:
    """From when to when a belief is judged."""
    begin, end = run.window(expectation)
    if expectation.fault is None:
        return begin, end
    course = run.needed_course(expectation)
    if course.fault.kind in REPLACED:
        back = [back for _, back in run.deaths_after(course) if math.isfinite(back)]
        if not back:
            raise UnmeasuredError("a node that ended had no successor")
        return max(back[0], begin), end
    if changed_by(run.spec, expectation.parameter, course) is None:
        if not math.isfinite(course.ended):
            raise UnmeasuredError(f"the fault ({course.fault.label}) never ended")
        return max(course.ended, begin), end
    over = course.ended if math.isfinite(course.ended) else end
    return max(course.begun, begin), min(over - 1e-6, end)  # when it is over the truth is another


def _column(run: Run, expectation: Expectation) -> tuple[int, float]:
    """Of a parameter in the beliefs, and the width of its range."""
    name, names = expectation.parameter, [str(each) for each in run.trace.belief_names]
    if not names or not len(run.trace.belief_time):
        raise UnmeasuredError("the node published no belief")
    if name not in names:
        raise UnmeasuredError(f"parameter {name!r}: no belief about it; there are {', '.join(names)}")
    low, high = run.facts.ranges.get(name, (math.nan, math.nan))
    if not high > low:
        raise UnmeasuredError(f"parameter {name!r}: its range is not known")
    return names.index(name), high - low


def _fresh(run: Run, begin: float, end: float) -> np.ndarray:
    """Indices of the beliefs of a time that has one at its end. Shape (n,), n at least 1."""
    time, end = run.trace.belief_time, min(end, run.end)
    found = np.flatnonzero(measures.inside(time, begin, end))
    if not len(found):
        raise UnmeasuredError(f"no belief from {begin:.2f} to {end:.2f} s")
    last = float(time[found[-1]])
    if last < end - FRESH:
        raise UnmeasuredError(f"the last belief came at {last:.2f} s, and the end was at {end:.2f} s")
    return found


def _last(run: Run, expectation: Expectation) -> tuple[float, float, float, float, float]:
    """Mean, standard deviation and truth at the end, the range's width, and when that was."""
    column, span = _column(run, expectation)
    row = _fresh(run, *run.window(expectation))[-1]
    at = run.trace.belief_time[row : row + 1]
    truth = float(truth_at(run.spec, run.facts, expectation.parameter, at)[0])
    mean, std = float(run.trace.belief_mean[row, column]), float(run.trace.belief_std[row, column])
    if not math.isfinite(truth):
        raise UnmeasuredError(
            f"a fault in the body changes {expectation.parameter}, nobody knows by how much"
        )
    if not math.isfinite(mean):
        raise UnmeasuredError(f"the belief is {mean}")
    return mean, std, truth, span, float(at[0])


def _compared(mean: float, std: float, truth: float, at: float) -> str:
    return f"believed {mean:.4g} +- {std:.2g}, truth {truth:.4g}, at {at:.2f} s"
