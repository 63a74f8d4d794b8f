"""`Listener`: what a judge hears of both sides of a relay, over ROS, put into the order of time."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.subscription import MessageInfo, Subscription
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray, String

from adapt.online.familiarity import JUDGED
from robots import RobotSpec
from ros_bridge import conversions, topics
from ros_bridge.commands import command_codec
from ros_bridge.errors import BridgeError
from ros_bridge.hil import events
from ros_bridge.hil.events import Event
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.posture import Posture
from ros_bridge.hil.running.real_robot import RealRobot
from ros_bridge.hil.running.sim_clock import SimClock
from ros_bridge.hil.running.trace_writer import TraceWriter
from ros_bridge.hil.schedule import IMU, JOINTS
from ros_bridge.imu import to_imu_reading
from ros_bridge.sim_time import CLOCK

LAG = 0.2
"""How long things are kept until they are judged, in [s]: what was said first may be heard last."""
_ALL = QoSProfile(depth=2000, reliability=QoSReliabilityPolicy.RELIABLE)
_ANY = QoSProfile(depth=2000, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""Of a real robot's sensors, whose publishers may be of either kind."""
_PENDING = 200
"""Readings that are looked for on the other side."""
_NANO = 1e-9
RELAY = "/hil/relay"
"""Full name of the relay's node."""


