"""`Preflight`: whether a real robot is fit for a run, by what it says while nobody commands it. Pure. J joints."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from robots import RobotSpec
from ros_bridge.conversions import Reading
from ros_bridge.hil.scenario.scenario import Limits

LISTENS = 2.0
"""For so long, in [s]."""
LEAST_RATE = 0.8
"""Readings per control period, at least."""
STILL = 0.05
"""A robot at rest moves no faster than this share of its velocity limits: sensors are noisy."""
ROOM = 0.02
"""So much of a joint's range it has to be away from its ends."""


class Preflight:
    """Hears a robot's sensors. Times in [s]: `at` of one steady clock, `now` of ROS time, as stamps are."""

    def __init__(self, spec: RobotSpec, limits: Limits):
        self.spec, self.limits = spec, limits
        self._arrivals: dict[str, list[float]] = {spec.ros.joint_states: []}
        if spec.imu is not None:
            self._arrivals[spec.imu.topic] = []
        self._problems: dict[str, None] = {}

    def hear_joints(self, reading: Reading, at: float, now: float) -> None:
        """A reading of the joints came."""
        self._hear(self.spec.ros.joint_states, reading, at, now)
        if reading.problem is None:
            for problem in _out_of_limits(self.spec, self.limits, reading):
                self._problems[problem] = None

    def hear_imu(self, reading: Reading, at: float, now: float) -> None:
        """A reading of the IMU came."""
        assert self.spec.imu is not None
        self._hear(self.spec.imu.topic, reading, at, now)
        gravity = reading.frame.gravity
        if gravity is not None and gravity[0, 2] > -math.cos(self.spec.safety.tilt):
            self._problems[
                f"{self.spec.imu.topic}: the robot is tilted beyond {self.spec.safety.tilt:.3g} rad"
            ] = None

    def problems(self, seconds: float, commanders: Sequence[str] = ()) -> list[str]:
        """Why the robot may not be driven, in words; empty if it may.

        Args:
            seconds: for how long it was listened to.
            commanders: names of nodes other than the one that is to drive which publish commands.
        """
        found = [f"{self.spec.ros.commands}: {name} commands the robot already" for name in commanders]
        for topic, arrivals in self._arrivals.items():
            if not arrivals:
                found.append(f"{topic}: nothing came in {seconds:.3g} s")
                continue
            rate, due = len(arrivals) / seconds, LEAST_RATE / self.spec.period
            if rate < due:
                found.append(f"{topic}: {rate:.3g} readings per s; expected at least {due:.3g}")
            if len(arrivals) > 1 and (gap := float(np.diff(arrivals).max())) > self.spec.safety.stale_after:
                found.append(
                    f"{topic}: {gap:.3g} s without a reading; at most {self.spec.safety.stale_after} s"
                )
        return found + list(self._problems)

    def _hear(self, topic: str, reading: Reading, at: float, now: float) -> None:
        self._arrivals[topic].append(at)
        if reading.problem is not None:
            self._problems[f"{topic}: {reading.problem}"] = None
            return
        age = now - float(reading.frame.stamp[0])
        if not -self.spec.period <= age <= self.spec.safety.stale_after:
            words = f"{age:.3g} s old" if age > 0 else f"from {-age:.3g} s in the future"
            self._problems.setdefault(f"{topic}: readings are {words}: do the clocks agree?", None)


def _out_of_limits(spec: RobotSpec, limits: Limits, reading: Reading) -> list[str]:
    """Joints that stand where they may not, or that move, in words."""
    problems = []
    lows, highs = spec.position_limits
    position, velocity = reading.frame.position[0].tolist(), reading.frame.velocity[0].tolist()
    for name, at, speed, low, high, most in zip(
        spec.joint_names,
        position,
        velocity,
        lows.tolist(),
        highs.tolist(),
        spec.velocity_limit.tolist(),
        strict=True,
    ):
        narrower = limits.position.get(name, (low, high))
        low, high = max(low, narrower[0]), min(high, narrower[1])
        room = ROOM * (high - low)
        if not low + room <= at <= high - room:
            problems.append(f"{name}: is at {at:.3g} rad; expected {low + room:.4g} to {high - room:.4g} rad")
        if abs(speed) > STILL * most:
            problems.append(f"{name}: moves at {speed:.2g} rad/s; expected a robot at rest")
    return problems
