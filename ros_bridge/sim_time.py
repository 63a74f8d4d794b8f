"""`ClockWatch`: what is wrong with ROS time where `/clock` sets it (`use_sim_time`)."""

from __future__ import annotations

import math

from rclpy.clock import ROSClock
from rclpy.node import Node

CLOCK = "/clock"
STANDSTILL = 1.0
"""How long simulated time may stand still before it is worth a word, in [s]. Control does not wait for that: its
watchdog is on the steady clock."""


class ClockWatch:
    """Looks at a node's clock every so often."""

    def __init__(self, node: Node):
        self._node = node
        self._latest = -1
        """In [ns]."""
        self._since = -math.inf

    @property
    def simulated(self) -> bool:
        """Whether ROS time is that of `/clock`."""
        clock = self._node.get_clock()
        return isinstance(clock, ROSClock) and clock.ros_time_is_active

    def problem(self, arrival: float) -> str | None:
        """Why no reading can be fresh, in words; None on the system's clock, and while simulated time goes on.

        `arrival` is monotonic time in [s].
        """
        if not self.simulated:
            return None
        now = self._node.get_clock().now().nanoseconds
        if now != self._latest:
            self._latest, self._since = now, arrival
        if now == 0:
            publishers = self._node.count_publishers(CLOCK)
            return f"{CLOCK}: use_sim_time is set, and no time has come (publishers: {publishers})"
        if arrival - self._since > STANDSTILL:
            return f"{CLOCK}: has stood still at {1e-9 * now:.3f} s for {arrival - self._since:.0f} s"
        return None
