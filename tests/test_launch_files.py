"""Launch files: followed by a stand-in for ROS's `launch`, their command lines by `adapt`'s own parser and by rclpy."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from lifecycle_msgs.msg import Transition

from adapt import cli
from robots import load_robot, robot_names
from ros_bridge import goals, settings, topics
from ros_bridge.lifetime import split_ros_arguments
from sim_tasks.families import family_names
from tests.launch_stand_in import MODULES, Launch, ProcessStarted

FOLDER = Path(__file__).parents[1] / "launch"
FILES = ("deploy.launch.py", "multi.launch.py", "sim.launch.py")
PARAMS = FOLDER / "params" / "adaptation.yaml"
CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, members in MODULES.items():
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


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """As much of a bundle as launch files read, where `adapt demo` leaves it."""
    return write_bundle(tmp_path / "runs/demo/rma/bundle", "pendulum", "pendulum_swingup")


def write_bundle(folder: Path, robot: str, family: str) -> str:
    folder.mkdir(parents=True)
    manifest = {"robot": {"robot": robot}, "family": {"name": family}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return str(folder)


def launch(file: str, **given: str) -> Launch:
    """Follows a launch file as `ros2 launch` does."""
    launched = Launch(dict(given))
    launched.file(FOLDER / file)
    assert set(given) <= {argument.name for argument in launched.declared}
    return launched


def run(line: list[str]) -> int:
    assert line[0] == "adapt"
    assert all(isinstance(part, str) for part in line)
    return cli.main(line[1:])


def members(file: str) -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / file))


@pytest.mark.parametrize("file", FILES)
def test_every_argument_is_explained(file, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = launch(file).declared
    assert arguments
    assert all((argument.description or "").endswith(".") for argument in arguments)
    assert all(isinstance(argument.default_value, str) for argument in arguments)


def test_no_other_launch_files_go_unread():
    assert sorted(path.name for path in FOLDER.glob("*.py")) == sorted(FILES)


def test_the_defaults_exist(parsed, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    robot, simulated, alone = (*launch("sim.launch.py").nodes, *launch("deploy.launch.py").nodes)
    for node in (robot, simulated, alone):
        assert run(node.line) == 0
    assert parsed[0].family in family_names()
    assert (
        parsed[1].bundle == parsed[2].bundle == cli.Demo.out / "rma" / "bundle"
    )  # where `adapt demo` leaves it
    assert (parsed[2].robot, parsed[2].belief_file, parsed[2].manual) == (None, None, True)
    assert alone.parameters == [str(PARAMS)]
    assert alone.name == topics.NODE_NAME


def test_simulated_robot_and_node_share_a_namespace(parsed, bundle):
    given = {"task": "5", "seed": "2", "seconds": "3.5", "change_time": "1.5", "goals": "false"}
    nodes = launch("sim.launch.py", bundle=bundle, namespace="left", **given).nodes
    for node in nodes:
        assert run(node.line) == 0
    robot, node = parsed
    assert isinstance(robot, cli.SimRobot)
    assert (robot.family, robot.task, robot.seed, robot.seconds) == ("pendulum_swingup", 5, 2, 3.5)
    assert (robot.change_time, robot.goals) == (1.5, False)
    assert isinstance(node, cli.Deploy)
    assert node.bundle == Path(bundle)
    assert all("__ns:=/left" in node.line for node in nodes)


def test_any_family_is_simulated(parsed, bundle, tmp_path):
    quadruped = write_bundle(tmp_path / "go2", "go2", "go2_velocity")
    for given in ({"bundle": quadruped}, {"bundle": bundle, "family": "ur5e_reach", "robot": "ur5e"}):
        for node in launch("sim.launch.py", **given).nodes:
            assert run(node.line) == 0
    assert [command.family for command in parsed[::2]] == ["go2_velocity", "ur5e_reach"]
    assert [command.robot for command in parsed[1::2]] == [None, "ur5e"]


def test_a_bundle_that_is_not_there_is_named(tmp_path):
    missing = str(tmp_path / "nothing")
    with pytest.raises(ValueError, match=re.escape(f"bundle: no such file: {missing}/manifest.json")):
        launch("sim.launch.py", bundle=missing)
    with pytest.raises(ValueError, match="bundle: no such file"):
        launch("deploy.launch.py", bundle=missing, joint_states="x")


def test_a_real_robot_s_node(parsed):
    given = {
        "robot": "pendulum",
        "namespace": "left",
        "belief_file": "b.json",
        "record": "bags",
        "fallback": "f",
        "audit_log": "log.jsonl",
    }
    (node,) = launch("deploy.launch.py", **given).nodes
    assert run(node.line) == 0
    (command,) = parsed
    assert command.robot in robot_names()
    assert (command.belief_file, command.record, command.manual) == (Path("b.json"), Path("bags"), True)
    assert (command.fallback, command.audit_log) == (Path("f"), Path("log.jsonl"))


def test_the_node_is_configured_when_it_runs_and_activated_as_soon_as_it_agrees():
    launched = launch("deploy.launch.py")
    (node,) = launched.nodes
    assert launched.asked == []
    launched.emit(ProcessStarted(node))
    assert launched.asked == [(node, CONFIGURE)]
    launched.transition(node, "unconfigured", "configuring")
    launched.transition(node, "configuring", "inactive")
    assert launched.asked[1:] == [(node, ACTIVATE)]
    for attempt in range(3):  # no sensor is heard yet
        launched.transition(node, "inactive", "activating")
        launched.transition(node, "activating", "inactive")
        assert [timer.period for timer in launched.timers] == [0.5]
        launched.wait()
        assert launched.asked[2 + attempt :] == [(node, ACTIVATE)]
    launched.transition(node, "activating", "active")
    assert launched.timers == []


def test_what_somebody_stopped_does_not_start_again_by_itself():
    launched = launch("deploy.launch.py")
    (node,) = launched.nodes
    launched.emit(ProcessStarted(node))
    launched.transition(node, "configuring", "inactive")
    launched.transition(node, "activating", "active")
    asked = list(launched.asked)
    for start, goal in (
        ("deactivating", "inactive"),
        ("activating", "inactive"),  # tried by hand, and refused
        ("activating", "active"),
        ("cleaningup", "unconfigured"),
        ("configuring", "inactive"),
    ):
        launched.transition(node, start, goal)
        launched.wait()
    assert launched.asked == asked


def test_with_a_lifecycle_manager_the_node_waits():
    launched = launch("deploy.launch.py", autostart="false")
    (node,) = launched.nodes
    launched.emit(ProcessStarted(node))
    launched.transition(node, "configuring", "inactive")
    assert (launched.asked, launched.timers, launched.handlers) == ([], [], [])


def test_when_one_process_ends_all_end_once(bundle):
    launched = launch("sim.launch.py", bundle=bundle)
    robot, node = launched.nodes
    launched.exit(robot)
    launched.exit(node)
    assert launched.ended == ["the simulated robot ended"]


def test_a_bundle_that_cannot_be_used_ends_all():
    launched = launch("deploy.launch.py")
    (node,) = launched.nodes
    launched.transition(node, "configuring", "unconfigured")
    launched.exit(node)
    assert launched.ended == ["the adaptation node could not be configured"]


def test_what_is_not_required_may_end():
    launched = launch("deploy.launch.py", required="false")
    (node,) = launched.nodes
    launched.transition(node, "configuring", "unconfigured")
    launched.exit(node)
    assert launched.ended == []


@pytest.mark.parametrize("name", ["autostart", "required"])
def test_flags_are_true_or_false(name):
    with pytest.raises(RuntimeError, match=f"{name}: 'yes' is not one of"):
        launch("deploy.launch.py", **{name: "yes"})


def test_a_parameter_file_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"params: no such file: 'nothing\.yaml'"):
        launch("deploy.launch.py", params="nothing.yaml")


@pytest.mark.ros
@pytest.mark.parametrize("robot", robot_names())
def test_topics_are_remapped(robot, tmp_path):
    spec = load_robot(robot)
    asked = {"joint_states": "/bus/joint_states", "commands": "motors", "cmd_vel": "joystick"}
    asked |= {"imu": "imu/data"} if spec.imu else {}
    bundle = write_bundle(tmp_path / "bundle", robot, "some_family")
    (launched,) = launch("deploy.launch.py", bundle=bundle, namespace="left", **asked).nodes
    with started(launched.line) as node:
        assert node.get_fully_qualified_name() == "/left/adaptation"
        assert node.resolve_topic_name(spec.ros.joint_states) == "/bus/joint_states"
        assert node.resolve_topic_name(spec.ros.commands) == "/left/motors"
        assert node.resolve_topic_name("cmd_vel") == "/left/joystick"
        if spec.imu:
            assert node.resolve_topic_name(spec.imu.topic) == "/left/imu/data"


@contextmanager
def started(line: list[str]) -> Iterator[Any]:
    """A ROS node that is told what stands on this command line."""
    import rclpy
    from rclpy.node import Node

    context = rclpy.Context()
    rclpy.init(args=split_ros_arguments(line)[1], context=context)
    node = Node("some_name", context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


def test_without_remapping_topics_keep_their_names():
    (node,) = launch("deploy.launch.py").nodes
    rules = ["-r", "__node:=adaptation", "-r", "__ns:=/", "--params-file", str(PARAMS)]
    assert split_ros_arguments(node.line)[1] == ["--ros-args", *rules]


def test_topics_of_a_robot_of_one_s_own(tmp_path):
    text = (FOLDER.parent / "robots/pendulum/robot.yaml").read_text(encoding="utf-8")
    (tmp_path / "robot.yaml").write_text(text.replace(": joint_states", ": sensed"), encoding="utf-8")
    for robot in (tmp_path, tmp_path / "robot.yaml"):
        (node,) = launch("deploy.launch.py", robot=str(robot), joint_states="other").nodes
        assert node.remappings == [("sensed", "other")]


def test_a_topic_that_the_robot_does_not_have_is_named():
    with pytest.raises(ValueError, match=r"imu: got 'imu/data', but .*pendulum/robot.yaml has no imu.topic"):
        launch("deploy.launch.py", robot="pendulum", imu="imu/data")
    with pytest.raises(ValueError, match=r"robot: got 'pendulm'; valid: .*pendulum, ur5e, or the path"):
        launch("deploy.launch.py", robot="pendulm", joint_states="x")


def test_every_goal_topic_can_be_remapped():
    names = {name for kinds in goals.SOURCES.values() for name in kinds}
    assert set(members("deploy.launch.py")["GOAL_TOPICS"]) == names


def write_robots(folder: Path, robots: Any) -> str:
    path = folder / "robots.yaml"
    path.write_text(yaml.safe_dump({"robots": robots}), encoding="utf-8")
    return str(path)


def test_several_robots_know_nothing_of_one_another(parsed, tmp_path):
    one = {
        "namespace": "left",
        "bundle": "a",
        "robot": "pendulum",
        "joint_states": "/bus",
        "autostart": False,
    }
    other = {"namespace": "right", "bundle": "b"}
    launched = launch("multi.launch.py", robots=write_robots(tmp_path, [one, other]))
    for node in launched.nodes:
        assert run(node.line) == 0
        launched.emit(ProcessStarted(node))
        launched.exit(node)
    left, right = launched.nodes
    assert [(command.bundle, command.robot) for command in parsed] == [
        (Path("a"), "pendulum"),
        (Path("b"), None),
    ]
    assert (left.namespace, right.namespace) == ("left", "right")
    assert (left.remappings, right.remappings) == ([("joint_states", "/bus")], [])
    assert launched.asked == [(right, CONFIGURE)]
    assert launched.ended == []


def test_what_all_robots_are_told(tmp_path):
    robots = [{"namespace": name, "bundle": "a"} for name in ("left", "right")]
    path = write_robots(tmp_path, robots)
    launched = launch("multi.launch.py", robots=path, autostart="false", required="true")
    for node in launched.nodes:
        launched.emit(ProcessStarted(node))
        launched.exit(node)
    assert launched.asked == []
    assert launched.ended == ["the adaptation node ended"]


@pytest.mark.parametrize(
    ("robots", "message"),
    [
        ({}, "expected one key, robots, with a list"),
        (["left"], r"robots\[0\]: got 'left'; expected keys: namespace, bundle, robot"),
        ([{"bundle": "a"}], r"robots\[0\].namespace: missing"),
        ([{"namespace": "a", "bundle": "a", "topic": "b"}], r"robots\[0\]: unknown key 'topic'; valid: name"),
        ([{"namespace": "a", "bundle": 3}], r"robots\[0\].bundle: got 3; expected a text"),
        ([{"namespace": name, "bundle": "b"} for name in ("a", "/a")], "namespace 'a' stands there twice"),
    ],
)
def test_mistakes_in_the_list_of_robots_are_named(robots, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        launch("multi.launch.py", robots=write_robots(tmp_path, robots))


def test_the_list_of_robots_takes_every_argument_of_deploy():
    several = members("multi.launch.py")
    names = {argument.name for argument in launch("deploy.launch.py").declared}
    assert {*several["NEEDED"], *several["OPTIONS"]} == names


def test_the_parameter_file_explains_every_parameter():
    text = PARAMS.read_text(encoding="utf-8")
    assert set(re.findall(r"^    (?:# )?(\w+):", text, re.MULTILINE)) == {
        *settings.TEXTS, *settings._FLAGS, *settings._NUMBERS,
    }  # fmt: skip
    # What is left to launch arguments would win over them if it stood there.
    given = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert given == {name: default for name, (default, *_) in (settings._NUMBERS | settings._FLAGS).items()}
    for name, (_, low, high, _) in settings._NUMBERS.items():
        unit = "with" if name == settings.EXPLORATION else "[s]"
        assert f"{unit}, {low:g} to {high:g}" in text


@pytest.mark.ros
def test_the_node_takes_the_parameter_file(tmp_path):
    file = tmp_path / "slow.yaml"
    text = PARAMS.read_text(encoding="utf-8")
    file.write_text(text.replace("diagnostics_period: 1.0", "diagnostics_period: 2.5"), encoding="utf-8")
    (launched,) = launch("deploy.launch.py", namespace="left", params=str(file)).nodes
    with started(launched.line) as node:
        settings.declare(node, bundle="b", robot="", belief_file="", record="", fallback="", audit_log="")
        assert settings.number(node, settings.DIAGNOSTICS_PERIOD) == 2.5
        assert node.get_parameter("bundle").value == "b"
