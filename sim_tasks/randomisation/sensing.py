"""What sensors make of the truth: offsets, noise, delay, lost samples. Noise is gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_tasks.randomisation.property import Property

_SIGNED = ("position_offset", "gyro_bias")


@dataclass(frozen=True)
class Sensing(Property):
    """A property of one channel of a sensor, or of all its channels; see `sim_tasks.physics.PROPERTIES`.

    Joints are counted in the robot's order, axes are 0, 1, 2.
    """

    @property
    def valid(self) -> tuple[float, float]:
        if self.name in _SIGNED:
            return -np.inf, np.inf
        return (0.0, 1.0) if self.name == "drop_probability" else (0.0, np.inf)


@dataclass(frozen=True)
class EncoderOffset(Sensing):
    """What a joint's encoder shows when the joint is at zero, in [rad]."""

    channel: int | None = None
    name: str = "position_offset"


@dataclass(frozen=True)
class PositionNoise(Sensing):
    """Standard deviation of joint positions in [rad]."""

    channel: int | None = None
    name: str = "position_noise"


@dataclass(frozen=True)
class VelocityNoise(Sensing):
    """Standard deviation of joint velocities in [rad/s]."""

    channel: int | None = None
    name: str = "velocity_noise"


@dataclass(frozen=True)
class GyroBias(Sensing):
    """What the gyroscope shows at rest, in [rad/s]."""

    channel: int | None = None
    name: str = "gyro_bias"


@dataclass(frozen=True)
class GyroNoise(Sensing):
    """Standard deviation of angular velocities in [rad/s]."""

    channel: int | None = None
    name: str = "gyro_noise"


@dataclass(frozen=True)
class GravityNoise(Sensing):
    """Standard deviation of the components of gravity's direction, dimensionless, before it is made a unit vector."""

    channel: int | None = None
    name: str = "gravity_noise"


@dataclass(frozen=True)
class ObservationDelay(Sensing):
    """Age of what all sensors show, in [s]; between control steps on a straight line."""

    channel: int | None = None
    name: str = "observation_delay"


@dataclass(frozen=True)
class DroppedSamples(Sensing):
    """Probability that a control step's reading is lost and the one before is shown again."""

    channel: int | None = None
    name: str = "drop_probability"
