"""`Property`: what differs between simulations beside the engine's own fields; `BatchSim` acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.actuator import actuators, require_limited
from sim_tasks.randomisation.parameter import SimFields


@dataclass(frozen=True)
class Property:
    """A property of one channel (joint or axis), or of all; see `sim_tasks.physics.PROPERTIES`."""

    channel: int | None
    name: str

    @property
    def valid(self) -> tuple[float, float]:
        return 0.0, np.inf

    def default(self, model: mujoco.MjModel) -> float:
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        array = sim.property(self.name)
        if self.channel is None:
            array[ids] = values[:, None]
            return
        if not 0 <= self.channel < array.shape[1]:
            raise TaskError(f"{self.name}: channel {self.channel}; valid: 0 to {array.shape[1] - 1}")
        array[ids, self.channel] = values


@dataclass(frozen=True)
class NoLoadSpeed(Property):
    """Joint speed in [rad/s] at which a motor's torque has fallen to nothing: the curve of a DC motor at full voltage.

    torque limit at speed v = effort limit * (1 - v / no-load speed), between 0 and the effort limit. The channel is
    the joint's number in the robot's order; None: all.
    """

    channel: int | None = None
    name: str = "no_load_speed"
    lowest: ClassVar[float] = 1e-3

    @property
    def valid(self) -> tuple[float, float]:
        return self.lowest, np.inf

    def default(self, model: mujoco.MjModel) -> float:
        require_limited(model, actuators(model, ()))
        return np.inf


@dataclass(frozen=True)
class PushSpeed(Property):
    """Largest change of velocity of the family's `Pushes`, in [m/s] or [rad/s]."""

    channel: int | None = None
    name: str = "push_speed"
