"""Where a robot's tool and feet are, from its joint positions: forward kinematics of chains, batched, in numpy."""

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
class Chain:
    """Hinges from the base to a point of the robot: its tool, a foot."""

    steps: tuple[ChainStep, ...]
    offset: Vector
    """The point in the last hinge's frame, in [m]."""

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


@dataclass(frozen=True)
class Foot:
    """What a leg stands on: a ball."""

    chain: Chain
    """To its centre."""
    radius: float
    """In [m]; 0: a point."""

    def manifest(self) -> dict[str, Any]:
        """Plain numbers, for a robot's identity."""
        return self.chain.manifest() | {"radius": self.radius}


class ForwardKinematics:
    """Position of a chain's end of N robots.

    A hinge turns a point p by angle q to p + sin q K p + (1 - cos q) K K p with K the axis' cross product
    (Rodrigues' formula). Going from the end to the base only points are turned, never matrices multiplied; their
    coordinates are arrays, shape (N,), or of one robot plain floats, which Python is faster at.
    """

    def __init__(self, chain: Chain, joint_names: Sequence[str]):
        self._offset = chain.offset
        turned = {step.joint for step in chain.steps}
        names = [name for name in joint_names if name in turned]
        self._columns = (
            None if len(names) == len(joint_names) else [joint_names.index(name) for name in names]
        )
        """Of the joints that count; None: all."""
        self._hinges = [_Hinge.of(step, names) for step in reversed(chain.steps)]

    def __call__(self, position: np.ndarray) -> np.ndarray:
        """The end in the base frame in [m], shape (N, 3), from joint positions in [rad], shape (N, J)."""
        out = np.empty((len(position), 3))
        for axis, along in enumerate(self.coordinates(position)):
            out[:, axis] = along
        return out

    def coordinates(self, position: np.ndarray) -> list[Any]:
        """Its x, y and z: arrays, shape (N,), or floats of one robot."""
        angles = position if self._columns is None else position[:, self._columns]
        sine, versine = np.sin(angles), 1.0 - np.cos(angles)
        alone = len(position) == 1
        sine, versine = (each[0].tolist() if alone else each.T.copy() for each in (sine, versine))
        point: list[Any] = list(self._offset)
        for hinge in self._hinges:
            point = hinge.turned(point, sine[hinge.column], versine[hinge.column])
        return point


@dataclass(frozen=True)
class _Hinge:
    column: int
    """Of the joint, among those that count."""
    translation: Vector
    fixed: list[list[float]]
    """R; the other two are R K and R K K. Each of shape (3, 3)."""
    sine: list[list[float]]
    versine: list[list[float]]

    @classmethod
    def of(cls, step: ChainStep, joint_names: Sequence[str]) -> _Hinge:
        x, y, z = step.axis
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        fixed = rotation(step.rpy)
        matrices = (fixed, fixed @ cross, fixed @ cross @ cross)
        return cls(joint_names.index(step.joint), step.translation, *(matrix.tolist() for matrix in matrices))

    def turned(self, point: list[Any], sine: Any, versine: Any) -> list[Any]:
        """A point in the frame before, by sin q and 1 - cos q."""
        # Written out: a matrix product rounds differently for one robot than for many.
        rows = zip(
            self.translation, *(_times(m, point) for m in (self.fixed, self.sine, self.versine)), strict=True
        )
        return [moved + held + (sine * along + versine * across) for moved, held, along, across in rows]


def _times(matrix: list[list[float]], point: list[Any]) -> list[Any]:
    x, y, z = point
    return [a * x + b * y + c * z for a, b, c in matrix]


def rotation(rpy: Vector) -> np.ndarray:
    """Rotation matrix of roll, pitch, yaw about fixed axes: Rz(yaw) Ry(pitch) Rx(roll). Shape (3, 3)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
