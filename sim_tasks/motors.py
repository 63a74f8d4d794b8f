"""`Motors`: how a plant's motors answer commands; what they do at rest, and at speed.

| motors | |
|---|---|
| ideal | `Motors()`: torque = kp (command - position) - kd velocity at once, or the commanded torque, up to its limit |
| with delay and lag | `Motors(delay=0.01, lag=0.005)` |
| DC motor | `Motors(no_load_speed=30.1)`: the torque's limit falls with speed |
| with friction | `Motors(friction=0.2, damping=0.01)` |

All go together; each is the default that parameters (`ActionDelay`, `MotorLag`, `NoLoadSpeed`, `FrictionLoss`,
`JointDamping`) start from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.actuator import is_servo


@dataclass(frozen=True)
class Motors:
    """An actuator model for all motors of a plant; None leaves what the robot's model has.

    Raises:
        TaskError: a number is negative or not finite, or the lag or the no-load speed is zero.
    """

    delay: float | None = None
    """Time from command to torque in [s]."""
    lag: float | None = None
    """Time constant of a first-order filter on the command in [s], solved exactly."""
    no_load_speed: float | tuple[float, ...] | None = None
    """Joint speed in [rad/s] at which no torque is left, of all joints or one by one in the robot's order."""
    friction: float | None = None
    """Dry friction of the driven joints in [N m]."""
    damping: float | None = None
    """Viscous friction of the driven joints in [N m s/rad]."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            numbers = np.atleast_1d(np.asarray(0.0 if value is None else value, float))
            positive = name in ("lag", "no_load_speed") and value is not None
            if not (
                np.isfinite(numbers).all()
                and (numbers >= 0).all()
                and not (positive and (numbers == 0).any())
            ):
                raise TaskError(f"motors: {name}: {value}; valid: {'above' if positive else 'from'} 0")

    def apply(self, edit: mujoco.MjSpec) -> None:
        """Gives the motors of an uncompiled model their delay, lag and friction.

        Raises:
            TaskError: a lag is asked for, and a motor has dynamics of its own.
        """
        for actuator in edit.actuators:
            if actuator.trntype == mujoco.mjtTrn.mjTRN_JOINT:
                self._apply(actuator, edit.joint(actuator.target))

    def speeds(self, joints: int) -> tuple[float, ...] | None:
        """No-load speed of each joint in [rad/s]; None: there is no such limit. Shape (J,).

        Raises:
            TaskError: there are not as many as joints.
        """
        if self.no_load_speed is None:
            return None
        speeds = np.atleast_1d(np.asarray(self.no_load_speed, float))
        if len(speeds) not in (1, joints):
            raise TaskError(
                f"motors: no_load_speed: {len(speeds)} speeds; valid: one, or one of each of {joints} joints"
            )
        return tuple(np.broadcast_to(speeds, joints).tolist())

    def _apply(self, actuator: mujoco.MjsActuator, joint: mujoco.MjsJoint) -> None:
        if self.delay is not None:
            actuator.delay = self.delay
        if self.friction is not None:
            joint.frictionloss = self.friction
        if self.damping is not None:
            joint.damping[0] = self.damping
        if self.lag is None:
            return
        if actuator.dyntype not in (mujoco.mjtDyn.mjDYN_NONE, mujoco.mjtDyn.mjDYN_FILTEREXACT):
            raise TaskError(f"motors: lag: actuator {actuator.name!r} has dynamics of its own")
        actuator.dyntype = mujoco.mjtDyn.mjDYN_FILTEREXACT
        actuator.dynprm[0] = self.lag
        actuator.actearly = True


IDEAL = Motors()
"""Motors as the robot's model has them, in our robots without delay or lag."""


class RestCommand:
    """What motors have been told before an episode begins: servos to hold their joint where it is, others nothing.

    Without it a delayed servo would be driven to 0 rad until the first command arrives.
    """

    def __init__(self, model: mujoco.MjModel, joints: Sequence[str], actuators: Sequence[int]):
        paired = len(joints) == len(actuators)
        driven = np.array(actuators if paired else (), dtype=int)
        servo = is_servo(model, driven)
        self._qpos = np.array([model.joint(name).qposadr[0] for name in joints] if paired else (), dtype=int)[
            servo
        ]
        driven = driven[servo]
        self._gear = model.actuator_gear[driven, 0]
        self._act = [
            (i, int(model.actuator_actadr[a])) for i, a in enumerate(driven) if model.actuator_actnum[a] == 1
        ]
        self._history = [
            (i, _samples(model, int(a))) for i, a in enumerate(driven) if model.actuator_history[a, 0] > 0
        ]
        self.needed = bool(self._act or self._history)

    def write(self, state: Mapping[str, np.ndarray], ids: np.ndarray) -> None:
        """Puts it into activations and command buffers of simulations `ids`, shape (n,); their `qpos` counts."""
        held = state["qpos"][ids][:, self._qpos] * self._gear
        for i, address in self._act:
            state["act"][ids, address] = held[:, i]
        for i, samples in self._history:
            state["history"][ids[:, None], samples] = held[:, i, None]


def _samples(model: mujoco.MjModel, actuator: int) -> np.ndarray:
    """Where an actuator's buffer has its commands: after two numbers of book-keeping and the samples' times."""
    count = int(model.actuator_history[actuator, 0])
    return np.arange(count) + int(model.actuator_historyadr[actuator]) + 2 + count
