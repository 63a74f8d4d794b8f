"""`SimClock`: which simulated time it was when a message was sent. Pure but for the messages' type."""

from __future__ import annotations

import math
from bisect import bisect_right

from rclpy.subscription import MessageInfo
from rosgraph_msgs.msg import Clock

_NANO = 1e-9


class SimClock:
    """What `/clock` said, by system time."""

    def __init__(self) -> None:
        self._system: list[float] = []
        self._simulated: list[float] = []

    def hear(self, message: Clock, info: MessageInfo) -> None:
        """In the order in which they were sent."""
        self._system.append(info["source_timestamp"] * _NANO)
        self._simulated.append(message.clock.sec + message.clock.nanosec * _NANO)

    @property
    def newest(self) -> float:
        """In [s]; minus infinity before there is any."""
        return self._simulated[-1] if self._simulated else -math.inf

    def at(self, system: float) -> float:
        """Simulated time in [s] at a system time [s]; 0 before there was any."""
        index = bisect_right(self._system, system) - 1
        return self._simulated[index] if index >= 0 else 0.0
