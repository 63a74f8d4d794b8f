"""`Judge`: what the node made of each fault, and whatever it may never do. Pure. J joints.

It hears in the order of time. Times are in [s] of system time, by the middleware's stamps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from robots import RobotSpec
from robots.safety import SAFE_MODE, reason_names
from ros_bridge.drive import COMMAND_TIMEOUT
from ros_bridge.hil.command_judge import Breach, CommandJudge
from ros_bridge.hil.course import Course, SafeWait
from ros_bridge.hil.events import BEGUN, ENDED, STARTED, TOUCHED, Event
from ros_bridge.hil.schedule import IMU, JOINTS, NODE, Fault

SILENCE = 0.5
"""Longest time between two commands of a node that lives, in [s]. Drives let go earlier; that is counted."""
PATIENCE = 1.0
"""Time beyond `safety.recovery` that the node has to drive again when all is sound, in [s]."""
AFTERMATH = 0.6
"""Time after a fault in which messages of before still come, in [s]: longer than any is delayed."""
DEAD = 0.3
"""After so long nothing more comes from a node that was killed, and nothing yet from the next one, in [s]."""
FIT = 0.5
"""A robot can be driven after so long within its limits, in [s]: of one at a limit noise says so now and then."""
KEPT = 1000
"""Violations that are kept in full; all are counted."""
_SAFE = int(SAFE_MODE)


class Judge:
    """Hears both sides of a relay."""

    def __init__(self, spec: RobotSpec, schedule: Sequence[Fault]):
        self.spec = spec
        self.courses = [Course(fault, index) for index, fault in enumerate(schedule)]
        """Of each fault of the schedule."""
        self.violations: list[dict[str, Any]] = []
        self.violation_count = 0
        self.safe_time = self.unexplained = self.driven = 0.0
        """In safe mode; of that, neither under a fault nor after one; not in safe mode. In [s]."""
        self.drive_timeouts = 0
        """How often no command came from the node for so long that a drive lets go."""
        self.zero = math.nan
        """When the first command came."""
        self.over = False
        """Whether all faults are over."""
        self.unfit_since: float | None = None
        """Since when the robot's readings say that nobody can drive it; None if it can be driven."""
        self.node = CommandJudge(spec, spec.safety.stale_after, lambda breach: self._blame("node", breach))
        self.robot = CommandJudge(spec, spec.safety.stale_after, lambda breach: self._blame("robot", breach))
        self._active: dict[int, Course] = {}
        self._waiting: list[Course] = []
        """The node has not driven since."""
        self._complained = self._silent = False
        """Of a node that has not driven since, and of its present silence."""
        self._safe_wait: SafeWait | None = None
        self._answered_at, self._was_safe, self._reasons = math.nan, False, 0
        self._safe_since = -math.inf
        self._read_at, self._fit_since = math.nan, math.inf
        self._relayed = dict.fromkeys((JOINTS, *([IMU] if spec.imu else [])), (-math.inf, math.inf))
        """When the node's side last got a reading, and since when it has got them without a gap."""
        self._commands_sound_from = -math.inf
        self._ended_at = -math.inf
        self._killed_at, self._reborn = -math.inf, {"node", "robot"}

    @property
    def active(self) -> list[str]:
        """Labels of the faults that are at work."""
        return [course.fault.label for course in self._active.values()]

    def quiet(self, at: float) -> bool:
        """Whether no fault is at work, and the last one's messages are all through."""
        return not self._active and at > self._ended_at + AFTERMATH

    def on_event(self, event: Event) -> None:
        """The relay began or ended a fault, or a fault met its first message."""
        if event.index < 0:
            self.zero, self.over = (event.at, False) if event.what == STARTED else (self.zero, True)
            return
        course = self.courses[event.index]
        if event.what == BEGUN:
            self._begin(course, event.at)
        elif event.what == TOUCHED:
            course.touched = event.at
            if course.blinds and len(self._active) == 1:
                self._safe_wait = SafeWait(self.spec, course, event.at, self.node.last)
        elif event.what == ENDED:
            self._end(course, event)

    def on_node_command(self, command: np.ndarray | str, at: float, sequence: int) -> None:
        """The node published a command, shape (J,); or what is wrong with the message, in words."""
        self._bear("node", self.node, at)
        silence = self.node.hear(command, at, sequence)
        if COMMAND_TIMEOUT < silence < math.inf:
            self.drive_timeouts += 1
        self._mind_silence(silence)
        self._silent = False
        if self._safe_wait is not None and isinstance(command, np.ndarray) and self._safe_wait.hear(command):
            wait, self._safe_wait = self._safe_wait, None
            if wait.course.periods_to_safe is None:
                self._blame("node", Breach("not_safe", value=wait.count, limit=wait.allowed), wait.course)

    def on_robot_command(self, command: np.ndarray | str, at: float, sequence: int) -> None:
        """A command reached the robot."""
        self._bear("robot", self.robot, at)
        self.robot.hear(command, at, sequence, checks_rate=at > self._commands_sound_from)

    def on_answer(self, reasons: int, at: float) -> None:
        """The node said why it commands what it does: a bit mask of `Reason`."""
        if at < self._killed_at + DEAD:
            return
        passed = at - self._answered_at
        if 0.0 < passed < SILENCE:
            self._count(passed)
        safe = bool(reasons & _SAFE)
        if safe and not self._was_safe:
            self._safe_since = at
        self._answered_at, self._was_safe, self._reasons = at, safe, reasons
        if not self._was_safe:
            for course in self._waiting:
                course.recovery = at - course.waits_from
            self._waiting, self._complained = [], False

    def on_relayed(self, target: str, at: float) -> None:
        """A reading of a sensor was published on the node's side, broken or not."""
        last, since = self._relayed[target]
        self._relayed[target] = at, (at if at - last > self.spec.safety.stale_after else since)

    def on_reading(self, position: np.ndarray, velocity: np.ndarray, stands: bool, at: float) -> None:
        """What the robot's own sensors say before any fault: shape (J,) each, in [rad] and [rad/s]."""
        low, high = self.spec.position_limits
        inside = (low <= position) & (position <= high) & (np.abs(velocity) <= self.spec.velocity_limit)
        fit, gap = stands and bool(inside.all()), at - self._read_at
        self._read_at = at
        if gap > SILENCE:  # it is another robot
            self.unfit_since = None
        if not fit and self.unfit_since is None:
            self.unfit_since = at
        if not fit:  # what the node would have done now nobody will know
            self._waiting = [course for course in self._waiting if course.fault.target == NODE]
        if not fit or gap > self.spec.safety.stale_after:
            self._fit_since = math.inf
        elif math.isinf(self._fit_since):
            self._fit_since = at
        if at - self._fit_since > FIT:
            self.unfit_since = None
        if "node" in self._reborn:
            self._mind_silence(at - self.node.at)
        if not self._active:
            self._lose_patience(at)

    def on_process(self, what: str, at: float) -> None:
        """A process ended as it should not have, in words."""
        self._blame("process", Breach("ended", detail=what), at=at)

    def on_rejected(self, count: int, at: float) -> None:
        """The robot's drive refused so many commands."""
        if count:
            self._blame("drive", Breach("rejected", value=count, limit=0), at=at)

    def figures(self) -> dict[str, Any]:
        """Counts and times, over all faults."""
        return {
            "violations": self.violation_count,
            "node": self.node.figures(),
            "robot": self.robot.figures(),
            "drive_timeouts": self.drive_timeouts,
            "driven_s": self.driven,
            "safe_s": self.safe_time,
            "safe_without_fault_s": self.unexplained,
        }

    def _begin(self, course: Course, at: float) -> None:
        self._waiting, self._safe_wait = [], None  # nobody will know any more of the faults before
        course.begun = at
        self._active[course.index] = course
        if course.alters_rates:
            self._commands_sound_from = math.inf
        if course.fault.target == NODE:
            self._waiting.append(course)
            self._killed_at, self._reborn, self._was_safe = at, set(), False

    def _end(self, course: Course, event: Event) -> None:
        self._ended_at = course.ended = event.at
        course.messages = event.touched
        self._active.pop(course.index, None)
        if self._safe_wait is not None and self._safe_wait.course is course:
            self._safe_wait = None
        if course.alters_rates:
            self._commands_sound_from = event.at + AFTERMATH
        if course.fault.target != NODE:
            self._waiting.append(course)

    def _bear(self, side: str, judge: CommandJudge, at: float) -> None:
        """The first command after the node was killed is another node's."""
        if side not in self._reborn and at > self._killed_at + DEAD:
            self._reborn.add(side)
            judge.restart()

    def _mind_silence(self, silence: float) -> None:
        """Blames a node that lives and has said nothing for so long, in [s], once: also one that never speaks again."""
        if SILENCE < silence < math.inf and not self._silent:
            self._silent = True
            self._blame("node", Breach("silence", value=silence, limit=SILENCE))

    def _lose_patience(self, at: float) -> None:
        """Blames a node that does not drive although all is sound, once."""
        stale = self.spec.safety.stale_after
        through = max(since if at - last <= stale else math.inf for last, since in self._relayed.values())
        waited = at - max(self._ended_at, self._fit_since, self._safe_since, through)
        patience = self.spec.safety.recovery + PATIENCE
        if waited > patience and (self._waiting or self._was_safe) and not self._complained:
            self._complained = True
            course = self._waiting[-1] if self._waiting else None
            why = ", ".join(reason_names(self._reasons))
            self._blame("node", Breach("no_recovery", "", waited, patience, why), course, at)

    def _count(self, passed: float) -> None:
        if not self._was_safe:
            self.driven += passed
            return
        self.safe_time += passed
        blamed = [*self._active.values(), *self._waiting]
        for course in {course.index: course for course in blamed}.values():
            course.safe_time += passed
        if not blamed:
            self.unexplained += passed

    def _blame(
        self, side: str, breach: Breach, course: Course | None = None, at: float | None = None
    ) -> None:
        self.violation_count += 1
        blamed = list(self._active.values()) if course is None else [course]
        for each in blamed:
            each.violations += 1
        if len(self.violations) >= KEPT:
            return
        judge = self.robot if side == "robot" else self.node
        time = (judge.at if at is None else at) - self.zero
        self.violations.append(
            {
                "time": time if math.isfinite(time) else None,
                "side": side,
                **asdict(breach),
                "command_before": None if judge.last is None else judge.last.tolist(),
                "faults": [each.index for each in blamed],
                "kinds": [each.fault.label for each in blamed],
            }
        )
