"""The adaptation node as a process: `adapt deploy BUNDLE`."""

from __future__ import annotations

import gc
from pathlib import Path

from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import TransitionCallbackReturn

from ros_bridge.lifetime import POLL, StopFlag, ros
from ros_bridge.node import AdaptationNode
from ros_bridge.refusals import Refusals
from ros_bridge.waiting import SensorsFirst

NOT_CONFIGURED, CONTEXT_LOST = 2, 3
"""Exit codes: the bundle or the robot cannot be used; somebody shut ROS down under the node."""


class AutoStart:
    """Configures a node, then activates it once, as soon as its sensors are fresh."""

    def __init__(self, node: AdaptationNode):
        self._node = node
        self._refusals = Refusals()
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
        elif self._refusals.new(refusal):
            self._node.get_logger().info(f"inactive, waiting: {refusal}")


def deploy(
    bundle: str | Path,
    robot: str | None = None,
    *,
    namespace: str = "",
    auto_start: bool = True,
    belief_file: Path | None = None,
    record: Path | None = None,
    audit_log: Path | None = None,
    fallback: Path | None = None,
) -> int:
    """Runs the node until SIGINT or SIGTERM; the safe command is the last one it sends.

    Args:
        bundle: folder of the policy bundle.
        robot: registered name or robot.yaml; None for the robot that the bundle names.
        namespace: of the node and all its topics but `/diagnostics`.
        audit_log: keeps what became of the proposals of an adaptation by gradients; None: nothing is kept.
        fallback: folder of a bundle that drives robots which are unfamiliar to the other; None: that one drives on.
        record: folder in which a bag is kept; None: nothing is recorded.
        auto_start: configure and activate without being told; otherwise a lifecycle manager does.
        belief_file: keeps what was understood of the robot over restarts; None: every start is a new one.

    Returns:
        Exit code: 0; `NOT_CONFIGURED` where `auto_start` meets a bundle or robot that cannot be used; `CONTEXT_LOST`.
    """
    with ros() as stop:
        node = AdaptationNode(
            str(bundle),
            robot or "",
            namespace,
            belief_file=str(belief_file or ""),
            record=str(record or ""),
            audit_log=str(audit_log or ""),
            fallback=str(fallback or ""),
        )
        executor = SensorsFirst()
        executor.add_node(node)
        try:
            return _run(node, executor, stop, auto_start)
        except ExternalShutdownException:
            node.lost_context()
            return CONTEXT_LOST
        finally:
            node.close()
            executor.shutdown()
            node.destroy_node()


def _run(node: AdaptationNode, executor: SensorsFirst, stop: StopFlag, auto_start: bool) -> int:
    starter = AutoStart(node)
    if auto_start and not starter.configure():
        return NOT_CONFIGURED
    # What is there by now stays: a full collection, which takes 7 ms to find that out, would hold up a control step.
    gc.collect()
    gc.freeze()
    node.get_logger().info(node.state)
    while not stop.raised:
        executor.spin_once(timeout_sec=POLL)
        if auto_start:
            starter.poll()
    node.get_logger().info("stopping: safe command")
    return 0
