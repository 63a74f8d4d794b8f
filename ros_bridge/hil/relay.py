"""`Relay`: a process between a robot and its node that breaks what they say to each other, by a schedule.

The robot is in one namespace, the node in another. Whatever no fault is in passes as bytes, unread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import tyro
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from robots import RobotSpec, load_robot
from ros_bridge import conversions
from ros_bridge.commands import command_codec
from ros_bridge.errors import BridgeError
from ros_bridge.goals import SOURCES
from ros_bridge.hil import events
from ros_bridge.hil.agenda import Agenda
from ros_bridge.hil.command_stream import CommandStream
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.fitting import require_fit
from ros_bridge.hil.kinds import COMMANDS, GOALS, IMU, JOINTS
from ros_bridge.hil.samples import IMU_SAMPLES, JOINT_SAMPLES, SampleCodec, goal_samples
from ros_bridge.hil.schedule_file import read_schedule
from ros_bridge.hil.slew import way_to_safe
from ros_bridge.hil.stream import Stream
from ros_bridge.lifetime import POLL, ros
from ros_bridge.sim_time import CLOCK
from ros_bridge.waiting import SensorsFirst

HEARD_QOS = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""Nothing is lost here but what a fault loses; hears reliable and best-effort publishers."""
COMMAND_QOS = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.RELIABLE)
LAST_WAY = 1.0
"""Longest way to the safe command at the end, in [s]."""


