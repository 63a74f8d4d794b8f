"""`adapt sim-robot` and `adapt deploy` as processes over DDS: they run, they are killed, they are given nonsense."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from ros_bridge import hidden_robots
from ros_bridge.deploy import NOT_CONFIGURED
from ros_bridge.errors import ProcessError
from ros_bridge.hidden_robots import Course, drive_hidden_robots
from ros_bridge.processes import Process
from ros_bridge.sim_robot import NODE_GONE
from tests.ros_bridge.patience import PATIENCE, alive, until
from tests.ros_bridge.robot_stand_in import RobotStandIn

pytestmark = pytest.mark.ros

FAMILY = "pendulum_swingup"
SECONDS = 4.0
"""Length of an undisturbed run."""
STOPS = {"sigint": signal.SIGINT, "sigterm": signal.SIGTERM, "sigkill": signal.SIGKILL}
WHOLE = ("left", "right")
ORPHAN = "orphan"
"""The namespace of a node whose robot is killed."""

Begin = Callable[..., Process]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("end_to_end")


@pytest.fixture(scope="module")
def begin(folder: Path) -> Iterator[Begin]:
    """Starts `adapt` with the arguments given; whatever is left of it ends with the tests."""
    started: list[Process] = []

    def start(log: str, *arguments: str) -> Process:
        started.append(Process(list(arguments), folder / f"{log}.log"))
        return started[-1]

    yield start
    for process in started:
        process.signal(signal.SIGKILL)
        process.wait(PATIENCE)


class Pair:
    """A simulated robot and the node that drives it, in a namespace of their own."""

    def __init__(
        self, begin: Begin, folder: Path, bundle: PolicyBundle, name: str, task: int, seconds: float
    ):
        self.name = name
        self.file = folder / f"{name}.json"
        where = ("--namespace", name)
        run = ("--task", str(task), "--seconds", str(seconds), "--record", str(self.file))
        self.robot = begin(f"{name}_robot", "sim-robot", FAMILY, *run, *where)
        self.node = begin(f"{name}_node", "deploy", str(bundle.path), *where)

    @property
    def record(self) -> dict[str, Any]:
        return json.loads(self.file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(begin: Begin, folder: Path, bundle: PolicyBundle, pendulum: RobotSpec) -> Iterator[SimpleNamespace]:
    """Two robots, each with its node, in two namespaces at the same time, from beginning to end."""
    listener = RobotStandIn(pendulum, *WHOLE)
    try:
        pairs = {name: Pair(begin, folder, bundle, name, task, SECONDS) for task, name in enumerate(WHOLE)}
        for pair in pairs.values():
            until(lambda pair=pair: pair.robot.poll() is not None, listener.turn, 3 * PATIENCE)
        codes = {name: (pair.robot.poll(), pair.node.stop()) for name, pair in pairs.items()}
        listener.listen(0.2)
        yield SimpleNamespace(pairs=pairs, codes=codes, listener=listener)
    finally:
        listener.close()


@pytest.mark.parametrize("name", WHOLE)
def test_a_run_ends_well_and_is_on_record(whole, name):
    record = whole.pairs[name].record
    assert whole.codes[name] == (0, 0)
    assert len(record["time"]) == SECONDS / 0.02
    assert (record["rejected_commands"], record["diverged"]) == (0, 0)
    assert np.abs(record["certified"]).max() <= 2.5
    assert np.ptp(record["certified"]) > 0.01  # somebody drives


@pytest.mark.parametrize("name", WHOLE)
def test_commands_flow_at_the_control_rate(whole, name):
    """One per reading: a slow machine slows the robot's time down, not its share of answers."""
    record = whole.pairs[name].record
    assert len(record["latency_ms"]) > 0.8 * len(record["time"])
    assert min(record["latency_ms"]) > 0.0
    assert sum(value is not None for value in record["requested"]) > 0.8 * len(record["time"])


@pytest.mark.parametrize("name", WHOLE)
def test_the_belief_is_published_with_names_and_units(whole, bundle, name):
    family, heard = bundle.manifest["family"], whole.listener.beliefs[name]
    assert len(heard) > 50  # the listener may find the node late
    assert list(heard[-1].names) == family["belief_names"]
    assert list(heard[-1].units) == family["belief_units"]
    for belief in heard:
        assert np.isfinite(belief.mean).all()
        assert (belief.std > 0).all()
    recorded = whole.pairs[name].record["belief"]
    assert recorded["units"] == family["belief_units"]
    assert [heard[-1].mean.round(4).tolist()] != [heard[0].mean.round(4).tolist()]  # it listens


