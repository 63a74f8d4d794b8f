"""From sensor readings to a policy's observation. Used by the simulator and by the robot alike.

`ObservationLayout` says what stands where and builds one control step of it; `robots.observer.Observer` stacks steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robots.body import Body
from robots.errors import RobotError
from robots.frame import SensorFrame
from robots.kinematics import ForwardKinematics
from robots.spec import RobotSpec

MAX_HISTORY = 1000
"""Control steps; more is taken for a mistake."""


@dataclass(frozen=True)
class _Measurement:
    unit: str
    per: str
    """What its size follows: `joint`, `axis` (three of them) or `goal`."""
    read: Callable[[ObservationLayout, SensorFrame, np.ndarray | None], np.ndarray]
    needs: tuple[str, ...] = ()
    """Of the robot: `imu`, `tool`; of the task: `goal`, or `target`, a goal that begins with a position."""


def _tool_error(layout: ObservationLayout, frame: SensorFrame, goal: np.ndarray | None) -> np.ndarray:
    return _given(goal, "a goal")[:, :3] - layout.tool_position(frame.position)


_MEASUREMENTS = {
    "sin_position": _Measurement("1", "joint", lambda layout, frame, goal: np.sin(frame.position)),
    "cos_position": _Measurement("1", "joint", lambda layout, frame, goal: np.cos(frame.position)),
    "position": _Measurement("rad", "joint", lambda layout, frame, goal: frame.position),
    "velocity": _Measurement("rad/s", "joint", lambda layout, frame, goal: frame.velocity),
    "relative_position": _Measurement(
        "rad", "joint", lambda layout, frame, goal: frame.position - layout.default_position
    ),
    "gyro": _Measurement(
        "rad/s", "axis", lambda layout, frame, goal: _given(frame.gyro, "a gyro reading"), ("imu",)
    ),
    "gravity": _Measurement(
        "1", "axis", lambda layout, frame, goal: _given(frame.gravity, "a gravity direction"), ("imu",)
    ),
    "goal": _Measurement("goal unit", "goal", lambda layout, frame, goal: _given(goal, "a goal"), ("goal",)),
    "tool_error": _Measurement("m", "axis", _tool_error, ("tool", "target")),
}
TERMS = tuple(_MEASUREMENTS)
"""Names of everything that can be observed."""


@dataclass(frozen=True)
class ObservationTerm:
    """One measured quantity: `clip(scale * measurement, -clip, clip)`.

    sin_position, cos_position, position, velocity, relative_position (to the default position): of all joints.
    gyro, gravity: three numbers from the IMU. goal: as the task gives it.
    tool_error: the goal's first three numbers, a target in the base frame in [m], minus the tool's position by
    forward kinematics of the measured joints.
    """

    name: str
    scale: float = 1.0
    clip: float = 10.0
    history: int = 1
    """How many control steps of it are observed, the newest first."""

    def __post_init__(self) -> None:
        if self.name not in _MEASUREMENTS:
            raise RobotError(f"unknown observation term {self.name!r}; valid: {', '.join(TERMS)}")
        whole = isinstance(self.history, int) and not isinstance(self.history, bool)
        if not whole or not 1 <= self.history <= MAX_HISTORY:
            raise RobotError(f"{self.name}: history is {self.history!r}; valid: 1 to {MAX_HISTORY} steps")

    @property
    def unit(self) -> str:
        return _MEASUREMENTS[self.name].unit


class ObservationLayout:
    """Terms in order, each with its own history side by side, newest first. O = sum of size x history."""

    def __init__(self, terms: Sequence[ObservationTerm], robot: RobotSpec | Body, goal: int = 0):
        """
        Args:
            terms: what is observed.
            robot: whose sensors are read.
            goal: how many numbers a goal has; 0 where the task has none.

        Raises:
            RobotError: a term needs an IMU, a tool or a goal that is not there.
        """
        self.terms = tuple(terms)
        self.body = Body.of(robot) if isinstance(robot, RobotSpec) else robot
        self.goal = goal
        self.default_position = np.array(self.body.default_position)
        for term in self.terms:
            self._require(term)
        self._kinematics = self.body.tool and ForwardKinematics(self.body.tool, self.body.joint_names)
        per = {"joint": len(self.body.joint_names), "axis": 3, "goal": goal}
        self.sizes = tuple(per[_MEASUREMENTS[term.name].per] for term in self.terms)
        """Of one control step of each term."""
        self.step_size = sum(self.sizes)
        self._scale = np.repeat([term.scale for term in self.terms], self.sizes)
        self._clip = np.repeat([term.clip for term in self.terms], self.sizes)
        self._lowest = -self._clip
        self.size = sum(size * term.history for size, term in zip(self.sizes, self.terms, strict=True))

    @property
    def stacked(self) -> bool:
        """Whether any term is observed over more than one control step."""
        return self.size != self.step_size

    def build(
        self, frame: SensorFrame, goal: np.ndarray | None = None, out: np.ndarray | None = None
    ) -> np.ndarray:
        """One control step of every term, dimensionless float32, shape (N, `step_size`).

        Args:
            frame: the sensors' reading. What is not finite stays not finite.
            goal: shape (N, G); must be given where a term needs it.
            out: where to write it.

        Raises:
            RobotError: the frame or the goal lacks what a term needs.
        """
        step, begin = np.empty((len(frame.stamp), self.step_size)), 0
        for term, size in zip(self.terms, self.sizes, strict=True):
            value = _MEASUREMENTS[term.name].read(self, frame, goal)
            if value.shape[1] != size:
                raise RobotError(f"observation {term.name!r}: {value.shape[1]} number(s), expected {size}")
            step[:, begin : begin + size] = value
            begin += size
        step *= self._scale
        step.clip(self._lowest, self._clip, out=step)
        if out is None:
            return step.astype(np.float32)
        out[:] = step
        return out

    def tool_position(self, position: np.ndarray) -> np.ndarray:
        """Tool position in the base frame in [m], shape (N, 3), from joint positions in [rad], shape (N, J).

        Raises:
            RobotError: the robot has no tool.
        """
        if self._kinematics is None:
            raise RobotError(f"robot {self.body.name!r} has no tool (robot.yaml: tool)")
        return self._kinematics(position)

    def columns(self, term: str) -> tuple[slice, float]:
        """Where the newest step of a term stands in the observation, and the term's scale.

        Raises:
            RobotError: the layout has no such term.
        """
        begin = 0
        for item, size in zip(self.terms, self.sizes, strict=True):
            if item.name == term:
                return slice(begin, begin + size), item.scale
            begin += size * item.history
        names = ", ".join(item.name for item in self.terms)
        raise RobotError(f"no observation term {term!r}; this layout has {names}")

    def manifest(self) -> list[dict[str, Any]]:
        """What a bundle records of this layout."""
        return [
            {
                "name": term.name,
                "unit": term.unit,
                "scale": term.scale,
                "clip": term.clip,
                "history": term.history,
                "size": size,
                "goal": self.goal,
            }
            for term, size in zip(self.terms, self.sizes, strict=True)
        ]

    @classmethod
    def from_manifest(cls, terms: list[dict[str, Any]], robot: RobotSpec | Body) -> ObservationLayout:
        """The layout that `manifest()` recorded.

        Raises:
            RobotError: a term is unknown, in another unit or of another size.
        """
        goals = {term["goal"] for term in terms}
        if len(goals) > 1 or not all(type(goal) is int and 0 <= goal <= MAX_HISTORY for goal in goals):
            raise RobotError(f"goal: expected one size, got {sorted(map(repr, goals))!r:.80}")
        made = [ObservationTerm(t["name"], t["scale"], t["clip"], t["history"]) for t in terms]
        layout = cls(made, robot, goals.pop() if goals else 0)
        for term, size, recorded in zip(layout.terms, layout.sizes, terms, strict=True):
            if term.unit != recorded["unit"]:
                raise RobotError(f"observation {term.name!r} is in {term.unit}, not in {recorded['unit']!r}")
            if size != recorded["size"]:
                raise RobotError(f"observation {term.name!r} has size {size}, not {recorded['size']!r}")
        return layout

    def _require(self, term: ObservationTerm) -> None:
        missing = {
            "imu": not self.body.imu and f"an IMU; robot {self.body.name!r} has none (robot.yaml: imu)",
            "tool": not self.body.tool and f"a tool; robot {self.body.name!r} has none (robot.yaml: tool)",
            "goal": self.goal < 1 and "a goal; this task has none",
            "target": self.goal < 3 and f"a goal that begins with a position; this one has size {self.goal}",
        }
        for need in _MEASUREMENTS[term.name].needs:
            if missing[need]:
                raise RobotError(f"observation term {term.name!r} needs {missing[need]}")


def _given(value: np.ndarray | None, what: str) -> np.ndarray:
    if value is None:
        raise RobotError(f"the observation needs {what}, and there is none")
    return value
