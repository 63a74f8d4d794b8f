"""Runs of a real robot, for which a thread or a simulated robot stands in: begin, watch, and every way to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from ros_bridge.commands import command_codec
from ros_bridge.hil.pages.write import write_report
from ros_bridge.hil.relay import COMMAND_QOS
from ros_bridge.hil.running import real_robot
from ros_bridge.hil.running.campaign import run_campaign
from ros_bridge.hil.running.preflight import Preflight
from ros_bridge.hil.running.warden import marked
from ros_bridge.hil.scenario.scenario import Limits, NodeOptions, Scenario
from ros_bridge.hil.schedule import Fault
from ros_bridge.processes import Process
from tests.ros_bridge.hil.running.hardware import Hardware
from tests.ros_bridge.patience import PATIENCE, until

pytestmark = [pytest.mark.ros, pytest.mark.slow]
RUNNER = """
import sys
from pathlib import Path
from ros_bridge.hil.running.campaign import run_campaign
from ros_bridge.hil.running.preflight import Preflight
from ros_bridge.hil.scenario.scenario import NodeOptions, Scenario
Preflight._gaps = lambda *_: []  # as `held_up`
real = Scenario("real", "", "pendulum_swingup", sys.argv[1], 60.0, robot="real", node=NodeOptions(record=False))
for _ in range(20):
    (run,) = run_campaign([real], Path(sys.argv[2]), at_the_emergency_stop=True)["runs"] or [{"reason": "told to stop"}]
    if not run["reason"].startswith("not started"):  # on a machine that is busy
        break
