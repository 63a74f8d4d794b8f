"""Actuators: one per joint, of the right kind, as strong and as stiff as robot.yaml says."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco

from robots import RobotSpec
from sim_tasks.models import actuator_of, driven_joints
from sim_tasks.robot_check.findings import Case, Problem

_TAGS = {"position": "position", "velocity": "velocity", "effort": "motor"}
_SAME = 1e-6


def missing(spec: RobotSpec, edit: mujoco.MjSpec) -> Iterator[Problem]:
    """A joint is driven by the model's actuator, or by one that is made from the robot's gains."""
    driven = driven_joints(edit)
    for index, joint in enumerate(spec.joints):
        made = spec.interface == "effort" or (spec.interface == "position" and joint.gains)
        if edit.joint(joint.name) is None:
            names = ", ".join(item.name for item in edit.joints)
            yield Problem(
                f"{joint.name!r} is not a joint of the model", f"joints[{index}].name: one of {names}"
            )
        elif joint.name not in driven and not made:
            tag = f'<{_TAGS[spec.interface]} name="{joint.name}" joint="{joint.name}" .../>'
            gains = f", or kp and kd to joints[{index}]" if spec.interface == "position" else ""
            yield Problem(f"{joint.name!r} has no actuator", f"add {tag} to the model{gains}")
        elif driven.count(joint.name) > 1:
            yield Problem(f"{joint.name!r} has {driven.count(joint.name)} actuators", "leave one of them")


def kinds(case: Case) -> Iterator[Problem]:
    """The actuator takes what the interface sends."""
    for joint in case.spec.joints:
        kind = _kind(case.model, actuator_of(case.model, joint.name))
        if kind != case.spec.interface:
            tag = _TAGS[case.spec.interface]
            yield Problem(
                f"control.interface is {case.spec.interface}, the actuator of {joint.name!r} takes {kind}",
                f'the model: <{tag} joint="{joint.name}" .../>'
                + (f", or control.interface: {kind}" if kind in _TAGS else ""),
            )


def gains(case: Case) -> Iterator[Problem]:
    """Where robot.yaml names gains, they are the model's."""
    for index, joint in enumerate(case.spec.joints):
        actuator = actuator_of(case.model, joint.name)
        kp, kd = servo_gains(case.model, actuator)
        if joint.gains and (abs(joint.gains.kp - kp) > _SAME or abs(joint.gains.kd - kd) > _SAME):
            yield Problem(
                f"kp {joint.gains.kp:g}, kd {joint.gains.kd:g} in robot.yaml; {kp:g}, {kd:g} in the model",
                f"{case.key(index, 'kp')}: {kp:g} and kd: {kd:g}, or in the model's actuator "
                f'kp="{joint.gains.kp:g}" kv="{joint.gains.kd:g}"',
            )


def efforts(case: Case) -> Iterator[Problem]:
    """No joint is promised more torque than the model's actuator can give, nor more given than promised."""
    for index, joint in enumerate(case.spec.joints):
        strongest = _strongest(case.model, joint.name, case.spec.interface)
        if strongest is None and case.spec.interface != "effort":
            yield Problem(
                f"the actuator of {joint.name!r} has no torque limit; robot.yaml says {joint.effort:g} N m",
                f'the model\'s actuator: forcerange="-{joint.effort:g} {joint.effort:g}"',
            )
        elif strongest is not None and joint.effort > strongest + _SAME:
            yield Problem(
                f"{joint.effort:g} N m is more than the {strongest:g} N m of the model's actuator",
                f"{case.key(index, 'effort')}: {strongest:g}, or a wider forcerange or ctrlrange in the model",
            )


def servo_gains(model: mujoco.MjModel, actuator: int) -> tuple[float, float]:
    """kp in [N m/rad] and kd in [N m s/rad] of a servo; 0 for what an actuator has not."""
    return -float(model.actuator_biasprm[actuator, 1]), -float(model.actuator_biasprm[actuator, 2])


def _kind(model: mujoco.MjModel, actuator: int) -> str:
    gain = float(model.actuator_gainprm[actuator, 0])
    kp, kd = servo_gains(model, actuator)
    fixed = model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
    plain = fixed and model.actuator_dyntype[actuator] == mujoco.mjtDyn.mjDYN_NONE
    if not plain or model.actuator_gear[actuator, 0] != 1.0:
        return "something else (its gear is not 1, or it has dynamics of its own)"
    if model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE:
        return "effort" if gain == 1.0 else "something else (its gain is not 1)"
    if kp > 0 and abs(gain - kp) < _SAME * max(1.0, kp):
        return "position"
    return "velocity" if kp == 0 and abs(gain - kd) < _SAME * max(1.0, kd) else "something else"


def _strongest(model: mujoco.MjModel, joint: str, interface: str) -> float | None:
    """Largest torque in [N m] that may act on a joint both ways; None without a limit."""
    actuator, place = actuator_of(model, joint), model.joint(joint).id
    limits = []
    if model.actuator_forcelimited[actuator]:
        limits.append(model.actuator_forcerange[actuator])
    if interface == "effort" and model.actuator_ctrllimited[actuator]:
        limits.append(model.actuator_ctrlrange[actuator])
    if model.jnt_actfrclimited[place]:
        limits.append(model.jnt_actfrcrange[place])
    return min((min(-float(low), float(high)) for low, high in limits), default=None)
