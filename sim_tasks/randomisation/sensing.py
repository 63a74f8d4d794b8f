"""What sensors make of the truth: offsets, noise, delay, lost samples."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.randomisation.parameter import SimFields

_NOT_NEGATIVE = (0.0, np.inf)
_VALID = {
    "position_noise": _NOT_NEGATIVE,
    "velocity_noise": _NOT_NEGATIVE,
    "gyro_noise": _NOT_NEGATIVE,
    "gravity_noise": _NOT_NEGATIVE,
    "observation_delay": _NOT_NEGATIVE,
    "drop_probability": (0.0, 1.0),
}


@dataclass(frozen=True)
class Sensing:
    """A property of one channel of a sensor, or of all its channels; see `sim_tasks.batch_sim.PROPERTIES`.

    position_offset, position_noise [rad], velocity_noise [rad/s]: per joint; gyro_bias, gyro_noise [rad/s],
    gravity_noise [1]: per axis; observation_delay [s]; drop_probability [1].
    """

    channel: int | None
    name: str

    @property
    def valid(self) -> tuple[float, float]:
        return _VALID.get(self.name, (-np.inf, np.inf))

    def default(self, model: mujoco.MjModel) -> float:
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        if self.channel is None:
            sim.property(self.name)[ids] = values[:, None]
        else:
            sim.property(self.name)[ids, self.channel] = values
