"""`RealRobot`: what a run of a real robot waits for before it moves, and what it is stopped by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from robots import RobotSpec
from ros_bridge.conversions import Reading
from ros_bridge.hil.running.limit_watch import LimitWatch
from ros_bridge.hil.running.preflight import Preflight
from ros_bridge.hil.scenario.scenario import Limits, Scenario
from ros_bridge.hil.schedule import COMMANDS, Fault

RAMP_IN = 3.0
"""Time in which the relay eases commands in, in [s]."""
SILENT = 0.5
"""After so long without a reading of one of its sensors the robot is stopped, in [s]: nobody sees what it does."""
STRANGE = 0.5
"""For so long somebody else may seem to command it, in [s]: who was just found has no name for a moment."""
EASED = Fault("eased", COMMANDS, 0.0, RAMP_IN)
"""The last fault of a real robot's schedule: expectations count as in the file."""
Clock = Callable[[], float]
State = Literal["looked at", "driven", "let go"]


def too_early(scenario: Scenario) -> list[Fault]:
    """Faults that begin while commands are still eased in."""
    return [fault for fault in scenario.faults if fault.begin < RAMP_IN]


class RealRobot:
    """Hears a robot as soon as something comes: looks at it, watches it from `drive` on, and no more after `let_go`."""

    def __init__(self, spec: RobotSpec, limits: Limits, steady: Clock = time.monotonic):
        """`steady`: monotonic time in [s]."""
        self.stopped = ""
        """Why the robot was stopped, in words; empty: it was not."""
        self._spec, self._steady = spec, steady
        self._state: State = "looked at"
        self._preflight = Preflight(spec, limits, steady())
        self._watch = LimitWatch(spec, limits)
        self._heard: dict[str, float] = {}
        self._strange_since = math.inf

    @property
    def looked_at(self) -> bool:
        """Whether it was listened to for long enough, from when all its sensors were heard, or is not to be found."""
        return self._preflight.over(self._steady())

    def problems(self, commanders: Sequence[str]) -> list[str]:
        """Why it may not be driven, in words; `commanders` are nodes that command it already."""
        return self._preflight.problems(self._steady(), commanders)

    def drive(self) -> None:
        """It is commanded from now on."""
        spec = self._spec
        self._state = "driven"
        self._heard = dict.fromkeys(
            [spec.ros.joint_states, *([spec.imu.topic] if spec.imu else [])], self._steady()
        )

    def let_go(self) -> None:
        """It is commanded no more: what it does now, falling for one, breaks no limit of the run."""
        self._state = "let go"

    def look(self, others: Sequence[str]) -> None:
        """To be called when all that came was heard; `others` are nodes that command it beside the relay."""
        now = self._steady()
        for topic, heard in self._heard.items():
            if now - heard > SILENT:
                self._stop(f"{topic}: nothing came in {now - heard:.2g} s; expected at most {SILENT} s")
        self._strange_since = min(self._strange_since, now) if others else math.inf
        if now - self._strange_since >= STRANGE:
            self._stop(f"{self._spec.ros.commands}: {', '.join(others)} commands the robot, too")

    def hear_joints(self, reading: Reading, arrived: float) -> None:
        """A reading of the joints came before any fault, at `arrived` [s] of the system clock."""
        if self._state == "looked at":
            self._preflight.hear_joints(reading, arrived, self._steady())
            return
        self._heard[self._spec.ros.joint_states] = self._steady()
        frame = reading.frame
        self._stop(reading.problem or self._watch.hear_reading(frame.position[0], frame.velocity[0]))

    def hear_imu(self, reading: Reading, arrived: float) -> None:
        """The same of the IMU."""
        assert self._spec.imu is not None
        if self._state == "looked at":
            self._preflight.hear_imu(reading, arrived, self._steady())
            return
        self._heard[self._spec.imu.topic] = self._steady()
        gravity = reading.frame.gravity
        assert gravity is not None
        self._stop(reading.problem or self._watch.hear_gravity(gravity[0]))

    def hear_command(self, command: np.ndarray | str) -> None:
        """A command for the robot, on either side of the relay: shape (J,), or what is wrong with it, in words."""
        self._stop(command if isinstance(command, str) else self._watch.hear_command(command))

    def _stop(self, why: str | None) -> None:
        if self._state == "driven":
            self.stopped = self.stopped or why or ""
