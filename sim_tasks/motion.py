"""`Motion`: the true state of N plants after a control step, for rewards, terminations and ideal observations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sim_tasks.batch_sim import BatchSim

_UNKNOWN = np.empty((0, 0))


@dataclass
class Motion:
    """True state of N plants. Its arrays are live: read them at once, or copy them. No robot sees it."""

    qpos: np.ndarray
    """Generalised positions, [rad] and [m]. Shape (N, nq)."""
    qvel: np.ndarray
    """Generalised velocities, [rad/s] and [m/s]. Shape (N, nv)."""
    action: np.ndarray
    """The command that was sent, in action units. Shape (N, A)."""
    before: np.ndarray = field(default_factory=lambda: _UNKNOWN)
    """`qpos` before the control step. Shape (N, nq)."""
    goal: np.ndarray | None = None
    """The goal that was given. Shape (N, G)."""
    previous_action: np.ndarray = field(default_factory=lambda: _UNKNOWN)
    """The action of the control step before. Shape (N, A)."""
    period: float = 0.0
    """Control period in [s]."""
    joints: slice | np.ndarray = field(default_factory=lambda: slice(None))
    dofs: slice | np.ndarray = field(default_factory=lambda: slice(None))
    task: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The task's parameters in SI units by name. Shape (N,) each."""
    bind: Callable[[str], np.ndarray] | None = None
    """Engine fields by name, such as `xpos`. Shape (N, ...)."""

    @property
    def position(self) -> np.ndarray:
        """Joint positions in [rad]. Shape (N, J)."""
        return self.qpos[:, self.joints]

    @property
    def velocity(self) -> np.ndarray:
        """Joint velocities in [rad/s]. Shape (N, J)."""
        return self.qvel[:, self.dofs]

    def __getitem__(self, name: str) -> np.ndarray:
        """A live engine field, such as `xpos`. Shape (N, ...)."""
        if self.bind is None:
            raise KeyError(name)
        return self.bind(name)

    @classmethod
    def of(cls, sim: BatchSim, action: np.ndarray, goal: np.ndarray | None) -> Motion:
        """The motion of a simulation, live; `action` and `goal` are the arrays that its user keeps up to date."""
        columns = {p.name: sim.values[:, i] for i, p in enumerate(sim.parameters)}
        return cls(
            qpos=sim.qpos,
            qvel=sim.qvel,
            action=action,
            before=sim.qpos.copy(),
            goal=goal,
            previous_action=np.zeros_like(action),
            period=sim.plant.period,
            joints=sim.plant.qpos,
            dofs=sim.plant.qvel,
            task=columns,
            bind=sim.bind,
        )
