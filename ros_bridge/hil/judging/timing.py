"""Expectations of how fast the node answers, and of its bag."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ros_bridge.hil.judging import measures
from ros_bridge.hil.judging.run import COVERED, Measured, Run, UnmeasuredError
from ros_bridge.hil.scenario.scenario import Expectation


def latency(quantile: float) -> Callable[[Run, Expectation], Measured]:
    """Measures a quantile of the latencies in the window, in [ms]."""

    def measured(run: Run, expectation: Expectation) -> Measured:
        found = run.samples(run.trace.latency_time, expectation, "answers")
        took = 1e3 * run.trace.latency[found]
        if not np.isfinite(took).all():
            raise UnmeasuredError(
                f"{int((~np.isfinite(took)).sum())} of {len(took)} latencies are not finite"
            )
        longest = int(took.argmax())
        at = run.trace.latency_time[found[longest]]
        return Measured(
            float(np.quantile(took, quantile)),
            f"of {len(took)} answers; longest {took[longest]:.3g} ms at {at:.2f} s",
        )

    return measured


def missed_deadlines(run: Run, expectation: Expectation) -> Measured:
    """Share of the readings that reached a living node and had no answer within a control period, or a later one.

    A reading to which another one's answer comes in time is answered: a node does not act on duplicates. What came in
    the last control period of the run could not be answered any more.
    """
    begin, end = run.window(expectation)
    period, seen = run.spec.period, run.trace.seen_time
    due = measures.inside(seen, begin, min(end, run.end - period))
    for died, back in run.away:
        due &= ~measures.inside(seen, died - period, back)
    if not due.any():
        raise UnmeasuredError(f"no reading was due for an answer from {begin:g} to {end:g} s")
    missed = measures.unanswered(seen, run.trace.command_time, period)
    late = run.trace.latency_time[~(run.trace.latency <= period)]
    if len(late):
        missed[_nearest(seen, late)] = True
    missed &= due
    if not missed.any():
        return Measured(0.0, f"none of {int(due.sum())}")
    first = seen[np.argmax(missed)]
    return Measured(
        float(missed.sum() / due.sum()),
        f"{int(missed.sum())} of {int(due.sum())}; the first at {first:.3f} s",
    )


def commands_per_period(run: Run, expectation: Expectation) -> Measured:
    """How many commands a control period of a living node had: one that acts on a reading twice says two."""
    found, (begin, end) = (
        run.samples(run.trace.command_time, expectation, "commands"),
        run.window(expectation),
    )
    end = min(end, run.end)
    away = sum(max(min(high, end) - max(low, begin), 0.0) for low, high in measures.union(run.away))
    periods = (end - begin - away) / run.spec.period
    if not (periods > 0.0 and len(found) >= COVERED * periods - 1.0):
        raise UnmeasuredError(f"{len(found)} commands in {periods:.0f} control periods of a living node")
    return Measured(len(found) / periods, f"{len(found)} in {periods:.0f} control periods")


def bag_messages(run: Run, expectation: Expectation) -> Measured:
    """What a reader finds in the node's bag."""
    count = run.facts.bag_messages
    if count is None:
        raise UnmeasuredError("there is no bag, or nobody could read it")
    return Measured(float(count), "read back from the bag")


def _nearest(time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Indices of the samples, shape (T,), T at least 1, next to some times, shape (n,)."""
    after = np.searchsorted(time, wanted).clip(max=len(time) - 1)
    before = (after - 1).clip(min=0)
    return np.where(np.abs(wanted - time[before]) <= np.abs(time[after] - wanted), before, after)
