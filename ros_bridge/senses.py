"""`Senses`: the newest readings of a robot's joints and IMU as one frame, and whether they may be acted upon."""

from __future__ import annotations

import math

import numpy as np

from robots import RobotSpec, SensorFrame
from ros_bridge.conversions import Reading
from ros_bridge.intake import FRESH, Intake, Verdict
from ros_bridge.latency import LatencyMeter

_METERED = 1024
"""Readings that ages and intervals are told of: two seconds of a sensor at 500 Hz."""


class Sense:
    """What one topic has said."""

    def __init__(self, topic: str, spec: RobotSpec):
        self.topic = topic
        self.intake = Intake(spec.period, spec.safety.stale_after)
        self.problem: str | None = None
        """What is wrong with the newest reading."""
        self.newest: SensorFrame | None = None
        """Of the readings that were new and fresh; NaN where they were broken."""
        self.ages = LatencyMeter(_METERED)
        """Of new and fresh readings as they arrived, by their stamps. Of one clock only, or of two that agree."""
        self.intervals = LatencyMeter(_METERED)
        """From arrival to arrival of new and fresh readings."""
        self.early = 0
        """New and fresh readings that arrived before their own stamp: the clocks disagree. They have no age."""

    def hear(self, reading: Reading, now: float, arrival: float) -> Verdict:
        """Keeps a reading that is new and fresh; of one that is stale, only that it was."""
        stamp, before = float(reading.frame.stamp[0]), self.intake.heard
        verdict = self.intake.judge(stamp, now, arrival)
        if verdict in FRESH:
            self._measure(now - stamp, arrival - before)
            self.newest, self.problem = reading.frame, reading.problem
        elif verdict is Verdict.STALE:
            self.problem = reading.problem or _out_of_time(now - stamp)
        return verdict

    def _measure(self, age: float, interval: float) -> None:
        """Of one reading that is new and fresh, both in [s]."""
        if age >= 0.0:
            self.ages.add(age)
        else:
            self.early += 1
        if interval < math.inf:  # the first one has none
            self.intervals.add(interval)

    def age(self, now: float, arrival: float) -> float:
        """Of the newest reading in [s], by its stamp and by its arrival, whichever is more; infinite without any."""
        if self.newest is None:
            return np.inf
        return max(now - float(self.newest.stamp[0]), arrival - self.intake.heard)

    def refusal(self, arrival: float) -> str | None:
        """Why it may not be acted upon, with the topic's name; None if it may."""
        if self.problem:
            return f"{self.topic}: {self.problem}"
        if self.newest is None or self.intake.silent(arrival):
            return f"{self.topic}: no reading younger than {self.intake.stale_after} s"
        return None


class Senses:
    """One robot's senses. `now` is in [s] of ROS time, as stamps are, `arrival` in [s] of a monotonic clock."""

    def __init__(self, spec: RobotSpec):
        self.joints = Sense(spec.ros.joint_states, spec)
        self.imu = None if spec.imu is None else Sense(spec.imu.topic, spec)
        """None where the robot has none."""
        self.unheard = SensorFrame.unheard(
            len(spec.joints), spec.imu is not None, effort=spec.effort_sensor is not None
        )
        """The frame before anything was heard: all NaN."""

    def refusal(self, arrival: float) -> str | None:
        """Which topic is missing, stale or broken, and how; None if all of them may be acted upon."""
        refusals = (sense.refusal(arrival) for sense in (self.joints, self.imu) if sense is not None)
        return "; ".join(refusal for refusal in refusals if refusal) or None

    def frame(self, now: float, arrival: float) -> tuple[SensorFrame, float]:
        """The newest readings side by side, and the age of the oldest of them in [s].

        Whatever was never heard, or came broken, is NaN. The stamp is that of the joints: how far they can have come
        since the frame before it tells also where an IMU lags.
        """
        joints, age = self.joints.newest or self.unheard, self.joints.age(now, arrival)
        if self.imu is None:
            return joints, max(age, 0.0)
        inertial = self.imu.newest or self.unheard
        merged = SensorFrame(
            joints.stamp, joints.position, joints.velocity, inertial.gyro, inertial.gravity, joints.effort
        )
        return merged, max(age, self.imu.age(now, arrival), 0.0)


def _out_of_time(age: float) -> str:
    if age < 0:
        return f"the newest reading is from {-age:.3g} s in the future"
    return f"the newest reading is {age:.3g} s old"
