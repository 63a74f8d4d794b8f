"""A robot's computer has neither torch nor MuJoCo: what runs there must not import them, and rooms keep apart."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINING_ONLY = {"torch", "mujoco", "dm_control", "sim_tasks"}


def modules_after(statement: str) -> set[str]:
    """Top-level names in `sys.modules` after `statement` ran in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*(name for name in sys.modules if '.' not in name))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "robots",
        "adapt",
        "ros_bridge",
        "adapt.types",
        "adapt.errors",
        "adapt.bundle",
        "adapt.online.controller",
        "adapt.replay",
        "adapt.report.replay",
        "ros_bridge.bag_replay",
        "ros_bridge.recorder",
        "ros_bridge.replay",
    ],
)
def test_what_runs_on_the_robot_does_not_load_training_packages(module):
    assert modules_after(f"import {module}") & TRAINING_ONLY == set()


def test_the_probe_sees_a_forbidden_import():
    assert modules_after("import sim_tasks.batch_sim") >= {"mujoco", "sim_tasks"}


def test_import_directions():
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
