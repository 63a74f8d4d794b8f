"""A robot in a process of its own that measures how soon its readings are answered. Nothing in it moves.

In turn it speaks to several namespaces, in each of which somebody answers: the adaptation node, a bare echo.
"""

from __future__ import annotations

import gc
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tyro
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from adapt.files import write_json
from robots import RobotSpec, SensorFrame, load_robot
from ros_bridge import topics
from ros_bridge.conversions import joint_state_message, to_stamp
from ros_bridge.imu import imu_message
from ros_bridge.lifetime import POLL, StopFlag, ros
from ros_bridge.matching import latencies

START_UP = 60.0
"""Time that those who answer have to start, in [s]."""
WARM_UP = 1.5
"""Before each measurement, in [s]: longer than recovery and soft start together, so that control is as usual."""
LAST_ANSWERS = 0.2
"""How long answers are waited for after the last reading, in [s]."""
OK, NO_COMMAND = 0, 2
"""Exit codes."""
_ALL_COMMANDS = QoSProfile(depth=1000, reliability=topics.COMMAND_QOS.reliability)
"""A robot needs the newest command alone; here one that is not counted would be blamed on who sent it."""
_READINGS = 64
"""Different ones, one after the other."""


@dataclass
class Stretch:
    """Readings at a steady rate, and what came back; monotonic times in [s]."""

    published: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    slips: int = 0
    """Readings that were left out because this process itself was too late for them."""


class Subject:
    """The topics of one namespace, in which somebody answers."""

    def __init__(self, node: Node, spec: RobotSpec, namespace: str):
        self.namespace = namespace
        self._readings = _readings(spec)
        self._joints = node.create_publisher(
            JointState, f"{namespace}/{spec.ros.joint_states}", topics.COMMAND_QOS
        )
        self._imu = spec.imu and node.create_publisher(
            Imu, f"{namespace}/{spec.imu.topic}", topics.COMMAND_QOS
        )
        self._commands = node.create_subscription(
            Float64MultiArray, f"{namespace}/{spec.ros.commands}", lambda _: None, _ALL_COMMANDS
        )
        assert node.context.handle is not None
        self._wait_set = rclpy_implementation.WaitSet(1, 0, 0, 0, 0, 0, node.context.handle)

    def stretch(self, period: float, count: int, stop: StopFlag) -> Stretch:
        """Says `count` readings, one every `period` [s] on absolute deadlines, and listens."""
        stretch = Stretch()
        begin, epoch = time.monotonic() + period, time.time() + period
        tick = 0
        while tick < count and not stop.raised:
            self._listen(begin + tick * period, stretch)
            late = math.floor((time.monotonic() - begin) / period) - tick
            stretch.slips += max(late, 0)
            tick += max(late, 0)
            self._say(tick, epoch + tick * period, stretch)
            tick += 1
        self._listen(time.monotonic() + LAST_ANSWERS, stretch)
        return stretch

    def _say(self, tick: int, stamp: float, stretch: Stretch) -> None:
        """Publishes a reading that is stamped with the time [s] it was due, the joints last: they are answered."""
        joints, imu = self._readings[tick % _READINGS]
        joints.header.stamp = to_stamp(stamp)
        if self._imu is not None and imu is not None:
            imu.header.stamp = joints.header.stamp
            self._imu.publish(imu)
        stretch.published.append(time.monotonic())
        self._joints.publish(joints)

    def _listen(self, until: float, stretch: Stretch) -> None:
        """Notes when commands arrive, until the monotonic time `until` [s]."""
        while (left := until - time.monotonic()) > 0:
            self._wait_set.clear_entities()
            index = self._wait_set.add_subscription(self._commands.handle)
            self._wait_set.wait(int(1e9 * min(left, POLL)))
            arrival = time.monotonic()
            if not self._wait_set.is_ready("subscription", index):
                continue
            if self._commands.handle.take_message(Float64MultiArray, False) is not None:
                stretch.arrivals.append(arrival)


def _readings(spec: RobotSpec) -> list[tuple[JointState, Imu | None]]:
    """A robot that sways by a hundredth around its default pose, upright."""
    readings = []
    for phase in np.linspace(0.0, 2 * np.pi, _READINGS, endpoint=False):
        frame = SensorFrame.unheard(len(spec.joints), spec.imu is not None)
        frame.stamp[:] = 0.0
        frame.position[:] = spec.default_position + 0.01 * np.sin(phase)
        frame.velocity[:] = 0.01 * np.cos(phase)
        if frame.gyro is not None and frame.gravity is not None:
            frame.gyro[:] = 0.01 * np.cos(phase)
            frame.gravity[:] = (0.0, 0.0, -1.0)
        imu = None if spec.imu is None else imu_message(frame, spec)
        readings.append((joint_state_message(frame, np.zeros(len(spec.joints)), spec), imu))
    return readings


@dataclass
class Record:
    """What was measured of one namespace."""

    latency_ms: list[float | None] = field(default_factory=list)
    """Of each reading; None where nobody answered."""
    slips: int = 0

    def add(self, stretch: Stretch, since: float) -> None:
        """Adds the readings that were published after the monotonic time `since` [s]."""
        published = np.array(stretch.published)
        found = 1e3 * latencies(stretch.published, stretch.arrivals)[published >= since]
        self.latency_ms += [None if math.isnan(latency) else float(latency) for latency in found]
        self.slips += stretch.slips


def _wait_for(subjects: list[Subject], period: float, stop: StopFlag) -> bool:
    """Says readings in turn until all have answered; whether they have."""
    deadline, silent = time.monotonic() + START_UP, list(subjects)
    while silent and not stop.raised and time.monotonic() < deadline:
        silent = [
            subject for subject in silent if not subject.stretch(period, round(0.5 / period), stop).arrivals
        ]
    return not silent


def _measure(
    subjects: list[Subject], period: float, seconds: float, rounds: int, stop: StopFlag
) -> dict[str, Record]:
    records = {subject.namespace: Record() for subject in subjects}
    count = round((WARM_UP + seconds / rounds) / period)
    # What this process holds now it holds to the end: nothing is searched for garbage while it measures.
    gc.freeze()
    gc.disable()
    for _ in range(rounds):
        for subject in subjects:
            if not stop.raised:
                since = time.monotonic() + WARM_UP
                records[subject.namespace].add(subject.stretch(period, count, stop), since)
    return records


def plant(robot: str, out: Path, namespaces: list[str], rate: float, seconds: float, rounds: int) -> int:
    """Measures, in turn, for `seconds` in each namespace, and writes `Record`s by namespace.

    Args:
        robot: registered name or robot.yaml.
        out: where to, as JSON.
        namespaces: those in which somebody answers.
        rate: of the readings, in [Hz].
        seconds: of each namespace, in [s], without warm-up.
        rounds: how often each has its turn.

    Returns:
        Exit code: `OK`, or `NO_COMMAND` where somebody never answered.
    """
    spec = load_robot(robot)
    with ros() as stop:
        node = Node("plant", start_parameter_services=False, enable_rosout=False)
        try:
            subjects = [Subject(node, spec, namespace) for namespace in namespaces]
            if not _wait_for(subjects, 1 / rate, stop):
                return OK if stop.raised else NO_COMMAND
            records = _measure(subjects, 1 / rate, seconds, rounds, stop)
            write_json(out, {name: vars(record) for name, record in records.items()})
        finally:
            node.destroy_node()
    return OK


if __name__ == "__main__":
    raise SystemExit(tyro.cli(plant))
