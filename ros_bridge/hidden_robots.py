"""Drives hidden robots with a bundle over ROS 2: a simulated robot and an adaptation node per run, in processes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ros_bridge.errors import ProcessError
from ros_bridge.processes import Process, own_domain

START_UP = 60.0
"""Time that both processes have to start and to find each other, in [s]."""

Progress = Callable[[str, int, int], None]
"""Called with what ended, how many have ended, and how many there are."""


@dataclass(frozen=True)
class Course:
    """What every hidden robot goes through."""

    family: str
    seed: int = 0
    seconds: float = 12.0
    """Length of a run, in [s] from the first command."""
    change_time: float | None = 6.0
    """When the physics change and the robot is knocked, in [s]."""


@dataclass
class _Run:
    """One robot and what commands it."""

    name: str
    task: int
    brain: list[str]
    """`adapt` arguments of the process that commands the robot."""
    folder: Path
    processes: list[Process] = field(default_factory=list)
    deadline: float = 0.0

    @property
    def record(self) -> Path:
        return self.folder / f"{self.name}.json"

    def start(self, course: Course, environment: dict[str, str]) -> None:
        self.record.unlink(missing_ok=True)
        namespace = ["--namespace", self.name]
        robot = ["sim-robot", course.family, "--task", str(self.task), "--seed", str(course.seed)]
        robot += ["--seconds", str(course.seconds), "--record", str(self.record), *namespace]
        robot += [] if course.change_time is None else ["--change-time", str(course.change_time)]
        self.deadline = time.monotonic() + START_UP + course.seconds
        for role, arguments in (("robot", robot), ("node", [*self.brain, *namespace])):
            log = self.folder / f"{self.name}_{role}.log"
            self.processes.append(Process(arguments, log, environment))

    def ended(self) -> bool:
        """Whether the run is over.

        Raises:
            ProcessError: a process ended as it should not, or the run takes too long.
        """
        robot, node = self.processes
        code = robot.poll()
        if code is None and node.poll() is None:
            if time.monotonic() > self.deadline:
                raise ProcessError(f"{self.name}: no end in sight; logs: {robot.log}, {node.log}")
            return False
        if code is None:
            raise ProcessError(f"{node.name} ended with code {node.poll()}; {node.log}:\n{node.tail()}")
        if code != 0:
            raise ProcessError(f"{robot.name} ended with code {code}; {robot.log}:\n{robot.tail()}")
        code = node.stop()
        if code != 0:
            raise ProcessError(f"{node.name} ended with code {code}; {node.log}:\n{node.tail()}")
        return True

    def stop(self) -> None:
        for process in self.processes:
            process.stop()


def drive_hidden_robots(
    bundle: Path,
    robot: str,
    course: Course,
    robots: int,
    out: Path,
    *,
    parallel: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Runs `robots` held-out robots under the bundle, and one under a bare echo node among them.

    Args:
        bundle: folder of the policy bundle.
        robot: registered name or robot.yaml, for the echo node.
        course: what each robot goes through.
        robots: how many hidden robots.
        out: folder of records and logs.
        parallel: how many robots run at the same time; None for one per core.
        progress: called whenever a run ends.

    Returns:
        `robots`, one record each as `RunRecord.to_json` has it with judgements; `latency_ms`, from a reading's
        publication to the command's arrival, of all robots' steps; `echo_latency_ms`, the same for the echo node.

    Raises:
        ProcessError: a process failed; says where its log is.
    """
    brain = ["deploy", str(bundle)]
    runs = [_Run(f"robot_{index:02d}", index, brain, out) for index in range(robots)]
    runs.insert(min(1, robots), _Run("echo", robots, ["echo", robot], out))
    _play(runs, course, parallel or os.cpu_count() or 1, progress)
    records = {run.name: json.loads(run.record.read_text(encoding="utf-8")) for run in runs}
    echo = records.pop("echo")
    return {
        "robots": list(records.values()),
        "latency_ms": [latency for record in records.values() for latency in record.pop("latency_ms")],
        "echo_latency_ms": echo["latency_ms"],
    }


def _play(runs: list[_Run], course: Course, parallel: int, progress: Progress | None) -> None:
    """All runs, in rounds of `parallel`, so that no start disturbs a run; whatever happens, no process is left."""
    environment = own_domain()
    waiting, going, ended = list(reversed(runs)), list[_Run](), 0
    try:
        while waiting or going:
            if not going:
                going = [waiting.pop() for _ in range(min(parallel, len(waiting)))]
                for run in going:
                    run.start(course, environment)
            for run in [run for run in going if run.ended()]:
                going.remove(run)
                ended += 1
                if progress is not None:
                    progress(run.name, ended, len(runs))
            time.sleep(0.1)
    finally:
        for run in going:
            run.stop()
