"""A simulated robot hears over ROS when faults of its body begin and end; a relay says so while messages pass it."""

from __future__ import annotations

import json
import signal
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from std_msgs.msg import Float64MultiArray, String

from adapt.cli import main
from robots import load_robot
from ros_bridge.hil.events import (
    BEGUN,
    ENDED,
    EVENT_QOS,
    EVENTS,
    OVER,
    STARTED,
    Event,
    event_message,
    read_event,
)
from ros_bridge.hil.relay import COMMAND_QOS
from ros_bridge.hil.schedule import BODY, JOINTS, MACHINE, NODE, Fault, to_json
from ros_bridge.lifetime import StopFlag
from ros_bridge.processes import Process, free_domain
from ros_bridge.sim_robot import SimRobot
from ros_bridge.waiting import SensorsFirst
from sim_tasks.families import load_family
from sim_tasks.hidden_task import hidden_task
from tests.ros_bridge.patience import PATIENCE

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


@pytest.mark.slow
@pytest.mark.ros
def test_a_relay_that_was_killed_is_replaced_and_the_events_are_those_of_one_schedule(ros, tmp_path):
    """The robot is this process. Killed by SIGKILL when it says so; its successor is there 1 s later or more."""
    faults = [
        Fault("bias", JOINTS, 0.2, 0.3, 0.5),
        Fault("weak", BODY, 0.4, 30.0, 0.5),
        Fault("lost", MACHINE, 1.0, 1.0),
        Fault("push", BODY, 1.2, 0.3, 5.0),
        Fault("inf", JOINTS, 12.0, 0.5),
    ]
    schedule = tmp_path / "faults.json"
    schedule.write_text(json.dumps(to_json(faults)))
    spec, heard = load_robot("pendulum"), list[Event]()
    node = rclpy.create_node("robot_and_node")
    executor = SensorsFirst()
    executor.add_node(node)
    node.create_subscription(String, EVENTS, lambda message: heard.append(read_event(message)), EVENT_QOS)
    commands = node.create_publisher(Float64MultiArray, f"/node/{spec.ros.commands}", COMMAND_QOS)
    arguments = ["--robot", "pendulum", "--faults", str(schedule)]
    processes = [Process(arguments, tmp_path / "first.log", None, "ros_bridge.hil.relay")]

    def until(count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(heard) < count and time.monotonic() < deadline:
            commands.publish(Float64MultiArray(data=array("d", [0.0])))
            executor.spin_once(timeout_sec=0.02)

    try:
        until(5)
        processes[0].signal(signal.SIGKILL)
        assert processes[0].wait(PATIENCE) == -signal.SIGKILL
        zero = heard[-1].zero
        assert zero is not None
        time.sleep(max(zero + 2.0 - time.monotonic(), 0.0))
        more = [*arguments, "--zero", str(zero)]
        processes.append(Process(more, tmp_path / "second.log", None, "ros_bridge.hil.relay"))
        until(9)
    finally:
        for process in processes:
            process.stop()
        executor.shutdown()
        node.destroy_node()
    assert [(event.what, event.index) for event in heard] == [
        ("started", -1),
        ("begun", 0),
        ("begun", 1),
        ("ended", 0),
        ("begun", 2),
        ("begun", 3),
        ("ended", 3),
        ("ended", 2),
        ("begun", 4),
    ]
    assert {event.zero for event in heard} == {zero}
    took = heard[8].at - heard[0].at
    assert took == pytest.approx(12.0, abs=0.3)  # by the clock of the first relay


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
