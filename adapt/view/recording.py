"""What the page and the video are made from: several tasks of a family, played."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from adapt.view import scene
from adapt.view.camera import Camera, frame_camera
from adapt.view.target import target_of


@dataclass(frozen=True)
class Quantity:
    """A physical parameter of the family, and the range that it is drawn from."""

    name: str
    unit: str
    low: float
    high: float
    """In SI units, as all values."""
    share: Callable[[float], float]
    """From a value to its place in the distribution: 0 at the low end, 1 at the high; beyond for one outside."""


@dataclass(frozen=True)
class Wish:
    """One number of the goal that a robot is told."""

    name: str
    unit: str


@dataclass(frozen=True)
class Recording:
    """N tasks over T frames; P parameters."""

    family: str
    robot: str
    split: str
    seed: int
    policy: str
    """What drives, in words."""
    about: str
    """What is to be done, in words."""
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
    wishes: tuple[Wish, ...] = ()
    """Length G."""
    goals: np.ndarray | None = None
    """What is asked for, in SI units. Shape (T, N, G); None where the family has no goals."""

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
    def target(self) -> np.ndarray | None:
        """See `target_of`. Shape (T, N, 3)."""
        known = self.values if self.goals is None else np.concatenate([self.goals, self.values], axis=2)
        return target_of([item.name for item in (*self.wishes, *self.quantities)], known)

    @cached_property
    def camera(self) -> Camera:
        return frame_camera(self.models[0], self.poses, self.episode.T, self.period, self.target)
