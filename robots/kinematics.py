"""Where a robot's tool is, from its joint positions: forward kinematics of one chain, batched, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class ChainStep:
    """One hinge of a chain, placed in the frame of the hinge before it (the first one: in the base frame)."""

    joint: str
    translation: Vector
    """Origin of the hinge in [m]."""
    rpy: Vector
    """Orientation at joint position 0, as URDF has it: roll, pitch, yaw about fixed x, y, z, in [rad]."""
    axis: Vector
    """Unit vector of the hinge's axis in the hinge's own frame."""


@dataclass(frozen=True)
class ToolChain:
    """Hinges from the base to the tool."""

    steps: tuple[ChainStep, ...]
    offset: Vector
    """The tool's point in the last hinge's frame, in [m]."""

    def manifest(self) -> dict[str, Any]:
        """Plain numbers, for a robot's identity."""
        steps = [
            {
                "joint": step.joint,
                "translation": list(step.translation),
                "rpy": list(step.rpy),
                "axis": list(step.axis),
            }
            for step in self.steps
        ]
        return {"steps": steps, "offset": list(self.offset)}


class ForwardKinematics:
    """Position of the tool of N robots.

    A hinge turns a point p by angle q to p + sin q K p + (1 - cos q) K K p with K the axis' cross product
    (Rodrigues' formula). Going from the tool to the base only points are turned, never matrices multiplied.
    """

    def __init__(self, chain: ToolChain, joint_names: Sequence[str]):
        self._offset = np.array(chain.offset)
        self._columns = [joint_names.index(step.joint) for step in chain.steps]
        self._translations = [np.array(step.translation) for step in chain.steps]
        self._turns = [_turn(step) for step in chain.steps]

    def __call__(self, position: np.ndarray) -> np.ndarray:
        """Tool position in the base frame in [m], shape (N, 3), from joint positions in [rad], shape (N, J)."""
        sine, versine = np.sin(position), 1.0 - np.cos(position)
        point = np.broadcast_to(self._offset, (len(position), 3))
        for column, translation, turn in zip(
            reversed(self._columns), reversed(self._translations), reversed(self._turns), strict=True
        ):
            # Written out: a matrix product rounds differently for one robot than for many.
            parts = point[:, 0, None] * turn[0] + point[:, 1, None] * turn[1] + point[:, 2, None] * turn[2]
            along = sine[:, column, None] * parts[:, 3:6] + versine[:, column, None] * parts[:, 6:]
            point = translation + parts[:, :3] + along
        return point


def rotation(rpy: Vector) -> np.ndarray:
    """Rotation matrix of roll, pitch, yaw about fixed axes: Rz(yaw) Ry(pitch) Rx(roll). Shape (3, 3)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _turn(step: ChainStep) -> np.ndarray:
    """What a row vector is multiplied with to give R p, R K p and R K K p side by side. Shape (3, 9)."""
    x, y, z = step.axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    fixed = rotation(step.rpy)
    return np.concatenate([fixed.T, (fixed @ cross).T, (fixed @ cross @ cross).T], axis=1)
