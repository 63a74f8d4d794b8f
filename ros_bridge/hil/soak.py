"""An endurance run: a simulated robot, a relay that breaks messages, the node, and a judge: `adapt hil soak`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapt import provenance
from adapt.bundle import open_bundle
from adapt.console import SoakProgress
from adapt.files import write_json
from robots import RobotSpec
from robots.errors import UserError
from ros_bridge.errors import ProcessError
from ros_bridge.hil import events, schedule
from ros_bridge.hil.crew import NODE, ROBOT, Crew
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.listener import Listener
from ros_bridge.hil.running.domains import DomainLock, in_environment
from ros_bridge.hil.soak_report import report
from ros_bridge.lifetime import ros
from sim_tasks.families import load_family

START_UP = 60.0
"""Time that the processes have until the first command, in [s]."""
FALLEN = 3.0
"""After so long in which nobody can drive the robot another one takes its place, in [s]."""
LISTEN = 0.02
"""How often the judge listens, in [s]."""
TEND = 0.25
"""How often processes are looked after, in [s]."""


@dataclass(frozen=True)
class Soak:
    """What is to be run."""

    family: str
    """Task family of the simulated robots."""
    bundle: str
    """Folder."""
    minutes: float
    robot: str | None = None
    """Registered name or robot.yaml; None for the robot that the bundle names."""
    seed: int = 0
    """Of schedule and robots."""
    kills: bool = True
    """The node is killed as well, and started again."""
    turn: float = 60.0
    """Length of one simulated robot's run, in [s]."""
    faults: tuple[schedule.Fault, ...] | None = None
    """A schedule in place of one that is drawn."""


class BadSoak(UserError):
    """A run that makes no sense."""


def soak(
    what: Soak, out: Path, node: list[str] | None = None, node_module: str = "adapt.cli"
) -> dict[str, Any]:
    """Runs it, and writes `report.json`, also of a run that ends early.

    Args:
        what: the run.
        out: folder of report, schedule and logs.
        node: command line of another node than `adapt deploy BUNDLE`, without its namespace; of `node_module`.

    Returns:
        The report, as `ros_bridge.hil.soak_report.report` has it.

    Raises:
        UserError: the bundle cannot be used, or does not fit the family's robot.
        ProcessError: a process did not start; says where its log is.
    """
    if not what.minutes > 0.0:
        raise BadSoak(f"minutes {what.minutes}: expected more than 0")
    spec = load_family(what.family).robot
    bundle, own = open_bundle(what.bundle, what.robot or "")
    if own.digest != spec.digest:
        raise BadSoak(f"{what.bundle}: drives {own.name}; {what.family} has {spec.name}, with other numbers")
    seconds = 60.0 * what.minutes
    drawn = what.faults
    faults = schedule.random_schedule(what.seed, seconds, spec, what.kills) if drawn is None else list(drawn)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "schedule.json", schedule.to_json(faults), indent=1)
    crew = Crew(
        what.family,
        what.robot or spec.name,
        ["deploy", what.bundle, "--robot", what.robot or spec.name] if node is None else node,
        out / "schedule.json",
        out / "logs",
        {},
        what.seed,
        what.turn,
        node_module,
    )
    judge = Judge(spec, faults)
    with _domain() as crew.environment, ros() as stop:
        run = _Run(spec, judge, crew, seconds)
        try:
            run.play(stop)
        finally:
            run.close()
            config = asdict(what) | {"faults": len(faults)}
            result = report(judge, run.listener, crew, run.lasted, config)
            result |= {"stopped_early": run.lasted < seconds, "bundle": bundle.manifest["manifest_digest"]}
            result |= {"commit": provenance.commit(), "versions": provenance.versions()}
            write_json(out / "report.json", result, indent=1)
    return result


class _Run:
    def __init__(self, spec: RobotSpec, judge: Judge, crew: Crew, seconds: float):
        self.judge, self.crew, self.seconds = judge, crew, seconds
        self.lasted = 0.0
        """Since the first command, in [s]."""
        self.listener = Listener(spec, judge, ROBOT, NODE, self._on_event)
        self._tended = 0.0
        self._changed_at = 0.0
        """When a robot was last told to go, system time in [s]."""

    def play(self, stop: Any) -> None:
        """Until the time is over, or until told to stop."""
        self.crew.start()
        began, patience = None, time.monotonic() + START_UP
        while not (self.listener.hears or stop.raised or time.monotonic() > patience):
            time.sleep(LISTEN)
            self.listener.listen()
            self.crew.tend()
        self.crew.start_robot()
        with SoakProgress(self.seconds) as progress:
            while not stop.raised and self.lasted < self.seconds:
                time.sleep(LISTEN)
                self.listener.listen()
                now = time.monotonic()
                if began is None and self.judge.node.commands:
                    began = now
                if began is None and now > patience:
                    raise ProcessError(f"no command within {START_UP} s; logs: {self.crew.folder}")
                self.lasted = 0.0 if began is None else now - began
                if now - self._tended > TEND:
                    self._tended = now
                    self._tend()
                    progress(self.lasted, self.judge.violation_count, ", ".join(self.judge.active))

    def _on_event(self, event: events.Event) -> None:
        if event.what == events.BEGUN and self.judge.courses[event.index].fault.target == schedule.NODE:
            self.crew.kill_node()

    def close(self) -> None:
        """Ends all processes and judges what is left."""
        self.crew.stop()
        self.listener.listen(0.0)
        self.judge.on_rejected(self.crew.rejected, time.time())
        self.listener.destroy_node()

    def _tend(self) -> None:
        for problem in self.crew.tend():
            self.judge.on_process(problem, time.time())
        since, now = self.judge.unfit_since, time.time()
        if since is not None and max(self._changed_at, self.crew.robot_began) < since < now - FALLEN:
            self._changed_at = now
            self.crew.change_robot()


@contextmanager
def _domain() -> Iterator[dict[str, str]]:
    """A ROS domain that nobody uses, here and for the processes that are started."""
    with DomainLock() as lock, in_environment(lock.environment):
        yield lock.environment
