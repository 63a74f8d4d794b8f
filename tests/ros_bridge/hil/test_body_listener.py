"""A simulated robot hears over ROS when faults of its body begin and end; a relay says so while messages pass it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.cli import main
from ros_bridge.hil.events import BEGUN, ENDED, OVER, STARTED, Event, event_message
from ros_bridge.hil.schedule import BODY, JOINTS, NODE, Fault, to_json
from ros_bridge.lifetime import StopFlag
from ros_bridge.processes import Process, free_domain
from ros_bridge.sim_robot import SimRobot
from sim_tasks.families import load_family
from sim_tasks.hidden_task import hidden_task

FAULTS = [
    Fault("off", JOINTS, 0.0, 1.0),
    Fault("weak", BODY, 0.0, 1.0, 0.5),
    Fault("killed", NODE, 0.0, 1.0),
    Fault("payload", BODY, 0.0, 1.0, 2.0),
]


def test_what_the_relay_says_happens_to_the_body_and_only_what_is_the_body_s(ros):
    family = load_family("pendulum_swingup")
    with StopFlag() as stop:
        robot = SimRobot(family, hidden_task(family, 0, 0), 2.0, stop, faults=FAULTS)
        try:
            gain, mass = (robot.sim.field(name)[0] for name in ("actuator_gainprm", "body_mass"))
            whole, own = gain[0, 0], mass[-1]
            say = robot.faults._on_event
            seen = []
            for what, index in (
                (STARTED, -1),
                (BEGUN, 0),
                (BEGUN, 1),
                (BEGUN, 1),
                (BEGUN, 2),
                (BEGUN, 3),
                (ENDED, 0),
                (ENDED, 1),
                (ENDED, 3),
                (OVER, -1),
            ):
                say(event_message(Event(what, 0.0, index)))
                seen.append((gain[0, 0] / whole, mass[-1] - own))
        finally:
            robot.close()
    half = [(1, 0)] * 2 + [(0.5, 0)] * 3 + [(0.5, 2)] * 2 + [(1, 2)] + [(1, 0)] * 2
    assert np.array(seen) == pytest.approx(np.array(half))


def test_a_robot_does_not_start_with_a_fault_that_it_cannot_have(tmp_path, capsys):
    path = tmp_path / "faults.json"
    path.write_text(json.dumps(to_json([FAULTS[0], Fault("slope", BODY, 0.0, 1.0, 0.1)])))
    assert main(["sim-robot", "pendulum_swingup", "--faults", str(path)]) == 2
    assert "fault 1 (body slope): pendulum is fixed to the world" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.ros
def test_a_pushed_pendulum_moves_when_the_relay_says_so(tmp_path):
    """Three processes: an echo asks for no torque, the pendulum hangs; it is pushed from 1.0 s on."""
    record = play(tmp_path, [Fault("push", BODY, 1.0, 0.2, 15.0, field="x"), Fault("locked", BODY, 2.0, 1.5)])
    time, speed = np.array(record["time"]), np.abs(np.array(record["velocity"]).reshape(len(record["time"])))
    assert speed[time < 0.95].max() < 0.5
    assert speed[(time > 1.05) & (time < 1.3)].max() > 1.5
    assert speed[(time > 2.2) & (time < 3.4)].max() < 1e-6
    assert speed[time > 3.7].max() > 1e-3


def play(folder: Path, faults: list[Fault]) -> dict[str, Any]:
    """What the simulated pendulum records."""
    schedule, record = folder / "faults.json", folder / "record.json"
    schedule.write_text(json.dumps(to_json(faults)))
    domain, processes = free_domain(), list[Process]()
    robot = ["sim-robot", "pendulum_swingup", "--seconds", "4.5", "--namespace", "robot"]
    try:
        for arguments, module in (
            (["--robot", "pendulum", "--faults", str(schedule)], "ros_bridge.hil.relay"),
            (["echo", "pendulum", "--namespace", "node"], "adapt.cli"),
            ([*robot, "--faults", str(schedule), "--record", str(record)], "adapt.cli"),
        ):
            processes.append(Process(arguments, folder / f"{len(processes)}.log", domain, module))
        assert processes[-1].wait(60.0) == 0, processes[-1].tail()
    finally:
        for process in processes:
            process.stop()
    return json.loads(record.read_text())
