"""`Alteration`: what a fault makes of a message's numbers, names and stamp. Pure: messages are `Sample`s.

What happens to whole messages on their way is `ros_bridge.hil.line`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ros_bridge.hil.fault import Fault
from ros_bridge.hil.kinds import FIELDS

TURNED = "turned"
"""Name of a frame that no policy was trained in."""


@dataclass
class Sample:
    """What a message says, as far as faults are concerned."""

    stamp: int
    """In [ns] since the epoch; 0: none."""
    names: list[str]
    """Of the joints, in the order of the numbers; empty for an IMU."""
    values: dict[str, list[float]]
    """Numbers by field; a field that is missing is empty, or marked as absent."""
    rest: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    """Of commands: what asks for nothing, by field; empty where nobody knows."""
    frame: str | None = None
    """In which numbers are places; None: they are none."""


class Alteration:
    """A fault at work on one topic. `elapsed` is the time since it began, in [s]."""

    def __init__(self, fault: Fault):
        self.fault = fault
        self.random = np.random.default_rng(fault.seed)
        self.level = fault.magnitude
        """Its magnitude now."""
        self.held: dict[str, list[float]] | None = None
        """What a sensor that is stuck goes on saying."""
        self._alter = _ALTERATIONS[fault.kind]

    @staticmethod
    def knows(fault: Fault) -> bool:
        """Whether the fault is one of a message's content."""
        return fault.kind in _ALTERATIONS

    def alter(self, sample: Sample, elapsed: float) -> bool:
        """Breaks a sample, in place; whether it met this one: some faults do so with a probability."""
        if self.fault.probability < 1.0 and self.random.random() >= self.fault.probability:
            return False
        if self.fault.kind == "frame" and sample.frame is None:
            return False
        self.level = self.fault.level(elapsed)
        self._alter(self, sample, elapsed)
        return True

    def fields(self, sample: Sample) -> list[str]:
        """The fault's fields, of those that the message has."""
        wanted = (self.fault.field,) if self.fault.field else FIELDS[self.fault.target]
        return [field for field in wanted if field in sample.values]

    def places(self, sample: Sample, field: str) -> list[int]:
        """Where the fault's numbers stand in a field."""
        count = len(sample.values[field])
        if not self.fault.joints:
            return list(range(count))
        joints = self.fault.joints
        return [place for place, name in enumerate(sample.names) if name in joints and place < count]

    def numbers(self, sample: Sample, change: Callable[[float], float]) -> None:
        """Replaces each of the fault's numbers."""
        for field in self.fields(sample):
            values = sample.values[field]
            for place in self.places(sample, field):
                values[place] = change(values[place])


def _stuck(at: Alteration, sample: Sample, elapsed: float) -> None:
    if at.held is None:
        at.held = {field: list(sample.values[field]) for field in at.fields(sample)}
    for field in at.fields(sample):
        held = at.held.get(field, [])
        for place in at.places(sample, field):
            if place < len(held):  # a message may have more than the one that it is stuck on
                sample.values[field][place] = held[place]


def _garbage(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, lambda _: float(np.frombuffer(at.random.bytes(8))[0]))


def _wrong(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, lambda value: -at.level * value)


def _bias(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, lambda value: value + at.level)


def _drift(at: Alteration, sample: Sample, elapsed: float) -> None:
    """The rate's integral: over a ramp, half of the time that passed in it counts."""
    growing = min(elapsed, at.fault.ramp)
    shift = 0.5 * growing * at.fault.level(growing) + at.fault.magnitude * (elapsed - growing)
    at.numbers(sample, lambda value: value + shift)


def _noise(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, lambda value: value + at.level * at.random.standard_normal())


def _units(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, math.degrees)


def _nan(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, lambda _: np.nan)


def _inf(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, lambda _: np.inf * at.random.choice([-1.0, 1.0]))


def _swapped(at: Alteration, sample: Sample, elapsed: float) -> None:
    for field in at.fields(sample):
        values, places = sample.values[field], at.places(sample, field)
        if len(places) == 2:
            one, other = places
            values[one], values[other] = values[other], values[one]


def _names(at: Alteration, sample: Sample, elapsed: float) -> None:
    sample.names = sample.names[1:] + sample.names[:1]


def _shuffled(at: Alteration, sample: Sample, elapsed: float) -> None:
    """The last joint comes first: whoever goes by the names is told the same as before."""
    sample.names = sample.names[::-1]
    sample.values = {field: numbers[::-1] for field, numbers in sample.values.items()}


def _missing(at: Alteration, sample: Sample, elapsed: float) -> None:
    for field in at.fields(sample):
        del sample.values[field]


def _frame(at: Alteration, sample: Sample, elapsed: float) -> None:
    """Half a turn about z: as `base_link` of ROS is to the `base` of Universal Robots' controllers (ur_description)."""
    sample.frame = TURNED
    for field in at.fields(sample):
        x, y, *rest = sample.values[field]
        sample.values[field] = [-x, -y, *rest]


def _unstamped(at: Alteration, sample: Sample, elapsed: float) -> None:
    sample.stamp = 0


def _stale(at: Alteration, sample: Sample, elapsed: float) -> None:
    sample.stamp -= round(1e9 * at.level)


def _jumping(at: Alteration, sample: Sample, elapsed: float) -> None:
    sample.stamp += round(1e9 * at.random.uniform(-at.level, at.level))


def _clock_jump(at: Alteration, sample: Sample, elapsed: float) -> None:
    sample.stamp += round(1e9 * at.level)


def _saturated(at: Alteration, sample: Sample, elapsed: float) -> None:
    """Magnitude 1 is the limit: who makes the sample scales commands by it."""
    at.numbers(sample, lambda value: min(max(value, -at.level), at.level))


def _amplified(at: Alteration, sample: Sample, elapsed: float) -> None:
    at.numbers(sample, lambda value: at.level * value)


def _eased(at: Alteration, sample: Sample, elapsed: float) -> None:
    """From rest; of positions from the first command, where a node's own soft start leaves the joints."""
    if at.held is None:
        at.held = {field: list((sample.rest or sample.values)[field]) for field in at.fields(sample)}
    share = min(elapsed / at.fault.duration, 1.0) if at.fault.duration else 1.0
    for field, first in at.held.items():
        pairs = zip(first, sample.values[field], strict=True)
        sample.values[field] = [start + share * (value - start) for start, value in pairs]


_ALTERATIONS: dict[str, Callable[[Alteration, Sample, float], None]] = {
    "stuck": _stuck,
    "garbage": _garbage,
    "wrong": _wrong,
    "bias": _bias,
    "drift": _drift,
    "noise": _noise,
    "units": _units,
    "nan": _nan,
    "inf": _inf,
    "swapped": _swapped,
    "names": _names,
    "shuffled": _shuffled,
    "missing": _missing,
    "frame": _frame,
    "unstamped": _unstamped,
    "stale": _stale,
    "jumping": _jumping,
    "clock_jump": _clock_jump,
    "saturated": _saturated,
    "amplified": _amplified,
    "eased": _eased,
}
