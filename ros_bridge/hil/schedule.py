"""`Fault` and `random_schedule`: what goes wrong, where and when. Pure.

`off`, `stuck`, `garbage`, `wrong`, `slow`, `delayed` and `intermittent` are PX4's words for sensor failures (its
failure injection); the others say more exactly what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robots import RobotSpec
from ros_bridge.errors import BridgeError

JOINTS, IMU, COMMANDS, NODE = "joints", "imu", "commands", "node"
BODY, MACHINE = "body", "machine"
"""Where faults are: two sensors, what the robot is told, the node as a process, the robot's body (of a simulated one
alone), and the computer and network that the node lives on."""
_SENSORS = (JOINTS, IMU)
FIELDS = {JOINTS: ("position", "velocity"), IMU: ("angular_velocity", "orientation"), COMMANDS: ("command",)}
"""Numbers of a message that the node reads."""
SCALES = {"position": 1.0, "velocity": 10.0, "angular_velocity": 5.0, "orientation": 0.3}
"""What a magnitude of 1 is of each, in [rad], [rad/s], [rad/s] and [1]: nobody can drive with that."""


@dataclass(frozen=True)
class Kind:
    """One way to go wrong."""

    about: str
    targets: tuple[str, ...] = _SENSORS
    low: float = 0.0
    high: float = 0.0
    """Magnitudes are drawn log-uniformly between the two."""
    unit: str = ""
    """Of the magnitude; empty: it has none."""
    least_joints: int = 1
    """Joints that a robot must have for it."""
    numbers: bool = False
    """Whether it is in some of a message's numbers, and not in the message as a whole."""
    drawn: bool = True
    """Whether `random_schedule` draws it."""

    @property
    def sim_only(self) -> bool:
        """Whether nobody can do it to a real robot: it is in the robot's body."""
        return self.targets == (BODY,)


_SHARE = "of `SCALES`"
KINDS: dict[str, Kind] = {
    "off": Kind("no message comes"),
    "stuck": Kind("numbers stay as they were, stamps go on", numbers=True),
    "garbage": Kind("numbers of random bits", numbers=True),
    "wrong": Kind(
        "numbers of the other sign, times the magnitude", low=0.5, high=5.0, unit="1", numbers=True
    ),
    "slow": Kind("of so many messages one comes", low=2, high=10, unit="messages"),
    "delayed": Kind("messages come later", (*_SENSORS, COMMANDS), 0.005, 0.5, "s"),
    "intermittent": Kind("messages come and stay away in turn", low=0.02, high=0.5, unit="s"),
    "bias": Kind("a constant is added", low=0.01, high=1.0, unit=_SHARE, numbers=True),
    "drift": Kind("what is added grows, from 0", low=0.01, high=1.0, unit=f"{_SHARE} per s", numbers=True),
    "noise": Kind("normal noise is added", low=0.01, high=1.0, unit=_SHARE, numbers=True),
    "nan": Kind("numbers are NaN", numbers=True),
    "inf": Kind("numbers are infinite, of either sign", numbers=True),
    "swapped": Kind("two joints have each other's numbers", (JOINTS,), least_joints=2, numbers=True),
    "names": Kind("names are in another order than the numbers", (JOINTS,), least_joints=2),
    "shuffled": Kind(
        "joints come in another order, names and numbers together", (JOINTS,), least_joints=2, drawn=False
    ),
    "missing": Kind("a field is empty, or marked as absent", numbers=True),
    "unstamped": Kind("the stamp is 0"),
    "stale": Kind("stamps are older than the numbers", low=0.01, high=1.0, unit="s"),
    "jumping": Kind("stamps jump, forward and back", low=0.005, high=0.5, unit="s"),
    "duplicates": Kind("every message comes twice"),
    "reordered": Kind("every second message comes after the next"),
    "bursts": Kind("messages come together, so many at once", low=2, high=10, unit="messages"),
    "loss": Kind("each message is lost with this probability", (*_SENSORS, COMMANDS), 0.1, 0.9, "1"),
    "saturated": Kind("commands are cut to this share of their limits", (COMMANDS,), 0.1, 0.8, "1"),
    "units": Kind("numbers are in degrees, not in radians", (JOINTS,), numbers=True, drawn=False),
    "clock_jump": Kind(
        "the robot's clock is ahead by so much, or behind", _SENSORS, -10.0, 10.0, "s", drawn=False
    ),
    "weak": Kind("motors have this share of their torque", (BODY,), 0.0, 1.0, "1", drawn=False),
    "locked": Kind("joints do not move", (BODY,), drawn=False),
    "free": Kind("motors have no torque, and joints run free", (BODY,), drawn=False),
    "payload": Kind(
        "a mass is added at the tool, the last link or the base", (BODY,), 0.0, 10.0, "kg", drawn=False
    ),
    "friction": Kind("joints have this times their friction", (BODY,), 0.0, 10.0, "1", drawn=False),
    "slippery": Kind("the ground has this times its friction", (BODY,), 0.05, 2.0, "1", drawn=False),
    "encoder_offset": Kind("encoders are off by so much", (BODY,), -1.0, 1.0, "rad", drawn=False),
    "sag": Kind(
        "the voltage is this share: torque and speed of all motors", (BODY,), 0.3, 1.0, "1", drawn=False
    ),
    "push": Kind("a force on the base, or on the last link", (BODY,), 0.0, 500.0, "N", drawn=False),
    "slope": Kind("the ground tilts", (BODY,), -0.5, 0.5, "rad", drawn=False),
    "killed": Kind("the node gets SIGKILL and is started again", (NODE,)),
    "paused": Kind("the node is stopped for a while, SIGSTOP, and goes on", (NODE,), drawn=False),
    "disk_full": Kind("the node can write no byte more to its files", (NODE,), drawn=False),
    "hogged": Kind("so many busy processes beside the node", (MACHINE,), 1, 8, "processes", drawn=False),
    "lost": Kind(
        "the node hears and reaches nobody: the other DDS participant dies", (MACHINE,), drawn=False
    ),
}
QUIET = (1.0, 3.0)
"""Time without faults after each fault, least and most, in [s]: for recovery to be seen."""
DURATION = (0.1, 3.0)
"""Of a fault, drawn log-uniformly, in [s]."""
RESTART = 12.0
"""Time that a killed node has to be back, in [s]."""
OVERLAP = 0.2
"""Share of faults that a second one joins while they last."""


