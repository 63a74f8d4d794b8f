"""A bare node that answers every reading with a zero command: what the middleware costs, without a policy."""

from __future__ import annotations

from array import array

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from robots import RobotSpec, load_robot
from ros_bridge import topics
from ros_bridge.errors import BridgeError
from ros_bridge.lifetime import POLL, ros


class Echo(Node):
    """On the same topics and QoS as the adaptation node."""

    def __init__(self, spec: RobotSpec, namespace: str = ""):
        super().__init__("echo", namespace=namespace, start_parameter_services=False)
        self._zero = Float64MultiArray(data=array("d", [0.0] * len(spec.joints)))
        self._commands = self.create_publisher(Float64MultiArray, spec.ros.commands, topics.COMMAND_QOS)
        self.create_subscription(JointState, spec.ros.joint_states, self._on_sensors, topics.SENSOR_QOS)

    def _on_sensors(self, message: JointState) -> None:
        self._commands.publish(self._zero)


def echo(robot: str, namespace: str = "") -> int:
    """Runs the echo node for a robot until SIGINT or SIGTERM; returns the exit code.

    Raises:
        BridgeError: zero is no harmless command for this robot.
    """
    spec = load_robot(robot)
    if spec.interface == "position":
        raise BridgeError(
            f"echo: robot {spec.name!r} takes positions: a zero would move it; valid: effort, velocity"
        )
    with ros() as stop:
        node = Echo(spec, namespace)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            while not stop.raised:
                executor.spin_once(timeout_sec=POLL)
        finally:
            executor.shutdown()
            node.destroy_node()
    return 0
