"""A node without any safety: now and then its commands are NaN, beyond limits, too far apart, or not for this robot."""

from __future__ import annotations

import itertools
from array import array

import tyro
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from robots import load_robot
from ros_bridge import topics
from ros_bridge.lifetime import POLL, ros
from ros_bridge.waiting import SensorsFirst

CARELESS = {20: [float("nan")], 40: [3.0], 60: [0.1, 0.2], 80: [float("-inf")]}
"""Commands for a pendulum, by the reading that they answer; to all others it is 0.1 N m."""


def careless(namespace: str = "") -> int:
    spec = load_robot("pendulum")
    with ros() as stop:
        node, count = Node("careless", namespace=namespace), itertools.count(1)
        commands = node.create_publisher(Float64MultiArray, spec.ros.commands, topics.COMMAND_QOS)

        def answer(_: JointState) -> None:
            commands.publish(Float64MultiArray(data=array("d", CARELESS.get(next(count) % 100, [0.1]))))

        node.create_subscription(JointState, spec.ros.joint_states, answer, topics.SENSOR_QOS)
        executor = SensorsFirst()
        executor.add_node(node)
        while not stop.raised:
            executor.spin_once(timeout_sec=POLL)
        executor.shutdown()
        node.destroy_node()
    return 0


if __name__ == "__main__":
    raise SystemExit(tyro.cli(careless))
