"""Which quality of service the user may choose, when the node starts: `qos_overrides.TOPIC.publisher.reliability`.

Nobody may choose that old commands or goals be kept for those who come late, or that any of what is answered waits in a
queue: the newest one counts alone. A deadline or a lifespan would change nothing: staleness is judged by stamps.
"""

from __future__ import annotations

from typing import Any, Literal

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind
from rclpy.qos_overriding_options import QoSOverridingOptions

from ros_bridge.errors import BridgeError

NEWEST = (QoSPolicyKind.RELIABILITY,)
"""Of sensors, goals and commands."""
QUEUED = (QoSPolicyKind.RELIABILITY, QoSPolicyKind.DEPTH)
"""Of what is said beside commands: somebody may want to miss none of it."""
RELIABILITIES = ("reliable", "best_effort")
MOST_DEPTH = 1000
_PREFIX = "qos_overrides."


def overridable(
    node: Node, topic: str, side: Literal["publisher", "subscription"], policies: tuple[QoSPolicyKind, ...]
) -> QoSOverridingOptions:
    """The options for an entity that is about to be created, after what was chosen for it was looked at.

    Raises:
        BridgeError: what was chosen is not valid; names the parameter, its value and the valid ones.
    """
    for policy in policies:
        name = f"{_PREFIX}{node.resolve_topic_name(topic)}.{side}.{policy.name.lower()}"
        chosen = node._parameter_overrides.get(name)  # rclpy has no other way to see it before it is declared
        if chosen is not None and (valid := _unmet(policy, chosen.value)):
            raise BridgeError(f"{name}: got {chosen.value!r:.80}; valid: {valid}")
    return QoSOverridingOptions(policies)


def ignored(node: Node) -> list[str]:
    """What was chosen of topics that the node does not have, or of policies that nobody may choose."""
    chosen = (name for name in node._parameter_overrides if name.startswith(_PREFIX))
    return sorted(name for name in chosen if not node.has_parameter(name))


def _unmet(policy: QoSPolicyKind, value: Any) -> str | None:
    """The valid values, in words, where this is none of them."""
    if policy is QoSPolicyKind.DEPTH:
        sound = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_DEPTH
        return None if sound else f"a whole number from 1 to {MOST_DEPTH}"
    return None if value in RELIABILITIES else ", ".join(RELIABILITIES)
