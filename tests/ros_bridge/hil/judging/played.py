"""Runs that are played: a robot that is read every 0.02 s for 10 s, and a node that answers 2 ms later."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from robots import RobotSpec
from robots.safety import Reason
from ros_bridge.hil.judging.expectations import findings
from ros_bridge.hil.judging.facts import FaultCourse, RunFacts
from ros_bridge.hil.judging.finding import Finding
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.scenario.scenario import Expectation, Scenario
from ros_bridge.hil.schedule import JOINTS, Fault

PERIOD, SECONDS = 0.02, 10.0
STEPS = round(SECONDS / PERIOD)
SAFE = int(Reason.SENSOR_NOT_FINITE)


def played(spec: RobotSpec, command: float = 0.1) -> Trace:
    """Everything as it should be: reading k at 0.02 k s, at the node 1 ms later, its command 3 ms and at the robot 4 ms
    after the reading. The robot is on target, does not move, and is believed to be what it is: 1 +- 0.1."""
    time, joints = PERIOD * np.arange(STEPS), len(spec.joints)
    position = np.tile(spec.default_position, (STEPS, 1))
    sent = position.copy() if spec.interface == "position" else np.full((STEPS, joints), command)
    return Trace(
        time=time,
        position=position,
        velocity=np.zeros((STEPS, joints)),
        upright=np.ones(STEPS) if spec.imu else np.zeros(0),
        seen_time=time + 0.001,
        seen_position=position.copy(),
        seen_velocity=np.zeros((STEPS, joints)),
        command_time=time + 0.003,
        command=sent,
        requested_time=time + 0.003,
        requested=sent.copy(),
        reasons=np.zeros(STEPS, dtype=int),
        applied_time=time + 0.004,
        applied=sent.copy(),
        belief_time=time + 0.003,
        belief_mean=np.ones((STEPS, 2)),
        belief_std=np.full((STEPS, 2), 0.1),
        belief_names=np.array(["payload_mass", "coulomb_friction"]),
        familiarity_time=time + 0.003,
        unfamiliar=np.zeros(STEPS, dtype=bool),
        latency_time=time + 0.001,
        latency=np.full(STEPS, 0.002),
        truth_time=time,
        qpos=position.copy(),
        on_target=np.ones(STEPS, dtype=bool),
        error=np.zeros(STEPS),
    )


def facts(*courses: FaultCourse, **more: Any) -> RunFacts:
    """Nothing went wrong but for the faults."""
    known: dict[str, Any] = {
        "violations": [],
        "truth": {"payload_mass": 1.0, "coulomb_friction": 1.0},
        "ranges": {"payload_mass": (0.5, 1.5), "coulomb_friction": (0.0, 2.0)},
        "fell_at": None,
        "processes_left": 0,
        "rejected_commands": 0,
        "drive_timeouts": 0,
        "restarts": [],
        "bag_messages": None,
        "periods_to_safe": {},
        "recoveries": {},
    }
    return RunFacts(faults=list(courses), **(known | more))


def course(
    kind: str = "nan",
    target: str = JOINTS,
    begun: float = 4.0,
    ended: float = 5.0,
    messages: int = 50,
    **more: Any,
) -> FaultCourse:
    """A fault that lasted from 4 to 5 s."""
    return FaultCourse(Fault(kind, target, 4.0, 1.0, **more), begun, ended, messages)


def scenario(*expected: Expectation, **more: Any) -> Scenario:
    known: dict[str, Any] = {
        "name": "played",
        "about": "",
        "family": "pendulum_swingup",
        "bundle": "b",
        "duration": SECONDS,
        "expect": expected,
    }
    return Scenario(**(known | more))


def judge(spec: RobotSpec, trace: Trace, known: RunFacts, name: str, limit: float, **options: Any) -> Finding:
    """How one expectation came out."""
    expected = scenario(Expectation(name, limit, **options))
    return next(finding for finding in findings(expected, spec, trace, known) if finding.name == name)


def killed_node(trace: Trace, died: float, back: float) -> Trace:
    """The same without what the node said in between, and with another node from then on."""
    kept = ~((trace.command_time > died) & (trace.command_time < back))
    names = (
        "command_time",
        "command",
        "requested_time",
        "requested",
        "reasons",
        "applied_time",
        "applied",
    )
    return dataclasses.replace(trace, **{name: getattr(trace, name)[kept] for name in names})


def in_safe_mode(trace: Trace, begin: float, end: float) -> Trace:
    """The same with a node that says so, in between."""
    safe = (trace.requested_time >= begin) & (trace.requested_time < end)
    return dataclasses.replace(trace, reasons=np.where(safe, SAFE, trace.reasons))


NEVER = math.nan
