"""Two seconds of simulation: position servos hold the pose at rest, and safe-mode damping takes energy away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mujoco
import numpy as np

from robots import RobotSpec
from sim_tasks.models import actuator_of
from sim_tasks.robot_check.drives import servo_gains
from sim_tasks.robot_check.findings import Case, Problem

SECONDS = 2.0
"""Length of the test in [s]."""
NUDGE = 0.05
"""By how much each joint starts beside its pose, in [rad]: a servo that rings shows it."""
TOLERANCE = 0.1
"""Largest distance in [rad] from the pose at rest that a joint may settle at."""
STANDING_TOLERANCE = 0.25
"""The same for a robot that stands on its servos, which give under its weight."""
STILL = 0.1
"""Highest joint speed in [rad/s] in the last half second."""
TILT = 0.5
"""Largest angle in [rad] that a standing robot may lean at."""
_DIVERGED = 1e3
_STABLE = 1.0
"""Damping x period / inertia up to which damping held for a period only brakes; from 2 on it drives."""


def test_of(spec: RobotSpec) -> tuple[str, str, Callable[[Case], Iterator[Problem]]]:
    """Name, what it means to pass, and the test that suits the robot's interface."""
    if spec.interface == "effort":
        return "damping test", f"safe-mode damping takes energy away over {SECONDS:g} s", damps
    return "hold test", f"at rest at the default pose after {SECONDS:g} s", holds


def holds(case: Case) -> Iterator[Problem]:
    """The servos bring the robot to its pose at rest and keep it there."""
    data = at_rest(case.model, case.spec)
    standing = _floating(case.model)
    places = np.array([case.model.joint(name).qposadr[0] for name in case.spec.joint_names])
    target = case.spec.default_position if case.spec.interface == "position" else np.zeros(len(places))
    if not standing:
        low, high = case.spec.position_limits
        inwards = np.where(case.spec.default_position > (low + high) / 2, -1.0, 1.0)
        data.qpos[places] += NUDGE * inwards
    velocities = _run(case, data, lambda _: target)
    if velocities is None:
        yield from _unstable(case)
        return
    yield from _moving(case, velocities)
    if case.spec.interface == "position":
        tolerance = STANDING_TOLERANCE if standing else TOLERANCE
        yield from _off(case, data.qpos[places] - target, tolerance)
    if standing:
        yield from _fallen(case, data)


def damps(case: Case) -> Iterator[Problem]:
    """Torque against the joints' speed, held for a control period at a time, never adds energy."""
    damping, limit = np.array(case.spec.safety.damping), case.spec.command_limits
    data = at_rest(case.model, case.spec)
    yield from _overdamped(case, data, damping)
    speeds = np.array([case.model.joint(name).dofadr[0] for name in case.spec.joint_names])
    data.qvel[speeds] = 0.25 * case.spec.velocity_limit
    before = _energy(case.model, data)
    velocities = _run(case, data, lambda now: np.clip(-damping * now.qvel[speeds], limit[0], limit[1]))
    if velocities is None:
        yield from _unstable(case)
    elif (gained := _energy(case.model, data) - before) > 0:
        yield Problem(f"in safe mode the robot gained {gained:.3g} J", "safety.damping: smaller numbers")


def at_rest(model: mujoco.MjModel, spec: RobotSpec) -> mujoco.MjData:
    """The keyframe `home`, or else the default pose, a floating base with its lowest point on the ground at z = 0."""
    data = mujoco.MjData(model)
    at_home = "home" in [model.key(index).name for index in range(model.nkey)]
    if at_home:
        mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    for joint in spec.joints:
        data.joint(joint.name).qpos[0] = joint.default_position
    mujoco.mj_forward(model, data)
    if _floating(model) and not at_home:
        free = int(np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)[0])
        data.qpos[model.jnt_qposadr[free] + 2] -= _lowest(model, data)
        mujoco.mj_forward(model, data)
    return data


def _run(
    case: Case, data: mujoco.MjData, command: Callable[[mujoco.MjData], np.ndarray]
) -> np.ndarray | None:
    """Joint velocities in [rad/s] after each control period, shape (T, J); None if the simulation diverges."""
    controls = [actuator_of(case.model, name) for name in case.spec.joint_names]
    speeds = np.array([case.model.joint(name).dofadr[0] for name in case.spec.joint_names])
    substeps = round(case.spec.period / case.model.opt.timestep)
    velocities = []
    for _ in range(round(SECONDS / case.spec.period)):
        data.ctrl[controls] = command(data)
        for _ in range(substeps):
            mujoco.mj_step(case.model, data)
            if not (np.abs(data.qvel) < _DIVERGED).all():
                return None
        velocities.append(data.qvel[speeds].copy())
    return np.array(velocities)


