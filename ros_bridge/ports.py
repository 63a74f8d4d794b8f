"""`Ports`: the topics, services and watchdog that a configured adaptation node holds open."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType  # pyright: ignore[reportPrivateImportUsage]  # all that Humble has
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from robots import RobotSpec
from ros_bridge import conversions, goals, topics
from ros_bridge.commands import command_codec
from ros_bridge.control_loop import Output
from ros_bridge.qos_overrides import NEWEST, QUEUED, ignored, overridable

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

        Raises:
            BridgeError: the quality of service that was chosen for a topic is not valid.
        """
        self._node = node
        self._joints = spec.joint_names
        self._labels = family.get("belief_names", []), family.get("belief_units", [])
        self._codec = command_codec(spec)
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
        said = (
            (self._codec.kind, spec.ros.commands, NEWEST),
            (Float64MultiArray, "~/requested", QUEUED),
            (Float64MultiArray, "~/belief", QUEUED),
            (Float64MultiArray, "~/familiarity", QUEUED),
        )
        # What is not valid is refused before anything is open; rclpy writes what was chosen into the profile: each has
        # its own.
        says = [overridable(node, name, "publisher", policies) for _, name, policies in said]
        hears = [overridable(node, name, "subscription", NEWEST) for _, name, _, _ in heard]
        self._commands, self._requested, self._belief, self._familiarity = (
            node.create_lifecycle_publisher(
                kind, name, copy(topics.COMMAND_QOS), qos_overriding_options=chosen
            )
            for (kind, name, _), chosen in zip(said, says, strict=True)
        )
        self.commands_topic: str = self._commands.topic_name
        """Absolute name."""
        self._heard = [
            node.create_subscription(kind, name, callback, copy(qos), qos_overriding_options=chosen)
            for (kind, name, callback, qos), chosen in zip(heard, hears, strict=True)
        ]
        if unknown := ignored(node):
            known = sorted(name for name in node._parameters if name.startswith("qos_overrides./"))
            node.get_logger().warning(f"ignored: {', '.join(unknown)}; valid: {', '.join(known)}")
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
