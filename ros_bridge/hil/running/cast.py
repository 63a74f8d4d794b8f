"""`Cast`: the processes of one run, how each is started, and started again."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ros_bridge.hil.scenario.scenario import Scenario
from ros_bridge.hil.schedule import BODY
from ros_bridge.processes import PATIENCE, Process

RELAY = "ros_bridge.hil.relay"
ON_TIME = ("robot", "relay")
"""Processes that stand for hardware: other load on the machine is for the node to bear, not for them."""


@dataclass(frozen=True)
class Part:
    """What is to be run: a scenario with a bundle and a seed."""

    scenario: Scenario
    label: str
    """Short name of the bundle."""
    bundle: str
    """Folder."""
    seed: int
    robot: str
    """Registered name or robot.yaml, as the relay takes it."""
    lock_step: bool = False
    namespaces: tuple[str, str] = ("robot", "node")
    """Of the robot and of the node."""
    switched_off: str = ""
    """A protection; empty: none."""
    task: int = 0
    """Number of the drawn task."""


class Cast:
    """Starts the processes of a part in `folder`. Nobody watches over them but who calls."""

    def __init__(self, part: Part, folder: Path, environment: dict[str, str]):
        self.part, self.folder, self.environment = part, folder, environment
        self.processes: dict[str, Process] = {}
        """`relay`, `node` and `robot`, the newest of each."""
        self._starts: dict[str, int] = {}
        self._ending: dict[str, float] = {}
        """When each was told to end, monotonic, in [s]."""

    def start_relay(self, zero: float | None = None) -> None:
        """`zero`: of a schedule that another relay has begun."""
        robot, node = self.part.namespaces
        line = ["--robot", self.part.robot, "--faults", str(self.folder / "schedule.json")]
        line += ["--robot-namespace", robot, "--node-namespace", node]
        line += ["--sim-time"] if self.part.lock_step else []
        line += ["--last-word"] if self._real else []
        line += [] if zero is None else ["--zero", repr(zero)]
        self._start("relay", line, RELAY)

    def start_node(self) -> None:
        """`adapt deploy`, without the protection that is switched off, if it is one of the node's."""
        options, node = self.part.scenario.node, self.part.namespaces[1]
        line = ["deploy", self.part.bundle, "--namespace", node]
        line += ["--record", str(self.folder / "bag")] if options.record else []
        line += ["--belief-file", str(self.folder / "belief.npz")] if options.belief_file else []
        line += ["--fallback", options.fallback] if options.fallback else []
        line += ["--ros-args", "-p", "use_sim_time:=true"] if self.part.lock_step else []
        self._start("node", *self._without("node", line))

    def start_robot(self) -> None:
        """It says nothing until `release_robot`, and stays for as long as the scenario lasts."""
        part = self.part
        scenario, task = part.scenario, part.scenario.task
        line = ["sim-robot", scenario.family, "--seed", str(part.seed), "--task", str(part.task)]
        line += ["--seconds", str(scenario.duration), "--silence", str(math.inf), "--hold"]
        line += ["--namespace", part.namespaces[0]]
        line += ["--record", str(self.record), "--trace", str(self.truth)]
        if task.kind == "values":
            line += ["--values", *(f"{name}={value!r}" for name, value in task.values.items())]
        elif task.kind == "out_of_family":
            line += ["--split", "ood"]
        line += ["--goal-profile", str(self.folder / "goals.json")] if scenario.goal else []
        line += ["--lock-step"] if part.lock_step else []
        if any(fault.target == BODY for fault in scenario.faults):
            line += ["--faults", str(self.folder / "schedule.json")]
        self._start("robot", *self._without("robot", line))

    def release_robot(self) -> None:
        """It begins."""
        self.processes["robot"].signal(signal.SIGUSR1)

    def end(self) -> bool:
        """Tells the next process to end. To be called again and again, until it returns False: none is left."""
        for name in self._order:
            process = self.processes.get(name)
            if process is None or process.poll() is not None:
                continue
            if name not in self._ending:
                self._ending[name] = time.monotonic()
                process.signal(signal.SIGTERM)
            elif time.monotonic() - self._ending[name] > PATIENCE:
                process.signal(signal.SIGKILL)
            return True
        return False

    def stop(self) -> None:
        """All of them end now, in that order."""
        for name in self._order:
            if name in self.processes:
                self.processes[name].signal(signal.SIGCONT)
                self.processes[name].stop()

    @property
    def _real(self) -> bool:
        return self.part.scenario.robot == "real"

    @property
    def _order(self) -> tuple[str, ...]:
        """In which they end: the node's last word passes the relay; of a real robot the relay has the last word."""
        return ("relay", "node") if self._real else ("robot", "node", "relay")

    @property
    def record(self) -> Path:
        """What the simulated robot said at its end."""
        return self.folder / "robot.json"

    @property
    def truth(self) -> Path:
        """What really happened to it."""
        return self.folder / "truth.npz"

    def _without(self, side: str, line: list[str]) -> tuple[list[str], str]:
        """Command line and module of an `adapt` command, without the protection that is switched off on this side."""
        if self.part.switched_off:
            from ros_bridge.hil.protections import protection
            from ros_bridge.hil.unprotected import command_line

            if protection(self.part.switched_off).side == side:
                return command_line([self.part.switched_off], line), "ros_bridge.hil.unprotected"
        return line, "adapt.cli"

    def _start(self, name: str, line: Sequence[str], module: str) -> None:
        number = self._starts.get(name, 0)
        self._starts[name] = number + 1
        log = self.folder / "logs" / (f"{name}.log" if not number else f"{name}_{number}.log")
        self.processes[name] = Process(
            list(line), log, self.environment, module, on_time=name in ON_TIME and not self.part.lock_step
        )