"""
HELD_UP = ("without a reading;", "readings per s;", "do the clocks agree?", "nothing came in")
"""What is rightly said of a stand-in on a machine that is busy: then it is looked at again."""
Change = Callable[[Hardware, float], None]


@contextmanager
def standing(spec: RobotSpec, change: Change = lambda robot, at: None) -> Iterator[Hardware]:
    robot = Hardware(spec, change)
    try:
        yield robot
    finally:
        robot.close()


@pytest.fixture(autouse=True)
def held_up(monkeypatch):
    """A stand-in is a thread of a process that is busy, on a machine that is: gaps are those of `test_real_limits`."""
    monkeypatch.setattr(real_robot, "SILENT", 2.0)
    monkeypatch.setattr(Preflight, "_gaps", lambda *_: [])


def driven(robot: Hardware | None, bundle: PolicyBundle, out: Path, **changes: Any) -> dict[str, Any]:
    """The result of one run."""
    given: dict[str, Any] = {"duration": 4.0, "robot": "real", "node": NodeOptions(record=False)} | changes
    scenario = Scenario("real", "", "pendulum_swingup", str(bundle.path), **given)
    run: dict[str, Any] = {}
    for _ in range(5):
        (run,) = run_campaign([scenario], out, at_the_emergency_stop=True)["runs"]
        assert run["processes_left"] == 0
        moved = robot is not None and robot.commands
        if moved or not any(words in run["reason"] for words in HELD_UP):
            return run
    pytest.fail(f"a stand-in that is held up again and again: {run['reason']}")


def let_go_of(robot: Hardware) -> None:
    """It was driven, and its last command is the safe one, after which there is silence."""
    asked = robot.applied
    assert np.abs(asked).max() > 0.0, "it was driven"
    assert (asked[-1] == 0.0).all()
    count = len(robot.commands)
    time.sleep(0.3)
    assert len(robot.commands) == count


def test_a_robot_is_eased_in_and_let_go_of(bundle, pendulum, tmp_path):
    with standing(pendulum) as robot:
        run = driven(robot, bundle, tmp_path, duration=5.0, faults=(Fault("nan", "joints", 3.5, 0.3),))
        let_go_of(robot)
    assert (run["outcome"], run["reason"]) == ("passed", "")
    assert [each["label"] for each in run["faults"]] == ["joints nan", "commands eased"]
    assert all(each["messages"] > 10 for each in run["faults"])
    step = pendulum.command_rate * pendulum.period
    change = np.abs(np.diff(robot.applied, axis=0))
    lets_go = ~robot.applied[1:].any(axis=1)
    assert (change[~lets_go] <= step + 1e-9).all()


def test_a_limit_stops_it_while_it_is_still_eased_in(bundle, pendulum, tmp_path):
    broke: list[float] = []

    def too_fast(robot: Hardware, at: float) -> None:
        if at > 1.5 and not broke:
            broke.append(time.monotonic())
            robot.velocity[:] = 1.01 * pendulum.velocity_limit

    with standing(pendulum, too_fast) as robot:
        run = driven(robot, bundle, tmp_path)
        let_go_of(robot)
    assert run["outcome"] == "failed"
    assert run["reason"].startswith("stopped: pivot moves at")
    assert run["events"][-1]["what"] == run["reason"]
    assert robot.commands[-1][0] - broke[0] < 1.0  # 0.1 s on a machine that is not busy
    write_report(tmp_path)
    assert "stopped: pivot moves at" in (tmp_path / "junit.xml").read_text()
    assert "stopped: pivot moves at" in (tmp_path / "report.html").read_text()


def test_a_command_fault_does_not_hold_up_the_last_word(bundle, pendulum, tmp_path):
    late = Fault("delayed", "commands", 3.0, 60.0, 0.5)

    def out_of_place(robot: Hardware, at: float) -> None:
        if at > 4.5:
            robot.position[:] = 0.3

    with standing(pendulum, out_of_place) as robot:
        limits = Limits(position={"pivot": (-0.2, 0.2)})
        run = driven(robot, bundle, tmp_path, duration=9.0, faults=(late,), limits=limits)
        let_go_of(robot)
    assert "pivot is at 0.3 rad; valid: -0.2 to 0.2 rad" in run["reason"]


def test_a_robot_that_falls_silent_is_stopped(bundle, pendulum, tmp_path):
    def silent(robot: Hardware, at: float) -> None:
        robot.silent = at > 2.0

    with standing(pendulum, silent) as robot:
        run = driven(robot, bundle, tmp_path, duration=8.0)
        let_go_of(robot)
    assert run["outcome"] == "failed"
    assert run["reason"].startswith("stopped: joint_states: nothing came in")


def another(robot: Hardware) -> Any:
    codec = command_codec(robot.spec)
    return robot.node.create_publisher(codec.kind, f"/{robot.spec.ros.commands}", COMMAND_QOS)


def test_what_is_not_fit_is_not_commanded(bundle, pendulum, tmp_path):
    def moves(robot: Hardware, at: float) -> None:
        robot.velocity[:] = 0.5 * pendulum.velocity_limit

    for change, words in ((moves, "moves at"), (lambda robot, at: None, "driver commands the robot already")):
        with standing(pendulum, change) as robot:
            if change is not moves:
                another(robot)
            run = driven(robot, bundle, tmp_path)
            assert run["outcome"] == "error"
            assert run["reason"].startswith("not started: ")
            assert words in run["reason"]
            assert robot.commands == []


def test_who_begins_to_command_it_too_ends_the_run(bundle, pendulum, tmp_path):
    there: list[Any] = []

    def joins(robot: Hardware, at: float) -> None:
        if at > 1.0 and not there:
            there.append(another(robot))

    with standing(pendulum, joins) as robot:
        run = driven(robot, bundle, tmp_path, duration=8.0)
        let_go_of(robot)
    assert run["reason"] == "stopped: commands: /driver commands the robot, too".replace(
        "commands:", f"{pendulum.ros.commands}:", 1
    )


def test_a_node_that_is_killed_comes_back_and_the_run_goes_on(bundle, pendulum, tmp_path):
    with standing(pendulum) as robot:
        run = driven(robot, bundle, tmp_path, duration=14.0, faults=(Fault("killed", "node", 3.0, 10.0),))
        let_go_of(robot)
    assert not run["reason"].startswith("stopped"), run["reason"]
    assert [each["what"] for each in run["events"]][:2] == ["node killed", "node started again"]
    times = np.array([at for at, _ in robot.commands])
    assert np.diff(times).max() > 0.3, "nobody spoke for it"
    assert times[-1] - times[0] > 13.0


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_however_the_runner_ends_the_robot_gets_the_safe_command_last(bundle, pendulum, tmp_path, how):
    log = (tmp_path / "log").open("wb")
    command = [sys.executable, "-c", RUNNER, str(bundle.path), str(tmp_path / "out")]
    with log, standing(pendulum) as robot:
        runner = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            until(lambda: len(robot.commands) > 50, timeout=3 * PATIENCE)
            mark = _mark(runner.pid)
            if how == "killed":
                runner.send_signal(signal.SIGKILL)
            else:
                os.killpg(runner.pid, signal.SIGINT)  # as a terminal's Ctrl-C does
            runner.wait(PATIENCE)
            until(lambda: not list(marked(mark)), timeout=15.0)
            let_go_of(robot)
        finally:
            runner.kill()
            runner.wait()


def _mark(pid: int) -> str:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        for each in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if each.startswith(b"ADAPT_HIL_RUNNER="):
                return each.split(b"=", 1)[1].decode()
    raise AssertionError("no child has a mark")


def test_a_simulated_robot_behind_a_real_one_s_topics(bundle, pendulum, tmp_path):
    record = tmp_path / "robot.json"
    line = ["sim-robot", "pendulum_swingup", "--seconds", "30", "--record", str(record)]
    robot = Process(line, tmp_path / "robot.log")
    try:
        run = driven(None, bundle, tmp_path, duration=4.0, limits=Limits(position={"pivot": (-100.0, 100.0)}))
    finally:
        robot.stop()
    assert run["outcome"] in ("passed", "failed"), run["reason"]
    assert '"rejected_commands": 0' in record.read_text()
    assert run["faults"][-1]["messages"] > 30
