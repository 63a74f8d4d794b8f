"""One reading of a robot's own sensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SensorFrame:
    """What N robots' sensors said at one instant. J joints, in the order of the robot's description."""

    stamp: np.ndarray
    """Time of measurement in [s], by the sensors' clock. Shape (N,)."""
    position: np.ndarray
    """Measured joint positions in [rad]. Shape (N, J)."""
    velocity: np.ndarray
    """Measured joint velocities in [rad/s]. Shape (N, J)."""
    gyro: np.ndarray | None = None
    """Angular velocity in the IMU's frame in [rad/s]; None without an IMU. Shape (N, 3)."""
    gravity: np.ndarray | None = None
    """Direction of gravity in the IMU's frame, a unit vector; None without an IMU. Shape (N, 3)."""
    effort: np.ndarray | None = None
    """Measured joint torques in [N m]; None where the robot does not measure them. Shape (N, J)."""

    @property
    def finite(self) -> np.ndarray:
        """Whether every reading of a robot is a finite number. Shape (N,)."""
        readings = [self.stamp[:, None], self.position, self.velocity]
        readings += [reading for reading in (self.gyro, self.gravity, self.effort) if reading is not None]
        return np.logical_and.reduce(np.isfinite(np.concatenate(readings, axis=1)), axis=1)

    @classmethod
    def unheard(cls, joints: int, imu: bool, robots: int = 1, effort: bool = False) -> SensorFrame:
        """The frame of N robots of which nothing was measured yet: all NaN."""
        per_joint, per_axis = np.full((robots, joints), np.nan), np.full((robots, 3), np.nan)
        inertial = (per_axis, per_axis.copy()) if imu else (None, None)
        torque = per_joint.copy() if effort else None
        return cls(np.full(robots, np.nan), per_joint, per_joint.copy(), *inertial, torque)
