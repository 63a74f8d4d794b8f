"""`ant_dir`, `ant_goal`: a four-legged body that walks where it is not told to.

Definitions: PEARL (arXiv:1903.08254), ProMP (1810.06784), VariBAD (1910.08348), RoML (2301.11147) and their code.
Control step 0.05 s, five time steps, RK4. The contact forces are those at the beginning of the last time step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_tasks.bodies import gymnasium_plant
from sim_tasks.errors import TaskError
from sim_tasks.families.literature import (
    STEPS,
    ControlCost,
    NearRest,
    alive,
    check_choice,
    check_positive,
    check_steps,
)
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import Plant
from sim_tasks.ports import StateInterface
from sim_tasks.randomisation import Parameter, TaskVariable
from sim_tasks.reward import Reward

SUBSTEPS = 5
CONTACT_WEIGHT = 5e-4
HIGHEST = 1.0
"""Of the torso in [m], or the episode of `ant_dir` ends."""
POSITIONS, VELOCITIES, ACTIONS = 15, 14, 8
FORCES = 14 * 6
"""Torque and force on each of 14 bodies, the world included."""
DIRECTIONS = ("circle", "forward_backward")


def plant() -> Plant:
    """Gymnasium's Ant, whose contact forces are computed."""
    return gymnasium_plant("ant", SUBSTEPS, contact_forces=True)


def start(body: Plant) -> NearRest:
    """Gym's Ant: positions +-0.1, the quaternion's elements too, velocities gaussian with 0.1."""
    return NearRest(body.model.qpos0.copy(), VELOCITIES, spread=0.1, gaussian=True)


def contact_forces(motion: Motion) -> np.ndarray:
    """Torques and forces on the bodies, clipped to +-1 [N m] and [N]. Shape (N, 84)."""
    forces = motion["cfrc_ext"]
    return np.clip(forces.reshape(len(forces), FORCES), -1.0, 1.0)


def contact_cost(motion: Motion) -> np.ndarray:
    return -CONTACT_WEIGHT * np.square(contact_forces(motion)).sum(axis=1)


def observe(motion: Motion) -> np.ndarray:
    """Positions but for x and y, then velocities. Shape (N, 27)."""
    return np.concatenate([motion.qpos[:, 2:], motion.qvel], axis=1)


def observe_with_forces(motion: Motion) -> np.ndarray:
    """As `observe`, then the clipped contact forces. Shape (N, 111)."""
    return np.concatenate([motion.qpos[:, 2:], motion.qvel, contact_forces(motion)], axis=1)


def observe_all(motion: Motion) -> np.ndarray:
    """All positions, velocities and clipped contact forces. Shape (N, 113)."""
    return np.concatenate([motion.qpos, motion.qvel, contact_forces(motion)], axis=1)


@dataclass(frozen=True)
class Directed:
    """Velocity of the torso in the wanted direction in [m/s]."""

    def __call__(self, motion: Motion) -> np.ndarray:
        assert motion.before is not None
        angle = motion.task["direction"]
        x, y = ((motion.qpos[:, i] - motion.before[:, i]) / motion.period for i in (0, 1))
        return x * np.cos(angle) + y * np.sin(angle)


@dataclass(frozen=True)
class OutOfHeight:
    """The torso is lower or higher than a walking ant's."""

    lowest: float

    def __call__(self, motion: Motion) -> np.ndarray:
        z = motion.qpos[:, 2]
        return ~((z >= self.lowest) & (z <= HIGHEST))


