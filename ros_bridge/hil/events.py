"""What a relay says of its faults, as JSON in `std_msgs/String`: who judges hears when they really began and ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from std_msgs.msg import String

EVENTS = "/hil/events"
"""Topic."""
EVENT_QOS = QoSProfile(
    depth=1000,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
STARTED, BEGUN, TOUCHED, ENDED, OVER = "started", "begun", "touched", "ended", "over"
"""The first command came; a fault begins; it meets its first message; it ends; there are none left."""


@dataclass(frozen=True)
class Event:
    """Something happened to the schedule's fault number `index`, or to the schedule: -1."""

    what: str
    at: float
    """System time in [s] since the epoch, as the middleware's time stamps are; of a relay on `/clock` that."""
    index: int = -1
    touched: int = 0
    """Messages that it has met."""
    zero: float | None = None
    """When the schedule began, in [s] of the relay's own clock: what a relay that takes its place is told. None: it has
    not begun."""


def event_message(event: Event) -> String:
    return String(data=json.dumps(asdict(event)))


def read_event(message: String) -> Event:
    return Event(**json.loads(message.data))
