"""`JointFault`: one joint of several, another in every simulation, is weak or stiff."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.actuator import actuators, require_linear, weaken
from sim_tasks.randomisation.joint import joint_dofs
from sim_tasks.randomisation.parameter import SimFields

_HARD = 0.9999
"""Impedance of a faulty joint's friction, the highest that MuJoCo has: at the usual 0.9 a locked joint would creep."""


@dataclass(frozen=True)
class JointFault:
    """One faulty joint out of some. Its parts are targets; `which` comes before the other two.

    fault = JointFault(robot.joint_names)
    Parameter.choice("faulty_joint", "index", fault.which, tuple(range(-1, 12)))
    Parameter("strength_left", "1", fault.strength, 0.0, 0.7, ood="high")
    """

    joints: tuple[str, ...]

    @property
    def which(self) -> FaultyJoint:
        """Number of the joint in `joints`; -1: none is faulty."""
        return FaultyJoint(self.joints)

    @property
    def strength(self) -> FaultStrength:
        """How much of its motor's torque is left, 0 to 1."""
        return FaultStrength(self.joints)

    @property
    def friction(self) -> FaultFriction:
        """Dry friction in [N m] that it has besides; more than its motor gives: it is locked."""
        return FaultFriction(self.joints)


@dataclass(frozen=True)
class FaultyJoint:
    """See `JointFault.which`."""

    joints: tuple[str, ...]

    @property
    def valid(self) -> tuple[float, float]:
        return -1.0, len(self.joints) - 1.0

    def default(self, model: mujoco.MjModel) -> float:
        if not self.joints:
            raise TaskError("a joint fault needs the names of the joints that may be faulty")
        joint_dofs(model, self.joints)
        return -1.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.property("faulty_joint")[ids, 0] = np.round(values)


@dataclass(frozen=True)
class FaultStrength:
    """See `JointFault.strength`."""

    joints: tuple[str, ...]
    valid = (0.0, 1.0)

    def default(self, model: mujoco.MjModel) -> float:
        require_linear(model, actuators(model, self.joints))
        return 1.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        faulty, joint = _faulty(sim, ids)
        motors = actuators(sim.model, self.joints)[joint]
        weaken(sim, ids[faulty], motors, values[faulty, None])


@dataclass(frozen=True)
class FaultFriction:
    """See `JointFault.friction`."""

    joints: tuple[str, ...]
    valid = (0.0, np.inf)

    def default(self, model: mujoco.MjModel) -> float:
        joint_dofs(model, self.joints)
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        faulty, joint = _faulty(sim, ids)
        dofs = joint_dofs(sim.model, self.joints)[joint]
        sim.field("dof_frictionloss")[ids[faulty], dofs] += values[faulty]
        sim.field("dof_solimp")[ids[faulty], dofs, :2] = _HARD


def _faulty(sim: SimFields, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of `ids`, shape (n,), have a faulty joint, bool, and the number of it for those."""
    joint = sim.property("faulty_joint")[ids, 0]
    if np.isnan(joint).any():
        raise TaskError("a fault's strength or friction comes after the parameter of which joint is faulty")
    faulty = joint >= 0
    return faulty, joint[faulty].astype(int)