def ant_dir(
    directions: str = "circle",
    episode_steps: int = STEPS,
    lowest: float = 0.2,
    forces_observed: bool = False,
) -> TaskFamily:
    """Walk in a direction that nobody tells: r = v . (cos t, sin t) - 0.5 |a|^2 - 0.0005 |clip(forces)|^2 + 1.

    The task is the angle t in [rad]: from U(0, 2 pi), or 0 and pi. An episode ends when the torso's height leaves
    [lowest, 1]. An angle has no values out of distribution: it wraps around. Source: PEARL and VariBAD (AntDir),
    ProMP (AntRandDirec2D).

    Args:
        directions: `circle` for all, `forward_backward` for two.
        episode_steps: control steps per episode.
        lowest: height of the torso in [m] below which an episode ends; 0.2 in PEARL and VariBAD, 0 in ProMP.
        forces_observed: whether contact forces are seen, as in ProMP.

    Raises:
        TaskError: unknown directions, no whole number of steps, or a height that is not below 1 m.
    """
    check_choice("directions", directions, DIRECTIONS)
    if not (0 <= lowest < HIGHEST):
        raise TaskError(f"lowest: {lowest!r} m; valid: 0 up to {HIGHEST}")
    body = plant()
    return TaskFamily(
        name="ant_dir",
        plant=body,
        interface=StateInterface(observe_with_forces, 27 + FORCES, ACTIONS)
        if forces_observed
        else StateInterface(observe, 27, ACTIONS),
        parameters=(_direction(directions),),
        reward=Reward.sum(running=Directed(), control=ControlCost(0.5), contact=contact_cost, alive=alive),
        start=start(body),
        terminal=OutOfHeight(lowest),
        episode_seconds=check_steps(episode_steps) * body.period,
        about="walk in an unknown direction (PEARL, ProMP, VariBAD)",
    )


def _direction(directions: str) -> Parameter:
    """The angle in [rad]."""
    if directions == "circle":
        source = "PEARL: U(0, 2 pi); ProMP: a random unit vector"
        return Parameter("direction", "rad", TaskVariable(), 0.0, 2 * np.pi, ood="none", source=source)
    source = "VariBAD and PEARL: forwards or backwards"
    return Parameter.choice("direction", "rad", TaskVariable(), (0.0, np.pi), source)


@dataclass(frozen=True)
class Distance:
    """City-block distance of the torso from the goal in [m], negative."""

    def __call__(self, motion: Motion) -> np.ndarray:
        radius, angle = motion.task["goal_radius"], motion.task["goal_angle"]
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        return -(np.abs(motion.qpos[:, 0] - x) + np.abs(motion.qpos[:, 1] - y))


def ant_goal(radius: float = 3.0, episode_steps: int = STEPS) -> TaskFamily:
    """Walk to a place that nobody tells: r = -|x - gx| - |y - gy| - 0.1 |a|^2 - 0.0005 |clip(forces)|^2.

    Goals are uniform over a disk: radius 3 sqrt(U), angle U(0, 2 pi). An episode never ends early. Source: ProMP
    (AntRandGoal), PEARL and VariBAD (AntGoal); RoML has the disk of 5 m.

    Args:
        radius: of the disk in [m].
        episode_steps: control steps per episode.

    Raises:
        TaskError: the radius is not positive, or no whole number of steps.
    """
    body = plant()
    goal = (
        Parameter(
            "goal_radius", "m", TaskVariable(), 0.0, check_positive("radius", radius), "abs", "disk", "high",
            source="PEARL, ProMP and VariBAD 3 m, RoML 5 m",
        ),
        Parameter("goal_angle", "rad", TaskVariable(), 0.0, 2 * np.pi, ood="none", source="PEARL: U(0, 2 pi)"),
    )  # fmt: skip
    return TaskFamily(
        name="ant_goal",
        plant=body,
        interface=StateInterface(observe_all, POSITIONS + VELOCITIES + FORCES, ACTIONS),
        parameters=goal,
        reward=Reward.sum(distance=Distance(), control=ControlCost(0.1), contact=contact_cost),
        start=start(body),
        episode_seconds=check_steps(episode_steps) * body.period,
        about="walk to an unknown place (ProMP, PEARL, VariBAD, RoML)",
    )
