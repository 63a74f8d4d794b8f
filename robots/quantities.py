"""`Quantities`: what can be measured on a robot, by name. Observations and rewards are made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robots.body import Body
from robots.errors import RobotError
from robots.frame import SensorFrame
from robots.kinematics import ForwardKinematics
from robots.spec import RobotSpec


@dataclass(frozen=True)
class _Quantity:
    unit: str
    per: str
    """What its size follows: `joint`, `axis` (three of them) or `goal`."""
    read: Callable[[Quantities, SensorFrame, np.ndarray | None], np.ndarray]
    needs: tuple[str, ...] = ()
    """Of the robot: `imu`, `tool`; of the task: `goal`, or `target`, a goal that begins with a position."""


def _tool_error(robot: Quantities, frame: SensorFrame, goal: np.ndarray | None) -> np.ndarray:
    return _given(goal, "a goal")[:, :3] - robot.tool_position(frame.position)


_QUANTITIES = {
    "sin_position": _Quantity("1", "joint", lambda robot, frame, goal: np.sin(frame.position)),
    "cos_position": _Quantity("1", "joint", lambda robot, frame, goal: np.cos(frame.position)),
    "position": _Quantity("rad", "joint", lambda robot, frame, goal: frame.position),
    "velocity": _Quantity("rad/s", "joint", lambda robot, frame, goal: frame.velocity),
    "relative_position": _Quantity(
        "rad", "joint", lambda robot, frame, goal: frame.position - robot.default_position
    ),
    "gyro": _Quantity(
        "rad/s", "axis", lambda robot, frame, goal: _given(frame.gyro, "a gyro reading"), ("imu",)
    ),
    "gravity": _Quantity(
        "1", "axis", lambda robot, frame, goal: _given(frame.gravity, "a gravity direction"), ("imu",)
    ),
    "goal": _Quantity("goal unit", "goal", lambda robot, frame, goal: _given(goal, "a goal"), ("goal",)),
    "tool_position": _Quantity(
        "m", "axis", lambda robot, frame, goal: robot.tool_position(frame.position), ("tool",)
    ),
    "tool_error": _Quantity("m", "axis", _tool_error, ("tool", "target")),
}
NAMES = tuple(_QUANTITIES)
"""Of everything that can be measured."""


def unit(name: str) -> str:
    """Of one of `NAMES`."""
    return _QUANTITIES[name].unit


class Quantities:
    """Reads quantities of N robots of one kind, raw, in their units.

    sin_position, cos_position, position, velocity, relative_position (to the default position): of all joints.
    gyro, gravity: three numbers from the IMU. goal: as the task gives it. tool_position: in the base frame in [m], by
    forward kinematics of the measured joints. tool_error: the goal's first three numbers, a target in the base frame
    in [m], minus the tool's position.
    """

    def __init__(self, robot: RobotSpec | Body, goal: int = 0):
        """`goal`: how many numbers a goal has; 0 where the task has none."""
        self.body = Body.of(robot) if isinstance(robot, RobotSpec) else robot
        self.goal = goal
        self.default_position = np.array(self.body.default_position)
        self._kinematics = self.body.tool and ForwardKinematics(self.body.tool, self.body.joint_names)

    def size(self, name: str, what: str) -> int:
        """How many numbers a quantity has on this robot.

        Args:
            name: one of `NAMES`.
            what: who asks, for the error.

        Raises:
            RobotError: it needs an IMU, a tool or a goal that is not there.
        """
        missing = {
            "imu": not self.body.imu and f"an IMU; robot {self.body.name!r} has none (robot.yaml: imu)",
            "tool": not self.body.tool and f"a tool; robot {self.body.name!r} has none (robot.yaml: tool)",
            "goal": self.goal < 1 and "a goal; this task has none",
            "target": self.goal < 3 and f"a goal that begins with a position; this one has size {self.goal}",
        }
        for need in _QUANTITIES[name].needs:
            if missing[need]:
                raise RobotError(f"{what} needs {missing[need]}")
        return {"joint": len(self.body.joint_names), "axis": 3, "goal": self.goal}[_QUANTITIES[name].per]

    def read(self, name: str, frame: SensorFrame, goal: np.ndarray | None) -> np.ndarray:
        """A quantity by the sensors' reading. What is not finite stays not finite. Shape (N, size).

        Raises:
            RobotError: the frame or the goal, shape (N, G), lacks what it needs.
        """
        return _QUANTITIES[name].read(self, frame, goal)

    def tool_position(self, position: np.ndarray) -> np.ndarray:
        """Tool position in the base frame in [m], shape (N, 3), from joint positions in [rad], shape (N, J).

        Raises:
            RobotError: the robot has no tool.
        """
        if self._kinematics is None:
            raise RobotError(f"robot {self.body.name!r} has no tool (robot.yaml: tool)")
        return self._kinematics(position)


def _given(value: np.ndarray | None, what: str) -> np.ndarray:
    if value is None:
        raise RobotError(f"what is measured needs {what}, and there is none")
    return value
