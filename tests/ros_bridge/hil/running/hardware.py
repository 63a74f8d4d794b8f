"""`Hardware`: a robot that stands still behind a real one's topics, in a thread, and keeps what it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState

from robots import RobotSpec
from ros_bridge.commands import command_codec
from ros_bridge.hil.relay import COMMAND_QOS
from tests.ros_bridge.stand_ins import joint_state


class Hardware:
    """Speaks once per control period until `close`. `change` is called before every reading, in [s] from the first
    command on; what it sets of `position`, `velocity` and `silent` holds from then on."""

    def __init__(self, spec: RobotSpec, change: Callable[[Hardware, float], None] = lambda robot, at: None):
        self.spec, self.silent = spec, False
        self.position, self.velocity = spec.default_position.copy(), np.zeros(len(spec.joints))
        self.commands: list[tuple[float, np.ndarray]] = []
        """When each came, monotonic, in [s], and what it was."""
        self._change = change
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.node = Node("driver", context=self.context, start_parameter_services=False)
        codec = command_codec(spec)
        self._says = self.node.create_publisher(JointState, f"/{spec.ros.joint_states}", COMMAND_QOS)
        self.node.create_subscription(
            codec.kind,
            f"/{spec.ros.commands}",
            lambda message: self.commands.append((time.monotonic(), codec.read(message))),
            COMMAND_QOS,
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    @property
    def applied(self) -> np.ndarray:
        """Shape (C, J)."""
        return np.array([command for _, command in self.commands])

    def _live(self) -> None:
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self.node)
        due = time.monotonic()
        while not self._over.is_set():
            at = time.monotonic() - self.commands[0][0] if self.commands else -np.inf
            self._change(self, at)
            if not self.silent:
                where, speed = tuple(self.position.tolist()), tuple(self.velocity.tolist())
                self._says.publish(joint_state(time.time(), self.spec.joint_names, where, speed))
            due = max(due + self.spec.period, time.monotonic() - self.spec.period)
            while (left := due - time.monotonic()) > 0:
                executor.spin_once(timeout_sec=left)
        executor.shutdown()
