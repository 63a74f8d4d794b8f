"""Endurance runs, as short as they can be: four processes and the judge in this one. The policy is untrained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapt.bundle import PolicyBundle
from adapt.cli import main
from ros_bridge.hil import crew, soak
from ros_bridge.hil.schedule import COMMANDS, JOINTS, Fault
from ros_bridge.hil.soak import BadSoak, Soak
from ros_bridge.processes import Process, free_domain
from tests.ros_bridge.patience import PATIENCE, alive, until

pytestmark = pytest.mark.ros
FAMILY = "pendulum_swingup"
FAULTS = (
    Fault("nan", JOINTS, 0.4, 0.2),
    Fault("off", JOINTS, 1.1, 0.3),
    Fault("garbage", JOINTS, 1.9, 0.2, seed=1),
    Fault("delayed", JOINTS, 2.6, 0.2, 0.2),
    Fault("loss", COMMANDS, 3.5, 0.3, 0.5),
    Fault("saturated", COMMANDS, 4.0, 0.2, 0.1),
)
SECONDS = 4.6


@pytest.fixture(scope="module")
def pids() -> list[int]:
    """Of all processes that runs start."""
    return []


@pytest.fixture(scope="module", autouse=True)
def noted(pids: list[int]):
    """Notes them."""

    def start(*arguments: Any, **more: Any) -> Process:
        process = Process(*arguments, **more)
        pids.append(process.pid)
        return process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "Process", start)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("soak")


@pytest.fixture(scope="module")
def result(bundle: PolicyBundle, folder: Path) -> dict[str, Any]:
    """What a run under a fault of every sort came to."""
    return soak.soak(Soak(FAMILY, str(bundle.path), SECONDS / 60, faults=FAULTS), folder)


def test_the_node_bears_every_fault_of_the_run(result):
    assert result["violations"] == []
    assert result["ok"]
    assert [course["fault"] for course in result["courses"]] == [fault.label for fault in FAULTS]
    assert all(course["messages"] > 5 for course in result["courses"] if course["fault"] != "joints delayed")


def test_blinded_it_is_in_safe_mode_and_then_drives_again(result):
    faults = result["faults"]
    for label in ("joints nan", "joints off", "joints delayed"):
        assert faults[label]["safe_s"] > 0.1
        assert faults[label]["recovered"] == 1
        assert 0.1 < faults[label]["recovery_s"]["max"] < 1.0
    assert faults["joints nan"]["most_periods_to_safe"] <= 2


def test_both_sides_are_counted_and_some_commands_are_lost_on_the_way(result):
    node, robot = result["judge"]["node"], result["judge"]["robot"]
    assert node["commands"] > 0.8 * SECONDS / 0.02
    assert 3 < node["commands"] - robot["commands"] < 40  # of 15 commands in 0.3 s about half
    assert result["robots"]["rejected_commands"] == 0
    assert result["robots"]["steps"] > 0.8 * SECONDS / 0.02
    assert result["diagnostics"]["node/adaptation: control"]["state"] == "active"


def test_what_the_relay_adds_is_measured(result):
    latency = result["relay_latency_ms"]
    assert 0.0 < latency["sensors"]["p50"] < 5.0  # a tenth of that on a quiet machine
    assert 0.0 < latency["commands"]["p50"] < 5.0


def test_the_report_is_written_and_no_process_is_left(result, folder, pids):
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(result))
    assert len(pids) >= 3
    assert not any(alive(pid) for pid in pids)


def test_a_node_that_commands_anything_is_caught_on_both_sides(result, bundle, tmp_path):
    run = Soak(FAMILY, str(bundle.path), 3.0 / 60, faults=())
    found = soak.soak(run, tmp_path, node=[], node_module="tests.ros_bridge.hil.careless_node")
    assert not found["ok"]
    what = {(violation["side"], violation["what"]) for violation in found["violations"]}
    assert what >= {
        (side, name) for side in ("node", "robot") for name in ("not_finite", "limit", "unreadable")
    }
    assert ("drive", "rejected") in what
    assert {violation["limit"] for violation in found["violations"] if violation["what"] == "limit"} == {2.5}


def test_robots_never_run_out(monkeypatch, tmp_path):
    """Of one seed there are 64 hidden robots; an hour takes more of those that fall."""
    started = []
    monkeypatch.setattr(crew, "Process", lambda arguments, *_: started.append(arguments))
    made = crew.Crew(FAMILY, "pendulum", [], tmp_path / "faults", tmp_path, {}, seed=5, turn=1.0)
    for _ in range(66):
        made.start_robot()
    told = [(line[line.index("--task") + 1], line[line.index("--seed") + 1]) for line in started]
    assert told[0] == ("0", "5")
    assert told[63:] == [("63", "5"), ("0", "6"), ("1", "6")]


def test_what_makes_no_sense_is_refused_before_anything_is_started(bundle, tmp_path, pids):
    before = len(pids)
    with pytest.raises(BadSoak, match="minutes 0"):
        soak.soak(Soak(FAMILY, str(bundle.path), 0.0), tmp_path)
    with pytest.raises(BadSoak, match="drives pendulum; ur5e_reach has ur5e"):
        soak.soak(Soak("ur5e_reach", str(bundle.path), 1.0), tmp_path)
    assert len(pids) == before


@pytest.mark.parametrize(
    ("ok", "early", "code"), [(True, False, 0), (False, False, 1), (True, True, 130), (False, True, 1)]
)
def test_the_exit_code_says_whether_there_were_violations(monkeypatch, capsys, ok, early, code):
    result = {"ok": ok, "stopped_early": early}
    monkeypatch.setattr(soak, "soak", lambda *_: result)
    assert main(["hil", "soak", FAMILY, "anywhere", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == result


def test_a_free_domain_is_another_one_than_that_of_somebody_who_is_there(monkeypatch):
    import rclpy

    first = free_domain()
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=int(first["ROS_DOMAIN_ID"]))
    node = rclpy.create_node("somebody", context=context)
    try:
        assert free_domain()["ROS_DOMAIN_ID"] != first["ROS_DOMAIN_ID"]
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_interrupted_leaves_no_process_and_if_it_can_a_report(bundle, tmp_path, number):
    command = [sys.executable, "-m", "adapt.cli", "hil", "soak", FAMILY, str(bundle.path)]
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen([*command, "--out", str(tmp_path)], stdout=log, stderr=log)
    try:
        until(lambda: "first command" in text(tmp_path / "logs/robot_000.log"))
        children = list(map(int, text(Path(f"/proc/{run.pid}/task/{run.pid}/children")).split()))
        assert len(children) == 3
        os.kill(run.pid, number)
        run.wait(PATIENCE)
        until(lambda: not any(alive(pid) for pid in children))
    finally:
        run.kill()
        run.wait()
    assert (number == signal.SIGINT) == (tmp_path / "report.json").exists()
    if number == signal.SIGINT:
        assert json.loads(text(tmp_path / "report.json"))["stopped_early"]


@pytest.mark.slow
def test_a_killed_node_is_started_again_and_drives_again(result, bundle, tmp_path):
    faults = (Fault("killed", "node", 1.0, 12.0),)
    found = soak.soak(Soak(FAMILY, str(bundle.path), 0.25, faults=faults), tmp_path)
    assert found["violations"] == []
    assert found["node_kills"] == 1
    assert 0.5 < found["faults"]["node killed"]["recovery_s"]["max"] < 12.0


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
