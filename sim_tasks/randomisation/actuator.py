"""What motors make of a command: strength and delay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from sim_tasks.randomisation.parameter import SimFields


@dataclass(frozen=True)
class MotorGain:
    """Torque at the joint per commanded torque, dimensionless; of an effort actuator."""

    actuator: str
    valid: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return float(model.actuator(self.actuator).gainprm[0])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field("actuator_gainprm")[ids, sim.model.actuator(self.actuator).id, 0] = values


@dataclass(frozen=True)
class ActionDelay:
    """Time from command to torque in [s], of one actuator or of all; MuJoCo's own actuator delay."""

    actuator: str | None = None
    valid: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        return float(model.actuator_delay[0 if self.actuator is None else model.actuator(self.actuator).id])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        delay = sim.field("actuator_delay")
        if self.actuator is None:
            delay[ids] = values[:, None]
        else:
            delay[ids, sim.model.actuator(self.actuator).id] = values
