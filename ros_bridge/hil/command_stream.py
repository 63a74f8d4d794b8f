"""`CommandStream`: commands on their way through a relay, which knows what it said last and can end with a safe one."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message

from robots import RobotSpec
from ros_bridge.commands import command_codec
from ros_bridge.errors import BridgeError
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.samples import command_samples
from ros_bridge.hil.slew import Slew
from ros_bridge.hil.stream import Stream

ARRIVES = Duration(nanoseconds=100_000_000)
"""How long the last command may take to be acknowledged."""


class CommandStream(Stream):
    """While commands are eased, and after that until they are the node's own, none changes faster than its rate."""

    def __init__(self, spec: RobotSpec, publisher: Publisher[Any]):
        super().__init__(command_samples(spec), publisher)
        self._spec, self._commands = spec, command_codec(spec)
        self._said: Any = None
        self._eased = set[int]()
        self._slew: Slew | None = None

    @property
    def last(self) -> np.ndarray | None:
        """The newest command that went out and can be read, shape (J,); None: there is none."""
        return None if self._said is None else self._read(self._said)

    def begin(self, index: int, fault: Fault, at: float) -> None:
        super().begin(index, fault, at)
        if fault.kind == "eased":
            self._eased.add(index)
            self._slew = self._slew or Slew(self._spec, self.last)

    def end(self, index: int, now: float) -> int:
        self._eased.discard(index)
        return super().end(index, now)

    def say(self, command: np.ndarray, now: float) -> None:
        """A command of the relay's own, shape (J,), past all faults; `now`: ROS time in [s]."""
        self._said = self._commands.message(command, now)
        super()._publish(self._said)

    def flush(self) -> None:
        """Waits until the last command has arrived, but not for a robot that is gone."""
        self._publisher.wait_for_all_acked(ARRIVES)

    def _publish(self, message: Any) -> None:
        self._said = message if self._slew is None else self._followed(message, self._slew)
        super()._publish(self._said)

    def _followed(self, message: Any, slew: Slew) -> Any:
        asked = self._read(message)
        if asked is None:
            return message  # the drive rejects it
        command = slew.follow(asked)
        if command is not asked and not np.array_equal(command, asked):
            return self._commands.message(command, self._stamp(message))
        if not self._eased:
            self._slew = None
        return message

    def _read(self, message: Any) -> np.ndarray | None:
        try:
            return self._commands.read(self._whole(message))
        except BridgeError:
            return None

    def _whole(self, message: Any) -> Any:
        return deserialize_message(message, self._commands.kind) if isinstance(message, bytes) else message

    def _stamp(self, message: Any) -> float:
        header = getattr(self._whole(message), "header", None)
        return 0.0 if header is None else header.stamp.sec + 1e-9 * header.stamp.nanosec
