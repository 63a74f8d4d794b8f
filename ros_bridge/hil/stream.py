"""`Stream`: one topic on its way through a relay, under faults of its messages' content and of their traffic."""

from __future__ import annotations

import math
from typing import Any

from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message

from ros_bridge.hil.fault import Fault
from ros_bridge.hil.faults import Alteration
from ros_bridge.hil.line import Disturbance, Line
from ros_bridge.hil.samples import SampleCodec


class Stream:
    """What no fault is in passes as bytes, unread. Times are in [s] of one clock."""

    def __init__(self, codec: SampleCodec, publisher: Publisher[Any]):
        self._codec, self._publisher = codec, publisher
        self._line = Line()
        self._contents: dict[int, tuple[Alteration, float]] = {}
        self._traffic: dict[int, Disturbance] = {}
        self.touched: dict[int, int] = {}
        """How many messages met each fault that is at work, by its index."""

    @property
    def next_due(self) -> float:
        """When the next message is to go out; infinite while there is none."""
        return self._line.next_due

    def begin(self, index: int, fault: Fault, at: float) -> None:
        """A fault is at work, since `at`."""
        self.touched[index] = 0
        if Alteration.knows(fault):
            self._contents[index] = Alteration(fault), at
        else:
            self._traffic[index] = Disturbance(fault, at)

    def end(self, index: int, now: float) -> int:
        """It is at work no more; returns how many messages met it."""
        self._contents.pop(index, None)
        disturbance = self._traffic.pop(index, None)
        if disturbance is not None:
            self._line.insert(disturbance.held, now)
        return self.touched.pop(index)

    def pass_on(self, raw: bytes, now: float) -> list[int]:
        """A message came: it goes on, or what faults make of it does. Returns the faults that met their first one."""
        if not self.touched and math.isinf(self.next_due):
            self._publish(raw)
            return []
        met = list[int]()
        message = self._broken(raw, now, met) if self._contents else raw
        before = {index: disturbance.heard for index, disturbance in self._traffic.items()}
        self._line.push(message, now, self._traffic.values())
        met += [index for index, heard in before.items() if self._traffic[index].heard > heard]
        new = [index for index in met if not self.touched[index]]
        for index in met:
            self.touched[index] += 1
        return new

    def release(self, now: float) -> None:
        """Publishes what is due."""
        for message in self._line.release(now):
            self._publish(message)

    def _publish(self, message: Any) -> None:
        self._publisher.publish(message)

    def _broken(self, raw: bytes, now: float, met: list[int]) -> Any:
        """What is to be published in place of a message; the faults that it met are added to `met`."""
        message = deserialize_message(raw, self._codec.kind)
        sample = self._codec.read(message)
        if sample is None:
            return raw
        met += [index for index, (each, begin) in self._contents.items() if each.alter(sample, now - begin)]
        return self._codec.write(message, sample) if met else raw
