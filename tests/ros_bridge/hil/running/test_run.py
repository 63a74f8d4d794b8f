"""Runs of scenarios with an untrained policy: processes, faults of the system, and what is left of a runner."""

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
from ros_bridge.hil.judging.finding import Finding
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.running import result
from ros_bridge.hil.running.campaign import run_campaign
from ros_bridge.hil.running.warden import SHARED, mapped
from ros_bridge.hil.scenario.scenario import Limits, NodeOptions, Scenario, TaskChoice
from ros_bridge.hil.schedule import Fault
from ros_bridge.processes import taken
from tests.ros_bridge.patience import PATIENCE, until

pytestmark = [pytest.mark.ros, pytest.mark.slow]
FAULTS = (
    Fault("nan", "joints", 0.5, 0.3),
    Fault("paused", "node", 1.5, 0.5),
    Fault("hogged", "machine", 2.8, 0.5, 2.0),
    Fault("killed", "node", 4.0, 8.0),
)
SECONDS = 12.5
RUNNER = """
import sys
from pathlib import Path
from ros_bridge.hil.running.campaign import run_campaign
from ros_bridge.hil.scenario.scenario import Scenario
from ros_bridge.hil.schedule import Fault
paused = (Fault("paused", "node", 0.5, 60.0),)
run_campaign([Scenario("paused", "", "pendulum_swingup", sys.argv[1], 60.0, faults=paused)], Path(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def judged_by_hand(monkeypatch):
    """What is expected is not what is tested here."""
    finding = Finding("anything", "", 1.0, 2.0, "s", True)
    monkeypatch.setattr(result, "findings", lambda *_: [finding])


def scenario(bundle: PolicyBundle, **changes: Any) -> Scenario:
    """Whose robot may be late: tests share a slow machine with others."""
    given: dict[str, Any] = {"duration": SECONDS, "limits": Limits(lateness=5.0)} | changes
    return Scenario("one", "", "pendulum_swingup", str(bundle.path), **given)


def test_a_run_goes_through_its_faults_and_leaves_a_whole_folder(bundle, tmp_path):
    told = run_campaign([scenario(bundle, faults=FAULTS)], tmp_path)
    (run,) = told["runs"]
    assert (run["outcome"], run["reason"]) == ("passed", "")
    folder = tmp_path / run["folder"]
    assert json.loads((folder / "result.json").read_text()) == run
    assert json.loads((tmp_path / "campaign.json").read_text())["runs"] == [run]
    assert run["processes_left"] == 0
    assert [each["label"] for each in run["faults"]] == [fault.label for fault in FAULTS]
    for each, fault in zip(run["faults"], FAULTS, strict=True):
        assert fault.begin <= each["begun"] < fault.begin + 0.5
    said = [each["what"] for each in run["events"]]
    assert said == [
        "node paused", "node goes on", "2 busy processes", "busy processes ended", "node killed", "node started again",
    ]  # fmt: skip
    trace = Trace.load(folder / "trace.npz")
    steps = round(SECONDS / 0.02)
    assert len(trace.truth_time) == len(trace.qpos) == len(trace.lateness) == steps
    assert 0.8 * steps < len(trace.time) <= steps + 10
    assert len(trace.command) > 300
    silence = trace.command_time[(trace.command_time > 1.6) & (trace.command_time < 1.9)]
    assert len(silence) == 0  # paused
    assert trace.command_time[-1] > 8.0  # it came back
    assert len(trace.belief_time)
    assert len(trace.latency)
    assert (folder / str(run["bag"])).is_dir()
    assert len(list((folder / "bag").iterdir())) == 2  # of two nodes


def test_runs_beside_each_other_do_not_hear_each_other_and_values_count(bundle, tmp_path):
    light = scenario(
        bundle,
        duration=2.0,
        seeds=(0, 1),
        task=TaskChoice("values", values={"payload_mass": 0.4}),
        node=NodeOptions(record=False),
    )
    told = run_campaign([light], tmp_path, parallel=2)
    assert [run["outcome"] for run in told["runs"]] == ["passed", "passed"]
    for run in told["runs"]:
        assert run["truth"]["payload_mass"] == 0.4
        assert run["bag"] is None
        trace = Trace.load(tmp_path / run["folder"] / "trace.npz")
        assert len(trace.applied) <= 100 + 10  # of one node, not of two
    assert told["parallel"] == 2


def test_a_robot_that_is_late_makes_a_run_invalid(bundle, tmp_path):
    told = run_campaign([scenario(bundle, duration=1.5, limits=Limits(lateness=0.0))], tmp_path)
    assert told["runs"][0]["outcome"] == "invalid"
    assert "ms late; limit 0.0 ms" in told["runs"][0]["reason"]


def test_a_node_that_does_not_start_is_an_error_in_words(bundle, tmp_path):
    lost = scenario(bundle, duration=1.5, node=NodeOptions(fallback=str(tmp_path / "nowhere")))
    told = run_campaign([lost], tmp_path / "out")
    assert told["runs"][0]["outcome"] == "error"
    assert "node ended with code 2" in told["runs"][0]["reason"]


def test_nothing_is_left_of_a_runner_that_is_killed_while_its_node_is_stopped(bundle, tmp_path):
    before = {each.name for each in SHARED.iterdir()}
    log = (tmp_path / "log").open("wb")
    command = [sys.executable, "-c", RUNNER, str(bundle.path), str(tmp_path / "out")]
    runner = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: stopped(of_runner(runner.pid)), timeout=3 * PATIENCE)
        children = of_runner(runner.pid)
        domain = environment(children[0])["ROS_DOMAIN_ID"]
        mark = environment(children[0])["ADAPT_HIL_RUNNER"]
        mine = set[str]().union(*(mapped(pid) for pid in (runner.pid, *children))) - before
        assert len(mine) >= 8  # a segment and a port at least, of each of the four
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        until(lambda: not any_of(mark), timeout=15.0)
        assert not taken(int(domain))
        # Ports that others share with them, such as 7000, stay as long as those others are there.
        ours = {name for name in mine if not name.startswith(("fastdds_port70", "sem.fastdds_port70"))}
        until(lambda: not ours & {each.name for each in SHARED.iterdir()}, timeout=5.0)
    finally:
        runner.kill()
        runner.wait()
        log.close()


def environment(pid: int) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(each.split("=", 1) for each in text.split("\0") if "=" in each)


def of_runner(pid: int) -> list[int]:
    """Its children in a ROS domain."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [child for child in map(int, text.split()) if "ADAPT_HIL_RUNNER" in environment(child)]


def stopped(pids: list[int]) -> bool:
    return any(
        Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
        for pid in pids
        if Path(f"/proc/{pid}").exists()
    )


def any_of(mark: str) -> list[int]:
    pids = [int(each) for each in os.listdir("/proc") if each.isdigit()]
    return [pid for pid in pids if environment(pid).get("ADAPT_HIL_RUNNER") == mark]
