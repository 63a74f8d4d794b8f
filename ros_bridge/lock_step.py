"""`LockStep`: simulated time that goes on as soon as the robot's reading is answered, and is told on `/clock`."""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time
from rclpy.executors import Executor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from ros_bridge import topics
from ros_bridge.lifetime import POLL, StopFlag
from ros_bridge.sim_time import CLOCK

_NANO = 1_000_000_000
_BEGIN = 1.0
"""Simulated time of the beginning, in [s]: 0 means that none has come."""


class LockStep:
    """In place of a `Pace`. Where no answer comes, time goes by as it really does: watchdogs on the steady clock mean
    the same as ever.
    """

    def __init__(self, node: Node, executor: Executor, stop: StopFlag, period: float):
        """`period` of control, in [s]: so long an answer is waited for."""
        self.slips, self.lost, self.late = 0, 0.0, 0.0
        """As `Pace` has them: there is no schedule to be late for."""
        self.unanswered = 0
        """Readings that nobody answered in time."""
        self._clock = node.create_publisher(Clock, CLOCK, topics.COMMAND_QOS)
        self._executor, self._stop, self._period = executor, stop, period
        self._time = self._zero = _BEGIN
        self._told = 0.0
        self._waits_until: float | None = None

    def restart(self) -> None:
        """Simulated time counts from now on."""
        self._zero = self._time

    def now(self) -> float:
        """Simulated time in [s]."""
        return self._time - self._zero

    def stamp(self) -> float:
        """ROS time in [s], which is told: a reading is about to be published."""
        self._tell()
        self._waits_until = time.monotonic() + self._period
        return self._time

    def answered(self) -> None:
        """A command came."""
        self._waits_until = None

    def until(self, deadline: float) -> None:
        """Serves messages until the reading is answered, or for a control period; then it is `deadline` [s]."""
        while self._waits_until is not None and not self._stop.raised:
            left = self._waits_until - time.monotonic()
            if left <= 0.0:
                self.unanswered += 1
                self._waits_until = None
                break
            self._executor.spin_once(timeout_sec=min(left, POLL))
        self._time = max(self._time, self._zero + deadline)
        # Early enough for the next reading: who hears that one first takes it for half a period from the future.
        if self._time - self._told >= self._period / 2:
            self._tell()

    def _tell(self) -> None:
        self._told = self._time
        nanoseconds = round(self._time * _NANO)
        self._clock.publish(Clock(clock=Time(sec=nanoseconds // _NANO, nanosec=nanoseconds % _NANO)))
