"""`BodyListener`: a simulated robot's body hears of a relay which of its faults begin and end."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from std_msgs.msg import String

from ros_bridge.hil.body import BodyFaults
from ros_bridge.hil.events import BEGUN, ENDED, EVENT_QOS, EVENTS, read_event
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.kinds import BODY


class BodyListener:
    """Applies the faults of the body of a schedule, whose numbers are those of the relay's events."""

    def __init__(self, node: Node, body: BodyFaults, schedule: Sequence[Fault]):
        """
        Args:
            node: the robot's; it hears when it is spun.
            body: what is changed.
            schedule: the one that the relay has, in the same order.

        Raises:
            BridgeError: the robot cannot have one of the faults; says why not.
        """
        self._body = body
        self._mine = {index: fault for index, fault in enumerate(schedule) if fault.target == BODY}
        for fault in self._mine.values():
            body.check(fault)
        if self._mine:
            node.create_subscription(String, EVENTS, self._on_event, EVENT_QOS)

    def step(self, now: float) -> None:
        """To be called before every control step, at `now` [s]: see `BodyFaults.step`."""
        self._body.step(now)

    def _on_event(self, message: String) -> None:
        event = read_event(message)
        fault = self._mine.get(event.index)
        if fault is not None and event.what == BEGUN:
            self._body.begin(event.index, fault)
        elif fault is not None and event.what == ENDED:
            self._body.end(event.index)
