"""`RobotStandIn`: what the test says and hears on a robot's topics, as a DDS participant of its own."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from robots import RobotSpec
from ros_bridge import conversions, topics
from tests.ros_bridge.stand_ins import imu_state, joint_state

_DEPTH = QoSProfile(depth=1000)


class RobotStandIn:
    """Keeps all that it hears. Namespaces are those of robots; the first is the one that it speaks in."""

    def __init__(self, spec: RobotSpec, *namespaces: str):
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.node = Node("stand_in", namespace=namespaces[0], context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._spec = spec
        self._joints = self.node.create_publisher(JointState, spec.ros.joint_states, 10)
        self._imu = spec.imu and self.node.create_publisher(Imu, spec.imu.topic, 10)
        self._told: dict[str, Publisher] = {}
        self.said = -np.inf
        """When it last said something: monotonic, in [s]."""
        self.commands: dict[str, list[np.ndarray]] = {name: [] for name in namespaces}
        self.requests: dict[str, list[tuple[np.ndarray, int]]] = {name: [] for name in namespaces}
        self.familiarity: dict[str, list[np.ndarray]] = {name: [] for name in namespaces}
        """As `conversions.read_familiarity` has it."""
        self.beliefs: dict[str, list[conversions.BeliefReading]] = {name: [] for name in namespaces}
        self.health: dict[str, DiagnosticStatus] = {}
        """The newest status by name."""
        for name in namespaces:
            self._listen(name, spec)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, _DEPTH)

    def say(self, message: JointState) -> None:
        self.said = time.monotonic()
        self._joints.publish(message)

    def say_imu(self, message: Imu) -> None:
        assert self._imu is not None
        self._imu.publish(message)

    def say_fine(self, age: float = 0.0, imu: bool = True) -> None:
        """A good reading of all joints, measured `age` [s] ago, and of a level IMU where there is one."""
        stamp, names = self.now() - age, self._spec.joint_names
        if self._imu is not None and imu:
            self.say_imu(imu_state(stamp))
        position = tuple((self._spec.default_position + 0.1).tolist())
        self.say(joint_state(stamp, names, position, (0.2,) * len(names)))

    def say_broken(self) -> None:
        """A reading of one joint whose speed is NaN."""
        self.say(joint_state(self.now(), velocity=(np.nan,)))

    def tell(self, topic: str, message: Any) -> None:
        """A goal."""
        if topic not in self._told:
            self._told[topic] = self.node.create_publisher(type(message), topic, 1)
        self._told[topic].publish(message)

    def now(self) -> float:
        """ROS time in [s]."""
        return self.node.get_clock().now().nanoseconds * 1e-9

    def turn(self, timeout: float = 0.005) -> None:
        """Serves what has come."""
        self._executor.spin_once(timeout_sec=timeout)

    def listen(self, seconds: float) -> None:
        """Serves for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def told(self, status: str) -> dict[str, str]:
        """The values of a diagnostic status."""
        return {pair.key: pair.value for pair in self.health[status].values}

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def _listen(self, name: str, spec: RobotSpec) -> None:
        def subscribe(topic: str, callback: Any) -> None:
            self.node.create_subscription(Float64MultiArray, f"/{name}/{topic}", callback, _DEPTH)

        subscribe(spec.ros.commands, lambda message: self.commands[name].append(np.array(message.data)))
        subscribe(
            topics.REQUESTED, lambda message: self.requests[name].append(conversions.read_requested(message))
        )
        subscribe(
            topics.FAMILIARITY,
            lambda message: self.familiarity[name].append(conversions.read_familiarity(message)),
        )
        subscribe(topics.BELIEF, lambda message: self.beliefs[name].append(conversions.read_belief(message)))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.health |= {status.name: status for status in message.status}
