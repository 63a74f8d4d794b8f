"""Expectations of what the node says and when: its reasons, its commands' times, its restarts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from robots.reason import SAFE_MODE, Reason, reason_names
from ros_bridge.drive import COMMAND_TIMEOUT
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judge import DEAD
from ros_bridge.hil.judging import measures
from ros_bridge.hil.judging.facts import FaultCourse
from ros_bridge.hil.judging.run import Measured, Run, UnmeasuredError
from ros_bridge.hil.judging.safe_command import last_words, safe_answer
from ros_bridge.hil.kinds import REPLACED
from ros_bridge.hil.scenario.scenario import Expectation

STEADY = 0.2
"""A node drives again when it has been out of safe mode for so long, in [s]."""


def periods_to_safe(run: Run, expectation: Expectation) -> Measured:
    """Control periods from the first broken reading to the first safe command."""
    course = run.needed_course(expectation)
    if not len(run.trace.command_time):
        raise UnmeasuredError("no command of the node was heard")
    answer = safe_answer(run.spec, run.trace, course)
    what = "broken reading" if answer.seen else "fault began"
    periods = answer.periods(run.spec.period)
    counted = run.facts.periods_to_safe.get(expectation.fault or 0)
    judge = "" if counted is None else f"; by the judge {counted} commands"
    if periods is None:
        raise UnmeasuredError(
            f"no safe command in {answer.commands} commands after the {what} at {answer.broken_at:.3f} s{judge}"
        )
    unit = "period" if periods == 1 else "periods"
    when = f"{what} at {answer.broken_at:.3f} s, safe command at {answer.safe_at:.3f} s"
    return Measured(float(periods), f"{periods} {unit}: {when}{judge}")


def time_to_safe(run: Run, expectation: Expectation) -> Measured:
    """From a fault's begin until the node says that it is in safe mode."""
    course, (time, safe) = run.needed_course(expectation), _safe(run)
    before = safe[time < course.begun]
    if not len(before) or before[-1]:
        state = "in safe mode" if len(before) else "silent"
        raise UnmeasuredError(f"it was {state} already when the fault began, at {course.begun:.3f} s")
    at = measures.first_time(time, safe, course.begun)
    if math.isnan(at):
        raise UnmeasuredError(f"no word of safe mode after the fault began at {course.begun:.3f} s")
    why = ", ".join(reason_names(int(run.trace.reasons[np.searchsorted(time, at)]) & int(SAFE_MODE)))
    return Measured(at - course.begun, f"fault began at {course.begun:.3f} s, safe mode at {at:.3f} s: {why}")


def time_to_recover(run: Run, expectation: Expectation) -> Measured:
    """From a fault's end, or the node's death, until it drives again and stays so."""
    course, (time, safe) = run.needed_course(expectation), _safe(run)
    since = _over(course)
    at = measures.held_from(time, ~safe, since, STEADY, run.spec.period, COMMAND_TIMEOUT)
    if math.isnan(at):
        raise UnmeasuredError(f"after {since:.3f} s it never drove for {STEADY} s")
    judged = run.facts.recoveries.get(expectation.fault or 0)
    judge = "" if judged is None else f"; by the judge after {judged:.3f} s"
    return Measured(at - since, f"over at {since:.3f} s, drives from {at:.3f} s on{judge}")


def driven(run: Run, expectation: Expectation) -> Measured:
    """Share of the window in which the node was out of safe mode; one that is silent does not drive."""
    return _share(run, expectation, safe=False)


def safe_share(run: Run, expectation: Expectation) -> Measured:
    """Share of the window in which the node was in safe mode."""
    return _share(run, expectation, safe=True)


def says(run: Run, expectation: Expectation) -> Measured:
    """From a fault's begin, or `from`, until the node gives a reason; the later one, where both are given."""
    bit = _reason(expectation.reason)
    since = expectation.begin or 0.0
    if expectation.fault is not None or expectation.begin is None:
        course = run.course(expectation)
        since = since if course is None else max(since, course.begun)
    at = measures.first_time(run.trace.requested_time, (run.trace.reasons.astype(int) & bit) != 0, since)
    if math.isnan(at):
        raise UnmeasuredError(f"it never said {expectation.reason} after {since:.3f} s")
    return Measured(at - since, f"from {since:.3f} s on; said at {at:.3f} s")