def test_two_namespaces_do_not_hear_each_other(whole):
    for name, other in (WHOLE, WHOLE[::-1]):
        applied = np.array(whole.pairs[name].record["certified"])
        # Both may let go, be at the limit, or on the soft start's way there: multiples of a tenth of 2.5 N m.
        own = applied[np.abs(applied / 0.25 - np.round(applied / 0.25)) > 1e-3]
        assert len(own) > 5
        # What a robot applied was said in its namespace, not in the other; the record has six decimals. The listener
        # may find the nodes later than the robots do, when their commands are at the limit already: those count, too.
        said, elsewhere = (np.round(np.concatenate(whole.listener.commands[n]), 6) for n in (name, other))
        assert np.isin(np.round(applied, 6), said).any()
        assert not np.isin(own, elsewhere).any()


@pytest.mark.parametrize("name", WHOLE)
def test_diagnostics_name_the_node_its_latency_and_its_belief(whole, bundle, name):
    control = f"{name}/adaptation: control"
    told = whole.listener.told(control)
    assert told["state"] == "active"
    assert float(told["latency p99"].removesuffix(" ms")) > 0
    assert int(told["readings acted_upon"]) > 50
    beliefs = whole.listener.told(f"{name}/adaptation: belief")
    assert list(beliefs) == bundle.manifest["family"]["belief_names"]
    assert " +- " in beliefs["payload_mass"]
    assert beliefs["payload_mass"].endswith(" kg")


@pytest.fixture(scope="module")
def disturbed(
    whole: SimpleNamespace, begin: Begin, folder: Path, bundle: PolicyBundle, pendulum: RobotSpec
) -> Iterator[SimpleNamespace]:
    """Three nodes that are ended in three ways, and one whose robot is killed, all in motion."""
    listener = RobotStandIn(pendulum, *STOPS, ORPHAN)
    try:
        pairs = {name: Pair(begin, folder, bundle, name, 3, 30.0) for name in (*STOPS, ORPHAN)}
        for name in pairs:
            until(lambda name=name: len(listener.commands[name]) > 25, listener.turn, 3 * PATIENCE)
        for name, number in STOPS.items():
            pairs[name].node.signal(number)
        pairs[ORPHAN].robot.signal(signal.SIGKILL)
        for name in STOPS:
            until(lambda name=name: pairs[name].robot.poll() is not None, listener.turn)
        listener.listen(0.2)
        yield SimpleNamespace(pairs=pairs, listener=listener)
    finally:
        listener.close()


@pytest.mark.parametrize("name", ["sigint", "sigterm"])
def test_a_node_that_is_told_to_end_sends_a_last_safe_command(disturbed, name):
    assert disturbed.pairs[name].node.wait(PATIENCE) == 0
    commands = disturbed.listener.commands[name]
    assert commands[-1].tolist() == [0.0]
    assert any(command.tolist() != [0.0] for command in commands[-5:-1])  # until then it was driving
    assert "stopping: safe command" in disturbed.pairs[name].node.tail()


@pytest.mark.parametrize("name", STOPS)
def test_a_robot_whose_node_is_gone_lets_go_and_says_so(disturbed, name):
    pair = disturbed.pairs[name]
    assert pair.robot.poll() == NODE_GONE
    assert "no command for 2.0 s: is the node gone?" in pair.robot.tail()
    record = pair.record
    assert record["command_timeouts"] >= 1
    assert record["rejected_commands"] == 0
    # Let go after 0.1 s, noticed after 2 s: the last 1.8 s, 90 steps, are without torque.
    assert set(record["certified"][-90:]) == {0.0}
    assert any(record["certified"][:-110])


def test_a_killed_node_dies_of_the_signal_and_its_last_command_is_no_safe_one(disturbed):
    assert disturbed.pairs["sigkill"].node.wait(PATIENCE) == -signal.SIGKILL
    assert disturbed.listener.commands["sigkill"][-1].tolist() != [0.0]


