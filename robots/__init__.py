"""What a robot is: its description, sensors, observations, actions and safety limits.

Imports numpy and pyyaml only, so that a robot's computer can use all of it.
"""

from robots.errors import RobotError, RobotSpecError, UnknownRobotError
from robots.frame import SensorFrame
from robots.loading import load_robot, robot_names
from robots.spec import RobotSpec, with_passive

__all__ = [
    "RobotError",
    "RobotSpec",
    "RobotSpecError",
    "SensorFrame",
    "UnknownRobotError",
    "load_robot",
    "robot_names",
    "with_passive",
]
