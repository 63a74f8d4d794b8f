"""`Pace`: simulated time that goes with the wall clock, on absolute deadlines."""

from __future__ import annotations

import time

from rclpy.executors import Executor

from ros_bridge.lifetime import POLL, StopFlag


class Pace:
    """Serves an executor between deadlines. Simulated time never jumps: where the machine was too slow, it waits."""

    def __init__(self, executor: Executor, stop: StopFlag, patience: float):
        """`patience`: how far simulated time may lag behind, in [s], before it is set back."""
        self.patience = patience
        self.slips = 0
        """How often the machine was too slow."""
        self.lost = 0.0
        """By how much simulated time was set back in all, in [s]."""
        self.late = 0.0
        """By how much the last deadline was missed, in [s]."""
        self._executor = executor
        self._stop = stop
        self._zero = time.monotonic()

    def restart(self) -> None:
        """Simulated time is 0 now."""
        self._zero = time.monotonic()

    def now(self) -> float:
        """Simulated time in [s]."""
        return time.monotonic() - self._zero

    def stamp(self) -> float:
        """ROS time in [s]: a reading is about to be published."""
        return time.time()

    def answered(self) -> None:
        """A command came, which no deadline waits for."""

    def until(self, deadline: float) -> None:
        """Serves messages until simulated time `deadline` [s], or until the process is told to stop."""
        while True:
            left = deadline - self.now()
            self._executor.spin_once(timeout_sec=min(max(left, 0.0), POLL))
            if left <= 0 or self._stop.raised:
                break
        self.late = max(self.now() - deadline, 0.0)
        if self.late > self.patience:
            self.slips += 1
            self.lost += self.late
            self._zero += self.late
