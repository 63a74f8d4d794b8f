"""What motors make of a command: strength, gains and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.models import actuator_of
from sim_tasks.randomisation.elements import Elements, Place, as_names, index_of
from sim_tasks.randomisation.parameter import SimFields

_FIXED, _AFFINE = int(mujoco.mjtGain.mjGAIN_FIXED), int(mujoco.mjtGain.mjGAIN_AFFINE)
_NO_BIAS, _AFFINE_BIAS = int(mujoco.mjtBias.mjBIAS_NONE), int(mujoco.mjtBias.mjBIAS_AFFINE)
_COEFFICIENTS = 3
"""Of force = (g0 + g1 length + g2 velocity) control + b0 + b1 length + b2 velocity."""


@dataclass(frozen=True)
class ActuatorTerm(Elements):
    """A quantity of the named actuators (or of those that drive the named joints), or of all."""

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        return actuators(model, self.names)


@dataclass(frozen=True)
class MotorGain(ActuatorTerm):
    """Torque at the joint per commanded torque, dimensionless; of an effort actuator."""

    places: ClassVar[tuple[Place, ...]] = (Place("actuator_gainprm", 0),)


@dataclass(frozen=True)
class ServoKp(ActuatorTerm):
    """Stiffness kp of position servos in [N m/rad]: torque = kp (command - position) - kd velocity."""

    places: ClassVar[tuple[Place, ...]] = (Place("actuator_gainprm", 0), Place("actuator_biasprm", 1, -1.0))

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        return _servos(model, actuators(model, self.names))


@dataclass(frozen=True)
class ServoKd(ActuatorTerm):
    """Damping kd of position servos in [N m s/rad]: torque = kp (command - position) - kd velocity."""

    places: ClassVar[tuple[Place, ...]] = (Place("actuator_biasprm", 2, -1.0),)

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        return _servos(model, actuators(model, self.names))


@dataclass(frozen=True)
class EffortLimit(ActuatorTerm):
    """Highest torque that motors give in [N m], to both sides."""

    places: ClassVar[tuple[Place, ...]] = (
        Place("actuator_forcerange", 1),
        Place("actuator_forcerange", 0, -1.0),
    )

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        chosen = actuators(model, self.names)
        require_limited(model, chosen)
        one_sided = model.actuator_forcerange[chosen].sum(axis=1) != 0
        if one_sided.any() and not self.factor:
            name = model.actuator(chosen[np.argmax(one_sided)]).name
            raise TaskError(f"actuator {name!r}: its forcerange is not symmetric; give factor=True")
        return chosen


@dataclass(frozen=True)
class MotorStrength:
    """Factor on the torque of the named motors, or of all; dimensionless. Of a servo, kp and kd both follow.

    The limit of the torque stays: the strength acts on what the motor is asked for, as in legged_gym.
    """

    names: str | tuple[str, ...] = ()
    valid = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        require_linear(model, actuators(model, self.names))
        return 1.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        weaken(sim, ids[:, None], actuators(sim.model, self.names), values[:, None, None])


def weaken(sim: SimFields, rows: np.ndarray, elements: np.ndarray, factor: np.ndarray) -> None:
    """Multiplies gain and bias of actuators `elements` of simulations `rows`, which broadcast to a shape s.

    `factor` broadcasts to the shape (*s, 1).
    """
    for name in ("actuator_gainprm", "actuator_biasprm"):
        sim.field(name)[rows, elements, :_COEFFICIENTS] *= factor


def actuators(model: mujoco.MjModel, names: str | tuple[str, ...]) -> np.ndarray:
    """Indices of actuators by their own names or those of the joints that they drive; all if none is named.

    Raises:
        TaskError: one is unknown, or there is none.
    """
    if not model.nu:
        raise TaskError("the model has no actuator")
    return np.array([_actuator(model, name) for name in as_names(names)] or range(model.nu))


def _actuator(model: mujoco.MjModel, name: str) -> int:
    kinds = mujoco.mjtObj.mjOBJ_ACTUATOR, mujoco.mjtObj.mjOBJ_JOINT
    own, joint = (mujoco.mj_name2id(model, kind, name) for kind in kinds)
    return actuator_of(model, name) if own < 0 <= joint else index_of(model, "actuator", name)


def require_limited(model: mujoco.MjModel, chosen: np.ndarray) -> None:
    """Raises TaskError if an actuator has no `forcerange`."""
    free = ~model.actuator_forcelimited[chosen].astype(bool)
    if free.any():
        name = model.actuator(chosen[np.argmax(free)]).name
        raise TaskError(f"actuator {name!r}: its torque has no limit; give it a forcerange in the model")


def require_linear(model: mujoco.MjModel, chosen: np.ndarray) -> None:
    """Raises TaskError if an actuator's force is not a gain times control plus a bias, such as a muscle's."""
    wrong = ~np.isin(model.actuator_gaintype[chosen], (_FIXED, _AFFINE))
    wrong |= ~np.isin(model.actuator_biastype[chosen], (_NO_BIAS, _AFFINE_BIAS))
    if wrong.any():
        name = model.actuator(chosen[np.argmax(wrong)]).name
        raise TaskError(f"actuator {name!r}: its force is not gain times control plus bias")


def is_servo(model: mujoco.MjModel, chosen: np.ndarray) -> np.ndarray:
    """Which of the actuators are position servos: gain kp, bias -kp position. Shape as `chosen`, bool."""
    gain, stiffness = model.actuator_gainprm[chosen, 0], -model.actuator_biasprm[chosen, 1]
    servo = (model.actuator_gaintype[chosen] == _FIXED) & (model.actuator_biastype[chosen] == _AFFINE_BIAS)
    return servo & (gain == stiffness) & (gain != 0)


def _servos(model: mujoco.MjModel, chosen: np.ndarray) -> np.ndarray:
    other = ~is_servo(model, chosen)
    if other.any():
        name = model.actuator(chosen[np.argmax(other)]).name
        raise TaskError(
            f"actuator {name!r}: no position servo, it has no kp and kd; valid: <position> actuators"
        )
    return chosen
