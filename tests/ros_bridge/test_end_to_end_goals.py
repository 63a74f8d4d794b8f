"""`adapt sim-robot` and `adapt deploy` as processes, on robots with an IMU or goals; the policies are untrained."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import Twist, Vector3

from adapt.bundle import PolicyBundle
from robots import RobotSpec, load_robot
from ros_bridge.processes import Process
from tests.ros_bridge.patience import PATIENCE, until
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.small_bundle import untrained_policy

pytestmark = [pytest.mark.ros, pytest.mark.slow]

SECONDS = 4.0
"""Length of an undisturbed run."""
Begin = Callable[..., Process]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Starts `adapt` with the arguments given; whatever is left of it ends with the test."""
    started: list[Process] = []

    def start(log: str, *arguments: str) -> Process:
        started.append(Process(list(arguments), tmp_path / f"{log}.log"))
        return started[-1]

    yield start
    for process in started:
        process.signal(signal.SIGKILL)
        process.wait(PATIENCE)


class Listener(RobotStandIn):
    """What a test hears of one robot and its node."""

    def __init__(self, spec: RobotSpec, name: str):
        super().__init__(spec, name)
        self.name = name
        self.spec = spec

    def says(self, key: str) -> str:
        status = f"{self.name}/adaptation: control"
        return self.told(status).get(key, "") if status in self.health else ""

    def sound(self) -> bool:
        """Whether all commands so far were finite and within the limits."""
        commands = np.array(self.commands[self.name])
        low, high = self.spec.command_limits
        return bool(np.isfinite(commands).all() and (commands >= low).all() and (commands <= high).all())


@pytest.fixture
def listen() -> Iterator[Callable[[str, str], Listener]]:
    made: list[Listener] = []

    def listener(robot: str, name: str) -> Listener:
        made.append(Listener(load_robot(robot), name))
        return made[-1]

    yield listener
    for each in made:
        each.close()


@pytest.mark.parametrize(
    ("robot", "family", "source"),
    [
        ("go2", "go2_velocity", "cmd_vel"),
        ("ur5e", "ur5e_reach", "goal_pose"),
        ("ur5e", "ur5e_track", "goal"),
    ],
)
def test_a_robot_is_driven_by_goals_that_it_was_told(begin, listen, tmp_path, robot, family, source):
    bundle, record = untrained_policy(tmp_path / "bundle", family), tmp_path / "record.json"
    heard = listen(robot, family)
    where = ("--namespace", family)
    machine = begin("robot", "sim-robot", family, "--seconds", str(SECONDS), "--record", str(record), *where)
    node = begin("node", "deploy", str(bundle.path), *where)
    sources: set[str] = set()

    def turn() -> None:
        heard.turn()
        sources.add(heard.says("goal source"))

    until(lambda: machine.poll() is not None, turn, 3 * PATIENCE)
    assert (machine.poll(), node.stop()) == (0, 0)
    assert heard.sound()
    assert heard.commands[family]  # how many came, the robot's record says: a listener may be late
    run = json.loads(record.read_text(encoding="utf-8"))
    assert len(run["time"]) == SECONDS / 0.02
    assert len(run["latency_ms"]) > 0.8 * len(run["time"])  # one command per reading
    assert (run["rejected_commands"], run["diverged"]) == (0, 0)
    assert np.ptp(run["certified"], axis=0).min() > 0.001  # somebody drives all joints
    assert source in sources
    assert 0.0 <= run["on_target"] <= 1.0


def test_a_walker_stops_for_want_of_goals_and_of_its_imu(begin, listen, go2_bundle: PolicyBundle):
    name = "stray"
    heard, where = listen("go2", name), ("--namespace", name)
    imu = ("--ros-args", "-r", "imu:=imu_cable")
    begin("robot", "sim-robot", "go2_velocity", "--no-goals", "--seconds", "60", *where)
    node = begin("node", "deploy", str(go2_bundle.path), *where, *imu)
    # A node that listens where no IMU speaks: it says so, and moves nothing.
    until(lambda: "waiting: imu: no reading younger than 0.06 s" in node.tail(), heard.turn, 2 * PATIENCE)
    assert heard.commands[name] == []
    assert node.stop() == 0

    node = begin("again", "deploy", str(go2_bundle.path), *where)
    walk = Twist(linear=Vector3(x=0.5))

    def walking() -> None:
        heard.tell("cmd_vel", walk)
        heard.turn()

    def told() -> bool:  # what it was told before it was active is forgotten
        return (heard.says("state"), heard.says("goal source")) == ("active", "cmd_vel")

    until(told, walking, 2 * PATIENCE)
    assert heard.says("goal").startswith("forward 0.5 m/s, left 0 m/s")
    until(lambda: heard.says("goal source") == "rest", heard.turn)
    assert heard.says("goal").startswith("forward 0 m/s, left 0 m/s")
    assert int(heard.says("goals timed_out")) >= 1
    assert int(heard.says("imu readings fresh")) > 50
    assert heard.sound()
    assert node.stop() == 0
