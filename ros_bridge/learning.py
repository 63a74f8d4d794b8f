"""What a node adapts by gradients with, and where it says what became of it."""

from __future__ import annotations

from dataclasses import asdict

from rclpy.node import Node

from adapt import __version__
from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.gradient import GradientAdapter
from adapt.online.learning import OnRobotLearning
from adapt.online.learning_settings import LearningSettings
from adapt.types import OnlineAdapter
from ros_bridge import settings
from ros_bridge.audit import AuditLog


class AuditedLearning(OnRobotLearning):
    """Keeps its events in an audit log, which ends with it."""

    def __init__(
        self, bundle: PolicyBundle, adapter: GradientAdapter, settings: LearningSettings, audit: AuditLog
    ):
        super().__init__(bundle, adapter, settings, audit)
        self._audit = audit

    def close(self) -> None:
        super().close()
        self._audit.close()

    def status(self) -> dict[str, str]:
        return super().status() | {"audit log": self._audit.status()}


def open_learning(node: Node, bundle: PolicyBundle, adapter: OnlineAdapter) -> OnRobotLearning | None:
    """As the node's parameters say; None for an adapter of another kind.

    Raises:
        AdaptError: a parameter is out of range, or there is no torch to compute gradients with.
    """
    if not isinstance(adapter, GradientAdapter):
        return None
    chosen = LearningSettings(
        exploration=settings.number(node, settings.EXPLORATION),
        by_itself=settings.flag(node, settings.AUTO_ACCEPT),
    )
    facts = {
        "bundle": bundle.manifest["manifest_digest"],
        "family": bundle.manifest["family"]["name"],
        "settings": asdict(chosen),
        "version": __version__,
    }
    log = AuditLog(str(node.get_parameter("audit_log").value), facts, node.get_logger().info)
    try:
        return AuditedLearning(bundle, adapter, chosen, log)
    except AdaptError:
        log.close()
        raise
