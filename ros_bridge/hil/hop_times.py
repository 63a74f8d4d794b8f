"""What the relay adds to a reading's way from robot to node, beside relays that do nothing: six processes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robots import load_robot
from ros_bridge.errors import ProcessError
from ros_bridge.hil.hops import LAST_ONES, START_UP, WARM_UP
from ros_bridge.hil.kinds import JOINTS
from ros_bridge.hil.schedule import Fault, to_json
from ros_bridge.latency import quantiles
from ros_bridge.processes import Process, free_domain
from ros_bridge.round_trip import wait_for_last

EXECUTOR, WAIT_SET, CLEAR, FAULTY = "executor", "wait_set", "clear", "faulty"
"""Bare relays on rclpy's executor and on a wait set; ours without a fault and with three."""
ROBOT = "go2"
"""12 joints."""
FOREVER = 1e6
FAULTS = (
    Fault("bias", JOINTS, 0.0, FOREVER, -0.05, ("FL_calf_joint",), "position"),
    Fault("noise", JOINTS, 0.0, FOREVER, 0.1, field="velocity", seed=1),
    Fault("swapped", JOINTS, 0.0, FOREVER, joints=("FR_hip_joint", "RL_hip_joint")),
)
ALTERED = 0.99
"""Share of the readings through the faulty relay that have to be altered, or it was not at work."""


@dataclass(frozen=True)
class HopPace:
    """How readings are said."""

    rate: float
    """In [Hz]."""
    seconds: float
    """Of each relay, in [s]."""
    rounds: int
    """How often each has its turn."""

    @property
    def duration(self) -> float:
        """Of the whole measurement in [s], without start-up."""
        return 4 * (self.seconds + self.rounds * (WARM_UP + 2 * LAST_ONES))


def measure_hops(pace: HopPace, folder: Path) -> dict[str, Any]:
    """Times from a reading's publication to its arrival behind each relay, in turn.

    Args:
        pace: of the readings.
        folder: for schedules, record and logs.

    Returns:
        As `summary`.

    Raises:
        ProcessError: a process did not start or failed, or the faults were not at work; says what its log says last.
    """
    robot, environment = load_robot(ROBOT), free_domain()
    record, processes = folder / "hops.json", list[Process]()
    hops = ["--robot", ROBOT, "--out", str(record), "--names", EXECUTOR, WAIT_SET, CLEAR, FAULTY]
    hops += ["--rate", str(pace.rate), "--seconds", str(pace.seconds), "--rounds", str(pace.rounds)]
    try:
        for name in (EXECUTOR, WAIT_SET):
            topics = [f"/{name}/{side}/{robot.ros.joint_states}" for side in ("robot", "node")]
            arguments = ["--heard", topics[0], "--said", topics[1], "--waiting", name]
            processes.append(
                Process(arguments, folder / f"{name}.log", environment, "ros_bridge.hil.bare_relay")
            )
        for name, faults in ((CLEAR, ()), (FAULTY, FAULTS)):
            schedule = folder / f"{name}.json"
            schedule.write_text(json.dumps(to_json(faults)), encoding="utf-8")
            arguments = ["--robot", ROBOT, "--faults", str(schedule)]
            arguments += ["--robot-namespace", f"{name}/robot", "--node-namespace", f"{name}/node"]
            processes.append(Process(arguments, folder / f"{name}.log", environment, "ros_bridge.hil.relay"))
        processes.append(Process(hops, folder / "hops.log", environment, "ros_bridge.hil.hops"))
        wait_for_last(processes, time.monotonic() + 2 * START_UP + pace.duration)
    finally:
        for process in reversed(processes):
            process.stop()
    return summary(json.loads(record.read_text(encoding="utf-8")), pace.rate)


def summary(records: dict[str, Any], rate: float) -> dict[str, Any]:
    """Of the records of all four relays at `rate` [Hz].

    Returns:
        For each of the relays `p50`, `p99` and `max` in [ms], as `<name>_ms`; `added_ms`: by how much the median with
        three faults is above that of the bare relay on rclpy's executor; `added_to_wait_set_ms`: above that on a wait
        set; `added_clear_ms`: without a fault, above the executor; `rate_hz`, `messages` and `lost` of each relay, and
        how many `faults`.

    Raises:
        ProcessError: a bare relay altered readings, or the faulty one did not.
    """
    for name, record in records.items():
        share = record["altered"] / max(len(record["latency_ms"]), 1)
        if (share < ALTERED) if name == FAULTY else share > 0:
            raise ProcessError(f"relay {name}: {100 * share:.1f} % of the readings came through altered")
    times = {name: quantiles(np.array(record["latency_ms"])) for name, record in records.items()}
    middle = {name: each["p50"] for name, each in times.items()}
    return {
        **{f"{name}_ms": each for name, each in times.items()},
        "added_ms": middle[FAULTY] - middle[EXECUTOR],
        "added_to_wait_set_ms": middle[FAULTY] - middle[WAIT_SET],
        "added_clear_ms": middle[CLEAR] - middle[EXECUTOR],
        "rate_hz": rate,
        "messages": {name: record["sent"] for name, record in records.items()},
        "lost": {name: record["lost"] for name, record in records.items()},
        "faults": len(FAULTS),
    }
