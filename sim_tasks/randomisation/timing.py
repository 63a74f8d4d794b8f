"""When commands arrive at the motors: delay, jitter, lag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.actuator import ActuatorTerm, actuators
from sim_tasks.randomisation.elements import Place
from sim_tasks.randomisation.parameter import Parameter
from sim_tasks.randomisation.property import Property

_FILTERS = (int(mujoco.mjtDyn.mjDYN_FILTER), int(mujoco.mjtDyn.mjDYN_FILTEREXACT))
LONGER = "longer delays need a plant with a buffer for them: robot_plant(..., max_delay=...)"


@dataclass(frozen=True)
class ActionDelay(ActuatorTerm):
    """Time from command to torque in [s]; MuJoCo's own actuator delay, between samples on a straight line."""

    places: ClassVar[tuple[Place, ...]] = (Place("actuator_delay"),)
    remedy = LONGER

    def valid_for(self, model: mujoco.MjModel) -> tuple[float, float]:
        return 0.0, longest_delay(model, actuators(model, self.names))


@dataclass(frozen=True)
class ControlJitter(Property):
    """A command arrives later by up to this time in [s], drawn anew at every control step, uniformly."""

    channel: int | None = None
    name: str = "control_jitter"
    remedy = LONGER

    def valid_for(self, model: mujoco.MjModel) -> tuple[float, float]:
        return 0.0, longest_delay(model, actuators(model, ()))


@dataclass(frozen=True)
class MotorLag(ActuatorTerm):
    """Time constant in [s] with which a motor follows its command; needs a plant with filters."""

    places: ClassVar[tuple[Place, ...]] = (Place("actuator_dynprm", 0),)

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        chosen = actuators(model, self.names)
        other = ~np.isin(model.actuator_dyntype[chosen], _FILTERS)
        if other.any():
            name = model.actuator(chosen[np.argmax(other)]).name
            raise TaskError(
                f"actuator {name!r}: it has no filter; give robot_plant(..., motors=Motors(lag=...))"
            )
        return chosen


def longest_delay(model: mujoco.MjModel, chosen: np.ndarray) -> float:
    """For how long the buffers of the actuators hold commands, in [s]. A delay of n steps needs n + 1 samples."""
    samples = model.actuator_history[chosen, 0]
    return float(max(samples.min() - 1, 0) * model.opt.timestep)


def deepest_delay(parameters: Sequence[Parameter], model: mujoco.MjModel) -> float:
    """For how long a command may have to be held back, in [s]: the longest delay, and the longest jitter on top."""
    kinds = (ActionDelay, ControlJitter)
    longest = ((p.extremes(model)[1] for p in parameters if isinstance(p.target, kind)) for kind in kinds)
    return sum(max(each, default=0.0) for each in longest)


def check_delays(parameters: Sequence[Parameter], model: mujoco.MjModel) -> None:
    """Refuses delays that fit into the buffers alone, but not with the jitter on top.

    Raises:
        TaskError: names both parameters.
    """
    jitter = [p for p in parameters if isinstance(p.target, ControlJitter)]
    for delay in (p for p in parameters if isinstance(p.target, ActionDelay)):
        for other in jitter:
            both = delay.extremes(model)[1] + other.extremes(model)[1]
            longest = longest_delay(model, actuators(model, ()))
            if both > longest + 1e-9:
                raise TaskError(
                    f"{delay.name} and {other.name}: together up to {both:g} s; valid: {longest:g} s; {LONGER}"
                )
