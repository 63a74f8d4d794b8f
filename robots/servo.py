"""`ServoLimit`: position commands that a joint's servo follows within its torque. N robots, J joints."""

from __future__ import annotations

import numpy as np

from robots.frame import SensorFrame
from robots.spec import RobotSpec


class ServoLimit:
    """A servo gives kp (command - position) - kd velocity. What asks it for just a share of the effort limit is

        position + (kd velocity +- share effort) / kp.

    Joints whose gains nobody knows are not limited.
    """

    def __init__(self, spec: RobotSpec, share: float):
        gains = [joint.gains for joint in spec.joints]
        self._lead = np.array([0.0 if each is None else each.kd / each.kp for each in gains])
        """Per speed, in [s]. Shape (J,)."""
        stiffness = np.array([np.nan if each is None else each.kp for each in gains])
        reach = share * spec.effort_limit / stiffness
        self._reach = np.where(np.isnan(reach), np.inf, reach)
        """In [rad]. Shape (J,)."""

    @classmethod
    def of(cls, spec: RobotSpec) -> ServoLimit | None:
        """None where robot.yaml does not ask for it."""
        share = spec.safety.servo_effort
        return None if share is None else cls(spec, share)

    def __call__(self, command: np.ndarray, frame: SensorFrame) -> np.ndarray:
        """The nearest commands to those given, in [rad], shape (N, J), that ask for no more; NaN where a reading is."""
        with np.errstate(invalid="ignore", over="ignore"):
            centre = frame.position + self._lead * frame.velocity
            return command.clip(centre - self._reach, centre + self._reach)
