"""`Posture`: whether a robot stands so that its node may drive it, by the robot's own sensors, unbroken."""

from __future__ import annotations

import math

import numpy as np

from robots import RobotSpec
from robots.stance import Stance


class Posture:
    """Of one robot. Without an IMU it always stands."""

    def __init__(self, spec: RobotSpec):
        self._least_upright = math.cos(spec.safety.tilt)
        self._stance = Stance.of(spec)
        self._gravity: np.ndarray | None = None

    def feel(self, gravity: np.ndarray) -> None:
        """The newest direction of gravity in the base frame. Shape (1, 3)."""
        self._gravity = gravity

    @property
    def upright(self) -> float:
        """Cosine of the base's tilt; NaN without an IMU, and before it has said anything."""
        return math.nan if self._gravity is None else -float(self._gravity[0, 2])

    def stands(self, position: np.ndarray) -> bool:
        """Neither tilted nor with folded legs, as the safety filter judges it; joints, shape (1, J), in [rad]."""
        gravity = self._gravity
        if gravity is None:
            return True
        if not gravity[0, 2] <= -self._least_upright:
            return False
        return self._stance is None or bool(self._stance.height(position, gravity)[0] >= self._stance.least)
