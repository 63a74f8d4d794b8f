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

    @property
    def finite(self) -> np.ndarray:
        """Whether every reading of a robot is a finite number. Shape (N,)."""
        return (
            np.isfinite(self.position).all(axis=1)
            & np.isfinite(self.velocity).all(axis=1)
            & np.isfinite(self.stamp)
        )
