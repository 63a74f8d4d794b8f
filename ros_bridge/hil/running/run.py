"""`ScenarioRun`: one run of a scenario, as a state machine that one thread turns, with others beside it."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from adapt.files import write_json
from robots import RobotSpec
from ros_bridge import topics
from ros_bridge.hil import events, schedule
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.listener import Listener
from ros_bridge.hil.running.cast import Cast, Part
from ros_bridge.hil.running.domains import DomainLock
from ros_bridge.hil.running.real_robot import EASED, RealRobot
from ros_bridge.hil.running.sabotage import Sabotage
from ros_bridge.hil.running.trace_writer import TraceWriter
from ros_bridge.hil.running.warden import Warden, end_all
from ros_bridge.hil.schedule import Fault
from ros_bridge.hil.unprotected import DOMAIN
from ros_bridge.sim_robot import NO_COMMAND

State = Literal["looking", "starting", "ready", "running", "ending", "ended"]
"""A real robot is looked at before anything starts."""
START_UP = 60.0
"""Time that the processes have until they are ready, and again until the first command, in [s]."""
FIRST_COMMAND = 30.0
"""Time from a simulated robot's first reading to the first command, in [s]: it waits no longer. In lock-step no step
may take longer either."""
OVERTIME = 20.0
"""Time beyond the scenario's length after which a run is given up, in [s] of real time, if it is in real time."""
TAIL = 0.3
"""What is still on its way at the end is listened for, in [s]."""


