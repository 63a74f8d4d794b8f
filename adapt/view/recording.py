"""What the page and the video are made from: several tasks of a family, played."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from adapt.view import scene
from adapt.view.camera import Camera, frame_camera


@dataclass(frozen=True)
class Quantity:
    """A physical parameter of the family, and the range that it is drawn from."""

    name: str
    unit: str
    low: float
    high: float
    """In SI units, as all values."""
    logarithmic: bool = False
    """Whether it is drawn evenly in ratio."""

    def share(self, value: float) -> float:
        """Where a value lies in the range: 0 at its low end, 1 at its high; beyond for a value outside."""
        low, high, at = self.low, self.high, value
        if self.logarithmic and min(low, high, at) > 0:
            low, high, at = np.log(low), np.log(high), np.log(at)
        return float((at - low) / (high - low)) if high > low else 0.5


@dataclass(frozen=True)
class Recording:
    """N tasks over T frames; P parameters."""

    family: str
    robot: str
    split: str
    seed: int
    policy: str
    """What drives, in words."""
    period: float
    """Between frames, in [s]."""
    base: mujoco.MjModel
    """The family's model before randomisation."""
    models: tuple[mujoco.MjModel, ...]
    """One per task, with the task's own physics. Length N."""
    qpos: np.ndarray
    """Shape (T, N, nq)."""
    reward: np.ndarray
    """Return of the episode so far. Shape (T, N)."""
    episode: np.ndarray
    """Index of the episode that a frame belongs to. Shape (T, N), int."""
    quantities: tuple[Quantity, ...]
    """Length P."""
    values: np.ndarray
    """In SI units; they differ over time where the physics change. Shape (T, N, P)."""

    @property
    def tasks(self) -> int:
        return len(self.models)

    @property
    def seconds(self) -> float:
        return self.period * (len(self.qpos) - 1)

    @cached_property
    def poses(self) -> np.ndarray:
        """See `scene.body_poses`. Shape (N, T, nbody, 7)."""
        return np.stack([scene.body_poses(m, self.qpos[:, i]) for i, m in enumerate(self.models)])

    @cached_property
    def camera(self) -> Camera:
        return frame_camera(self.models[0], self.poses, self.episode.T, self.period)
