"""A robot and a node in one process, which measure how long readings take through relays between them."""

from __future__ import annotations

import gc
import struct
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from adapt.files import write_json
from robots import RobotSpec, load_robot
from ros_bridge.hil.relay import COMMAND_QOS, HEARD_QOS
from ros_bridge.lifetime import POLL, StopFlag, ros

START_UP = 60.0
"""Time that relays have to start, in [s]."""
WARM_UP = 0.5
"""Before each measurement, in [s]."""
LAST_ONES = 0.2
"""How long readings are waited for after the last one, in [s]."""
OK, NOT_THERE = 0, 2
"""Exit codes."""
_STAMP = struct.Struct("<iI")
"""In a serialised message with a header, after the four bytes that say how it is written: [s] and [ns]."""


@dataclass
class Hops:
    """What was measured of one relay."""

    latency_ms: list[float] = field(default_factory=list)
    """From a reading's publication to its arrival."""
    sent: int = 0
    lost: int = 0
    altered: int = 0
    """Readings that arrived with other bytes than they had."""


class Way:
    """The topics of one relay: the robot's and the node's side of it."""

    def __init__(self, node: Node, spec: RobotSpec, name: str):
        self.name, self.hops = name, Hops()
        self._readings = node.create_publisher(
            JointState, f"{name}/robot/{spec.ros.joint_states}", COMMAND_QOS
        )
        self._arrived = node.create_subscription(
            JointState, f"{name}/node/{spec.ros.joint_states}", lambda _: None, HEARD_QOS, raw=True
        )
        self._commands = node.create_publisher(
            Float64MultiArray, f"{name}/node/{spec.ros.commands}", COMMAND_QOS
        )
        assert node.context.handle is not None
        self._wait_set = rclpy_implementation.WaitSet(1, 0, 0, 0, 0, 0, node.context.handle)
        self._message = JointState(name=list(spec.joint_names))
        self._joints = len(spec.joints)

    def command(self) -> None:
        """The first one begins a relay's schedule."""
        self._commands.publish(Float64MultiArray(data=array("d", [0.0] * self._joints)))

    def measure(self, period: float, count: int, stop: StopFlag) -> Hops:
        """Publishes `count` readings, one every `period` [s], and listens."""
        hops, sent = Hops(), dict[tuple[int, int], tuple[float, bytes]]()
        begin = time.monotonic() + period
        for tick in range(count):
            self._listen(begin + tick * period, hops, sent)
            if stop.raised:
                break
            self._publish(tick, hops, sent)
        self._listen(time.monotonic() + LAST_ONES, hops, sent)
        hops.lost = len(sent)
        return hops

    def _publish(self, tick: int, hops: Hops, sent: dict[tuple[int, int], tuple[float, bytes]]) -> None:
        message, now = self._message, time.time_ns()
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = divmod(now, 1_000_000_000)
        message.position = array("d", [0.001 * (tick % 100)] * self._joints)
        message.velocity = array("d", [0.1] * self._joints)
        message.effort = array("d", [0.0] * self._joints)
        raw = serialize_message(message)
        hops.sent += 1
        sent[stamp.sec, stamp.nanosec] = time.monotonic(), raw
        self._readings.publish(raw)

    def _listen(self, until: float, hops: Hops, sent: dict[tuple[int, int], tuple[float, bytes]]) -> None:
        handle = self._arrived.handle
        while (left := until - time.monotonic()) > 0:
            self._wait_set.clear_entities()
            index = self._wait_set.add_subscription(handle)
            self._wait_set.wait(int(1e9 * min(left, POLL)))
            arrival = time.monotonic()
            if not self._wait_set.is_ready("subscription", index):
                continue
            taken: Any = handle.take_message(JointState, True)  # bytes, as it was asked for
            known = None if taken is None else sent.pop(_STAMP.unpack_from(taken[0], 4), None)
            if taken is not None and known is not None:
                published, raw = known
                hops.latency_ms.append(1e3 * (arrival - published))
                hops.altered += taken[0] != raw


def hops(robot: str, out: Path, names: list[str], rate: float, seconds: float, rounds: int) -> int:
    """Measures relays in turn, and writes `Hops` by name.

    Args:
        robot: registered name or robot.yaml.
        out: where to, as JSON.
        names: namespaces, each with a `robot` and a `node` that a relay is between.
        rate: of the readings, in [Hz].
        seconds: of each relay, in [s], without warm-up.
        rounds: how often each has its turn.

    Returns:
        Exit code: `OK`, or `NOT_THERE` where nothing ever came through one of them.
    """
    spec = load_robot(robot)
    with ros() as stop:
        node = Node("hops", start_parameter_services=False, enable_rosout=False)
        try:
            paths = [Way(node, spec, name) for name in names]
            if not _wait_for(paths, 1 / rate, stop):
                return OK if stop.raised else NOT_THERE
            gc.freeze()  # what this process holds now it holds to the end
            gc.disable()
            count = round(seconds / rounds * rate)
            for _ in range(rounds):
                for path in paths:
                    path.measure(1 / rate, round(WARM_UP * rate), stop)
                    _add(path.hops, path.measure(1 / rate, count, stop))
            write_json(out, {path.name: vars(path.hops) for path in paths})
        finally:
            node.destroy_node()
    return OK


def _wait_for(paths: list[Way], period: float, stop: StopFlag) -> bool:
    """Sends readings and commands in turn until readings come through all relays; whether they do."""
    deadline, silent = time.monotonic() + START_UP, list(paths)
    while silent and not stop.raised and time.monotonic() < deadline:
        heard = [path for path in silent if path.measure(period, round(0.2 / period), stop).latency_ms]
        for path in heard:
            path.command()
        silent = [path for path in silent if path not in heard]
    return not silent


def _add(total: Hops, more: Hops) -> None:
    total.latency_ms += [float(latency) for latency in np.round(more.latency_ms, 4)]
    total.sent += more.sent
    total.lost += more.lost
    total.altered += more.altered


if __name__ == "__main__":
    raise SystemExit(tyro.cli(hops))
