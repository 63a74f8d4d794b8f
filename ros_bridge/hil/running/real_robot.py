"""`RealRobot`: what a run of a real robot waits for before it moves, and what it is stopped by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robots import RobotSpec
from ros_bridge.conversions import Reading
from ros_bridge.hil.running.limit_watch import LimitWatch
from ros_bridge.hil.running.preflight import LISTENS, Preflight
from ros_bridge.hil.scenario.scenario import Limits, Scenario
from ros_bridge.hil.schedule import COMMANDS, Fault

RAMP_IN = 3.0
"""Time in which the relay eases commands in, in [s]."""
FINDS = 15.0
"""Time in which a robot has to be found, in [s]: participants of DDS can need seconds for that."""
STOPS = 0.3
"""Time that the node has for its last word before the relay ends, in [s]: then the drive's watchdog lets go."""
EASED = Fault("eased", COMMANDS, 0.0, RAMP_IN)
"""The last fault of a real robot's schedule: expectations count as in the file."""
Clock = Callable[[], float]


def too_early(scenario: Scenario) -> list[Fault]:
    """Faults that begin while commands are still eased in."""
    return [fault for fault in scenario.faults if fault.begin < RAMP_IN]


class RealRobot:
    """Hears a robot as soon as something comes. First it is looked at; from `drive` on it is watched."""

    def __init__(
        self, spec: RobotSpec, limits: Limits, steady: Clock = time.monotonic, clock: Clock = time.time
    ):
        """`steady` and `clock`: monotonic and system time in [s]; stamps are by the latter."""
        self.stopped = ""
        """Why the robot was stopped, in words; empty: it was not."""
        self._preflight: Preflight | None = Preflight(spec, limits)
        self._watch = LimitWatch(spec, limits)
        self._steady, self._clock = steady, clock
        self._began, self._found = steady(), math.inf

    @property
    def looked_at(self) -> bool:
        """Whether it was listened to for long enough, from the first reading on, or is not to be found."""
        now = self._steady()
        return now - self._found >= LISTENS or (math.isinf(self._found) and now - self._began >= FINDS)

    def problems(self, commanders: Sequence[str]) -> list[str]:
        """Why it may not be driven, in words; `commanders` are nodes that command it already."""
        assert self._preflight is not None
        since = self._began if math.isinf(self._found) else self._found
        return self._preflight.problems(self._steady() - since, commanders)

    def drive(self) -> None:
        """It is commanded from now on."""
        self._preflight = None

    def hear_joints(self, reading: Reading) -> None:
        """A reading of the joints came, before any fault."""
        if self._preflight is not None:
            self._found = min(self._found, self._steady())
            self._preflight.hear_joints(reading, self._steady(), self._clock())
        else:
            frame = reading.frame
            self._stop(reading.problem or self._watch.hear_reading(frame.position[0], frame.velocity[0]))

    def hear_imu(self, reading: Reading) -> None:
        """A reading of the IMU came, before any fault."""
        if self._preflight is not None:
            self._preflight.hear_imu(reading, self._steady(), self._clock())
        elif reading.frame.gravity is not None and reading.problem is None:
            self._stop(self._watch.hear_gravity(reading.frame.gravity[0]))
        else:
            self._stop(reading.problem)

    def hear_command(self, command: np.ndarray | Any) -> None:
        """A command reached the robot: shape (J,), or what is wrong with it, in words."""
        self._stop(self._watch.hear_command(command) if isinstance(command, np.ndarray) else str(command))

    def _stop(self, why: str | None) -> None:
        self.stopped = self.stopped or why or ""