class Relay(Node):
    """Sensors and goals go from the robot to the node, commands from the node to the robot.

    It keeps the time of the whole schedule, also of faults that are somebody else's to do: in the node, the body, the
    machine. What is said on `events.EVENTS` numbers faults as they are given.
    """

    def __init__(
        self, spec: RobotSpec, faults: Sequence[Fault], robot: str, node: str, sim_time: bool = False
    ):
        """
        Args:
            spec: the robot.
            faults: in any order; their begin is counted from the first command on, see also `fault.START`.
            robot: namespace of the robot.
            node: namespace of the node.
            sim_time: times are those of `/clock`, in place of the monotonic clock.

        Raises:
            BridgeError: the namespaces are one, or a fault cannot be on this robot.
        """
        super().__init__("relay", namespace="hil", start_parameter_services=False)
        if robot.strip("/") == node.strip("/"):
            raise BridgeError(f"namespaces {robot!r} and {node!r}: robot and node need one each")
        require_fit(spec, faults)
        self._spec = spec
        self._robot, self._node = (f"/{name.strip('/')}".rstrip("/") for name in (robot, node))
        self._agenda = Agenda(faults)
        self._sim_time: float | None = math.nan if sim_time else None
        self._resumes: float | None = None
        """Zero of a schedule that goes on as soon as it is known what time it is."""
        self._events = self.create_publisher(String, events.EVENTS, events.EVENT_QOS)
        self._streams: dict[str, Stream] = {}
        """By target; of goals by target and topic."""
        self._joints: bytes | None = None
        """What the robot said last of its joints."""
        if (
            sim_time
        ):  # first, as it is served first: what comes at the same moment meets the faults of that moment
            self.create_subscription(Clock, CLOCK, self._on_clock, HEARD_QOS)
        self._streams[JOINTS] = self._sensor(JOINTS, JOINT_SAMPLES, spec.ros.joint_states)
        self._commands = self._streams[COMMANDS] = self._command(spec)
        if spec.imu is not None:
            self._streams[IMU] = self._sensor(IMU, IMU_SAMPLES, spec.imu.topic)
        for topic, kind in {topic: kind for told in SOURCES.values() for topic, kind in told.items()}.items():
            self._streams[f"{GOALS}/{topic}"] = self._sensor(f"{GOALS}/{topic}", goal_samples(kind), topic)

    def now(self) -> float:
        """Monotonic time, or that of `/clock`, in [s]; NaN: there is none yet."""
        return time.monotonic() if self._sim_time is None else self._sim_time

    def resume(self, zero: float) -> None:
        """Goes on in place of a relay that is gone, whose schedule began at `zero`: see `Agenda.resume`."""
        self._resumes = zero

    def patience(self) -> float:
        """How long nothing is to be done unless a message comes, in [s]."""
        if self._sim_time is not None:
            return POLL
        due = min(self._agenda.next_due, *(stream.next_due for stream in self._streams.values()))
        return min(max(due - self.now(), 0.0), POLL)

    def turn(self) -> None:
        """Begins and ends faults, and publishes what is due."""
        now = self.now()
        if self._resumes is not None and not math.isnan(now):
            self._agenda.resume(self._resumes, now)
            self._resumes = None
        for turn in self._agenda.turns(now):
            fault = self._agenda.faults[turn.index]
            touched = 0
            for stream in self._of(fault.target):
                if turn.begins:
                    stream.begin(turn.index, fault, turn.at)
                else:
                    touched += stream.end(turn.index, now)
            if turn.news:
                self._say(events.BEGUN if turn.begins else events.ENDED, turn.index, touched)
        for stream in self._streams.values():
            stream.release(now)
        if self._agenda.ends_now():
            self._say(events.OVER)

    def say_last_word(self) -> None:
        """The safe command, if any has gone out: past all faults, by the robot's own joints, whatever the node says."""
        last = self._commands.last
        if last is None:
            return
        over = time.monotonic() + LAST_WAY
        for command in way_to_safe(self._spec, last, self._position()):
            self._commands.say(command, self.get_clock().now().nanoseconds * 1e-9)
            if time.monotonic() > over:
                break
            time.sleep(self._spec.period)
        self._commands.flush()

    def _position(self) -> np.ndarray | None:
        if self._joints is None:
            return None
        return conversions.to_reading(
            deserialize_message(self._joints, JointState), self._spec
        ).frame.position[0]

    def _of(self, target: str) -> list[Stream]:
        """Those that a fault is in; none: it is not a relay's business."""
        return [each for name, each in self._streams.items() if name.split("/")[0] == target]

    def _sensor(self, target: str, codec: SampleCodec, topic: str) -> Stream:
        stream = Stream(codec, self.create_publisher(codec.kind, f"{self._node}/{topic}", COMMAND_QOS))
        self.create_subscription(
            codec.kind, f"{self._robot}/{topic}", partial(self._on_message, target), HEARD_QOS, raw=True
        )
        return stream

    def _command(self, spec: RobotSpec) -> CommandStream:
        kind, topic = command_codec(spec).kind, spec.ros.commands
        stream = CommandStream(spec, self.create_publisher(kind, f"{self._robot}/{topic}", COMMAND_QOS))
        self.create_subscription(
            kind, f"{self._node}/{topic}", partial(self._on_message, COMMANDS), COMMAND_QOS, raw=True
        )
        return stream

    def _on_clock(self, message: Clock) -> None:
        self._sim_time = message.clock.sec + 1e-9 * message.clock.nanosec
        self.turn()

    def _on_message(self, target: str, raw: bytes) -> None:
        now = self.now()
        self._joints = raw if target == JOINTS else self._joints
        if self._agenda.zero is None and self._resumes is None and target == COMMANDS and not math.isnan(now):
            self._agenda.start(now)
            self._say(events.STARTED)
        elif self._resumes is None and target != COMMANDS and not math.isnan(now):
            self._agenda.wake(now)
        if self._agenda.next_due <= now:
            self.turn()
        stream = self._streams[target]
        for index in stream.pass_on(raw, now):
            self._say(events.TOUCHED, index)
        stream.release(now)

    def _say(self, what: str, index: int = -1, touched: int = 0) -> None:
        at = time.time() if self._sim_time is None else self._sim_time
        event = events.Event(what, at, index, touched, self._agenda.zero)
        self._events.publish(events.event_message(event))


def relay(
    robot: str,
    faults: Path,
    robot_namespace: str = "robot",
    node_namespace: str = "node",
    zero: float | None = None,
    sim_time: bool = False,
    last_word: bool = False,
) -> int:
    """Runs until SIGINT or SIGTERM.

    Args:
        robot: registered name or robot.yaml.
        faults: JSON file of a schedule.
        robot_namespace: in which the robot speaks; empty for one without.
        node_namespace: in which the node is to listen.
        zero: when the schedule began, for a relay that goes on in place of another: `zero` of its events, in [s] of
            the monotonic clock, or with `sim_time` of `/clock`.
        sim_time: times are those of `/clock`.
        last_word: at its end it says the safe command itself: of a real robot.
    """
    schedule, spec = read_schedule(faults), load_robot(robot)
    with ros() as stop:
        node = Relay(spec, schedule, robot_namespace, node_namespace, sim_time)
        if zero is not None:
            node.resume(zero)
        executor = SensorsFirst()
        executor.add_node(node)
        try:
            while not stop.raised:
                node.turn()
                executor.spin_once(timeout_sec=node.patience())
        finally:
            if last_word:
                node.say_last_word()
            executor.shutdown()
            node.destroy_node()
    return 0


if __name__ == "__main__":
    raise SystemExit(tyro.cli(relay))
