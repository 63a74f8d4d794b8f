"""`KINDS`: the ways to go wrong. Pure.

`off`, `stuck`, `garbage`, `wrong`, `slow`, `delayed` and `intermittent` are PX4's words for sensor failures (its
failure injection); the others say more exactly what is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

JOINTS, IMU, COMMANDS, NODE = "joints", "imu", "commands", "node"
GOALS, BODY, MACHINE = "goals", "body", "machine"
"""Where faults are: two sensors, what the robot is told, the node as a process, what the node is asked for, the robot's
body (of a simulated one alone), and the computer and network that the node lives on."""
SENSORS = (JOINTS, IMU)
HEARD = (*SENSORS, GOALS)
"""What the node hears."""
MESSAGES = (*HEARD, COMMANDS)
"""Targets whose faults are in messages: those of a relay."""
REPLACED = ("killed", "restarted")
"""Kinds after which there is another node."""
FIELDS = {
    JOINTS: ("position", "velocity"),
    IMU: ("angular_velocity", "orientation"),
    COMMANDS: ("command",),
    GOALS: ("goal",),
}
"""Numbers of a message that the node reads."""
SCALES = {"position": 1.0, "velocity": 10.0, "angular_velocity": 5.0, "orientation": 0.3}
"""What a magnitude of 1 is of each, in [rad], [rad/s], [rad/s] and [1]: nobody can drive with that."""
SHARE = "of `SCALES`"
PER_SECOND = f"{SHARE} per s"


@dataclass(frozen=True)
class Kind:
    """One way to go wrong."""

    about: str
    targets: tuple[str, ...] = SENSORS
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
    none: float | None = 0.0
    """The magnitude that is no fault, from which a ramp begins; None: there is no way from none to some of it."""
    valid: tuple[float, float] = (0.0, math.inf)
    """Lowest and highest magnitude that means something."""
    per_joint: bool = False
    """Whether it is in joints that may be named, though not in a message's numbers."""
    axes: tuple[str, ...] = ()
    """What a fault's `field` may be beside a message's numbers: axes of the world."""

    @property
    def sim_only(self) -> bool:
        """Whether nobody can do it to a real robot: it is in the robot's body."""
        return self.targets == (BODY,)

    @property
    def signed(self) -> bool:
        """Whether a negative magnitude means something else than a positive one."""
        return self.valid[0] < 0.0

    @property
    def ramps(self) -> bool:
        """Whether it can grow from no fault to its own magnitude."""
        return bool(self.unit) and self.none is not None

    def fields(self, target: str) -> tuple[str, ...]:
        """Valid names of a fault's `field`; none where it has no part that could be named."""
        return self.axes or (FIELDS.get(target, ()) if self.numbers or target == COMMANDS else ())

    def names_joints(self, target: str) -> bool:
        """Whether a fault of this kind may be in some joints alone."""
        return self.per_joint or (self.numbers and target == JOINTS)


