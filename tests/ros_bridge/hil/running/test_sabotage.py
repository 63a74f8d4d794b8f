"""Faults of a node as a process and of the machine, done to a stand-in that writes to a file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ros_bridge.hil.events import BEGUN, Event
from ros_bridge.hil.running.sabotage import Sabotage
from ros_bridge.hil.schedule import Fault
from ros_bridge.processes import Process
from tests.ros_bridge.patience import until

WRITER = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    while True:
        try:
            file.write(b"x" * 100)
        except OSError as error:
            print(error.errno, flush=True)
        time.sleep(0.01)
"""
FAULTS = (
    Fault("paused", "node", 1.0, 0.5),
    Fault("disk_full", "node", 1.0, 0.5),
    Fault("hogged", "machine", 1.0, 0.5, 2.0),
    Fault("killed", "node", 1.0, 5.0),
    Fault("nan", "joints", 1.0, 5.0),
)


class Cast:
    """The node alone."""

    def __init__(self, folder: Path):
        self.folder, self.environment = folder, {"STAND_IN": "1"}
        self.file = folder / "bag/b/b_0.mcap"
        self.file.parent.mkdir(parents=True)
        self.file.touch()
        script = folder / "writer.py"
        script.write_text(WRITER)
        self.node = Process([str(self.file)], folder / "log", {"PYTHONPATH": str(folder)}, module="writer")
        self.processes = {"node": self.node}


@pytest.fixture
def cast(tmp_path):
    made = Cast(tmp_path)
    yield made
    made.node.signal(signal.SIGCONT)
    made.node.stop()


def grows(file: Path) -> bool:
    before = file.stat().st_size
    time.sleep(0.15)
    return file.stat().st_size > before


def test_a_node_that_is_to_be_restarted_may_end_by_itself(cast: Any):
    noted: list[str] = []
    sabotage = Sabotage((Fault("restarted", "node", 1.0, 5.0),), cast, noted.append)
    until(lambda: grows(cast.file))
    sabotage.on_event(Event(BEGUN, 0.0, 0), 10.0)
    until(lambda: cast.node.poll() == -signal.SIGTERM)
    assert (sabotage.deaths, noted) == (1, ["node told to end"])


def test_each_is_done_and_undone(cast: Any):
    noted: list[str] = []
    sabotage = Sabotage(FAULTS, cast, noted.append)
    until(lambda: grows(cast.file))
    sabotage.on_event(Event(BEGUN, 0.0, 4), 10.0)  # the relay's business
    sabotage.on_event(Event(BEGUN, 0.0, 0), 10.0)
    time.sleep(0.1)
    assert not grows(cast.file)
    sabotage.turn(10.4)
    assert not grows(cast.file)
    sabotage.turn(10.6)
    assert grows(cast.file)

    sabotage.on_event(Event(BEGUN, 0.0, 1), 20.0)
    time.sleep(0.1)
    assert not grows(cast.file)
    assert cast.node.poll() is None
    until(lambda: "27" in cast.node.tail())  # EFBIG
    sabotage.turn(20.6)
    assert grows(cast.file)

    sabotage.on_event(Event(BEGUN, 0.0, 2), 30.0)
    found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=True)
    assert len(found.stdout.split()) >= 3
    sabotage.on_event(Event(BEGUN, 0.0, 3), 30.0)
    until(lambda: cast.node.poll() == -9)
    assert sabotage.deaths == 1
    sabotage.end()
    assert noted == [
        "node paused", "node goes on", f"disk full at {noted[2].split()[3]} bytes", "disk free",
        "2 busy processes", "node killed", "busy processes ended",
    ]  # fmt: skip


def test_nothing_begins_after_the_end(cast):
    notes: list[str] = []
    sabotage = Sabotage(FAULTS, cast, notes.append)  # type: ignore[arg-type]
    sabotage.end()
    for index in range(len(FAULTS)):
        sabotage.on_event(Event(BEGUN, 1.0, index), 1.0)
    assert notes == []
    assert cast.node.poll() is None


def test_the_disk_of_a_node_that_is_gone_does_no_harm(cast):
    cast.node.stop()
    sabotage = Sabotage(FAULTS, cast, lambda words: None)  # type: ignore[arg-type]
    sabotage.on_event(Event(BEGUN, 1.0, 1), 1.0)
    sabotage.end()
