"""Joints, their ranges and speeds, what actions mean, and timing."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco

from sim_tasks.robot_check.findings import Case, Problem

FAST = 100.0
"""Speed limit in [rad/s] beyond which degrees are suspected: the fastest legged robots' joints reach about 40."""
SLOW_COMMAND = 10.0
"""Time in [s] for a command to cross its range, beyond which a rate limit is suspected to be a mistake."""
_ROUNDING = 1e-4
"""Limits in [rad] that differ by less are the same, rounded."""


def joints(case: Case) -> Iterator[Problem]:
    """Every joint turns, and they stand in the model's order."""
    places = []
    for name in case.spec.joint_names:
        joint = case.model.joint(name)
        places.append(int(joint.qposadr[0]))
        if joint.type[0] != mujoco.mjtJoint.mjJNT_HINGE:
            yield Problem(
                f"{name!r} does not turn", 'only joints of type "hinge" (URDF: revolute) can be driven'
            )
    if places != sorted(places):
        order = ", ".join(name for _, name in sorted(zip(places, case.spec.joint_names, strict=True)))
        yield Problem(
            "the joints stand in another order than in the model", f"robot.yaml: joints: list {order}"
        )


def positions(case: Case) -> Iterator[Problem]:
    """No joint may be asked to go where the model's joint cannot."""
    for index, joint in enumerate(case.spec.joints):
        place = case.model.joint(joint.name)
        if not case.model.jnt_limited[place.id]:
            continue
        low, high = place.range
        if joint.position[0] < low - _ROUNDING or joint.position[1] > high + _ROUNDING:
            inside = [max(low, joint.position[0]), min(high, joint.position[1])]
            yield Problem(
                f"{list(joint.position)} rad is not inside the model's [{low:g}, {high:g}]",
                f"{case.key(index, 'position')}: [{inside[0]:g}, {inside[1]:g}], or a wider range in the model",
            )


def speeds(case: Case) -> Iterator[Problem]:
    """Speed limits look like rad/s, and commands are not throttled to a crawl."""
    low, high = case.spec.action_range
    for index, joint in enumerate(case.spec.joints):
        if joint.velocity > FAST:
            yield Problem(
                f"{joint.velocity:g} rad/s is faster than any joint; degrees?",
                f"{case.key(index, 'velocity')}: {joint.velocity * 3.14159265 / 180:.4g} if it was in degrees",
            )
        crossing = (high[index] - low[index]) / joint.command_rate
        if crossing > SLOW_COMMAND:
            yield Problem(
                f"a command needs {crossing:.3g} s from one end of its range to the other",
                f"{case.key(index, 'command_rate')}: at least {(high[index] - low[index]) / SLOW_COMMAND:.3g}",
            )


def actions(case: Case) -> Iterator[Problem]:
    """No action asks for a command that the safety filter would cut."""
    limits = case.spec.command_limits
    for index, joint in enumerate(case.spec.joints):
        low, high = case.spec.action_range[:, index]
        if joint.passive or (low >= limits[0, index] - _ROUNDING and high <= limits[1, index] + _ROUNDING):
            continue
        inside = [max(low, limits[0, index]), min(high, limits[1, index])]
        yield Problem(
            f"actions reach [{low:g}, {high:g}], commands end at [{limits[0, index]:g}, {limits[1, index]:g}]",
            f"{case.key(index, 'action')}: [{inside[0]:g}, {inside[1]:g}]",
        )


def timing(case: Case) -> Iterator[Problem]:
    """The control period is a multiple of the time step, and one late message does not stop the robot."""
    period, step = case.spec.period, case.model.opt.timestep
    steps = round(period / step)
    if steps < 1 or abs(period / step - steps) > 1e-9:
        better = period / max(1, steps)
        yield Problem(
            f"control.period {period:g} s is {period / step:.6g} time steps of {step:g} s",
            f'the model: <option timestep="{better:.6g}"/>, or control.period: {max(1, steps) * step:.6g}',
        )
    if case.spec.safety.stale_after < 2 * period:
        yield Problem(
            f"safety.stale_after {case.spec.safety.stale_after:g} s stops the robot at one late reading",
            f"safety.stale_after: at least {2 * period:g}, two control periods",
        )
