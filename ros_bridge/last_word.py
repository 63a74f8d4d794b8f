"""The safe command of a node whose ROS context is gone: sent through a context of its own."""

from __future__ import annotations

import time

import rclpy
from rclpy.node import Node

from ros_bridge import topics
from ros_bridge.commands import command_codec
from ros_bridge.control_loop import ControlLoop
from ros_bridge.ports import LAST_WORD

MEETING = 5.0
"""Longest wait for the robot to be found again, in [s]."""
INSISTENCE = 0.5
"""For so long it is said again and again, in [s]: that we have found the robot does not mean that it has found us."""


def say_last_word(loop: ControlLoop, topic: str) -> bool:
    """Ends control and sends safe commands to the absolute `topic`; whether somebody was there to hear them."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("adaptation_last_word", context=context, start_parameter_services=False)
    try:
        codec = command_codec(loop.spec)
        publisher = node.create_publisher(codec.kind, topic, topics.COMMAND_QOS)
        patience = time.monotonic() + MEETING
        while not publisher.get_subscription_count() and time.monotonic() < patience:
            time.sleep(loop.spec.period)
        heard = publisher.get_subscription_count() > 0
        enough = time.monotonic() + INSISTENCE
        while time.monotonic() < enough or (not loop.settled and time.monotonic() < patience + MEETING):
            now = node.get_clock().now().nanoseconds * 1e-9
            publisher.publish(codec.message(loop.end(time.monotonic()).command, now))
            time.sleep(loop.spec.period)
        publisher.wait_for_all_acked(LAST_WORD)
        return heard
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