def test_a_node_whose_robot_is_killed_goes_into_safe_mode_and_stays(disturbed):
    pair, listener = disturbed.pairs[ORPHAN], disturbed.listener
    status = f"{ORPHAN}/adaptation: control"

    def in_safe_mode() -> bool:
        return status in listener.health and listener.health[status].level == DiagnosticStatus.ERROR

    assert pair.robot.wait(PATIENCE) == -signal.SIGKILL
    until(in_safe_mode, listener.turn)
    assert listener.health[status].message.startswith("safe mode: sensor_stale, stopped")
    first = len(listener.commands[ORPHAN])
    until(lambda: len(listener.commands[ORPHAN]) > first + 20, listener.turn)
    assert all(command.tolist() == [0.0] for command in listener.commands[ORPHAN][first:])
    assert pair.node.poll() is None
    pair.node.signal(signal.SIGTERM)
    assert pair.node.wait(PATIENCE) == 0


@pytest.fixture(scope="module")
def damaged(bundle: PolicyBundle, folder: Path) -> Path:
    path = folder / "damaged"
    shutil.copytree(bundle.path, path)
    graph = bytearray((path / "step.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (path / "step.onnx").write_bytes(graph)
    return path


@pytest.fixture(scope="module")
def refused(
    disturbed: SimpleNamespace,
    begin: Begin,
    bundle: PolicyBundle,
    damaged: Path,
    pendulum: RobotSpec,
    folder: Path,
) -> dict[str, Process]:
    """Nodes that are given what they cannot use."""
    weaker = folder / "weaker" / "robot.yaml"
    weaker.parent.mkdir()
    text = (pendulum.model.parent / "robot.yaml").read_text(encoding="utf-8")
    weaker.write_text(text.replace("effort: 2.5", "effort: 2.0"), encoding="utf-8")
    (weaker.parent / "pendulum.xml").write_bytes(pendulum.model.read_bytes())
    return {
        "damaged": begin("damaged", "deploy", str(damaged)),
        "weaker": begin("weaker", "deploy", str(bundle.path), "--robot", str(weaker)),
        "namespace": begin("namespace", "deploy", str(bundle.path), "--namespace", "no name"),
    }


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("damaged", "step.onnx: sha256 differs from the manifest's"),
        (
            "weaker",
            "made for another robot: command_limits is [[-2.5], [2.5]] in the bundle, [[-2.0], [2.0]] on",
        ),
    ],
)
def test_what_cannot_be_deployed_ends_with_one_clear_line(refused, case, words):
    process = refused[case]
    assert process.wait(PATIENCE) == NOT_CONFIGURED
    lines = process.log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert words in lines[0]


def test_a_namespace_that_ros_does_not_allow_ends_with_a_clear_line(refused):
    process = refused["namespace"]
    assert process.wait(PATIENCE) == NOT_CONFIGURED
    assert "Traceback" not in process.log.read_text(encoding="utf-8")
    assert process.tail(1).startswith("adapt: Invalid namespace: ")
    assert process.tail(1).endswith("'/no name'")


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of all processes that `hidden_robots` starts."""
    started: list[int] = []

    def start(*arguments: Any) -> Process:
        process = Process(*arguments)
        started.append(process.pid)
        return process

    monkeypatch.setattr(hidden_robots, "Process", start)
    return started


def test_hidden_robots_and_an_echo_are_driven_and_nothing_is_left_running(bundle, tmp_path, pids):
    ended = []
    result = drive_hidden_robots(
        bundle.path,
        "pendulum",
        Course(FAMILY, seconds=1.5, change_time=1.0),
        1,
        tmp_path,
        progress=lambda *progress: ended.append(progress),
    )
    (robot,) = result["robots"]
    assert len(robot["time"]) == 75
    assert robot["change_time"] == 1.0
    assert [change["time"] for change in robot["truth"]] == [0.0, 1.0]
    before, after = (change["values"]["payload_mass"] for change in robot["truth"])
    assert after / before > 1.2 or before / after > 1.2
    assert len(result["latency_ms"]) > 50
    assert len(result["echo_latency_ms"]) > 50
    assert sorted(name for name, _, _ in ended) == ["echo", "robot_00"]
    assert [(done, of) for _, done, of in ended] == [(1, 2), (2, 2)]
    assert len(pids) == 4
    assert not any(alive(pid) for pid in pids)


def test_a_node_that_dies_is_an_error_with_its_log_and_nothing_is_left_running(damaged, tmp_path, pids):
    course = Course(FAMILY, seconds=1.5, change_time=None)
    with pytest.raises(
        ProcessError, match=r"deploy .*damaged ended with code 2; .*_node\.log:\n.*sha256 differs"
    ):
        drive_hidden_robots(damaged, "pendulum", course, 1, tmp_path)
    assert len(pids) == 4
    assert not any(alive(pid) for pid in pids)