def _unstable(case: Case) -> Iterator[Problem]:
    yield Problem(
        f"the simulation diverged at a time step of {case.model.opt.timestep:g} s",
        "the model: a smaller timestep, integrator implicitfast, lower gains, or armature for light joints",
    )


def _moving(case: Case, velocities: np.ndarray) -> Iterator[Problem]:
    """The joint that moves most in the last half second, if it moves at all."""
    speed = np.abs(velocities[-round(0.5 / case.spec.period) :]).max(axis=0)
    worst = int(speed.argmax())
    if speed[worst] <= STILL:
        return
    kp, kd = servo_gains(case.model, actuator_of(case.model, case.spec.joint_names[worst]))
    inertia = _inertia(case, at_rest(case.model, case.spec), alone=False)[worst]
    yield Problem(
        f"{case.spec.joint_names[worst]!r} still moves at {speed[worst]:.3g} rad/s after {SECONDS:g} s",
        f"{case.key(worst, 'kd')} and the model's kv: about {2 * np.sqrt(max(kp, 0.0) * inertia):.3g} instead of "
        f"{kd:g}, which is 2 sqrt(kp x inertia of {inertia:.3g} kg m^2)",
    )


def _off(case: Case, error: np.ndarray, tolerance: float) -> Iterator[Problem]:
    """The joint that settles farthest from its pose, if that is too far."""
    worst = int(np.abs(error).argmax())
    if abs(error[worst]) <= tolerance:
        return
    kp, _ = servo_gains(case.model, actuator_of(case.model, case.spec.joint_names[worst]))
    yield Problem(
        f"{case.spec.joint_names[worst]!r} settles {error[worst]:+.3g} rad from its pose; allowed {tolerance:g}",
        f"{case.key(worst, 'kp')} and the model's kp: at least {kp * abs(error[worst]) / tolerance:.3g} instead of "
        f"{kp:g}, or a default_position that the joint can carry",
    )


def _fallen(case: Case, data: mujoco.MjData) -> Iterator[Problem]:
    free = int(np.flatnonzero(case.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)[0])
    upright = data.xmat[case.model.jnt_bodyid[free]].reshape(3, 3)[2, 2]
    if upright < np.cos(TILT):
        yield Problem(
            f"the robot leans by {np.arccos(np.clip(upright, -1, 1)):.2g} rad after {SECONDS:g} s",
            "default_position: a pose that stands, and a keyframe `home` in the model that starts on the ground",
        )


def _overdamped(case: Case, data: mujoco.MjData, damping: np.ndarray) -> Iterator[Problem]:
    for index, inertia in enumerate(_inertia(case, data, alone=True)):
        if damping[index] * case.spec.period / inertia > _STABLE and not case.spec.joints[index].passive:
            yield Problem(
                f"safety.damping of {case.spec.joint_names[index]!r}, {damping[index]:g}, turns a speed round within "
                f"a period of {case.spec.period:g} s",
                f"safety.damping[{index}]: at most {_STABLE * inertia / case.spec.period:.3g}, inertia / period",
            )


def _inertia(case: Case, data: mujoco.MjData, alone: bool) -> np.ndarray:
    """What each joint has to move in [kg m^2], the others free to follow (`alone`) or held. Shape (J,)."""
    size = case.model.nv
    inverse = np.zeros((size, size))
    mujoco.mj_solveM(case.model, data, inverse, np.eye(size))
    speeds = [case.model.joint(name).dofadr[0] for name in case.spec.joint_names]
    if alone:
        return 1.0 / np.diag(inverse)[speeds]
    return np.diag(np.linalg.inv(inverse))[speeds]


def _energy(model: mujoco.MjModel, data: mujoco.MjData) -> float:
    """Potential and kinetic energy in [J]."""
    mujoco.mj_forward(model, data)
    mujoco.mj_energyPos(model, data)
    mujoco.mj_energyVel(model, data)
    return float(data.energy.sum())


def _floating(model: mujoco.MjModel) -> bool:
    return bool((model.jnt_type == mujoco.mjtJoint.mjJNT_FREE).any())


def _lowest(model: mujoco.MjModel, data: mujoco.MjData) -> float:
    """Height in [m] of the lowest point of the moving bodies' collision geoms, by their boxes."""
    bottoms = []
    for geom in range(model.ngeom):
        collides = model.geom_contype[geom] or model.geom_conaffinity[geom]
        if model.body_weldid[model.geom_bodyid[geom]] != 0 and collides:
            upwards = data.geom_xmat[geom].reshape(3, 3)[2]
            centre, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
            bottoms.append(data.geom_xpos[geom, 2] + upwards @ centre - np.abs(upwards) @ half)
    return float(min(bottoms, default=0.0))
