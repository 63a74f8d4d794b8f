"""Launch files followed by ROS's own `launch` and `launch_ros`, where they are installed: no wheels of them exist."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("launch_ros")

FOLDER = Path(__file__).parents[2] / "launch"
PATIENCE = 40.0
"""Longest run in [s]."""

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture(autouse=True)
def adapt_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))


def run(
    file: str, patience: float = PATIENCE, **arguments: str
) -> tuple[int, list[tuple[str, int]], list[str]]:
    """Exit code of `ros2 launch`, those of its processes by name, and the states that nodes went to."""
    launch, actions = import_module("launch"), import_module("launch.actions")
    handlers = import_module("launch.event_handlers")
    sources = import_module("launch.launch_description_sources")
    codes: list[tuple[str, int]] = []
    states: list[str] = []

    def ended(event: Any, context: Any) -> None:
        codes.append((event.process_name.rpartition("-")[0], event.returncode))  # launch numbers them

    def changed(event: Any) -> bool:
        states.extend([event.goal_state] if type(event).__name__ == "StateTransition" else [])
        return False

    service = launch.LaunchService(argv=[])
    service.include_launch_description(
        launch.LaunchDescription(
            [
                actions.RegisterEventHandler(handlers.OnProcessExit(on_exit=ended)),
                actions.RegisterEventHandler(launch.EventHandler(matcher=changed)),
                actions.TimerAction(period=patience, actions=[actions.Shutdown(reason="time is up")]),
                actions.IncludeLaunchDescription(
                    sources.PythonLaunchDescriptionSource(str(FOLDER / file)),
                    launch_arguments=list(arguments.items()),
                ),
            ]
        )
    )
    return service.run(), codes, states


def test_a_simulated_robot_is_driven_to_its_end(bundle):
    code, ended, states = run("sim.launch.py", bundle=str(bundle.path), seconds="2.0")
    assert (code, ended) == (0, [("sim_robot", 0), ("adaptation", 0)])
    assert states[:2] == ["configuring", "inactive"]
    assert states.count("active") == 1


def test_a_bundle_that_cannot_be_used_ends_it(tmp_path):
    code, ended, states = run("deploy.launch.py", bundle=str(tmp_path / "nothing"))
    assert (code, ended) == (0, [("adaptation", 0)])
    assert states[:2] == ["configuring", "unconfigured"]
    assert "active" not in states


def test_several_robots_wait_for_their_sensors(bundle, go2_bundle, tmp_path):
    robots = tmp_path / "robots.yaml"
    left = {"namespace": "left", "bundle": str(bundle.path), "joint_states": "/bus/joint_states"}
    right = {"namespace": "right", "bundle": str(go2_bundle.path), "imu": "imu/data"}
    robots.write_text(yaml.safe_dump({"robots": [left, right]}), encoding="utf-8")
    code, ended, states = run("multi.launch.py", patience=12.0, robots=str(robots))
    assert (code, ended) == (0, [("adaptation", 0)] * 2)
    assert states.count("configuring") == 2
    assert states.count("activating") > 2  # both, again and again
    assert "active" not in states
