"""`Relay`: a process between a robot and its node that breaks what they say to each other, by a schedule.

The robot is in one namespace, the node in another. Whatever no fault is in passes as bytes, unread.
"""

from __future__ import annotations

import json
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message
from std_msgs.msg import String

from robots import RobotSpec, load_robot
from ros_bridge.errors import BridgeError
from ros_bridge.goals import SOURCES
from ros_bridge.hil import events, schedule
from ros_bridge.hil.faults import Alteration
from ros_bridge.hil.line import Disturbance, Line
from ros_bridge.hil.samples import IMU_SAMPLES, JOINT_SAMPLES, SampleCodec, command_samples
from ros_bridge.hil.schedule import COMMANDS, IMU, JOINTS, Fault
from ros_bridge.lifetime import POLL, ros
from ros_bridge.waiting import SensorsFirst

HEARD_QOS = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""Nothing is lost here but what a fault loses; hears reliable and best-effort publishers."""
COMMAND_QOS = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.RELIABLE)


class Stream:
    """One topic on its way through the relay. Times are monotonic, in [s]."""

    def __init__(self, codec: SampleCodec, publisher: Publisher[Any]):
        self._codec, self._publisher = codec, publisher
        self._line = Line()
        self._contents: dict[int, tuple[Alteration, float]] = {}
        self._traffic: dict[int, Disturbance] = {}
        self.touched: dict[int, int] = {}
        """How many messages met each fault that is at work, by its index."""

    @property
    def next_due(self) -> float:
        """When the next message is to go out."""
        return self._line.next_due

    def begin(self, index: int, fault: Fault, now: float) -> None:
        """A fault is at work from now on."""
        self.touched[index] = 0
        if Alteration.knows(fault):
            self._contents[index] = Alteration(fault), now
        else:
            self._traffic[index] = Disturbance(fault, now)

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
            self._publisher.publish(raw)
            return []
        message = self._broken(raw, now) if self._contents else raw
        self._line.push(message, now, self._traffic.values())
        new = [index for index, count in self.touched.items() if not count]
        for index in self.touched:
            self.touched[index] += 1
        return new

    def release(self, now: float) -> None:
        """Publishes what is due."""
        for message in self._line.release(now):
            self._publisher.publish(message)

    def _broken(self, raw: bytes, now: float) -> Any:
        message = deserialize_message(raw, self._codec.kind)
        sample = self._codec.read(message)
        if sample is None:
            return raw
        for alteration, begin in self._contents.values():
            alteration.alter(sample, now - begin)
        return self._codec.write(message, sample)


class Relay(Node):
    """Sensors and goals go from the robot to the node, commands from the node to the robot."""

    def __init__(self, spec: RobotSpec, faults: list[Fault], robot: str, node: str):
        """`robot` and `node`: their namespaces; `faults`, by begin, which is counted from the first command on."""
        super().__init__("relay", namespace="hil", start_parameter_services=False)
        if robot.strip("/") == node.strip("/"):
            raise BridgeError(f"namespaces {robot!r} and {node!r}: robot and node need one each")
        self._robot, self._node = (f"/{name.strip('/')}".rstrip("/") for name in (robot, node))
        self._faults, self._next = faults, 0
        self._at_work: dict[int, float] = {}
        """When each fault that is at work ends, monotonic, in [s], by its index."""
        self._zero: float | None = None
        self._said_over = False
        self._events = self.create_publisher(String, events.EVENTS, events.EVENT_QOS)
        self._streams = {
            JOINTS: self._sensor(JOINTS, JOINT_SAMPLES, spec.ros.joint_states),
            COMMANDS: self._command(spec),
        }
        if spec.imu is not None:
            self._streams[IMU] = self._sensor(IMU, IMU_SAMPLES, spec.imu.topic)
        for topic, kind in {topic: kind for told in SOURCES.values() for topic, kind in told.items()}.items():
            goals = self.create_publisher(kind, f"{self._node}/{topic}", COMMAND_QOS)
            self.create_subscription(kind, f"{self._robot}/{topic}", goals.publish, HEARD_QOS, raw=True)

    def patience(self, now: float) -> float:
        """How long nothing is to be done unless a message comes, in [s]."""
        due = min(stream.next_due for stream in self._streams.values())
        if self._zero is not None:
            if self._next < len(self._faults):
                due = min(due, self._zero + self._faults[self._next].begin)
            due = min(due, *self._at_work.values(), due)
        return min(max(due - now, 0.0), POLL)

    def turn(self, now: float) -> None:
        """Begins and ends faults, and publishes what is due."""
        for index in [index for index, end in self._at_work.items() if end <= now]:
            del self._at_work[index]
            stream = self._streams.get(self._faults[index].target)
            self._say(events.ENDED, index, 0 if stream is None else stream.end(index, now))
        while self._zero is not None and self._next < len(self._faults):
            fault = self._faults[self._next]
            if self._zero + fault.begin > now:
                break
            self._at_work[self._next] = self._zero + fault.end
            if fault.target in self._streams:  # the node's death is not a relay's business
                self._streams[fault.target].begin(self._next, fault, now)
            self._say(events.BEGUN, self._next)
            self._next += 1
        for stream in self._streams.values():
            stream.release(now)
        if self._zero is not None and self._next == len(self._faults) and not self._at_work:
            if not self._said_over:
                self._say(events.OVER)
            self._said_over = True

    def _sensor(self, target: str, codec: SampleCodec, topic: str) -> Stream:
        stream = Stream(codec, self.create_publisher(codec.kind, f"{self._node}/{topic}", COMMAND_QOS))
        self.create_subscription(
            codec.kind, f"{self._robot}/{topic}", partial(self._on_message, target), HEARD_QOS, raw=True
        )
        return stream

    def _command(self, spec: RobotSpec) -> Stream:
        codec = command_samples(spec)
        topic = spec.ros.commands
        stream = Stream(codec, self.create_publisher(codec.kind, f"{self._robot}/{topic}", COMMAND_QOS))
        self.create_subscription(
            codec.kind, f"{self._node}/{topic}", partial(self._on_message, COMMANDS), COMMAND_QOS, raw=True
        )
        return stream

    def _on_message(self, target: str, raw: bytes) -> None:
        now = time.monotonic()
        if self._zero is None and target == COMMANDS:
            self._zero = now
            self._say(events.STARTED)
        for index in self._streams[target].pass_on(raw, now):
            self._say(events.TOUCHED, index)
        self._streams[target].release(now)

    def _say(self, what: str, index: int = -1, touched: int = 0) -> None:
        self._events.publish(events.event_message(events.Event(what, time.time(), index, touched)))


def relay(robot: str, faults: Path, robot_namespace: str = "robot", node_namespace: str = "node") -> int:
    """Runs until SIGINT or SIGTERM.

    Args:
        robot: registered name or robot.yaml.
        faults: JSON file of a schedule.
        robot_namespace: in which the robot speaks; empty for one without.
        node_namespace: in which the node is to listen.
    """
    rows = json.loads(faults.read_text(encoding="utf-8"))
    drawn = sorted(schedule.from_json(rows), key=lambda fault: fault.begin)
    spec = load_robot(robot)
    with ros() as stop:
        node = Relay(spec, drawn, robot_namespace, node_namespace)
        executor = SensorsFirst()
        executor.add_node(node)
        try:
            while not stop.raised:
                node.turn(time.monotonic())
                executor.spin_once(timeout_sec=node.patience(time.monotonic()))
        finally:
            executor.shutdown()
            node.destroy_node()
    return 0


if __name__ == "__main__":
    raise SystemExit(tyro.cli(relay))
