"""Over DDS: a node as a process with and without a protection, beside a simulated robot and a fault in between."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from adapt.bundle import PolicyBundle
from adapt.files import write_json
from ros_bridge.hil.schedule import Fault, to_json
from ros_bridge.hil.unprotected import DOMAIN, command_line
from ros_bridge.processes import Process, free_domain

pytestmark = [pytest.mark.slow, pytest.mark.ros]
SECONDS = 4.0
"""Of a run."""
BLIND = Fault("nan", "joints", 1.0, 2.0, field="velocity", joints=("pivot",))


class Run:
    """A simulated pendulum, the relay, and a node without some protections, in a domain of their own."""

    def __init__(self, bundle: PolicyBundle, folder: Path, off: list[str], faults: list[Fault], record: bool):
        environment = free_domain()
        environment |= {DOMAIN: environment["ROS_DOMAIN_ID"]}
        schedule = folder / "faults.json"
        write_json(schedule, to_json(faults))
        relay = ["--robot", "pendulum", "--faults", str(schedule)]
        relay += ["--robot-namespace", "robot", "--node-namespace", "node"]
        node = ["deploy", str(bundle.path), "--namespace", "node"]
        node += ["--record", str(folder / "bag")] if record else []
        robot = ["sim-robot", "pendulum_swingup", "--seconds", str(SECONDS), "--namespace", "robot"]
        self.record = folder / "robot.json"
        robot += ["--record", str(self.record)]
        launcher = "ros_bridge.hil.unprotected" if off else "adapt.cli"
        node = command_line(off, node) if off else node
        self.processes = [
            Process(relay, folder / "relay.log", environment, "ros_bridge.hil.relay"),
            Process(node, folder / "node.log", environment, launcher),
            Process(robot, folder / "robot.log", environment),
        ]

    @property
    def node(self) -> Process:
        return self.processes[1]

    def result(self) -> dict[str, Any]:
        """What the robot says at its end."""
        try:
            self.processes[2].wait(60.0)
            return json.loads(self.record.read_text())
        finally:
            self.stop()

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()


def test_a_node_without_its_check_for_nan_sends_nan(bundle, tmp_path):
    for off in ([], ["finite"]):
        folder = tmp_path / ("without" if off else "with")
        folder.mkdir()
        run = Run(bundle, folder, off, [BLIND], record=False)
        rejected = run.result()["rejected_commands"]
        # 100 readings are broken; without the check every one of them is answered with NaN.
        assert rejected >= 20 if off else rejected == 0, run.node.tail()
        assert ("UNPROTECTED: finite" in run.node.log.read_text()) == bool(off)


def test_a_node_that_records_in_its_control_thread_ends_with_the_disk(bundle, tmp_path):
    for off in ([], ["recorder_thread"]):
        folder = tmp_path / ("without" if off else "with")
        folder.mkdir()
        run = Run(bundle, folder, off, [], record=True)
        try:
            patience = time.monotonic() + 60.0
            while "first command" not in run.processes[2].tail() and time.monotonic() < patience:
                time.sleep(0.05)
            resource.prlimit(run.node.pid, resource.RLIMIT_FSIZE, (1, 1))
        finally:
            record = run.result()
        # A node that has given up is silent: its robot ends 2 s after the last command, before its 4 s are over.
        assert (record["time"][-1] < SECONDS - 1.0) == bool(off), run.processes[2].tail()
