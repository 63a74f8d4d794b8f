"""A bare node that answers every reading at once: what the middleware costs, without a policy."""

from __future__ import annotations

from array import array

from rclpy.node import Node
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from robots import RobotSpec, load_robot
from ros_bridge import topics
from ros_bridge.lifetime import POLL, ros
from ros_bridge.waiting import SensorsFirst


class Echo(Node):
    """On the same topics and QoS as the adaptation node.

    It asks for nothing: zero, or of a robot that takes positions those that it has.
    """

    def __init__(self, spec: RobotSpec, namespace: str = ""):
        super().__init__("echo", namespace=namespace, start_parameter_services=False)
        self._names = list(spec.joint_names)
        self._answer = Float64MultiArray(data=array("d", [0.0] * len(self._names)))
        self._commands = self.create_publisher(Float64MultiArray, spec.ros.commands, topics.COMMAND_QOS)
        answer = self._on_place if spec.interface == "position" else self._on_reading
        if spec.imu is not None:
            self.create_subscription(Imu, spec.imu.topic, lambda _: None, topics.SENSOR_QOS)
        self.create_subscription(JointState, spec.ros.joint_states, answer, topics.SENSOR_QOS)

    def _on_reading(self, message: JointState) -> None:
        self._commands.publish(self._answer)

    def _on_place(self, message: JointState) -> None:
        """Silent where the joints come in another order than commands go: nothing is sorted here."""
        if message.name == self._names and len(message.position) == len(self._names):
            self._answer.data = message.position
            self._commands.publish(self._answer)


def echo(robot: str, namespace: str = "") -> int:
    """Runs the echo node for a robot until SIGINT or SIGTERM; returns the exit code."""
    spec = load_robot(robot)
    with ros() as stop:
        node = Echo(spec, namespace)
        executor = SensorsFirst()
        executor.add_node(node)
        try:
            while not stop.raised:
                executor.spin_once(timeout_sec=POLL)
        finally:
            executor.shutdown()
            node.destroy_node()
    return 0
