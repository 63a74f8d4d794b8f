"""The node over DDS keeps a bag of what it did, which replays to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from std_srvs.srv import Trigger

from ros_bridge.bag_events import Kind
from ros_bridge.bag_reader import Bag
from ros_bridge.bag_replay import replay_bag
from ros_bridge.node import AdaptationNode
from tests.ros_bridge.bench import FAILURE, SUCCESS, Bench, safe

pytestmark = pytest.mark.ros
NAMESPACE = "recorded"


@pytest.fixture
def bench(robot, bundle, tmp_path):
    made = Bench(AdaptationNode(str(bundle.path), "", NAMESPACE, record=str(tmp_path / "bags")), robot)
    yield made
    made.close()


def recorder_status(bench: Bench) -> DiagnosticStatus | None:
    return bench.robot.health.get(f"{NAMESPACE}/adaptation: recorder")


def a_life(bench: Bench) -> None:
    """In control, silent, in control, forgotten, stopped, deactivated, active again, cleaned up."""
    assert bench.node.trigger_configure() == SUCCESS
    bench.activate()
    bench.good_readings_until(lambda: len(bench.commands) > 60)
    assert bench.call(Trigger, "reset_belief", Trigger.Request()).success
    before = len(bench.commands)
    bench.until(lambda: len(bench.commands) > before + 2)  # the watchdog's
    bench.good_readings_until(lambda: len(bench.commands) > before + 40)
    assert bench.call(Trigger, "stop", Trigger.Request()).success
    bench.until(lambda: safe(bench.commands[-1]))
    bench.until(lambda: recorder_status(bench))
    assert bench.node.trigger_deactivate() == SUCCESS
    bench.activate()
    before = len(bench.commands)
    bench.good_readings_until(lambda: len(bench.commands) > before + 20)
    assert bench.node.trigger_deactivate() == SUCCESS
    assert bench.node.trigger_cleanup() == SUCCESS


def test_a_run_replays_to_the_last_bit(bench, bundle, tmp_path):
    a_life(bench)
    (folder,) = (tmp_path / "bags").iterdir()
    assert (folder / "metadata.yaml").is_file()
    result = replay_bag(folder, bundle.path)
    assert (result["same_policy"], result["identical"], result["ended_early"]) == (True, True, None)
    recorded = {tuple(row) for row in result["certified"]["recorded"]}
    assert {tuple(command) for command in bench.commands} <= recorded  # what the robot heard is what was kept
    kinds = [event.kind for event in Bag(folder).events()]
    assert set(kinds) == set(Kind) - {
        Kind.IMU,
        Kind.GOAL,
        Kind.RESTORE,
        Kind.PARAMETERS,
        Kind.FREEZE,
        Kind.UNFREEZE,
    }
    assert 0 < result["latency_ms"]["p50"] < 1e3
    status = recorder_status(bench)
    assert status is not None
    assert (status.level, status.message) == (DiagnosticStatus.OK, "recording")


def test_every_configuration_has_a_bag_of_its_own(bench, tmp_path):
    for _ in range(2):
        assert bench.node.trigger_configure() == SUCCESS
        bench.good_readings_until(lambda: bench.node.refusal() is None)
        assert bench.node.trigger_cleanup() == SUCCESS
    assert len(list((tmp_path / "bags").iterdir())) == 2


def test_a_disk_that_cannot_be_written_ends_the_recording_not_control(bench, tmp_path):
    (tmp_path / "bags").write_text("no folder")
    assert bench.node.trigger_configure() == SUCCESS
    bench.activate()
    bench.good_readings_until(lambda: len(bench.commands) > 10)

    def told() -> bool:
        status = recorder_status(bench)
        return status is not None and status.level == DiagnosticStatus.ERROR

    bench.good_readings_until(told)
    assert bench.node.state == "active"
    status = recorder_status(bench)
    assert status is not None
    assert "recording ended" in status.message


def test_nothing_is_recorded_unless_asked_for(robot, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Bench(AdaptationNode(str(bundle.path), "", NAMESPACE), robot)
    try:
        assert bench.node.trigger_configure() == SUCCESS
        bench.activate()
        bench.good_readings_until(lambda: len(bench.commands) > 5)
        bench.good_readings_until(lambda: bench.told())
        assert recorder_status(bench) is None
    finally:
        bench.close()
    assert list(Path(tmp_path).iterdir()) == []


def test_a_node_that_is_not_configured_leaves_no_bag(robot, tmp_path):
    bench = Bench(AdaptationNode("/nowhere", "", NAMESPACE, record=str(tmp_path / "bags")), robot)
    try:
        assert bench.node.trigger_configure() == FAILURE
    finally:
        bench.close()
    assert not (tmp_path / "bags").exists()
