"""Checks a robot description and its model, without training anything, and says what to mend.

findings: what a check found      limits: joints, ranges, timing        drives: actuators, gains, efforts
bodies: masses, IMU, tool         motion: does it hold, does it come to rest
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from robots import RobotError, RobotSpec, load_robot
from sim_tasks.errors import TaskError
from sim_tasks.models import edit_model, load_model
from sim_tasks.robot_check import bodies, drives, limits, motion
from sim_tasks.robot_check.findings import Case, Finding, Problem, findings_table

__all__ = ["Finding", "check_robot", "findings_table"]

Check = Callable[[Case], Iterable[Problem]]
_STATIC: dict[str, tuple[str, Check]] = {
    "joints": ("all joints are in the model, in its order", limits.joints),
    "position limits": ("within the model's ranges", limits.positions),
    "speeds": ("velocity and command rate are plausible", limits.speeds),
    "actions": ("within the command limits", limits.actions),
    "timing": ("the control period is a whole number of time steps", limits.timing),
    "actuators": ("one per joint, of the interface's kind", drives.kinds),
    "gains": ("kp and kd are those of the model's actuators", drives.gains),
    "efforts": ("within what the model's actuators give", drives.efforts),
    "imu": ("its site is in the model", bodies.imu),
    "tool": ("the chain ends at the model's site `tool`, if it has one", bodies.tool),
}


def check_robot(path: str | Path) -> list[Finding]:
    """Runs every check on a `robot.yaml` (or its folder, or a registered name) and its MJCF or URDF.

    A robot whose files cannot be read gives one finding that says so; the checks that need a compiled model are
    then left out.
    """
    try:
        spec = load_robot(path)
    except RobotError as error:
        return [Finding("description", False, str(error), "mend robot.yaml as the message says")]
    found = [
        Finding("description", True, f"{spec.name}: {len(spec.joints)} joint(s), {spec.interface} commands")
    ]
    try:
        edit = edit_model(spec)
    except TaskError as error:
        return [
            *found,
            Finding("model", False, str(error), "mend the model file, or where robot.yaml looks for it"),
        ]
    found += _run("inertias", "every moving body has a possible mass and inertia", bodies.inertias(edit))
    found += _run("drives", "every joint has an actuator, or gains to make one", drives.missing(spec, edit))
    if not all(finding.ok for finding in found):
        return found
    return found + _compiled(spec)


def _compiled(spec: RobotSpec) -> list[Finding]:
    try:
        case = Case(spec, load_model(spec))
    except TaskError as error:
        return [Finding("model", False, str(error), "mend the model file as the message says")]
    found = []
    optional = {"imu": spec.imu, "tool": spec.tool}
    for name, (summary, check) in _STATIC.items():
        if optional.get(name, True):
            found += _run(name, summary, check(case))
    if not all(finding.ok for finding in found):
        return [*found, Finding("motion", False, "not tried", "mend the above, then check again")]
    name, summary, check = motion.test_of(spec)
    return found + _run(name, summary, check(case))


def _run(name: str, summary: str, problems: Iterable[Problem]) -> list[Finding]:
    found = [Finding(name, False, problem.text, problem.mend) for problem in problems]
    return found or [Finding(name, True, summary)]
