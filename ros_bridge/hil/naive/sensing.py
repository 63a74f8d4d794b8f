"""Senses that believe what they are told. Each function makes the patches that leave out one doubt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robots import RobotSpec, SensorFrame
from ros_bridge import conversions, imu
from ros_bridge.hil.naive.patch import Patch
from ros_bridge.intake import Intake, Verdict
from ros_bridge.senses import Senses


def stale() -> list[Patch]:
    """No reading is ever too old."""
    verdict, frame = Intake._verdict, Senses.frame

    def judge(self: Intake, stamp: float, age: float) -> Verdict:
        return verdict(self, stamp, min(age, self.stale_after))

    def ageless(self: Senses, now: float, arrival: float) -> tuple[SensorFrame, float]:
        return frame(self, now, arrival)[0], 0.0

    return [Patch(Intake, "_verdict", judge), Patch(Senses, "frame", ageless)]


def future() -> list[Patch]:
    """Readings may be from any time to come."""
    verdict = Intake._verdict
    return [Patch(Intake, "_verdict", lambda self, stamp, age: verdict(self, stamp, max(age, -self.period)))]


def once() -> list[Patch]:
    """Every reading is acted upon: again, in any order, and however soon after the last."""
    verdict = Intake._verdict

    def judge(self: Intake, stamp: float, age: float) -> Verdict:
        judged = verdict(self, stamp, age)
        return judged if judged is Verdict.STALE else Verdict.ACT

    return [Patch(Intake, "_verdict", judge)]


def names() -> list[Patch]:
    """Joints are taken in the order in which they stand in a message."""
    return [Patch(conversions, "_places", lambda names, joints: np.arange(len(joints)))]


def missing() -> list[Patch]:
    """What a message does not say is 0, and a quantity that is marked as absent is not."""
    sort_out = conversions._sort_out

    def filled(message: Any, spec: RobotSpec) -> tuple[dict[str, np.ndarray], list[str]]:
        heard, problems = sort_out(message, spec)
        for field, values in heard.items():
            if not len(getattr(message, field)):
                values[:] = 0.0
        return heard, problems

    return [Patch(conversions, "_sort_out", filled), Patch(imu, "ABSENT", math.nan)]


def unit_orientation() -> list[Patch]:
    """A quaternion of any length is one."""
    return [Patch(imu, "UNIT_TOLERANCE", math.inf)]
