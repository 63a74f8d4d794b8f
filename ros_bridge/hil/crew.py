"""`Crew`: the processes of an endurance run, which end and are started again: simulated robots, the relay, the node."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ros_bridge.errors import ProcessError
from ros_bridge.processes import Process
from ros_bridge.sim_robot import NODE_GONE, OK
from sim_tasks.hidden_task import TASKS

ROBOT, NODE = "robot", "node"
"""Namespaces."""
DEATHS = 3
"""How often a node may end by itself before the run is given up."""
KILL_COVERS = 15.0
"""Time after a node's death in which a robot may give up on it, in [s]."""


@dataclass
class Crew:
    """Starts what a run needs and looks after it. All of it ends with `stop`, or with this process."""

    family: str
    robot: str
    """Name or robot.yaml."""
    node: list[str]
    """Command line of the node; `adapt` is what is run, or `node_module`."""
    schedule: Path
    folder: Path
    environment: dict[str, str]
    seed: int
    turn: float
    """Length of one simulated robot's run, in [s]."""
    node_module: str = "adapt.cli"
    robots: list[dict[str, Any]] = field(default_factory=list)
    """What each simulated robot said at its end."""
    kills: int = 0
    robot_began: float = 0.0
    """When the present robot was started, system time in [s]."""
    _processes: dict[str, Process] = field(default_factory=dict)
    _tasks: int = 0
    _nodes: int = 0
    _deaths: int = 0
    _killed_at: float = -1e9

    def start(self) -> None:
        """Relay and node. A robot comes when they are listened to: what it says first must be heard by all."""
        relay = ["--robot", self.robot, "--faults", str(self.schedule)]
        relay += ["--robot-namespace", ROBOT, "--node-namespace", NODE]
        log = self.folder / "relay.log"
        self._processes["relay"] = Process(relay, log, self.environment, module="ros_bridge.hil.relay")
        self._start_node()

    def stop(self) -> None:
        """Whatever still runs ends; the last robot's record is kept."""
        for name in ("robot", "node", "relay"):
            if name in self._processes:
                self._processes[name].stop()
        self._read_record()

    def kill_node(self) -> None:
        """SIGKILL; `tend` starts the next one."""
        self.kills += 1
        self._killed_at = time.monotonic()
        self._processes["node"].signal(signal.SIGKILL)

    def change_robot(self) -> None:
        """The next hidden robot takes the place of the one that cannot go on."""
        self._processes["robot"].signal(signal.SIGTERM)

    def tend(self) -> list[str]:
        """Starts again what has ended; what should not have, in words.

        Raises:
            ProcessError: the relay ended, a robot never heard a command, or the node ends again and again.
        """
        problems = []
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            killed = time.monotonic() - self._killed_at < KILL_COVERS
            words = f"{name} ended with code {code}; {process.log}: {process.tail(1)}"
            if name == "relay" or (name == "robot" and code not in (OK, NODE_GONE)):
                raise ProcessError(f"{words}\n{process.tail()}")
            if name == "robot":
                if code == NODE_GONE and not killed:
                    problems.append(words)
                self._read_record()
                self.start_robot()
            else:
                if not (killed and code == -signal.SIGKILL):
                    self._deaths += 1
                    problems.append(words)
                if self._deaths > DEATHS:
                    raise ProcessError(f"{words}\nand so {self._deaths} times")
                self._start_node()
        return problems

    @property
    def rejected(self) -> int:
        """Commands that the drives of all robots so far refused."""
        return sum(robot["rejected_commands"] for robot in self.robots)

    def _start_node(self) -> None:
        log = self.folder / f"node_{self._nodes:03d}.log"
        self._nodes += 1
        self._processes["node"] = Process(
            [*self.node, "--namespace", NODE], log, self.environment, self.node_module
        )

    def start_robot(self) -> None:
        """The next simulated robot."""
        seed, task = divmod(self._tasks, TASKS)  # of one seed there are so many
        arguments = ["sim-robot", self.family, "--task", str(task), "--seed", str(self.seed + seed)]
        arguments += ["--seconds", str(self.turn), "--namespace", ROBOT, "--record", str(self._record)]
        log = self.folder / f"robot_{self._tasks:03d}.log"
        self._processes["robot"] = Process(arguments, log, self.environment)
        self._tasks += 1
        self.robot_began = time.time()

    @property
    def _record(self) -> Path:
        return self.folder / "robot.json"

    def _read_record(self) -> None:
        """The figures of a robot's record; its columns are too much to keep for an hour."""
        if not self._record.exists():
            return
        record = json.loads(self._record.read_text(encoding="utf-8"))
        self._record.unlink()
        kept = ("rejected_commands", "command_timeouts", "slips", "diverged", "fell_at", "on_target")
        steps = len(record["time"])
        self.robots.append({"steps": steps, **{name: record[name] for name in kept}})
