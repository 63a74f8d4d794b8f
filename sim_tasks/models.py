"""`load_model`: a robot's MuJoCo model, from MJCF, URDF or the MuJoCo Menagerie, with every joint driven."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import mujoco

from robots.spec import MENAGERIE, Joint, RobotSpec
from sim_tasks.errors import TaskError

INSTALL = "pip install mujoco-menagerie"
_LINEAR = 1
"""`interp` of MuJoCo's actuators: between the samples of a delayed command on a straight line."""


def load_model(
    spec: RobotSpec, max_delay: float = 0.0, change: Callable[[mujoco.MjSpec], None] | None = None
) -> mujoco.MjModel:
    """Compiles the robot's model. Actuators that it lacks are added; those that it has stay as they are.

    Args:
        spec: the robot.
        max_delay: for how long commands can be delayed, in [s]: every actuator gets a buffer of that length, whose
            `actuator_delay` may be set per simulation. 0: buffers are as the model has them. The integrator RK4 reads
            commands within its steps, too: there a delay acts half a time step earlier than it says.

    Raises:
        TaskError: the model cannot be had or compiled, or a joint has neither an actuator nor gains.
    """
    edit = edit_model(spec)
    for joint in spec.joints:
        if joint.name not in driven_joints(edit):
            _add_actuator(edit, spec, joint)
    if max_delay > 0:
        _add_delay(edit, max_delay)
    if change is not None:
        change(edit)
    return _compiled(edit, spec)


def edit_model(spec: RobotSpec) -> mujoco.MjSpec:
    """The robot's model as its file has it, uncompiled, with a site for the IMU where a URDF names a link.

    Raises:
        TaskError: the file cannot be had or read.
    """
    path = model_path(spec)
    try:
        edit = mujoco.MjSpec.from_file(str(path))
    except (ValueError, OSError) as error:
        raise TaskError(f"{spec.name}: {path}: MuJoCo cannot read it: {_one_line(error)}") from error
    if spec.imu and edit.site(spec.imu.site) is None and (body := edit.body(spec.imu.site)) is not None:
        body.add_site(name=spec.imu.site)
    return edit


def model_path(spec: RobotSpec) -> Path:
    """The model's file; one from the Menagerie is downloaded into its package's cache at the first use.

    Raises:
        TaskError: it is not there; says which folder was searched and what to install.
    """
    if isinstance(spec.model, str) and spec.model.startswith(MENAGERIE):
        return _menagerie_path(spec.model)
    path = Path(spec.model)
    if not path.is_file():
        raise TaskError(f"{spec.name}: model: no such file: {path}")
    return path


def driven_joints(edit: mujoco.MjSpec) -> list[str]:
    """Names of the joints that have an actuator."""
    return [actuator.target for actuator in edit.actuators if actuator.trntype == mujoco.mjtTrn.mjTRN_JOINT]


def actuator_of(model: mujoco.MjModel, joint: str) -> int:
    """Index of the actuator that drives a joint.

    Raises:
        TaskError: there is none.
    """
    number = model.joint(joint).id
    for actuator in range(model.nu):
        kind = model.actuator_trntype[actuator]
        if kind == mujoco.mjtTrn.mjTRN_JOINT and model.actuator_trnid[actuator, 0] == number:
            return actuator
    raise TaskError(f"joint {joint!r} has no actuator in the model")


def _add_actuator(edit: mujoco.MjSpec, spec: RobotSpec, joint: Joint) -> None:
    if edit.joint(joint.name) is None:
        names = ", ".join(item.name for item in edit.joints)
        raise TaskError(f"{spec.name}: {joint.name!r} is not a joint of {spec.model}; valid: {names}")
    actuator = edit.add_actuator(name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    limits = (-joint.effort, joint.effort)
    actuator.forcelimited, actuator.forcerange = True, limits
    actuator.ctrllimited = True
    if spec.interface == "effort":
        actuator.set_to_motor()
        actuator.ctrlrange = limits
    elif spec.interface == "position" and joint.gains:
        actuator.set_to_position(kp=joint.gains.kp, kv=joint.gains.kd)
        actuator.ctrlrange = joint.position
    else:
        needed = (
            "kp and kd in robot.yaml"
            if spec.interface == "position"
            else "a <velocity> actuator in the model"
        )
        raise TaskError(f"{spec.name}: joint {joint.name!r} has no actuator; add {needed}")


def _add_delay(edit: mujoco.MjSpec, max_delay: float) -> None:
    """A delay of n steps reads the command of n steps ago: n + 1 samples."""
    samples = math.ceil(max_delay / edit.option.timestep - 1e-9) + 1
    for actuator in edit.actuators:
        if actuator.nsample < samples:
            actuator.nsample = samples
            actuator.interp = _LINEAR


def _compiled(edit: mujoco.MjSpec, spec: RobotSpec) -> mujoco.MjModel:
    try:
        return edit.compile()
    except ValueError as error:
        raise TaskError(f"{spec.name}: {spec.model}: MuJoCo cannot compile it: {_one_line(error)}") from error


def _menagerie_path(reference: str) -> Path:
    name, _, file = reference.removeprefix(MENAGERIE).partition("/")
    try:
        import mujoco_menagerie
    except ImportError as error:
        cache = os.environ.get("MENAGERIE_CACHE_DIR", "~/.cache/mujoco_menagerie")
        raise TaskError(f"{reference}: needs the package that downloads into {cache}: {INSTALL}") from error
    cache = mujoco_menagerie.Cache()
    try:
        folder = mujoco_menagerie.get(name).path(cache=cache)
    except (mujoco_menagerie.MenagerieError, OSError) as error:
        place = cache.root or cache.dir
        raise TaskError(
            f"{reference}: not in {place} and cannot be downloaded ({_one_line(error)}); with a network: "
            f"{INSTALL} && mujoco-menagerie prefetch {name}"
        ) from error
    if not (folder / file).is_file():
        valid = ", ".join(sorted(path.name for path in folder.glob("*.xml")))
        raise TaskError(f"{reference}: no file {file!r} in {folder}; valid: {valid}")
    return folder / file


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
