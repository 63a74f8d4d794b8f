"""What joints resist with: damping, dry friction, armature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mujoco
import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation.elements import Elements, Place, as_names, index_of

DOFS = {
    int(mujoco.mjtJoint.mjJNT_FREE): 6,
    int(mujoco.mjtJoint.mjJNT_BALL): 3,
    int(mujoco.mjtJoint.mjJNT_SLIDE): 1,
    int(mujoco.mjtJoint.mjJNT_HINGE): 1,
}


@dataclass(frozen=True)
class JointTerm(Elements):
    """A quantity of the named joints, or of all but free ones."""

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        return joint_dofs(model, self.names)


@dataclass(frozen=True)
class JointDamping(JointTerm):
    """Viscous friction in [N m s/rad] or [N s/m]."""

    places: ClassVar[tuple[Place, ...]] = (Place("dof_damping"),)


@dataclass(frozen=True)
class FrictionLoss(JointTerm):
    """Dry (Coulomb) friction in [N m] or [N]."""

    places: ClassVar[tuple[Place, ...]] = (Place("dof_frictionloss"),)


@dataclass(frozen=True)
class Armature(JointTerm):
    """Inertia of the rotor behind its gear, gear^2 times the rotor's own, in [kg m^2] or [kg]."""

    places: ClassVar[tuple[Place, ...]] = (Place("dof_armature"),)


@dataclass(frozen=True)
class JointField(Elements):
    """Any per-degree-of-freedom model field by its name, such as `dof_damping`."""

    field: str = "dof_damping"

    def written(self) -> tuple[Place, ...]:
        return (Place(self.field),)

    def elements(self, model: mujoco.MjModel) -> np.ndarray:
        return joint_dofs(model, self.names)


def joint_dofs(model: mujoco.MjModel, names: str | tuple[str, ...]) -> np.ndarray:
    """Degrees of freedom of the named joints; of all but free ones if none is named.

    Raises:
        TaskError: a joint is unknown, or there is none.
    """
    free = int(mujoco.mjtJoint.mjJNT_FREE)
    joints = [index_of(model, "joint", name) for name in as_names(names)]
    joints = joints or [joint for joint in range(model.njnt) if model.jnt_type[joint] != free]
    if not joints:
        raise TaskError("the model has no joint")
    first = model.jnt_dofadr
    return np.concatenate([first[j] + np.arange(DOFS[int(model.jnt_type[j])]) for j in joints])
