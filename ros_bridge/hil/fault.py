"""`Fault`: what goes wrong, where and when. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ros_bridge.errors import BridgeError
from ros_bridge.hil.kinds import HEARD, KINDS, MESSAGES, Kind

START = -1.0
"""The begin of a fault that is at work from the robot's first word on, before any command. It lasts for its duration
from then on: until the first command nobody knows when that will be."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Raises:
        BridgeError: it makes no sense; names the value and the valid ones.
    """

    kind: str
    """One of `KINDS`."""
    target: str
    """Where it is."""
    begin: float
    """In [s] since the first command; or `START`."""
    duration: float
    """In [s]."""
    magnitude: float = 0.0
    """In the unit of its kind."""
    joints: tuple[str, ...] = ()
    """Names of the joints that it is in; empty: all numbers of the message, or all joints of the body."""
    field: str = ""
    """Which of the message's numbers it is in; empty: all that the node reads. Of a push the axis of the world along
    which it acts, of a slope the one about which the ground turns; empty: horizontal, drawn from the seed."""
    seed: int = 0
    """Of what is random in it."""
    probability: float = 1.0
    """Each message meets it with this probability; of faults of messages alone."""
    ramp: float = 0.0
    """Time in which the magnitude grows from that of no fault to its own, in [s]."""

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise BridgeError(f"fault {self.kind!r}: valid: {', '.join(KINDS)}")
        if self.target not in kind.targets:
            raise BridgeError(f"fault {self.kind}: target {self.target!r}; valid: {', '.join(kind.targets)}")
        self._check_where(kind)
        times = (self.begin, self.duration, self.ramp)
        early = self.begin == START and self.target in HEARD
        if not all(math.isfinite(time) and time >= 0.0 for time in (times[1:] if early else times)):
            raise BridgeError(f"fault {self.kind}: begin, duration, ramp {times}; expected 0 or more")
        self._check_size(kind)

    @property
    def label(self) -> str:
        """Where it is and what it is, in words."""
        return f"{self.target} {self.kind}"

    @property
    def end(self) -> float:
        """In [s] since the first command; of one that begins at the `START` minus infinity: before anybody counts."""
        return -math.inf if self.begin == START else self.begin + self.duration

    def level(self, elapsed: float) -> float:
        """Its magnitude `elapsed` [s] after it began."""
        none = KINDS[self.kind].none
        if elapsed >= self.ramp or none is None:
            return self.magnitude
        return none + (self.magnitude - none) * elapsed / self.ramp

    def _check_where(self, kind: Kind) -> None:
        fields = kind.fields(self.target)
        if self.field and self.field not in fields:
            valid = ", ".join(fields) or "none"
            raise BridgeError(f"fault {self.label}: field {self.field!r}; valid: {valid}")
        if self.joints and not kind.names_joints(self.target):
            named = ", ".join(self.joints)
            raise BridgeError(f"fault {self.label}: joints {named}; it is in no single joint, so name none")
        if self.kind == "swapped" and len(self.joints) not in (0, 2):
            raise BridgeError(f"fault {self.label}: joints {', '.join(self.joints)}; expected two")

    def _check_size(self, kind: Kind) -> None:
        low, high = kind.valid
        if not (math.isfinite(self.magnitude) and low <= self.magnitude <= high):
            unit = f" {kind.unit}" if kind.unit else ""
            raise BridgeError(
                f"fault {self.kind}: magnitude {self.magnitude}; expected {low:g} or more, and {high:g} or less{unit}"
            )
        if not 0.0 < self.probability <= 1.0:
            raise BridgeError(f"fault {self.kind}: probability {self.probability}; valid: above 0, up to 1")
        if self.probability < 1.0 and self.target not in MESSAGES:
            raise BridgeError(
                f"fault {self.label}: probability {self.probability}; of faults in messages alone "
                f"({', '.join(MESSAGES)})"
            )
        if self.ramp and not kind.ramps:
            valid = ", ".join(name for name, each in KINDS.items() if each.ramps)
            raise BridgeError(
                f"fault {self.kind}: ramp {self.ramp}: it does not come in degrees; these do: {valid}"
            )
        if self.ramp > self.duration:
            raise BridgeError(
                f"fault {self.kind}: ramp {self.ramp}; valid: up to its duration, {self.duration} s"
            )
