"""`Stance`: how high a robot's base is above its lowest foot, by what it measures itself."""

from __future__ import annotations

import numpy as np

from robots.frame import SensorFrame
from robots.kinematics import ForwardKinematics
from robots.spec import RobotSpec


class Stance:
    """Of N robots. Of the IMU only gravity's direction is used; its axes are taken for the base's.

    No foot is below flat ground, so the base is at least this high above it, and just as high where the lowest foot
    stands. A robot whose feet are all in the air, tucked under it, counts as low.
    """

    def __init__(self, spec: RobotSpec, least: float):
        """`least`: height in [m] below which a robot is `low`."""
        self.least = least
        self._feet = [(ForwardKinematics(foot.chain, spec.joint_names), foot.radius) for foot in spec.feet]

    @classmethod
    def of(cls, spec: RobotSpec) -> Stance | None:
        """None where robot.yaml does not ask for it."""
        least = spec.safety.base_height
        return None if least is None else cls(spec, least)

    def height(self, position: np.ndarray, gravity: np.ndarray) -> np.ndarray:
        """Of the base's origin above the lowest sole, along gravity, in [m], shape (N,).

        From joint positions in [rad], shape (N, J), and gravity's direction in the base frame, shape (N, 3).
        """
        return np.max([_below(foot, position, gravity) for foot in self._feet], axis=0)

    def low(self, frame: SensorFrame) -> np.ndarray:
        """Whose legs have folded under them; nobody's where gravity is not measured. Shape (N,), bool."""
        if frame.gravity is None:
            return np.zeros(len(frame.stamp), dtype=bool)
        low = np.ones(len(frame.stamp), dtype=bool)
        for foot in self._feet:  # one that is far enough below is enough: of most robots the first
            rows = np.flatnonzero(low)
            if not len(rows):
                break
            low[rows] = _below(foot, frame.position[rows], frame.gravity[rows]) < self.least
        return low


def _below(foot: tuple[ForwardKinematics, float], position: np.ndarray, gravity: np.ndarray) -> np.ndarray:
    """How far a sole is below the base's origin in [m], shape (N,)."""
    kinematics, radius = foot
    down = gravity[0].tolist() if len(gravity) == 1 else gravity.T
    with np.errstate(invalid="ignore", over="ignore"):
        x, y, z = kinematics.coordinates(position)
        return np.atleast_1d(x * down[0] + y * down[1] + z * down[2] + radius)
