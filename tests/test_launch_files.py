"""Launch files: read by a stand-in for ROS's `launch`, their command lines by `adapt`'s own parser and by rclpy."""

from __future__ import annotations

import runpy
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from adapt import cli
from robots import load_robot, robot_names
from ros_bridge.lifetime import split_ros_arguments
from sim_tasks.families import family_names

FOLDER = Path(__file__).parents[1] / "launch"
FILES = ("sim.launch.py", "robot.launch.py")


@dataclass
class LaunchDescription:
    entities: list[Any]


@dataclass
class DeclareLaunchArgument:
    name: str
    default_value: str
    description: str


@dataclass
class LaunchConfiguration:
    name: str

    def perform(self, context: dict[str, str]) -> str:
        return context[self.name]


class Shutdown:
    """Ends everything else."""


@dataclass
class ExecuteProcess:
    cmd: list[str | LaunchConfiguration]
    name: str
    output: str
    on_exit: Shutdown | None = None

    def line(self, context: dict[str, str]) -> list[str]:
        return [part if isinstance(part, str) else part.perform(context) for part in self.cmd]


@dataclass
class OpaqueFunction:
    function: Any


@dataclass
class Launched:
    """What a launch file does with given arguments."""

    arguments: dict[str, str]
    processes: list[ExecuteProcess] = field(default_factory=list)

    @property
    def lines(self) -> list[list[str]]:
        return [process.line(self.arguments) for process in self.processes]


@pytest.fixture(autouse=True)
def fake_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """ROS's `launch` cannot be installed here; only what the launch files may use of it exists."""
    parts = {
        "launch": (LaunchDescription,),
        "launch.actions": (DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown),
        "launch.substitutions": (LaunchConfiguration,),
    }
    for name, members in parts.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member.__name__, member)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Commands that `adapt` would have run."""
    seen: list[Any] = []
    for command in (cli.Deploy, cli.SimRobot):
        monkeypatch.setattr(command, "run", lambda self: seen.append(self) or 0)
    return seen


def launch(file: str, **given: str) -> Launched:
    """Runs a launch file as `ros2 launch` does: every argument must have been declared."""
    entities = runpy.run_path(str(FOLDER / file))["generate_launch_description"]().entities
    declared = {e.name: e.default_value for e in entities if isinstance(e, DeclareLaunchArgument)}
    assert set(given) <= set(declared)
    launched = Launched(declared | given)
    for entity in entities:
        if isinstance(entity, OpaqueFunction):
            launched.processes += entity.function(launched.arguments)
        elif isinstance(entity, ExecuteProcess):
            launched.processes.append(entity)
    return launched


@pytest.mark.parametrize("file", FILES)
def test_every_argument_is_explained(file):
    entities = runpy.run_path(str(FOLDER / file))["generate_launch_description"]().entities
    arguments = [entity for entity in entities if isinstance(entity, DeclareLaunchArgument)]
    assert arguments
    assert all(argument.description.endswith(".") for argument in arguments)
    assert all(isinstance(argument.default_value, str) for argument in arguments)


@pytest.mark.parametrize("file", FILES)
def test_when_one_process_ends_all_end(file):
    processes = launch(file).processes
    assert processes
    assert all(isinstance(process.on_exit, Shutdown) for process in processes)


def test_no_other_launch_files_go_unread():
    assert sorted(path.name for path in FOLDER.glob("*.py")) == sorted(FILES)


def run(line: list[str]) -> int:
    assert line[0] == "adapt"
    assert all(isinstance(part, str) for part in line)
    return cli.main(line[1:])


def test_simulated_robot_and_node_share_a_namespace(parsed):
    for line in launch("sim.launch.py", bundle="b", task="5", seconds="3.5", namespace="left").lines:
        assert run(line) == 0
    robot, node = parsed
    assert isinstance(robot, cli.SimRobot)
    assert (robot.family, robot.task, robot.seconds, robot.namespace) == ("pendulum_swingup", 5, 3.5, "left")
    assert isinstance(node, cli.Deploy)
    assert (node.bundle, node.namespace, node.robot, node.manual) == (Path("b"), "left", None, False)


def test_the_defaults_exist(parsed):
    for file in FILES:
        for line in launch(file).lines:
            assert run(line) == 0
    robot, node, alone = parsed
    assert robot.family in family_names()
    assert node.bundle == alone.bundle == cli.Demo.out / "rma" / "bundle"  # where `adapt demo` leaves it
    assert (alone.robot, alone.namespace, alone.manual) == (None, "", False)


def test_a_real_robot_s_node_by_hand(parsed):
    (line,) = launch("robot.launch.py", robot="pendulum", namespace="left", managed="true").lines
    assert run(line) == 0
    (node,) = parsed
    assert node.robot in robot_names()
    assert (node.namespace, node.manual) == ("left", True)


def test_managed_is_true_or_false():
    with pytest.raises(ValueError, match="managed: got 'yes'; valid: true, false"):
        launch("robot.launch.py", managed="yes")


@pytest.mark.ros
def test_topics_are_remapped():
    import rclpy
    from rclpy.node import Node

    topics = {"joint_states": "/bus/joint_states", "commands": "motors"}
    (line,) = launch("robot.launch.py", namespace="left", **topics).lines
    ros = load_robot("pendulum").ros
    context = rclpy.Context()
    rclpy.init(args=split_ros_arguments(line)[1], context=context)
    node = Node("reader", namespace="left", context=context)
    try:
        assert node.resolve_topic_name(ros.joint_states) == "/bus/joint_states"
        assert node.resolve_topic_name(ros.commands) == "/left/motors"
    finally:
        node.destroy_node()
        context.try_shutdown()


def test_without_remapping_topics_keep_their_names():
    (line,) = launch("robot.launch.py").lines
    ros = load_robot("pendulum").ros
    rules = split_ros_arguments(line)[1]
    assert rules == [
        "--ros-args",
        "-r",
        f"{ros.joint_states}:={ros.joint_states}",
        "-r",
        f"{ros.commands}:={ros.commands}",
    ]
