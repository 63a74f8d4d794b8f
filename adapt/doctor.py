"""`adapt doctor`: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

PYTHON = (3, 10)


@dataclass(frozen=True)
class Part:
    """Something that the stack stands on."""

    name: str
    purpose: str
    check: Callable[[], str]
    """Returns what was found; raises an exception that says what is wrong."""
    mend: str
    needed: bool = True
    """Whether a robot's computer needs it too."""


def _package(module: str, distribution: str) -> Callable[[], str]:
    def check() -> str:
        importlib.import_module(module)
        return importlib.metadata.version(distribution)

    return check


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON:
        raise RuntimeError(f"{version}; at least {'.'.join(map(str, PYTHON))} is needed")
    return version


def _ros() -> str:
    rclpy = importlib.import_module("rclpy")
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node("doctor", context=context, start_parameter_services=False)
        node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)
    middleware = importlib.import_module("rclpy.utilities").get_rmw_implementation_identifier()
    return f"rclpy {_rclpy_origin(rclpy)} on {middleware}"


def _rclpy_origin(rclpy: ModuleType) -> str:
    """Whose it is: a wheel's, or that of a ROS 2 installation that was sourced, which goes before it.

    Raises:
        RuntimeError: both are there: the messages and libraries of one would be loaded beside those of the other.
    """
    path = Path(rclpy.__file__ or "")
    try:
        wheel = importlib.metadata.distribution("ros-rclpy")
    except importlib.metadata.PackageNotFoundError:
        wheel = None
    if wheel is not None and path == Path(str(wheel.locate_file("rclpy/__init__.py"))):
        return f"{wheel.version} (wheel)"
    system = f"of ROS 2 {os.environ.get('ROS_DISTRO', 'of unknown distribution')} in {path.parent}"
    if wheel is not None:
        raise RuntimeError(f"rclpy {system}, and that of the wheel ros-rclpy {wheel.version} behind it")
    return system


def _shared_memory() -> str:
    with tempfile.TemporaryFile(dir="/dev/shm"):
        free = os.statvfs("/dev/shm")
    return f"{free.f_bavail * free.f_frsize / 2**20:.0f} MiB free"


def _browser() -> str:
    from adapt.report.screenshot import BROWSERS, find_browser

    found = find_browser()
    if found is None:
        raise RuntimeError(f"none of {', '.join(BROWSERS)} on PATH")
    return found


def _simulation() -> str:
    from sim_tasks.families import family_names, load_family

    return ", ".join(f"{name} ({load_family(name).model.nv} joints)" for name in family_names())


def _robots() -> str:
    from robots import load_robot, robot_names

    return ", ".join(load_robot(name).name for name in robot_names())


_ROBOT, _SYSTEM, _TRAIN, _DEV = (
    f"pip install -e '.[{extra}]' -c constraints.txt" for extra in ("robot", "robot-system", "train", "dev")
)


def _ros_mend() -> str:
    """Wheels where there are any, but never beside a ROS 2 installation that was sourced."""
    if sourced := os.environ.get("ROS_DISTRO"):
        return f"an environment made anew, with the python3 of ROS 2 {sourced} and without wheels: {_SYSTEM}"
    return _ROBOT if platform.machine() == "x86_64" else "source /opt/ros/<distribution>/setup.bash"


PARTS = (
    Part("python", "everything", _python, "make PYTHON=/path/to/python3.11 install"),
    Part("robots", "the robots' descriptions", _robots, "git checkout -- robots"),
    Part("onnxruntime", "running a bundle", _package("onnxruntime", "onnxruntime"), _SYSTEM),
    Part("ROS 2", "talking to a robot", _ros, _ros_mend()),
    Part("/dev/shm", "DDS between processes", _shared_memory, "mount -t tmpfs tmpfs /dev/shm"),
    Part("torch", "training, gradient steps", _package("torch", "torch"), _TRAIN, needed=False),
    Part("onnxscript", "exporting a bundle", _package("onnxscript", "onnxscript"), _TRAIN, needed=False),
    Part("mujoco", "simulation", _package("mujoco.batch", "mujoco"), _TRAIN, needed=False),
    Part("dm_control", "rewards", _package("dm_control", "dm_control"), _TRAIN, needed=False),
    Part("families", "the task families", _simulation, _TRAIN, needed=False),
    Part("plotly", "the report", _package("plotly", "plotly"), _TRAIN, needed=False),
    Part("tensorboard", "training curves", _package("tensorboard", "tensorboard"), _TRAIN, needed=False),
    Part("pytest", "the tests", _package("pytest", "pytest"), _DEV, needed=False),
    Part("chromium", "pictures of the report", _browser, "apt-get install chromium", needed=False),
)


def diagnose(parts: tuple[Part, ...] = PARTS) -> list[dict[str, Any]]:
    """Checks every part; a check that fails in whatever way is a finding.

    Returns:
        Per part `name`, `purpose`, `ok`, `needed`, `found` (version, or what is wrong) and `mend`, a command.
    """
    findings = []
    for part in parts:
        try:
            ok, found = True, part.check()
        except Exception as error:  # a broken installation fails in every way there is
            ok, found = False, (str(error).strip() or type(error).__name__).splitlines()[0]
        findings.append(
            {
                "name": part.name,
                "purpose": part.purpose,
                "ok": ok,
                "needed": part.needed,
                "found": found,
                "mend": "" if ok else part.mend,
            }
        )
    return findings


def print_findings(findings: list[dict[str, Any]]) -> None:
    """A line per part, and under those that are missing the command that mends it."""
    for finding in findings:
        mark = "ok  " if finding["ok"] else "MISS" if finding["needed"] else "miss"
        print(f"{mark}  {finding['name']:<12} {finding['purpose']:<26} {finding['found']}")
        if not finding["ok"]:
            print(f"      mend with: {finding['mend']}")
    missing = [finding["name"] for finding in findings if not finding["ok"]]
    print(f"missing: {', '.join(missing)}" if missing else "everything is there")
