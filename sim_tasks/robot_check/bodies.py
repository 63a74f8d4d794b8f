"""Masses and inertias, the IMU's site, and where the tool is."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np

from robots.kinematics import ForwardKinematics
from sim_tasks.robot_check.findings import Case, Problem

TOOL_SITE = "tool"
"""Name of the site, if the model has one, at which the tool chain must end."""
_POSES = 50
_CLOSE = 1e-4
"""Largest difference in [m] between the tool chain and the model: rounded numbers, nothing more."""


def inertias(edit: mujoco.MjSpec) -> Iterator[Problem]:
    """Every mass that is given is positive, and every inertia belongs to some possible distribution of mass."""
    for body in edit.bodies:
        if not body.explicitinertial or (body.mass == 0 and not body.joints):
            continue
        if not body.mass > 0:
            yield Problem(f"body {body.name!r} has mass {body.mass:g} kg", "give it a mass above 0")
        matrix = _inertia(body)
        principal = np.sort(np.linalg.eigvalsh(matrix))
        if not principal[0] > 0:
            yield Problem(
                f"body {body.name!r} has principal inertias {_numbers(principal)} kg m^2; all must be above 0",
                "check the signs and the order of its inertia (MJCF fullinertia: xx yy zz xy xz yz)",
            )
        elif principal[2] > principal[0] + principal[1] + 1e-9 * principal[2]:
            yield Problem(
                f"body {body.name!r} has principal inertias {_numbers(principal)} kg m^2; the largest may not be "
                "more than the other two together",
                f"lower the largest to {principal[0] + principal[1]:.6g}, or raise the others",
            )


def imu(case: Case) -> Iterator[Problem]:
    """The IMU has a place in the model."""
    sites = [case.model.site(index).name for index in range(case.model.nsite)]
    if case.spec.imu and case.spec.imu.site not in sites:
        valid = (
            f"one of {', '.join(sites)}"
            if sites
            else "the model has no sites; for a URDF: the name of a link"
        )
        yield Problem(f"{case.spec.imu.site!r} is not a site of the model", f"imu.site: {valid}")


def tool(case: Case) -> Iterator[Problem]:
    """Forward kinematics end where MuJoCo has the site `tool`, in any pose."""
    sites = [case.model.site(index).name for index in range(case.model.nsite)]
    if case.spec.tool is None or TOOL_SITE not in sites:
        return
    kinematics = ForwardKinematics(case.spec.tool, case.spec.joint_names)
    low, high = case.spec.position_limits
    positions = np.random.default_rng(0).uniform(low, high, (_POSES, len(case.spec.joints)))
    data = mujoco.MjData(case.model)
    there = []
    for position in positions:
        for name, value in zip(case.spec.joint_names, position, strict=True):
            data.joint(name).qpos[0] = value
        mujoco.mj_kinematics(case.model, data)
        there.append(data.site(TOOL_SITE).xpos.copy())
    worst = float(np.linalg.norm(kinematics(positions) - np.array(there), axis=1).max())
    if worst > _CLOSE:
        yield Problem(
            f"robot.yaml's tool is up to {worst:.3g} m from the model's site {TOOL_SITE!r}",
            "tool.steps: translation, rpy and axis of each joint, from the joint before it, as in the model",
        )


def _inertia(body: mujoco.MjsBody) -> np.ndarray:
    """Inertia matrix of a body as its file has it, in [kg m^2]. Shape (3, 3)."""
    xx, yy, zz, xy, xz, yz = body.fullinertia
    if np.isnan(body.fullinertia).any():
        return np.diag(body.inertia)
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