@dataclass(frozen=True)
class Fault:
    """One fault."""

    kind: str
    """One of `KINDS`."""
    target: str
    """Where it is."""
    begin: float
    """In [s] since the first command."""
    duration: float
    """In [s]."""
    magnitude: float = 0.0
    """In the unit of its kind."""
    joints: tuple[str, ...] = ()
    """Names of the joints that it is in; empty: all numbers of the message."""
    field: str = ""
    """Which of the message's numbers it is in; empty: all that the node reads."""
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
        if self.field and self.field not in FIELDS.get(self.target, ()):
            raise BridgeError(
                f"fault {self.kind}: field {self.field!r}; valid: {', '.join(FIELDS[self.target])}"
            )
        numbers = (self.begin, self.duration, self.magnitude)
        if not all(math.isfinite(number) and number >= 0.0 for number in numbers):
            raise BridgeError(f"fault {self.kind}: begin, duration, magnitude {numbers}; expected 0 or more")

    @property
    def label(self) -> str:
        """Where it is and what it is, in words."""
        return f"{self.target} {self.kind}"

    @property
    def end(self) -> float:
        """In [s] since the first command."""
        return self.begin + self.duration


def to_json(schedule: Iterable[Fault]) -> list[dict[str, Any]]:
    """For a file."""
    return [asdict(fault) for fault in schedule]


def from_json(rows: list[dict[str, Any]]) -> list[Fault]:
    """Inverse of `to_json`.

    Raises:
        BridgeError: a row is no fault; names the value and the valid ones.
    """
    try:
        return [Fault(**{**row, "joints": tuple(row["joints"])}) for row in rows]
    except (TypeError, KeyError) as error:
        raise BridgeError(f"fault: {error}; expected {', '.join(Fault.__dataclass_fields__)}") from error


def possible(spec: RobotSpec, kills: bool = False) -> list[tuple[str, str]]:
    """Kinds and targets that a robot can suffer; `kills`: the node's death is one of them."""
    targets = {JOINTS, COMMANDS} | ({IMU} if spec.imu else set()) | ({NODE} if kills else set())
    return [
        (name, target)
        for name, kind in KINDS.items()
        if len(spec.joints) >= kind.least_joints
        for target in kind.targets
        if kind.drawn and target in targets
    ]


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
    if kind.numbers:
        either = not kind.unit and name != "missing" and random.random() < 0.5
        field = "" if either else str(random.choice(FIELDS[target]))
    if kind.numbers and target == JOINTS and name != "missing":
        most = len(spec.joints)
        count = 2 if name == "swapped" else int(random.choice([1, most]))
        joints = tuple(str(joint) for joint in random.choice(spec.joint_names, count, replace=False))
    magnitude *= SCALES.get(field, 1.0) if _SHARE in kind.unit else 1.0
    return Fault(name, target, begin, duration, magnitude, joints, field, int(random.integers(2**31)))


def _log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))
