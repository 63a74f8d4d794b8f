"""The adaptation node as a process: `python -m ros_bridge.deploy BUNDLE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.utilities import remove_ros_args

from ros_bridge.lifetime import POLL, StopFlag, ros
from ros_bridge.node import AdaptationNode

NOT_CONFIGURED = 2
"""Exit code: the bundle or the robot cannot be used."""


class AutoStart:
    """Configures a node, then activates it once, as soon as its sensors are fresh."""

    def __init__(self, node: AdaptationNode):
        self._node = node
        self._waiting_for: str | None = None
        self._done = False

    def configure(self) -> bool:
        return self._node.trigger_configure() == TransitionCallbackReturn.SUCCESS

    def poll(self) -> None:
        """To be called every so often."""
        if self._done or self._node.state != "inactive":
            return
        refusal = self._node.refusal()
        if refusal is None and self._node.trigger_activate() == TransitionCallbackReturn.SUCCESS:
            self._done = True
            self._node.get_logger().info("active")
        elif refusal is not None and refusal != self._waiting_for:
            self._waiting_for = refusal
            self._node.get_logger().info(f"inactive, waiting: {refusal}")


def main(
    bundle: str,
    robot: str = "",
    *,
    auto_start: bool = True,
    namespace: str = "",
    ros_args: Sequence[str] = (),
) -> int:
    """Runs the node until SIGINT or SIGTERM; the safe command is the last one it sends.

    Args:
        bundle: folder of the policy bundle.
        robot: registered name or robot.yaml; empty for the robot that the bundle names.
        auto_start: configure and activate without being told; otherwise a lifecycle manager does.
        namespace: of the node and all its topics but `/diagnostics`.
        ros_args: such as `["--ros-args", "-r", "joint_states:=/arm/joint_states"]`.

    Returns:
        Exit code: 0, or `NOT_CONFIGURED` where `auto_start` meets a bundle or robot that cannot be used.
    """
    with ros(ros_args) as stop:
        node = AdaptationNode(bundle, robot, namespace)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            return _run(node, executor, stop, auto_start)
        finally:
            node.close()
            executor.shutdown()
            node.destroy_node()


def _run(node: AdaptationNode, executor: SingleThreadedExecutor, stop: StopFlag, auto_start: bool) -> int:
    starter = AutoStart(node)
    if auto_start and not starter.configure():
        return NOT_CONFIGURED
    node.get_logger().info(node.state)
    while not stop.raised:
        executor.spin_once(timeout_sec=POLL)
        if auto_start:
            starter.poll()
    node.get_logger().info("stopping: safe command")
    return 0


def cli(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """`main` from a command line; ROS arguments follow `--ros-args`."""
    parser = argparse.ArgumentParser(prog="ros_bridge.deploy", description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--robot", default="", help="name or robot.yaml (default: the one the bundle names)")
    parser.add_argument("--namespace", default="")
    parser.add_argument("--managed", action="store_true", help="wait for lifecycle transitions from outside")
    known = parser.parse_args(remove_ros_args(["", *arguments])[1:])
    return main(
        known.bundle,
        known.robot,
        auto_start=not known.managed,
        namespace=known.namespace,
        ros_args=arguments if "--ros-args" in arguments else (),
    )


if __name__ == "__main__":
    sys.exit(cli())
