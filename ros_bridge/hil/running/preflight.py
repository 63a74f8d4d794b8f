"""`Preflight`: whether a real robot is fit for a run, by what it says while nobody commands it. Pure. J joints."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from robots import RobotSpec
from ros_bridge.conversions import Reading
from ros_bridge.hil.scenario.scenario import Limits

LISTENS = 2.0
"""For so long, in [s], from when every sensor has been heard."""
FINDS = 15.0
"""Time in which all sensors have to be found, in [s]: participants of DDS can need seconds for that."""
LEAST_RATE = 0.8
"""Readings per control period, at least."""
STILL = 0.05
"""A robot at rest moves no faster than this share of its velocity limits: sensors are noisy."""
ROOM = 0.02
"""So much of a joint's range it has to be away from its ends."""


class Preflight:
    """Hears a robot's sensors. Times in [s] of the system clock, as stamps are, unless they are told to be others."""

    def __init__(self, spec: RobotSpec, limits: Limits, began: float):
        """`began`: monotonic."""
        self.spec, self.limits = spec, limits
        self._arrivals: dict[str, list[float]] = {spec.ros.joint_states: []}
        if spec.imu is not None:
            self._arrivals[spec.imu.topic] = []
        self._began, self._found = began, math.inf
        self._problems: dict[tuple[str, str], str] = {}
        """By where and what: the first of each, in words."""

    def hear_joints(self, reading: Reading, arrived: float, steady: float) -> None:
        """A reading of the joints came; `steady`: monotonic time."""
        self._hear(self.spec.ros.joint_states, reading, arrived, steady)
        if reading.problem is None:
            self._check_joints(reading)

    def hear_imu(self, reading: Reading, arrived: float, steady: float) -> None:
        """A reading of the IMU came; `steady`: monotonic time."""
        assert self.spec.imu is not None
        topic, tilt = self.spec.imu.topic, self.spec.safety.tilt
        self._hear(topic, reading, arrived, steady)
        gravity = reading.frame.gravity
        if gravity is not None and gravity[0, 2] > -math.cos(tilt):
            self._note(topic, "tilt", f"the robot is tilted beyond {tilt:.3g} rad")

    def over(self, steady: float) -> bool:
        """Whether it was listened to for long enough, or is not to be found; `steady`: monotonic time."""
        return steady - self._found >= LISTENS or (math.isinf(self._found) and steady - self._began >= FINDS)

    def problems(self, steady: float, commanders: Sequence[str] = ()) -> list[str]:
        """Why the robot may not be driven, in words; empty if it may.

        Args:
            steady: monotonic time: until then it was listened to.
            commanders: names of nodes that publish commands already.
        """
        found = [f"{self.spec.ros.commands}: {name} commands the robot already" for name in commanders]
        silent = [topic for topic, arrivals in self._arrivals.items() if not arrivals]
        if silent or math.isinf(self._found):
            found += [f"{topic}: nothing came in {steady - self._began:.3g} s" for topic in silent]
        else:
            for topic, arrivals in self._arrivals.items():
                found += self._gaps(topic, arrivals, steady - self._found)
        return found + [f"{where}: {words}" for (where, _), words in self._problems.items()]

    def _hear(self, topic: str, reading: Reading, arrived: float, steady: float) -> None:
        self._arrivals[topic].append(arrived)
        if math.isinf(self._found) and all(self._arrivals.values()):
            self._found = steady  # now counts how often each comes
            for arrivals in self._arrivals.values():
                del arrivals[:-1]
        if reading.problem is not None:
            self._note(topic, "problem", reading.problem)
            return
        age = arrived - float(reading.frame.stamp[0])
        if not -self.spec.period <= age <= self.spec.safety.stale_after:
            words = f"{age:.3g} s old" if age > 0 else f"from {-age:.3g} s in the future"
            self._note(topic, "age", f"readings are {words}: do the clocks agree?")

    def _gaps(self, topic: str, arrivals: Sequence[float], seconds: float) -> list[str]:
        """What is wrong with how often readings came in so many [s], in words."""
        found, rate, due = list[str](), len(arrivals) / seconds, LEAST_RATE / self.spec.period
        if rate < due:
            found.append(f"{topic}: {rate:.3g} readings per s; expected at least {due:.3g}")
        if len(arrivals) > 1 and (gap := float(np.diff(arrivals).max())) > self.spec.safety.stale_after:
            found.append(f"{topic}: {gap:.3g} s without a reading; at most {self.spec.safety.stale_after} s")
        return found

    def _note(self, where: str, what: str, words: str) -> None:
        self._problems.setdefault((where, what), words)

    def _check_joints(self, reading: Reading) -> None:
        """Notes joints that stand where they may not, or that move."""
        spec, frame = self.spec, reading.frame
        (lows, highs), most = spec.position_limits, spec.velocity_limit
        for joint, name in enumerate(spec.joint_names):
            low, high = float(lows[joint]), float(highs[joint])
            narrower = self.limits.position.get(name, (low, high))
            low, high = max(low, narrower[0]), min(high, narrower[1])
            room, at = ROOM * (high - low), float(frame.position[0, joint])
            if not low + room <= at <= high - room:
                words = f"is at {at:.3g} rad; expected {low + room:.4g} to {high - room:.4g} rad"
                self._note(name, "position", words)
            speed = float(frame.velocity[0, joint])
            if abs(speed) > STILL * most[joint]:
                self._note(name, "velocity", f"moves at {speed:.2g} rad/s; expected a robot at rest")
