"""Expectations of commands: within limits on both sides of the relay, always. It trusts the judge, and looks itself.

C commands, J joints.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ros_bridge.hil.command_judge import TOLERANCE
from ros_bridge.hil.judging import measures
from ros_bridge.hil.judging.motion import furthest
from ros_bridge.hil.judging.run import Measured, Run, UnmeasuredError
from ros_bridge.hil.scenario.scenario import Expectation
from ros_bridge.hil.schedule import COMMANDS

BREACHES = ("unreadable", "not_finite", "limit", "rate", "rate_in_time")
"""What `Judge` finds of commands; its other violations are of the node, and expectations of their own."""
BEYOND = ("amplified",)
"""Kinds of faults that make commands which no motor may get."""


def command_limits(run: Run, expectation: Expectation) -> Measured:
    """Most that was used of a limit or of a rate, on either side, over the whole run; 1: all of it.

    Of the robot's side the rate counts only where no fault is in the commands, and nothing where one drives them beyond
    their limits: that is what a drive is there for.
    """
    trace, faults = run.trace, [course.fault.target for course in run.facts.faults]
    sides = (
        ("node",) if any(course.fault.kind in BEYOND for course in run.facts.faults) else ("node", "robot")
    )
    breaches = [each for each in run.facts.violations if each["what"] in BREACHES and each["side"] in sides]
    found = [_judged(run, violation) for violation in breaches]
    for side, time, command in (
        ("node", trace.command_time, trace.command),
        ("robot", trace.applied_time, trace.applied),
    ):
        if side not in sides:
            continue
        if not len(time):
            raise UnmeasuredError(f"no command was heard on the {side}'s side")
        if not np.isfinite(command).all():
            row = int(np.argmin(np.isfinite(command).all(axis=1)))
            raise UnmeasuredError(
                f"{side}'s side: {command[row].tolist()} at {time[row]:.3f} s is not finite"
            )
        found.append(_within(run, side, time, command))
        if len(time) > 1 and not (side == "robot" and COMMANDS in faults):
            found.append(_rate(run, side, time, command))
    worst = max(found, key=lambda each: each.value)
    return Measured(worst.value, f"{len(breaches)} violations; most: {worst.detail}")


def ahead_of_rate(run: Run, expectation: Expectation) -> Measured:
    """By how much a command was ahead of its highest rate in time: what it moved by, less what the time allowed.

    At even periods 0. `MotionBudget` grants one and a half periods, and torque may be let go of at once.
    """
    found = run.samples(run.trace.command_time, expectation, "commands")
    time, command = run.trace.command_time[found], run.trace.command[found]
    moved = np.abs(np.diff(command, axis=0)) / run.spec.command_rate
    if run.spec.interface == "effort":
        moved[~command[1:].any(axis=1)] = 0.0
    for died, back in run.facts.restarts:
        moved[(time[1:] > died) & ~(time[:-1] > back)] = 0.0
    ahead, most, at = np.zeros(command.shape[1]), 0.0, float(time[0])
    for now, step, passed in zip(time[1:], moved, np.diff(time), strict=True):
        ahead = np.maximum(ahead + step - passed, 0.0)
        if not ahead.max() <= most:
            most, at = float(ahead.max()), float(now)
    return Measured(1e3 * most, f"at {at:.3f} s; a control period is {1e3 * run.spec.period:g} ms")


def peak_command(run: Run, expectation: Expectation) -> Measured:
    """Largest command as a share of what its limits allow, on the node's side."""
    found = run.samples(run.trace.command_time, expectation, "commands")
    low, high = run.spec.command_limits
    time, command = run.trace.command_time[found], run.trace.command[found]
    return furthest(run.spec.joint_names, time, command, (low, high), "command unit", TOLERANCE)


def _within(run: Run, side: str, time: np.ndarray, command: np.ndarray) -> Measured:
    low, high = run.spec.command_limits
    share, row, joint = measures.worst(measures.band_share(command, low, high, TOLERANCE))
    name, value = run.spec.joint_names[joint], command[row, joint]
    where = (
        f"{side}'s side, {name}: {value:.4g} of {low[joint]:.4g} to {high[joint]:.4g} at {time[row]:.3f} s"
    )
    if not math.isfinite(share):
        raise UnmeasuredError(where)
    return Measured(share, where)


def _rate(run: Run, side: str, time: np.ndarray, command: np.ndarray) -> Measured:
    """Changes between commands as a share of what a control period allows; after a gap of what they all allow.

    Torque may be let go of at once, and a new node begins anew.
    """
    step = run.spec.command_rate * run.spec.period
    steps = np.maximum(np.round(np.diff(time) / run.spec.period), 1.0)
    change = np.maximum(np.abs(np.diff(command, axis=0)) - TOLERANCE, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(change > 0.0, change / (steps[:, None] * step), 0.0)
    free = np.zeros(len(share), dtype=bool)
    if run.spec.interface == "effort":
        free |= ~command[1:].any(axis=1)
    for died, back in run.facts.restarts:
        free |= (time[1:] > died) & ~(time[:-1] > back)
    share[free] = 0.0
    most, row, joint = measures.worst(share)
    name = run.spec.joint_names[joint]
    where = (
        f"{side}'s side, {name}: change of {command[row + 1, joint] - command[row, joint]:.4g} at "
        f"{time[row + 1]:.3f} s; {steps[row] * step[joint]:.4g} allowed"
    )
    if not math.isfinite(most):
        raise UnmeasuredError(where)
    return Measured(most, where)


def _judged(run: Run, violation: dict[str, Any]) -> Measured:
    """What `Judge` says of a violation: 1 is all of what was allowed."""
    value, limit, joint = violation["value"], violation["limit"], violation["joint"]
    what = f"{violation['side']}'s side, {violation['what']} {joint}: {value}, limit {limit}, {violation['time']} s"
    if value is None or limit is None:
        raise UnmeasuredError(f"{what} {violation['detail']}".strip())
    low, high = run.spec.command_limits[:, run.spec.joint_names.index(joint)]
    width = (high - low) / 2 if violation["what"] == "limit" else abs(limit)
    if not width > 0.0:
        raise UnmeasuredError(what)
    return Measured(1.0 + abs(value - limit) / width, what)