class Listener(Node):
    """Both sides, the relay's events, and the node's diagnostics."""

    def __init__(
        self,
        spec: RobotSpec,
        judge: Judge,
        robot: str,
        node: str,
        on_event: Callable[[Event], None],
        *,
        context: Context | None = None,
        trace: TraceWriter | None = None,
        sim_time: bool = False,
        real: RealRobot | None = None,
    ):
        """
        Args:
            spec: the robot.
            judge: hears all of it in the order of time.
            robot: namespace of the robot.
            node: namespace of the node.
            on_event: is called with what the relay says as soon as it is heard.
            context: of the ROS domain; None: the process's own.
            trace: keeps what is heard.
            sim_time: times are those of `/clock`, by what it said when a message was sent.
            real: hears a real robot as soon as something comes.
        """
        super().__init__(
            "judge", namespace="hil", start_parameter_services=False, context=context, enable_rosout=False
        )
        self.latencies: list[float] = []
        """From a reading's publication by the robot to that by the relay, where nothing broke it, in [s]."""
        self.command_latencies: list[float] = []
        """The same of commands."""
        self.diagnostics: dict[str, dict[str, str]] = {}
        """What the node last said, by status."""
        self.problems: list[str] = []
        """Messages of the node that could not be read."""
        self._spec, self._judge, self._react, self._trace, self._real = spec, judge, on_event, trace, real
        self._robot_commands = f"/{robot}/{spec.ros.commands}".replace("//", "/")
        self._sim_clock = SimClock() if sim_time else None
        self._codec = command_codec(spec)
        self._heard: list[tuple[Subscription[Any], Callable[[Any, MessageInfo], None]]] = []
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._published: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._posture = Posture(spec)
        self._node_commands = f"/{node}/{spec.ros.commands}"
        self._node_command: tuple[Any, float] | None = None
        side, heard = f"/{robot}".rstrip("/"), _ALL if real is None else _ANY
        clock = [] if self._sim_clock is None else [(Clock, CLOCK, self._sim_clock.hear, _ALL)]
        kept = [
            (Float64MultiArray, f"/{node}/{topics.BELIEF}", self._on_belief, _ALL),
            (Float64MultiArray, f"/{node}/{topics.FAMILIARITY}", self._on_familiarity, _ALL),
        ]
        for kind, topic, callback, qos in (
            *clock,
            *([] if trace is None else kept),
            (String, events.EVENTS, self._on_event, events.EVENT_QOS),
            (self._codec.kind, self._node_commands, partial(self._on_command, "node"), _ALL),
            (self._codec.kind, self._robot_commands, partial(self._on_command, "robot"), _ALL),
            (Float64MultiArray, f"/{node}/{topics.REQUESTED}", self._on_requested, _ALL),
            (JointState, f"{side}/{spec.ros.joint_states}", self._on_joints, heard),
            (JointState, f"/{node}/{spec.ros.joint_states}", self._on_relayed, _ALL),
            (DiagnosticArray, "/diagnostics", self._on_diagnostics, _ALL),
            *([] if spec.imu is None else [(Imu, f"{side}/{spec.imu.topic}", self._on_imu, heard)]),
            *([] if spec.imu is None else [(Imu, f"/{node}/{spec.imu.topic}", self._on_relayed_imu, _ALL)]),
        ):
            self._heard.append((self.create_subscription(kind, topic, callback, qos), callback))

    @property
    def hears(self) -> bool:
        """Whether the relay and the node are there to be heard, so that nothing of theirs is missed any more."""
        return all(self.count_publishers(topic) for topic in (events.EVENTS, self._node_commands))

    def commanders(self) -> list[str]:
        """Names of nodes that publish commands for the robot, or for the relay to pass on."""
        return sorted({*self._speakers(self._robot_commands), *self._speakers(self._node_commands)})

    def others(self) -> list[str]:
        """Names of nodes that publish commands for the robot beside the relay."""
        return sorted(self._speakers(self._robot_commands) - {RELAY})

    def _speakers(self, topic: str) -> set[str]:
        found = self.get_publishers_info_by_topic(topic)
        return {f"{each.node_namespace.rstrip('/')}/{each.node_name}" for each in found}

    def listen(self, lag: float = LAG) -> None:
        """Takes whatever has come, and has judged what is older than `lag` [s], in the order of time.

        To be called every so often, in place of an executor: one that wakes at every message would take the processor
        from those who are judged.
        """
        for subscription, callback in self._heard:
            with subscription.handle:
                while (taken := subscription.handle.take_message(subscription.msg_type, False)) is not None:
                    callback(*taken)
        until = self.now() - lag
        while self._heap and self._heap[0][0] <= until:
            heapq.heappop(self._heap)[2]()

    def now(self) -> float:
        """System time, or the newest of `/clock`, in [s]."""
        return time.time() if self._sim_clock is None else self._sim_clock.newest

    def _at(self, info: MessageInfo) -> float:
        """When a message was sent, in [s]."""
        at = info["source_timestamp"] * _NANO
        return at if self._sim_clock is None else self._sim_clock.at(at)

    def _keep(self, topic: str, at: float, *values: Any) -> None:
        if self._trace is not None:
            self._trace.add(topic, at, *values)

    def _later(self, at: float, judged: Callable[[], None]) -> None:
        """Something that happened at `at` [s], system time, and is to be judged in its turn."""
        heapq.heappush(self._heap, (at, next(self._count), judged))

    def _on_event(self, message: String, info: MessageInfo) -> None:
        event = events.read_event(message)
        self._later(event.at, lambda: self._judge.on_event(event))
        self._react(event)

    def _on_command(self, side: str, message: Any, info: MessageInfo) -> None:
        at, sequence = self._at(info), info["publication_sequence_number"] or 0
        command: np.ndarray | str
        try:
            command = self._codec.read(message)
        except BridgeError as error:
            command = str(error)
        if self._real is not None:
            self._real.hear_command(command)
        hear = self._judge.on_node_command if side == "node" else self._judge.on_robot_command
        self._later(at, lambda: hear(command, at, sequence))
        self._time_command(side, command, at)
        read = np.full(len(self._spec.joints), np.nan) if isinstance(command, str) else command
        if read.shape == (len(self._spec.joints),):
            self._keep("command" if side == "node" else "applied", at, read)

    def _on_requested(self, message: Float64MultiArray, info: MessageInfo) -> None:
        at = self._at(info)
        try:
            requested, reasons = conversions.read_requested(message)
        except BridgeError as error:
            self.problems.append(str(error))
            return
        self._later(at, lambda: self._judge.on_answer(reasons, at))
        if len(requested) == len(self._spec.joints):
            self._keep("requested", at, requested, reasons)

    def _on_belief(self, message: Float64MultiArray, info: MessageInfo) -> None:
        try:
            belief = conversions.read_belief(message)
        except BridgeError as error:
            self.problems.append(str(error))
            return
        self._keep("belief", self._at(info), belief.mean, belief.std)
        if self._trace is not None:
            self._trace.belief_names = belief.names

    def _on_familiarity(self, message: Float64MultiArray, info: MessageInfo) -> None:
        try:
            judged = dict(zip(JUDGED, conversions.read_familiarity(message).tolist(), strict=True))
        except BridgeError as error:
            self.problems.append(str(error))
            return
        self._keep("familiarity", self._at(info), judged["unfamiliar"] > 0)

    def _on_joints(self, message: JointState, info: MessageInfo) -> None:
        at, reading = self._at(info), conversions.to_reading(message, self._spec)
        frame = reading.frame
        if self._real is not None:
            self._real.hear_joints(reading, _arrived(info))
        stands = self._posture.stands(frame.position)
        self._keep("readings", at, frame.position[0], frame.velocity[0], self._posture.upright)
        self._later(at, lambda: self._judge.on_reading(frame.position[0], frame.velocity[0], stands, at))
        self._published[_stamp(message)] = at
        if len(self._published) > _PENDING:
            self._published.popitem(last=False)

    def _on_relayed(self, message: JointState, info: MessageInfo) -> None:
        at = self._at(info)
        self._later(at, lambda: self._judge.on_relayed(JOINTS, at))
        if self._trace is not None:
            seen = conversions.to_reading(message, self._spec).frame
            self._keep("seen", at, seen.position[0], seen.velocity[0])
        published = self._published.pop(_stamp(message), None)
        if published is not None:
            self._time(self.latencies, published, at)

    def _on_relayed_imu(self, message: Imu, info: MessageInfo) -> None:
        at = self._at(info)
        self._later(at, lambda: self._judge.on_relayed(IMU, at))

    def _on_imu(self, message: Imu, info: MessageInfo) -> None:
        reading = to_imu_reading(message, self._spec)
        if self._real is not None:
            self._real.hear_imu(reading, _arrived(info))
        gravity = reading.frame.gravity
        assert gravity is not None
        self._posture.feel(gravity)

    def _on_diagnostics(self, message: DiagnosticArray, info: MessageInfo) -> None:
        for status in message.status:
            told = {pair.key: pair.value for pair in status.values}
            self.diagnostics[status.name] = {"message": status.message, **told}

    def _time_command(self, side: str, command: np.ndarray | str, at: float) -> None:
        if side == "node":
            self._node_command = command, at
        elif self._node_command is not None:
            sent, sent_at = self._node_command
            if isinstance(command, np.ndarray) and np.array_equal(command, sent):
                self._time(self.command_latencies, sent_at, at)
                self._node_command = None

    def _time(self, latencies: list[float], begin: float, end: float) -> None:
        """Counts if no fault was at work, which is known only later."""

        def count() -> None:
            if self._judge.quiet(end):
                latencies.append(end - begin)

        self._later(end, count)


def _arrived(info: MessageInfo) -> float:
    """When a message was received, by the middleware, in [s] of the system clock."""
    return (info["received_timestamp"] or time.time_ns()) * _NANO


def _stamp(message: JointState) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec
