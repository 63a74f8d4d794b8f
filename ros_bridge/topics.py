"""Which topics the robot and the adaptation node meet on, beside those of the robot's description, and their QoS.

All names but one are relative, so that a namespace separates robots.
"""

from __future__ import annotations

from rclpy.qos import QoSProfile, QoSReliabilityPolicy

NODE_NAME = "adaptation"
REQUESTED = f"{NODE_NAME}/requested"
"""What the policy asked for and why it was not sent as it was: `conversions.requested_message`."""
BELIEF = f"{NODE_NAME}/belief"
"""Mean and standard deviation of the named quantities: `conversions.belief_message`."""
FAMILIARITY = f"{NODE_NAME}/familiarity"
"""How familiar the robot is, and the fallback's share of the command: `conversions.familiarity_message`."""
DIAGNOSTICS = "/diagnostics"
"""Where all nodes tell how they are: absolute, as ROS has it."""

SENSOR_QOS = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""For subscriptions: only the newest reading counts; hears reliable and best-effort publishers."""
COMMAND_QOS = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE)
"""For commands and for what is published beside them: only the newest one counts, and it must arrive."""