_BOTH_SIGNS, _FROM_ONE, _PART = (-math.inf, math.inf), (1.0, math.inf), (0.0, 1.0)
_STEEP = (-math.pi / 4, math.pi / 4)
_SHORTEST = 0.001
CROWDED = 0.003
"""Between messages that were held up, in [s]: a node that answers in less hears each of them."""
KINDS: dict[str, Kind] = {
    "off": Kind("no message comes", HEARD),
    "stuck": Kind("numbers stay as they were, stamps go on", HEARD, numbers=True),
    "garbage": Kind("numbers of random bits", HEARD, numbers=True),
    "wrong": Kind(
        "numbers of the other sign, times the magnitude", HEARD, 0.5, 5.0, "1", numbers=True, none=-1.0
    ),
    "slow": Kind("of so many messages one comes", SENSORS, 2, 10, "messages", none=None, valid=_FROM_ONE),
    "delayed": Kind("messages come later", MESSAGES, 0.005, 0.5, "s"),
    "intermittent": Kind(
        "messages come and stay away in turn", HEARD, 0.02, 0.5, "s", none=None, valid=(_SHORTEST, math.inf)
    ),
    "bias": Kind("a constant is added", SENSORS, 0.01, 1.0, SHARE, numbers=True, valid=_BOTH_SIGNS),
    "drift": Kind(
        "what is added grows, from 0", SENSORS, 0.01, 1.0, PER_SECOND, numbers=True, valid=_BOTH_SIGNS
    ),
    "noise": Kind("normal noise is added", SENSORS, 0.01, 1.0, SHARE, numbers=True),
    "nan": Kind("numbers are NaN", HEARD, numbers=True),
    "inf": Kind("numbers are infinite, of either sign", HEARD, numbers=True),
    "frame": Kind(
        "places are told in a frame that is turned by half a turn, which the message names", (GOALS,), drawn=False
    ),
    "swapped": Kind("two joints have each other's numbers", (JOINTS,), least_joints=2, numbers=True),
    "names": Kind("names are in another order than the numbers", (JOINTS,), least_joints=2),
    "shuffled": Kind(
        "joints come in another order, names and numbers together", (JOINTS,), least_joints=2, drawn=False
    ),
    "missing": Kind("a field is empty, or marked as absent", numbers=True),
    "unstamped": Kind("the stamp is 0"),
    "stale": Kind("stamps are older than the numbers", SENSORS, 0.01, 1.0, "s"),
    "jumping": Kind("stamps jump, forward and back", SENSORS, 0.005, 0.5, "s"),
    "duplicates": Kind("every message comes twice"),
    "reordered": Kind("every second message comes after the next"),
    "bursts": Kind("messages come together, so many at once", SENSORS, 2, 10, "messages", none=None, valid=_FROM_ONE),
    "crowded": Kind(
        f"messages are held up, so many at a time, and come {1e3 * CROWDED:g} ms apart", SENSORS, 2, 4, "messages",
        drawn=False, none=None, valid=_FROM_ONE,
    ),
    "repeated": Kind("every message comes again, so much later", SENSORS, 0.005, 0.05, "s", drawn=False, none=None),
    "loss": Kind("each message is lost with this probability", MESSAGES, 0.1, 0.9, "1", valid=_PART),
    "saturated": Kind(
        "commands are cut to this share of their limits", (COMMANDS,), 0.1, 0.8, "1",
        none=1.0, valid=_PART, per_joint=True,
    ),
    "amplified": Kind(
        "commands are so many times what the node said, beyond their limits too", (COMMANDS,), 1.5, 5.0, "1",
        drawn=False, none=1.0, per_joint=True,
    ),
    "eased": Kind(
        "commands leave rest, or the first position, by a share that grows, no faster than their rate",
        (COMMANDS,), drawn=False,
    ),
    "units": Kind("numbers are in degrees, not in radians", (JOINTS,), numbers=True, drawn=False),
    "clock_jump": Kind(
        "the robot's clock is ahead by so much, or behind", SENSORS, -10.0, 10.0, "s", drawn=False, valid=_BOTH_SIGNS
    ),
    "weak": Kind(
        "motors have this share of their torque", (BODY,), 0.0, 1.0, "1",
        drawn=False, none=1.0, valid=_PART, per_joint=True,
    ),
    "locked": Kind("joints do not move", (BODY,), drawn=False, per_joint=True),
    "free": Kind("motors have no torque, and joints run free", (BODY,), drawn=False, per_joint=True),
    "payload": Kind("a mass is added at the tool, the last link or the base", (BODY,), 0.0, 10.0, "kg", drawn=False),
    "friction": Kind(
        "joints have this times their friction", (BODY,), 0.0, 10.0, "1", drawn=False, none=1.0, per_joint=True
    ),
    "slippery": Kind("the ground has this times its friction", (BODY,), 0.05, 2.0, "1", drawn=False, none=1.0),
    "encoder_offset": Kind(
        "encoders are off by so much", (BODY,), -1.0, 1.0, "rad", drawn=False, valid=_BOTH_SIGNS, per_joint=True
    ),
    "sag": Kind(
        "the voltage is this share: torque and speed of all motors", (BODY,), 0.3, 1.0, "1",
        drawn=False, none=1.0, valid=(0.01, 1.0),
    ),
    "push": Kind(
        "a force on the base, or on the last link", (BODY,), 0.0, 500.0, "N",
        drawn=False, valid=_BOTH_SIGNS, axes=("x", "y", "z"),
    ),
    "slope": Kind("the ground tilts", (BODY,), -0.5, 0.5, "rad", drawn=False, valid=_STEEP, axes=("x", "y")),
    "killed": Kind("the node gets SIGKILL and is started again", (NODE,)),
    "restarted": Kind("the node is told to end, SIGTERM, and is started again", (NODE,), drawn=False),
    "paused": Kind("the node is stopped for a while, SIGSTOP, and goes on", (NODE,), drawn=False),
    "disk_full": Kind("the node can write no byte more to its files", (NODE,), drawn=False),
    "hogged": Kind(
        "so many busy processes beside the node", (MACHINE,), 1, 8, "processes",
        drawn=False, none=None, valid=_FROM_ONE,
    ),
    "lost": Kind("the node hears and reaches nobody: the other DDS participant dies", (MACHINE,), drawn=False),
}  # fmt: skip
