"""Schedules of faults: which there are, and `random_schedule`. Pure. Files are those of `schedule_file`."""

from __future__ import annotations

import numpy as np

from robots import RobotSpec
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.fitting import possible, possible_on, require_fit, unfit
from ros_bridge.hil.kinds import (
    BODY,
    COMMANDS,
    FIELDS,
    GOALS,
    IMU,
    JOINTS,
    KINDS,
    MACHINE,
    MESSAGES,
    NODE,
    PER_SECOND,
    SCALES,
    SHARE,
    Kind,
)
from ros_bridge.hil.schedule_file import from_json, read_schedule, to_json

__all__ = [
    "BODY",
    "COMMANDS",
    "FIELDS",
    "GOALS",
    "IMU",
    "JOINTS",
    "KINDS",
    "MACHINE",
    "MESSAGES",
    "NODE",
    "SCALES",
    "Fault",
    "Kind",
    "from_json",
    "possible",
    "possible_on",
    "random_schedule",
    "read_schedule",
    "require_fit",
    "to_json",
    "unfit",
]
QUIET = (1.0, 3.0)
"""Time without faults after each fault, least and most, in [s]: for recovery to be seen."""
DURATION = (0.1, 3.0)
"""Of a fault, drawn log-uniformly, in [s]."""
RESTART = 12.0
"""Time that a killed node has to be back, in [s]."""
OVERLAP = 0.2
"""Share of faults that a second one joins while they last."""


def random_schedule(seed: int, duration: float, spec: RobotSpec, kills: bool = False) -> list[Fault]:
    """Faults one after the other, some with a second one in them, until `duration` [s]; the same for the same seed.

    Every kind on every target comes once before any comes twice.
    """
    random = np.random.default_rng([seed, 31])
    kinds, deck, schedule = possible(spec, kills), list[tuple[str, str]](), list[Fault]()
    time = random.uniform(*QUIET)
    while True:
        if not deck:
            deck = [kinds[index] for index in random.permutation(len(kinds))]
        faults = [_draw(random, deck.pop(), time, spec)]
        if deck and NODE not in (faults[0].target, deck[-1][1]) and random.random() < OVERLAP:
            faults.append(_draw(random, deck.pop(), faults[0].begin + 0.5 * faults[0].duration, spec))
        time = max(fault.end for fault in faults)
        if time > duration:
            return schedule
        schedule += faults
        time += random.uniform(*QUIET)


def _draw(random: np.random.Generator, which: tuple[str, str], begin: float, spec: RobotSpec) -> Fault:
    name, target = which
    kind, joints, field = KINDS[name], tuple[str, ...](), ""
    duration = RESTART if target == NODE else _log_uniform(random, *DURATION)
    magnitude = _log_uniform(random, kind.low, kind.high) if kind.unit else 0.0
    if kind.signed and random.random() < 0.5:
        magnitude = -magnitude
    if kind.numbers:
        either = not kind.unit and name != "missing" and random.random() < 0.5
        field = "" if either else str(random.choice(FIELDS[target]))
    if kind.numbers and target == JOINTS and name != "missing":
        most = len(spec.joints)
        count = 2 if name == "swapped" else int(random.choice([1, most]))
        joints = tuple(str(joint) for joint in random.choice(spec.joint_names, count, replace=False))
    magnitude *= SCALES.get(field, 1.0) if kind.unit in (SHARE, PER_SECOND) else 1.0
    return Fault(name, target, begin, duration, magnitude, joints, field, int(random.integers(2**31)))


def _log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))
