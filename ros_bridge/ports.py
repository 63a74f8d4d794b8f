"""`Ports`: the topics, services and watchdog that a configured adaptation node holds open."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from robots import RobotSpec
from ros_bridge import conversions, goals, topics
from ros_bridge.commands import command_codec
from ros_bridge.control_loop import Output

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
"""For timers that must go on when ROS time stands still."""
LAST_WORD = Duration(nanoseconds=100_000_000)
"""How long the last command may take to be acknowledged."""
Service = Callable[[Trigger.Request, Trigger.Response], Trigger.Response]


class Ports:
    """Sensors in; commands, and what is said about them, out. The publishers are silent until activation."""

    def __init__(
        self,
        node: LifecycleNode,
        spec: RobotSpec,
        family: dict[str, Any],
        goal_kind: str | None,
        *,
        on_joint_states: Callable[[JointState], None],
        on_imu: Callable[[Imu], None],
        on_goal: Callable[[str, Any], None],
        on_watch: Callable[[], None],
        services: dict[str, Service],
    ):
        """`goal_kind`: of the goals that the policy is told, one of `goals.SOURCES`; None where it is told nothing.

        `on_goal` is called with the topic and the message.
        """
        overridable = QoSOverridingOptions.with_default_policies()
        self._node = node
        self._joints = spec.joint_names
        self._labels = family.get("belief_names", []), family.get("belief_units", [])
        self._codec = command_codec(spec)
        self._commands = node.create_lifecycle_publisher(
            self._codec.kind, spec.ros.commands, copy(topics.COMMAND_QOS), qos_overriding_options=overridable
        )
        self.commands_topic: str = self._commands.topic_name
        """Absolute name."""
        self._requested = node.create_lifecycle_publisher(
            Float64MultiArray, "~/requested", topics.COMMAND_QOS
        )
        self._belief = node.create_lifecycle_publisher(Float64MultiArray, "~/belief", topics.COMMAND_QOS)
        self._familiarity = node.create_lifecycle_publisher(
            Float64MultiArray, "~/familiarity", topics.COMMAND_QOS
        )
        # Of what has come by the same moment, the executor serves the first of these first: the joints, which are
        # answered, come last, so that the answer is to all of it.
        heard: list[tuple[type, str, Callable[[Any], None], QoSProfile]] = []
        if spec.imu is not None:
            heard.append((Imu, spec.imu.topic, on_imu, topics.SENSOR_QOS))
        if goal_kind is not None:
            qos = topics.SENSOR_QOS if goal_kind in goals.TIMEOUTS else topics.COMMAND_QOS
            told = goals.SOURCES[goal_kind]
            heard += [(kind, name, partial(on_goal, name), qos) for name, kind in told.items()]
        heard.append((JointState, spec.ros.joint_states, on_joint_states, topics.SENSOR_QOS))
        # rclpy writes overrides into the profile: each has its own.
        self._heard = [
            node.create_subscription(kind, name, callback, copy(qos), qos_overriding_options=overridable)
            for kind, name, callback, qos in heard
        ]
        self._watchdog = node.create_timer(spec.safety.stale_after / 2, on_watch, clock=STEADY)
        self._services = [
            node.create_service(Trigger, f"~/{name}", serve) for name, serve in services.items()
        ]

    def command(self, command: np.ndarray) -> None:
        """Sends a certified command, shape (J,); nothing comes before it. From any thread."""
        now = self._node.get_clock().now().nanoseconds * 1e-9
        self._commands.publish(self._codec.message(command, now))

    def tell(self, output: Output) -> None:
        """Publishes what the policy asked for and believes, and how familiar the robot is to it."""
        message = conversions.requested_message(output.requested, output.reasons, self._joints)
        self._requested.publish(message)
        if output.belief is not None:
            self._belief.publish(conversions.belief_message(output.belief, *self._labels))
        if output.familiarity is not None:
            self._familiarity.publish(conversions.familiarity_message(output.familiarity))

    def flush(self) -> None:
        """Waits until the last command has arrived, but not for a robot that is gone."""
        self._commands.wait_for_all_acked(LAST_WORD)

    def close(self) -> None:
        self._node.destroy_timer(self._watchdog)
        for subscription in self._heard:
            self._node.destroy_subscription(subscription)
        for service in self._services:
            self._node.destroy_service(service)
        for publisher in (self._commands, self._requested, self._belief, self._familiarity):
            self._node.destroy_lifecycle_publisher(publisher)
