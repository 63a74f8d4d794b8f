"""How soon the adaptation node answers a reading over DDS, beside a bare echo node: three processes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ros_bridge.errors import ProcessError
from ros_bridge.latency import quantiles
from ros_bridge.plant import LAST_ANSWERS, START_UP, WARM_UP
from ros_bridge.processes import Process, own_domain

NODE, ECHO = "node", "echo"
"""Namespaces."""


@dataclass(frozen=True)
class Pace:
    """How readings are said."""

    rate: float
    """In [Hz]; the robot's control period must be its inverse, or the node does not act on every reading."""
    seconds: float
    """Of each of the two, in [s]."""
    rounds: int
    """How often the two have their turn."""

    @property
    def duration(self) -> float:
        """Of the whole measurement in [s], without start-up."""
        return 2 * (self.seconds + self.rounds * (WARM_UP + LAST_ANSWERS))


def measure_round_trips(bundle: Path, robot: Path, pace: Pace, folder: Path) -> dict[str, Any]:
    """Round trips from a reading's publication to the arrival of the command, of node and echo in turn.

    Args:
        bundle: folder of the policy bundle.
        robot: robot.yaml.
        pace: of the readings.
        folder: for the record and the logs.

    Returns:
        `node_ms` and `echo_ms`, each `p50`, `p99` and `max` in [ms]; `ratio_p50`, `ratio_p99`; `rate_hz`; of the node
        `messages`, `lost` (never answered), `late` (later than a period), `missed_deadlines` (both together),
        `max_lateness_ms` (beyond a period); `echo_lost`, `echo_late`; `slips`: readings that the plant left out.

    Raises:
        ProcessError: a process did not start or failed; its log is in `folder`.
    """
    record = folder / "record.json"
    arguments = ["--robot", str(robot), "--out", str(record), "--namespaces", NODE, ECHO]
    arguments += ["--rate", str(pace.rate), "--seconds", str(pace.seconds), "--rounds", str(pace.rounds)]
    environment = own_domain()
    processes: list[Process] = []
    try:
        for name, command in (
            (NODE, ["deploy", str(bundle), "--robot", str(robot), "--namespace", NODE]),
            (ECHO, ["echo", str(robot), "--namespace", ECHO]),
        ):
            processes.append(Process(command, folder / f"{name}.log", environment))
        processes.append(Process(arguments, folder / "plant.log", environment, module="ros_bridge.plant"))
        wait_for_last(processes, time.monotonic() + START_UP + pace.duration + START_UP)
    finally:
        for process in reversed(processes):
            process.stop()
    return summary(json.loads(record.read_text(encoding="utf-8")), pace.rate)


def summary(records: dict[str, Any], rate: float) -> dict[str, Any]:
    """What `measure_round_trips` returns, of the records of node and echo at `rate` [Hz]."""
    period_ms = 1e3 / rate
    trips = {name: np.array(records[name]["latency_ms"], dtype=float) for name in (NODE, ECHO)}
    lost = {name: int(np.isnan(trip).sum()) for name, trip in trips.items()}
    late = {name: int((trip > period_ms).sum()) for name, trip in trips.items()}
    node, echo = (quantiles(trip[np.isfinite(trip)]) for trip in trips.values())
    return {
        "node_ms": node,
        "echo_ms": echo,
        "ratio_p50": node["p50"] / echo["p50"],
        "ratio_p99": node["p99"] / echo["p99"],
        "rate_hz": rate,
        "messages": len(trips[NODE]),
        "lost": lost[NODE],
        "late": late[NODE],
        "missed_deadlines": lost[NODE] + late[NODE],
        "max_lateness_ms": max(node["max"] - period_ms, 0.0),
        "echo_lost": lost[ECHO],
        "echo_late": late[ECHO],
        "slips": sum(record["slips"] for record in records.values()),
    }


def wait_for_last(processes: list[Process], deadline: float) -> None:
    """Until the last of the processes, which measures, has ended well; `deadline` is monotonic, in [s].

    Raises:
        ProcessError: it has not, or another one ended before it.
    """
    *answering, last = processes
    while (code := last.poll()) is None:
        for process in answering:
            if process.poll() is not None:
                raise ProcessError(
                    f"{process.name} ended with code {process.poll()}; {process.log}:\n{process.tail()}"
                )
        if time.monotonic() > deadline:
            raise ProcessError(f"{last.name}: no end in sight; its log: {last.log}")
        time.sleep(0.1)
    if code != 0:
        tails = "\n".join(f"{process.log}:\n{process.tail()}" for process in processes)
        raise ProcessError(f"{last.name} ended with code {code}; {tails}")
