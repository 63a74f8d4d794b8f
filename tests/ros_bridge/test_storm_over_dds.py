"""Thousands of hostile messages over DDS, from a process of their own, at `adapt deploy` in another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robots import RobotSpec
from robots.safety import Reason
from ros_bridge.processes import Process, own_domain
from tests.robot_install import resident
from tests.ros_bridge.bench import PERIOD
from tests.ros_bridge.patience import until
from tests.ros_bridge.robot_stand_in import RobotStandIn

pytestmark = pytest.mark.ros

NAMESPACE = "storm"
HOSTILE = 3_000
"""Messages, 500 of each of six kinds but for some that are huge."""
MOST_GROWTH = 40.0
"""Of the node's memory during the storm, in [MiB]."""
CONTROL = f"{NAMESPACE}/adaptation: control"


@pytest.fixture(scope="module")
def robot(go2: RobotSpec) -> Iterator[RobotStandIn]:
    stand_in = RobotStandIn(go2, NAMESPACE)
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def wild_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that asks for more than it may have at every step."""
    from tests.small_bundle import untrained_policy

    return untrained_policy(tmp_path_factory.mktemp("wild") / "bundle", "go2_velocity", size=2.0).path


def counted(robot: RobotStandIn, *names: str) -> int:
    """What the node has counted under the names that begin so."""
    return sum(int(value) for key, value in robot.told(CONTROL).items() if key.startswith(names))


def test_no_storm_of_messages_gets_a_bad_command_out_of_a_node_or_ends_it(robot, go2, wild_bundle, tmp_path):
    environment = own_domain() | {"PYTHONPATH": str(Path(__file__).parents[2])}
    node = Process(["deploy", str(wild_bundle), "--namespace", NAMESPACE], tmp_path / "node", environment)
    commands, requests = robot.commands[NAMESPACE], robot.requests[NAMESPACE]

    def drive() -> None:
        assert node.poll() is None, node.tail(30)
        robot.say_fine()
        robot.listen(PERIOD)

    def in_control() -> bool:
        return bool(requests) and requests[-1][1] in (Reason.OK, Reason.RATE_LIMIT)

    try:
        until(in_control, drive)
        memory, first = resident(node.pid), len(commands)
        sender = Process(
            [NAMESPACE, str(HOSTILE), "5"], tmp_path / "sender", environment, "tests.ros_bridge.storm_sender"
        )
        try:
            until(lambda: sender.poll() is not None, lambda: robot.listen(0.1), timeout=60.0)
            assert sender.wait(0.0) == 0, sender.tail(30)
        finally:
            sender.stop()
        assert node.poll() is None, node.tail(30)
        robot.listen(0.5)
        reasons = np.bitwise_or.reduce([bits for _, bits in requests])
        during, calm = len(commands) - first, len(requests)
        until(lambda: len(requests) > calm and in_control(), drive)
        robot.health.clear()
        until(lambda: CONTROL in robot.health, drive)
        grown = resident(node.pid) - memory
        sent = json.loads(sender.tail(1))
        assert node.stop() == 0
        robot.listen(0.2)
    finally:
        node.stop()

    heard = counted(robot, "readings"), counted(robot, "imu readings"), counted(robot, "goals")
    print(f"sent {sent}, node heard {heard}, {during} commands, {grown:.1f} MiB, {reasons:b}")
    assert sum(sent.values()) - sent["sound"] == HOSTILE
    assert sent["huge"] >= HOSTILE / 300
    # Of joints 4/6 of the hostile ones and all that are sound, of the IMU and of goals 1/6; depth 1 loses some.
    assert heard[0] > 0.5 * (HOSTILE * 4 / 6 + sent["sound"])
    assert heard[1] > 0.5 * (HOSTILE / 6 + sent["sound"])
    assert heard[2] > 0.5 * HOSTILE / 6
    assert during > 100
    assert grown < MOST_GROWTH
    assert "Traceback" not in node.log.read_text()
    sound = np.array(commands)
    low, high = go2.command_limits
    assert ((sound >= low) & (sound <= high)).all()  # NaN is neither
    assert (np.abs(np.diff(sound, axis=0)) <= go2.command_rate * go2.period + 1e-9).all()
    assert reasons & Reason.SENSOR_NOT_FINITE
    assert reasons & Reason.SENSOR_STALE
    assert reasons & Reason.RATE_LIMIT