def silence(run: Run, expectation: Expectation) -> Measured:
    """Longest time between two commands of a node that lives."""
    begin, end = run.window(expectation)
    run.samples(run.trace.command_time, expectation, "commands")
    longest, at = measures.longest_gap(run.trace.command_time, begin, min(end, run.end), run.away)
    return Measured(longest, f"from {at:.3f} s on")


def restart_within(run: Run, expectation: Expectation) -> Measured:
    """From the node's death to the next one's first command; the longest, or the one after a fault's begin."""
    deaths = run.facts.restarts
    if expectation.fault is not None:
        deaths = run.deaths_after(run.needed_course(expectation))[:1]
    if not deaths:
        raise UnmeasuredError("the node did not die")
    spoke = [
        (died, measures.first_time(run.trace.command_time, _all(run), back))
        for died, back in deaths
        if math.isfinite(back)
    ]
    if len(spoke) < len(deaths) or any(math.isnan(at) for _, at in spoke):
        raise UnmeasuredError("a node that died had no successor that sent a command")
    died, at = max(spoke, key=lambda pair: pair[1] - pair[0])
    return Measured(at - died, f"died at {died:.3f} s, next command at {at:.3f} s")


def last_word(run: Run, expectation: Expectation) -> Measured:
    """From the begin of a fault that ends the node until the safe command, after which it says nothing else."""
    course = run.needed_course(expectation)
    deaths = run.deaths_after(course)
    if not deaths:
        raise UnmeasuredError("the node did not end")
    time, safe = last_words(run.spec, run.trace, course.begun, deaths[0][0] + DEAD)
    if not len(time):
        raise UnmeasuredError(f"the robot got no command between {course.begun:.3f} s and the node's end")
    at = measures.settled_at(time, safe)
    if math.isnan(at):
        raise UnmeasuredError(f"the last command, at {time[-1]:.3f} s, was not the safe one")
    return Measured(at - course.begun, f"told to end at {course.begun:.3f} s, safe command at {at:.3f} s")


def drive_timeouts(run: Run, expectation: Expectation) -> Measured:
    """How often a drive would have let go of a node that spoke again."""
    run.samples(run.trace.command_time, expectation, "commands")
    return Measured(float(run.facts.drive_timeouts), f"silent for over {COMMAND_TIMEOUT} s so often")


def faults_missed(run: Run, expectation: Expectation) -> Measured:
    """How many of the scenario's faults never began, or met no message: a run without its faults shows nothing."""
    missed = []
    for number in range(len(run.facts.faults)):
        try:
            run.course(replace(expectation, fault=number))
        except UnmeasuredError as error:
            missed.append(str(error))
    return Measured(float(len(missed)), "; ".join(missed))


def _safe(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """When the node gave reasons, and whether they were safe mode's. Shapes (Q,)."""
    if not len(run.trace.requested_time):
        raise UnmeasuredError("the node never said why it commands what it does")
    return run.trace.requested_time, (run.trace.reasons.astype(int) & int(SAFE_MODE)) != 0


def _share(run: Run, expectation: Expectation, safe: bool) -> Measured:
    (time, flags), (begin, end) = _safe(run), run.window(expectation)
    run.samples(time, expectation, "the node's reasons")
    spent = measures.time_with(time, flags == safe, begin, end, COMMAND_TIMEOUT, run.spec.period)
    state = "in safe mode" if safe else "driven"
    return Measured(spent / (end - begin), f"{spent:.2f} of {end - begin:.2f} s {state}")


def _over(course: FaultCourse) -> float:
    """When a node may be expected to drive again: after the fault, or its own death."""
    since = course.begun if course.fault.kind in REPLACED else course.ended
    if not math.isfinite(since):
        raise UnmeasuredError(f"the fault ({course.fault.label}) never ended")
    return since


def _reason(name: str) -> int:
    """Its bit.

    Raises:
        BridgeError: there is none of that name.
    """
    try:
        return int(Reason[name.upper()])
    except KeyError:
        valid = ", ".join(reason.name.lower() for reason in Reason if reason.name)
        raise BridgeError(f"reason {name!r}; valid: {valid}") from None


def _all(run: Run) -> np.ndarray:
    return np.ones(len(run.trace.command_time), dtype=bool)
