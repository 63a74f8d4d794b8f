"""A node whose policy adapts by gradients, over DDS: services, diagnostics, audit log, and the process beside it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from adapt.bundle import PolicyBundle
from adapt.online.learning import OnRobotLearning
from ros_bridge.audit import AuditLog
from ros_bridge.errors import BridgeError
from ros_bridge.node import AdaptationNode
from ros_bridge.processes import Process
from tests.gradient_learning import Answer, ScriptedUpdates, proposal
from tests.ros_bridge.bench import FAILURE, SUCCESS, Bench
from tests.ros_bridge.patience import alive, until
from tests.ros_bridge.robot_stand_in import RobotStandIn

pytestmark = pytest.mark.ros

NAMESPACE = "learner"


@pytest.fixture
def bench(ros: None, robot: RobotStandIn, gradient_bundle: PolicyBundle) -> Iterator[Bench]:
    made = Bench(AdaptationNode(str(gradient_bundle.path), namespace=NAMESPACE), robot)
    yield made
    made.close()


def learning(bench: Bench) -> OnRobotLearning:
    found = bench.loop.controller.learning
    assert found is not None
    return found


def configured(bench: Bench, *answers: Answer, **parameters: Any) -> None:
    """Active, with proposals that a test writes, and a robot that pays 1 for every step."""
    bench.node.set_parameters([Parameter(name, value=value) for name, value in parameters.items()])
    assert bench.node.trigger_configure() == SUCCESS
    learner, step = learning(bench), bench.loop.controller.step
    learner._updates.close()
    learner._updates = ScriptedUpdates(*answers)
    paid = np.ones((1, 1), np.float32)
    bench.loop.controller.step = lambda *given, **named: step(*given, **named, reward=paid)
    bench.activate()


def ask(bench: Bench, service: str) -> tuple[bool, str]:
    response = bench.call(Trigger, service, Trigger.Request())
    return response.success, response.message


def pid_of(bench: Bench) -> int:
    worker: Any = learning(bench)._updates
    until(lambda: worker.pid is not None)
    return worker.pid


def test_where_there_is_nothing_it_says_so(bench):
    configured(bench)
    assert ask(bench, "accept") == (False, "nothing to accept: collecting")
    assert ask(bench, "rollback") == (False, "nothing to roll back: there are no older parameters")
    bench.good_readings_until(lambda: bench.told().get("learning", "").startswith("collecting ("))
    told = bench.told()
    assert told["proposals kept"] == "0 of 3"
    assert told["audit log"] == "none"


def test_by_hand_from_a_window_to_parameters_that_are_kept_and_taken_back(bench, gradient_bundle, tmp_path):
    file = tmp_path / "deep" / "audit.jsonl"
    better = gradient_bundle.start + np.float32(0.01)
    configured(bench, proposal(better), audit_log=str(file), auto_accept=False, exploration=0.5)
    assert learning(bench).settings.exploration == 0.5
    bench.good_readings_until(lambda: bench.told().get("learning") == "waiting for accept")
    assert ask(bench, "accept") == (True, "done")
    bench.good_readings_until(lambda: bench.told().get("learning", "").startswith("on trial"))
    assert ask(bench, "accept") == (True, "done")
    bench.good_readings_until(lambda: bench.told().get("proposals kept") == "1 of 3")
    assert ask(bench, "rollback") == (True, "done")
    assert not ask(bench, "rollback")[0]
    bench.good_readings_until(lambda: bench.told().get("proposals kept") == "0 of 3")
    assert bench.node.trigger_deactivate() == SUCCESS
    assert bench.node.trigger_cleanup() == SUCCESS
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [event["event"] for event in events] == [
        "configured", "reset", "window collected", "proposal waits", "trial begins", "kept", "rolled back",
    ]  # fmt: skip
    assert events[0]["bundle"] == gradient_bundle.manifest["manifest_digest"]
    assert events[0]["settings"]["by_itself"] is False
    assert {events[4]["why"], events[5]["why"], events[6]["why"]} == {"by a person"}
    assert all(later["time"] >= earlier["time"] for earlier, later in itertools.pairwise(events))


def test_a_log_that_cannot_be_written_keeps_no_robot_from_running(bench, gradient_bundle):
    configured(bench, proposal(gradient_bundle.start), audit_log="/proc/nowhere/audit.jsonl")
    bench.good_readings_until(lambda: bench.told().get("learning", "").startswith("on trial"))
    assert bench.told()["audit log"].startswith("not kept any more: /proc/nowhere/audit.jsonl: ")
    assert bench.node.state == "active"


def test_parameters_of_learning_are_fixed_while_it_is_configured(bench):
    assert bench.node.trigger_configure() == SUCCESS
    for name, value in (("exploration", 0.5), ("auto_accept", False), ("audit_log", "/elsewhere")):
        (result,) = bench.node.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        assert result.reason == f"{name}: clean the node up first (it is inactive)"


@pytest.mark.parametrize("end", ["trigger_cleanup", "trigger_shutdown"])
def test_the_process_ends_with_the_configuration(bench, end):
    assert bench.node.trigger_configure() == SUCCESS
    pid = pid_of(bench)
    assert alive(pid)
    assert getattr(bench.node, end)() == SUCCESS
    assert not Path(f"/proc/{pid}").exists()
    assert not workers()


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in ("update worker", "audit log")]


def test_a_node_that_cannot_be_configured_leaves_no_process_behind(bench, monkeypatch, tmp_path):
    def fail(*_: object) -> None:
        raise BridgeError("no such topic")

    bench.node.set_parameters([Parameter("audit_log", value=str(tmp_path / "audit.jsonl"))])
    monkeypatch.setattr(bench.node, "_open", fail)
    for _ in range(2):
        assert bench.node.trigger_configure() == FAILURE
        assert bench.node.fault == "not configured: no such topic"
        assert not workers()


def test_without_torch_it_is_not_configured_and_says_how_to_get_it(bench, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert bench.node.trigger_configure() == FAILURE
    assert "those need torch: pip install '.[robot,gradient]'" in str(bench.node.fault)
    assert not workers()
    monkeypatch.undo()
    assert bench.node.trigger_configure() == SUCCESS


def test_a_policy_of_another_kind_does_not_adapt_by_gradients(ros, robot, bundle):
    bench = Bench(AdaptationNode(str(bundle.path), namespace=NAMESPACE), robot)
    try:
        bench.configure()
        for service in ("accept", "rollback"):
            assert ask(bench, service) == (False, "this policy does not adapt by gradients")
        assert not workers()
    finally:
        bench.close()


def test_what_is_adapted_comes_back_after_a_restart_and_is_not_adapted_for_ever(
    bench, gradient_bundle, tmp_path
):
    file, steps = tmp_path / "adapted.safetensors", (np.float32(0.01), np.float32(0.02), np.float32(0.03))
    configured(bench, *[proposal(gradient_bundle.start + step) for step in steps], belief_file=str(file))
    bench.good_readings_until(lambda: bench.told().get("learning") == "adapted")
    assert bench.node.trigger_deactivate() == SUCCESS
    assert bench.node.trigger_cleanup() == SUCCESS
    configured(bench)
    assert learning(bench).phase.value == "adapted"
    adapter: Any = bench.loop.controller.adapter
    np.testing.assert_array_equal(adapter.parameters[0], gradient_bundle.start + steps[2])
    assert ask(bench, "reset_belief")[0]
    assert learning(bench).phase.value == "collecting"
    np.testing.assert_array_equal(adapter.parameters[0], gradient_bundle.start)


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def test_the_process_does_not_outlive_a_node_that_is_killed(gradient_bundle, tmp_path):
    node = Process(["deploy", str(gradient_bundle.path), "--namespace", "doomed"], tmp_path / "node.log")
    try:
        until(lambda: children(node.pid))
        (worker,) = children(node.pid)
        until(lambda: os.getpriority(os.PRIO_PROCESS, worker) >= 10)
        until(lambda: b"torch" in Path(f"/proc/{worker}/maps").read_bytes())
        node.signal(signal.SIGKILL)
        until(lambda: not alive(worker), timeout=5.0)
    finally:
        node.signal(signal.SIGKILL)
        node.wait(10.0)


# The log by itself.


def audit(file: str, said: list[str]) -> AuditLog:
    return AuditLog(file, {"bundle": "x", "settings": {"margin": float("inf")}}, said.append)


def test_events_are_json_whatever_their_figures_are(tmp_path):
    said, file = list[str](), tmp_path / "audit.jsonl"
    for _ in range(2):  # two lives of a node
        log = audit(str(file), said)
        gates = [{"name": "spread", "value": None, "limit": 1.5, "passed": False}]
        log({"event": "rejected", "why": "a gate", "gates": gates, "scale": 0.125, "before": float("nan")})
        log.close()
    lines = file.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [event["event"] for event in events] == ["configured", "rejected"] * 2
    assert events[0]["settings"] == {"margin": None}
    assert events[1]["before"] is None
    assert said[1] == "adaptation: rejected: a gate (spread not finite, limit 1.5; before nan; scale 0.125)"


@pytest.mark.parametrize("name", ["", "a/\0b", "folder", "file/below"])
def test_a_file_that_cannot_be_written_is_said_once(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    said: list[str] = []
    log = audit(str(tmp_path / name) if name else "", said)
    for _ in range(3):
        log({"event": "kept"})
    log.close()
    log({"event": "kept"})
    log.close()
    told = [line for line in said if "not kept any more" in line]
    assert len(told) == (1 if name else 0), said
    assert len(said) == 5 + len(told)
    assert log.status() == "none" if not name else log.status().startswith("not kept any more")


def test_a_disk_that_hangs_holds_up_nobody(tmp_path, monkeypatch):
    """A pipe that nobody reads: opening it waits for ever."""
    file = tmp_path / "pipe"
    os.mkfifo(file)
    said: list[str] = []
    log = audit(str(file), said)
    for _ in range(100):
        log({"event": "kept"})
    assert len(said) == 101
    monkeypatch.setattr("ros_bridge.audit.LAST_WORDS", 0.1)
    log.close()
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # lets the thread go
    try:
        until(lambda: not log._thread.is_alive())  # type: ignore[union-attr]
    finally:
        os.close(reader)
