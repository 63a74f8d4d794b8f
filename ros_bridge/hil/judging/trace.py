"""`Trace`: what was heard on both sides of the relay in one run, as arrays. Times in [s] from the first command on.

J joints. Each topic has its own times: T readings, S that reached the node, C commands, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

_NOTHING = np.zeros(0)


def _none() -> np.ndarray:
    return _NOTHING.copy()


@dataclass
class Trace:
    """Arrays that a page can plot and expectations can judge; what a run did not have is empty."""

    time: np.ndarray = field(default_factory=_none)
    """Of the robot's own readings, before any fault. Shape (T,)."""
    position: np.ndarray = field(default_factory=_none)
    """In [rad]. Shape (T, J)."""
    velocity: np.ndarray = field(default_factory=_none)
    """In [rad/s]. Shape (T, J)."""
    upright: np.ndarray = field(default_factory=_none)
    """Cosine of the base's tilt by the IMU; 1: upright. Shape (T,); empty without an IMU."""
    seen_time: np.ndarray = field(default_factory=_none)
    """Of readings as they reached the node. Shape (S,)."""
    seen_position: np.ndarray = field(default_factory=_none)
    """Shape (S, J)."""
    seen_velocity: np.ndarray = field(default_factory=_none)
    """Shape (S, J)."""
    command_time: np.ndarray = field(default_factory=_none)
    """Of the node's commands. Shape (C,)."""
    command: np.ndarray = field(default_factory=_none)
    """Certified, in [command unit]; NaN where it could not be read. Shape (C, J)."""
    requested_time: np.ndarray = field(default_factory=_none)
    """Shape (Q,)."""
    requested: np.ndarray = field(default_factory=_none)
    """What the policy asked for; NaN where it was not asked. Shape (Q, J)."""
    reasons: np.ndarray = field(default_factory=_none)
    """Bit masks of `robots.safety.Reason`. Shape (Q,), int."""
    applied_time: np.ndarray = field(default_factory=_none)
    """Of commands as they reached the robot. Shape (A,)."""
    applied: np.ndarray = field(default_factory=_none)
    """Shape (A, J)."""
    belief_time: np.ndarray = field(default_factory=_none)
    """Shape (B,)."""
    belief_mean: np.ndarray = field(default_factory=_none)
    """Of physical parameters, in SI units. Shape (B, P)."""
    belief_std: np.ndarray = field(default_factory=_none)
    """Shape (B, P)."""
    belief_names: np.ndarray = field(default_factory=_none)
    """Of the parameters. Shape (P,), str."""
    familiarity_time: np.ndarray = field(default_factory=_none)
    """Shape (F,)."""
    unfamiliar: np.ndarray = field(default_factory=_none)
    """Whether the node says that the robot is none of its family. Shape (F,), bool."""
    latency_time: np.ndarray = field(default_factory=_none)
    """When a reading reached the node. Shape (L,)."""
    latency: np.ndarray = field(default_factory=_none)
    """From its publication on the node's side to that of the command that answers it, in [s]. Shape (L,)."""
    truth_time: np.ndarray = field(default_factory=_none)
    """Of the simulated robot's control steps. Shape (K,)."""
    qpos: np.ndarray = field(default_factory=_none)
    """Generalised positions of the simulation. Shape (K, nq)."""
    goal: np.ndarray = field(default_factory=_none)
    """What the robot was asked for. Shape (K, G)."""
    on_target: np.ndarray = field(default_factory=_none)
    """Whether the robot was where its task wants it. Shape (K,), bool."""
    error: np.ndarray = field(default_factory=_none)
    """Distance from what it was asked for, in the task's unit. Shape (K,)."""
    lateness: np.ndarray = field(default_factory=_none)
    """By how much the simulated robot was behind its schedule, in [s]. Shape (K,)."""

    def save(self, path: Path) -> None:
        """As a compressed .npz."""
        np.savez_compressed(path, **{each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Trace:
        """Inverse of `save`; runs no code."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(**{each.name: stored[each.name] for each in fields(cls) if each.name in stored})
