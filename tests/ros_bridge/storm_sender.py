"""A process that throws messages at a node that drives a Go2: sound ones, and every other that no robot should send.

`python -m tests.ros_bridge.storm_sender NAMESPACE COUNT SEED`: prints what was sent, by kind, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist, TwistStamped, Vector3
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Imu, JointState

from robots import load_robot
from ros_bridge.conversions import to_stamp
from tests.ros_bridge.stand_ins import imu_state, joint_state

BAD = (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e9, 5e-324)
HUGE = 20_000
"""Joints of a message that has too many, and other ones every time: almost a megabyte."""
BREATH = 0.0005
"""Between two messages, in [s]."""
SOUND = 0.4
"""Share of messages that there is nothing wrong with: the node is to drive in between."""


class Storm:
    """Makes the messages, and knows what it has made."""

    def __init__(self, node: Node, seed: int):
        self.spec = load_robot("go2")
        self.rng = np.random.default_rng(seed)
        self.sent: Counter[str] = Counter()
        loose = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        assert self.spec.imu is not None
        self.joints = node.create_publisher(JointState, self.spec.ros.joint_states, loose)
        self.imu = node.create_publisher(Imu, self.spec.imu.topic, loose)
        self.twist = node.create_publisher(Twist, "cmd_vel", loose)
        self.stamped = node.create_publisher(TwistStamped, "cmd_vel_stamped", loose)
        self._before = time.time()

    def met(self) -> bool:
        """Whether somebody hears all of it."""
        return all(
            each.get_subscription_count() for each in (self.joints, self.imu, self.twist, self.stamped)
        )

    def sound(self) -> None:
        """What a robot that is well sends."""
        now, names = time.time(), self.spec.joint_names
        self.imu.publish(imu_state(now))
        position = self.spec.default_position + self.rng.normal(0.0, 0.02, len(names))
        self.joints.publish(joint_state(now, names, tuple(position.tolist()), (0.1,) * len(names)))
        self._before = now
        self.sent["sound"] += 1

    def hostile(self) -> None:
        """One that is not; the kinds in turn."""
        kinds: tuple[Callable[[], None], ...] = (
            self.bad_numbers, self.bad_names, self.bad_lengths, self.bad_stamps, self.bad_imu, self.bad_goal,
        )  # fmt: skip
        total = sum(self.sent.values()) - self.sent["sound"]
        kind = kinds[total % len(kinds)] if total % 250 else self.huge
        kind()
        self.sent[kind.__name__] += 1

    def bad_numbers(self) -> None:
        numbers = np.tile(self.spec.default_position, (2, 1))
        numbers[self.rng.integers(2), self.rng.integers(numbers.shape[1])] = self.rng.choice(BAD)
        position, velocity = numbers.tolist()
        self.joints.publish(joint_state(time.time(), self.spec.joint_names, tuple(position), tuple(velocity)))

    def bad_names(self) -> None:
        names = list(self.spec.joint_names)
        names[self.rng.integers(len(names))] = str(
            self.rng.choice(["", "ghost", names[0], "\u2028", "x" * 5000])
        )
        if self.rng.random() < 0.5:
            self.rng.shuffle(names)
        still = (0.0,) * len(names)
        self.joints.publish(joint_state(time.time(), tuple(names), still, still))

    def bad_lengths(self) -> None:
        names = self.spec.joint_names
        cut = [int(each) for each in self.rng.integers(0, 2 * len(names), 3)]
        position, velocity = (0.0,) * cut[1], (0.0,) * cut[2]
        self.joints.publish(joint_state(time.time(), names[: cut[0]], position, velocity))

    def bad_stamps(self) -> None:
        """Past, future, negative, beyond a second, never set, or again the one before."""
        still = (0.0,) * len(self.spec.joints)
        message = joint_state(0.0, self.spec.joint_names, still, still)
        stamps = (
            to_stamp(time.time() - self.rng.exponential(1.0)), to_stamp(time.time() + self.rng.exponential(1.0)),
            Time(sec=-(2**31)), Time(sec=-5, nanosec=2**32 - 1), Time(sec=2**31 - 1), Time(), to_stamp(self._before),
        )  # fmt: skip
        message.header.stamp = stamps[self.rng.integers(len(stamps))]
        self.joints.publish(message)

    def huge(self) -> None:
        names = (*self.spec.joint_names, *(f"joint {self.sent['huge']} {index}" for index in range(HUGE)))
        numbers = (0.1,) * len(names)
        self.joints.publish(joint_state(time.time(), names, numbers, numbers))

    def bad_imu(self) -> None:
        orientation = self.rng.choice([0.0, 1.0, 2.0, *BAD], 4).tolist()
        rate = self.rng.choice([0.0, *BAD], 3).tolist()
        message = imu_state(time.time() + self.rng.choice([0.0, -9.0, 9.0]), tuple(rate), tuple(orientation))
        message.angular_velocity_covariance[0] = self.rng.choice([0.0, -1.0, np.nan])
        self.imu.publish(message)

    def bad_goal(self) -> None:
        x, y, z = self.rng.choice([0.5, -0.5, *BAD], 3).tolist()
        twist = Twist(linear=Vector3(x=x, y=y), angular=Vector3(z=z))
        if self.rng.random() < 0.5:
            self.twist.publish(twist)
            return
        message = TwistStamped(twist=twist)
        message.header.frame_id = str(self.rng.choice(["", "moon", self.spec.ros.frame]))
        message.header.stamp = to_stamp(time.time() + self.rng.choice([0.0, -9.0, 9.0]))
        self.stamped.publish(message)


def main(namespace: str, count: int, seed: int) -> None:
    rclpy.init(args=[])
    node = Node("storm", namespace=namespace, start_parameter_services=False)
    storm = Storm(node, seed)
    patience = time.monotonic() + 30.0
    while not storm.met():
        if time.monotonic() > patience:
            raise TimeoutError(f"{namespace}: nobody listens")
        time.sleep(0.05)
    while sum(storm.sent.values()) - storm.sent["sound"] < count:
        (storm.sound if storm.rng.random() < SOUND else storm.hostile)()
        time.sleep(BREATH)
    print(json.dumps(storm.sent))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
