"""`Run`: what a measure looks at, and `Measured`: what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robots import RobotSpec
from ros_bridge.drive import COMMAND_TIMEOUT
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.facts import FaultCourse, RunFacts
from ros_bridge.hil.judging.measures import Interval, inside
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.scenario.scenario import Expectation, Scenario
from ros_bridge.hil.schedule import MESSAGES

COVERED = 0.95
"""Share of a window that samples have to stand for, one control period each, for the window to count as seen."""


class UnmeasuredError(BridgeError):
    """What was expected could not be measured; says why. It is a miss."""


@dataclass(frozen=True)
class Measured:
    """What came out."""

    value: float
    detail: str


@dataclass(frozen=True)
class Run:
    """One run of a scenario. Times in [s] from the node's first command on."""

    scenario: Scenario
    spec: RobotSpec
    trace: Trace
    facts: RunFacts

    @cached_property
    def end(self) -> float:
        """When the last was heard of it, and not after its duration."""
        trace = self.trace
        heard = (trace.time, trace.seen_time, trace.command_time, trace.requested_time, trace.truth_time)
        return min(max((float(time[-1]) for time in heard if len(time)), default=0.0), self.scenario.duration)

    def window(self, expectation: Expectation) -> Interval:
        """From when to when it counts.

        Raises:
            UnmeasuredError: that is no time.
        """
        begin = 0.0 if expectation.begin is None else expectation.begin
        end = self.scenario.duration if expectation.end is None else expectation.end
        if not begin < end:
            raise UnmeasuredError(f"the window from {begin:g} to {end:g} s is empty")
        return begin, end

    def samples(self, time: np.ndarray, expectation: Expectation, what: str) -> np.ndarray:
        """Indices of the samples in an expectation's window; `what`: of what, in words. Shape (n,), n at least 1.

        Raises:
            UnmeasuredError: there is none.
        """
        begin, end = self.window(expectation)
        found = np.flatnonzero(inside(time, begin, end))
        if not len(found):
            raise UnmeasuredError(f"{what}: nothing was heard from {begin:g} to {end:g} s")
        return found

    def whole(self, time: np.ndarray, expectation: Expectation, what: str) -> np.ndarray:
        """As `samples`, of a window that was seen as a whole.

        Raises:
            UnmeasuredError: it was not.
        """
        found, (begin, end) = self.samples(time, expectation, what), self.window(expectation)
        seen = len(found) * self.spec.period
        if seen < COVERED * (end - begin) - self.spec.period:
            raise UnmeasuredError(f"{what}: heard for {seen:.2f} of {end - begin:.2f} s")
        return found

    def course(self, expectation: Expectation) -> FaultCourse | None:
        """Of the fault that an expectation is about, the first one by default; None where the scenario has none.

        Raises:
            UnmeasuredError: there is no fault of that number, it never began, or it met no message.
        """
        faults = self.facts.faults
        if expectation.fault is None and not faults:
            return None
        number = expectation.fault or 0
        if not 0 <= number < len(faults):
            raise UnmeasuredError(f"there is no fault {number}; the run had {len(faults)}")
        course = faults[number]
        if not math.isfinite(course.begun):
            raise UnmeasuredError(f"fault {number} ({course.fault.label}) never began")
        if course.fault.target in MESSAGES and not course.messages:
            raise UnmeasuredError(f"fault {number} ({course.fault.label}) met no message")
        return course

    def needed_course(self, expectation: Expectation) -> FaultCourse:
        """As `course`, where there must be one.

        Raises:
            UnmeasuredError: as there, and where the scenario has no fault.
        """
        course = self.course(expectation)
        if course is None:
            raise UnmeasuredError("the run had no fault")
        return course

    def deaths_after(self, course: FaultCourse) -> list[Interval]:
        """When nodes died since a fault began, and when the next one was there."""
        # The node may be dead a moment before somebody says that the fault has begun.
        return [death for death in self.facts.restarts if death[0] >= course.begun - COMMAND_TIMEOUT]

    @cached_property
    def away(self) -> list[Interval]:
        """When there was no node that could have spoken: dead until its successor's first command, told to end, or
        stopped."""
        commands = self.trace.command_time
        dead = [(died, self._speaks(commands, back)) for died, back in self.facts.restarts]
        dead += [
            (course.begun, deaths[0][0])
            for course in self.facts.faults
            if course.fault.kind == "restarted" and (deaths := self.deaths_after(course))
        ]
        stopped = [
            (course.begun, course.ended if math.isfinite(course.ended) else math.inf)
            for course in self.facts.faults
            if course.fault.kind == "paused" and math.isfinite(course.begun)
        ]
        return dead + stopped

    @staticmethod
    def _speaks(commands: np.ndarray, back: float) -> float:
        """When the first command of a node that was there at `back` came; `back` where none did."""
        if not math.isfinite(back):
            return math.inf
        return float(np.append(commands, back)[np.searchsorted(commands, back - 1e-3)])
