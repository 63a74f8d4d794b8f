"""Relays that do nothing but republish a topic's raw bytes: what the middleware costs, without faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import tyro
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from sensor_msgs.msg import JointState

from ros_bridge.hil.relay import COMMAND_QOS, HEARD_QOS
from ros_bridge.lifetime import POLL, StopFlag, ros


def bare_relay(heard: str, said: str, waiting: Literal["executor", "wait_set"]) -> int:
    """Runs until SIGINT or SIGTERM, with the QoS of `Relay`.

    Args:
        heard: topic of joint states.
        said: topic to republish them on.
        waiting: `executor`: rclpy's own, as anybody would write it; `wait_set`: one that is made once and holds nothing
            else, the least that rclpy allows.
    """
    with ros() as stop:
        node = Node("bare_relay", start_parameter_services=False, enable_rosout=False)
        try:
            publish = node.create_publisher(JointState, said, COMMAND_QOS).publish
            subscription = node.create_subscription(JointState, heard, publish, HEARD_QOS, raw=True)
            if waiting == "executor":
                _spin(node, stop)
            else:
                _wait(node, subscription.handle, publish, stop)
        finally:
            node.destroy_node()
    return 0


def _spin(node: Node, stop: StopFlag) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stop.raised:
        executor.spin_once(timeout_sec=POLL)
    executor.shutdown()


def _wait(node: Node, handle: Any, publish: Callable[[bytes], None], stop: StopFlag) -> None:
    assert node.context.handle is not None
    wait_set = rclpy_implementation.WaitSet(1, 0, 0, 0, 0, 0, node.context.handle)
    while not stop.raised:
        wait_set.clear_entities()
        wait_set.add_subscription(handle)
        wait_set.wait(int(1e9 * POLL))
        taken = handle.take_message(JointState, True)
        if taken is not None:
            publish(taken[0])


if __name__ == "__main__":
    raise SystemExit(tyro.cli(bare_relay))