class ScenarioRun:
    """From the start of its processes to what they left. `turn` is to be called every 20 ms or so until it has
    `ended`; `go` once it is `ready`; `close` in any case.
    """

    def __init__(self, part: Part, spec: RobotSpec, folder: Path, warden: Warden, lock: DomainLock):
        """`folder` of the run: it is made. `lock`: its domain, released by `close`."""
        self.part, self.spec, self.folder = part, spec, folder
        self.state: State = "starting"
        self.error = ""
        """What kept it from being a run, in words."""
        self.events: list[tuple[float, str]] = []
        """What happened beside the faults: when, in [s] of the run's clock, and in words."""
        self.restarts: list[list[float]] = []
        """Of the node: when it died and when the next one first said something, in [s] of the run's clock."""
        self.real = None if self._simulated else RealRobot(spec, part.scenario.limits)
        """None: the robot is simulated."""
        self.judge = Judge(spec, self._faults)
        self.left = 0
        """Processes that were left at the end."""
        self.seconds = 0.0
        """That it took in real time, its start included."""
        self._warden, self._lock = warden, lock
        self._began = time.monotonic()
        self._deadline = self._began + START_UP
        self._write_inputs()
        self._writer = TraceWriter()
        self._context = Context()
        rclpy.init(
            args=[],
            context=self._context,
            domain_id=lock.domain,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        robot, node = part.namespaces
        self.listener = Listener(
            spec,
            self.judge,
            robot,
            node,
            self._on_event,
            context=self._context,
            trace=self._writer,
            sim_time=part.lock_step,
            real=self.real,
        )
        environment = lock.environment | warden.environment
        if self._simulated:
            environment |= {DOMAIN: str(lock.domain)}
        self.cast = Cast(part, folder, environment)
        self._sabotage = Sabotage(self._faults, self.cast, self._note)
        self._closed = self._complete = False
        self._newest = math.nan
        """What `/clock` last said, in lock-step, in [s]."""
        if self.real is not None:
            self.state = "looking"
            return
        self.cast.start_relay()
        self.cast.start_node()
        self.cast.start_robot()

    @property
    def lasted(self) -> float:
        """Since the first command, in [s]; 0 before."""
        return max(self.listener.now() - self.judge.zero, 0.0) if math.isfinite(self.judge.zero) else 0.0

    @property
    def complete(self) -> bool:
        """Whether it came to its own end."""
        return self._complete

    def go(self) -> None:
        """The robot begins; the run with the node's first command."""
        if self._simulated:
            self.cast.release_robot()
        self.state, self._deadline = "running", time.monotonic() + FIRST_COMMAND
        if not self.part.lock_step:
            self._deadline += self.part.scenario.duration + OVERTIME

    def turn(self) -> None:
        """Listens, does what is due, and looks after the processes."""
        if self.state == "ended":
            return
        self.listener.listen()
        if self.real is not None and self._tend_real(self.real):
            return
        if self.state == "ending":
            self.state = "ending" if self.cast.end() else "ended"
            return
        self._sabotage.turn(self.listener.now())
        self._look_after()
        if self.state == "starting" and self._all_there():
            self.state = "ready"
        if self.state == "running" and self._over():
            self._finish()
        if self.part.lock_step and self.state == "running" and self.listener.now() != self._newest:
            self._newest, self._deadline = self.listener.now(), time.monotonic() + FIRST_COMMAND
        if self.state in ("starting", "running") and time.monotonic() > self._deadline:
            what = (
                "its processes were not ready" if self.state == "starting" else "it did not come to its end"
            )
            self._give_up(f"{what} in time; logs: {self.folder / 'logs'}")

    def fail(self, error: Exception) -> None:
        """The runner itself could not go on with it: the others do."""
        self._give_up(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Ends all that it started, listens to the last words, and counts what is left. Once."""
        if self._closed:
            return
        self._closed, self.state = True, "ended"
        try:
            self._let_go()
            self._sabotage.end()
            self.cast.stop()
            time.sleep(0.0 if self.part.lock_step else TAIL)
            self.listener.listen(0.0)
            here = f"ROS_DOMAIN_ID={self._lock.domain}"
            self.left = len(self._warden.left(here))
            if self.left:
                end_all(self._warden.mark, here)
            self.judge.on_rejected(self.record.get("rejected_commands", 0), self.listener.now())
        finally:
            self.listener.destroy_node()
            rclpy.shutdown(context=self._context)
            self._lock.release()
            self.seconds = time.monotonic() - self._began

    @property
    def record(self) -> dict[str, Any]:
        """What the simulated robot said at its end; empty if it said nothing."""
        if not self.cast.record.exists():
            return {}
        return json.loads(self.cast.record.read_text(encoding="utf-8"))

    def trace(self) -> Trace:
        """What was heard until the robot's end, after which the node has nothing to see, and what really happened."""
        zero = self.judge.zero if math.isfinite(self.judge.zero) else 0.0
        trace = self._writer.trace(zero, self.part.scenario.duration + self.record.get("lost_s", 0.0))
        if self.cast.truth.exists():
            with np.load(self.cast.truth, allow_pickle=False) as truth:
                for name in truth.files:
                    setattr(trace, name, truth[name])
        return trace

    @property
    def _simulated(self) -> bool:
        return self.part.scenario.robot == "simulated"

    @property
    def _faults(self) -> tuple[Fault, ...]:
        """The schedule: a real robot's commands are eased in besides."""
        faults = self.part.scenario.faults
        return faults if self._simulated else (*faults, EASED)

    def _tend_real(self, real: RealRobot) -> bool:
        """Looks at a robot before it is driven, and stops it at the first violated limit; whether that is all to do."""
        if self.state == "looking":
            if not real.looked_at:
                return True
            problems = real.problems(self.listener.commanders())
            if problems:
                self._give_up(f"not started: {'; '.join(problems)}")
                return True
            self.cast.start_relay()
            self.cast.start_node()
            real.drive()
            self.state, self._deadline = "starting", time.monotonic() + START_UP
            return False
        if self.state not in ("ending", "ended"):
            real.look(self.listener.others())
        if real.stopped and self.state not in ("ending", "ended"):
            self._note(f"stopped: {real.stopped}")
            self._finish()
        return False

    def _let_go(self) -> None:
        """Before all else: the relay of a real robot says the safe command, and passes nothing more."""
        if self.real is not None:
            self.real.let_go()
            self.cast.end()

    def _write_inputs(self) -> None:
        scenario = self.part.scenario
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "schedule.json", schedule.to_json(self._faults), indent=1)
        goals = [{"at": step.at, "values": list(step.values)} for step in scenario.goal]
        if goals:
            write_json(self.folder / "goals.json", goals, indent=1)
        if scenario.source is not None:
            (self.folder / "scenario.yaml").write_bytes(Path(scenario.source).read_bytes())

    def _all_there(self) -> bool:
        """Whether relay and node are heard, and the robot is found: nothing that is said will be missed."""
        robot, node = self.part.namespaces
        states = self.spec.ros.joint_states
        found = self.listener.count_publishers
        there = self.listener.hears and self.listener.count_subscribers(f"/{node}/{states}") > 1
        heard = found(f"/{robot}/{states}".replace("//", "/")) and found(f"/{node}/{topics.REQUESTED}")
        return bool(there and heard)

    def _over(self) -> bool:
        if not self._simulated:
            return self.lasted >= self.part.scenario.duration
        return self.cast.processes["robot"].poll() is not None

    def _on_event(self, event: events.Event) -> None:
        self._sabotage.on_event(event, self.listener.now())

    def _note(self, words: str) -> None:
        self.events.append((self.listener.now(), words))
        if words in ("node killed", "node ended"):
            self.restarts.append([self.listener.now(), math.nan])

    def _look_after(self) -> None:
        """Starts a node again that a fault has ended; whatever else ends by itself ends the run."""
        for name, process in list(self.cast.processes.items()):
            code = process.poll()
            if code is None or (name == "relay" and self._sabotage.relay_lost):
                continue
            if name == "node" and self._sabotage.deaths and self.state != "ending":
                self._sabotage.deaths -= 1
                if not self.restarts or math.isfinite(self.restarts[-1][1]):  # it was not killed
                    self._note("node ended")
                self.cast.start_node()
                self._note("node started again")
                self.restarts[-1][1] = self.listener.now()
            elif name == "robot" and code == 0:
                continue
            elif self.state != "ending":
                why = ": no command came" if name == "robot" and code == NO_COMMAND else ""
                self._give_up(f"{name} ended with code {code}{why}; {process.log}: {process.tail(1)}")

    def _give_up(self, why: str) -> None:
        self.error = self.error or why
        self._finish()

    def _finish(self) -> None:
        """It came to its own end: its processes end, without holding up others."""
        self._let_go()
        self._sabotage.end()
        self.state, self._complete = "ending", True
