"""What of a robot's model is its base and its tool, whether it floats and touches something, and how a joint jams."""

from __future__ import annotations

import mujoco
import numpy as np

from robots import RobotSpec
from sim_tasks.batch_sim import BatchSim

_FREE = int(mujoco.mjtJoint.mjJNT_FREE)


def floats(model: mujoco.MjModel) -> bool:
    """Whether the robot's base moves freely."""
    return bool((model.jnt_type == _FREE).any())


def touches(model: mujoco.MjModel) -> bool:
    """Whether anything can touch anything."""
    contacts = not model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    return contacts and bool((model.geom_contype | model.geom_conaffinity).any() or model.npair)


def carrier(model: mujoco.MjModel, spec: RobotSpec) -> int:
    """The body that carries loads and is pushed: the floating base, or what is fixed to the last joint's link."""
    free = np.flatnonzero(model.jnt_type == _FREE)
    if len(free):
        return int(model.jnt_bodyid[free[0]])
    body = int(model.jnt_bodyid[model.joint(spec.joint_names[-1]).id])
    while True:
        fixed = np.flatnonzero(
            (model.body_parentid == body) & (model.body_jntnum == 0) & (model.body_mass > 0)
        )
        if not len(fixed):
            return body
        body = int(fixed[-1])


def jam(sim: BatchSim, dofs: np.ndarray) -> np.ndarray:
    """What the velocities `qvel` of simulation 0 change by when degrees of freedom stop at once, shape (1, nv).

    The impulse p acts on both sides of a joint alike, so that momentum stays: M dv = S^T p with S (v + dv) = 0, where S
    picks the degrees of freedom.
    """
    model, data = sim.get_model(0), sim.get_data(0)
    mujoco.mj_forward(model, data)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    spread = np.linalg.solve(mass, np.eye(model.nv)[:, dofs])
    return -(spread @ np.linalg.solve(spread[dofs], sim.qvel[0, dofs]))[None]
