"""Simulated time that goes on as soon as readings are answered: a robot and a node over ROS."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from ros_bridge.processes import Process, free_domain
from tests.ros_bridge.patience import PATIENCE, until

SECONDS = 8.0


@pytest.mark.ros
@pytest.mark.slow
def test_a_run_in_lock_step_is_faster_than_time_and_another_one_is_like_it(bundle, tmp_path):
    (first, took), (second, _) = (play(bundle.path, tmp_path / name) for name in "ab")
    assert took < SECONDS  # a fifth of it on a machine with nothing else to do
    steps = round(SECONDS / 0.02)
    assert len(first["certified"]) == len(second["certified"]) == steps
    assert first["slips"] == 0
    if "overrun" not in first["reasons"] | second["reasons"]:  # by the steady clock, see docs/hil_runs.md
        # Measured under load over 4 runs: the first 50 steps differed by less than 1 % of the 2.5 N m.
        apart = np.abs(np.array(first["certified"][1:50]) - np.array(second["certified"][1:50]))
        assert np.median(apart) < 0.05


def play(bundle: Path, folder: Path) -> tuple[dict, float]:
    """One run: the robot's record, and how long it took, in [s]."""
    environment = free_domain()
    line = ["deploy", str(bundle), "--namespace", "r", "--ros-args", "-p", "use_sim_time:=true"]
    node = Process(line, folder / "node.log", environment)
    record = folder / "record.json"
    line = ["sim-robot", "--seconds", str(SECONDS), "--namespace", "r", "--record", str(record)]
    robot = Process([*line, "--lock-step", "--hold"], folder / "robot.log", environment)
    try:
        until(lambda: "inactive" in node.tail(9) and "holding" in robot.tail(9), timeout=2 * PATIENCE)
        robot.signal(signal.SIGUSR1)
        until(lambda: "first command" in robot.tail(9))
        began = time.monotonic()
        assert robot.wait(2 * PATIENCE) == 0
        return json.loads(record.read_text()), time.monotonic() - began
    finally:
        robot.stop()
        node.stop()
