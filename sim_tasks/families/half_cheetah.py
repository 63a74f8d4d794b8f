"""`half_cheetah_vel`, `half_cheetah_dir`: the body is always the same, what is wanted of it is not told.

Definitions: MAML (arXiv:1703.03400), PEARL (1903.08254), ProMP (1810.06784), VariBAD (1910.08348), RoML (2301.11147)
and their code. Control step 0.05 s, five time steps; an episode never ends early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_tasks.bodies import gymnasium_plant
from sim_tasks.families.literature import (
    STEPS,
    ControlCost,
    NearRest,
    check_steps,
    forward_velocity,
)
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import Plant
from sim_tasks.ports import StateInterface
from sim_tasks.randomisation import Parameter, TaskVariable
from sim_tasks.reward import Reward

SUBSTEPS = 5
TORSO_HEIGHT = 0.7
"""Of the torso's frame at rest in [m]; half_cheetah.xml."""
ACTIONS = 6

control_cost = ControlCost(0.05)
start = NearRest(np.zeros(9), 9, spread=0.1, gaussian=True)
"""Gym's HalfCheetah: positions +-0.1, velocities gaussian with 0.1."""


def observe(motion: Motion) -> np.ndarray:
    """Positions but for that along the track, then velocities. Shape (N, 17)."""
    return np.concatenate([motion.qpos[:, 1:], motion.qvel], axis=1)


def observe_with_torso(motion: Motion) -> np.ndarray:
    """As `observe`, then where the torso is in the world: x, y, z in [m]. Shape (N, 20)."""
    x, z = motion.qpos[:, :1], TORSO_HEIGHT + motion.qpos[:, 1:2]
    return np.concatenate([motion.qpos[:, 1:], motion.qvel, x, np.zeros_like(x), z], axis=1)


def interface(torso_position: bool) -> StateInterface:
    """What the policy sees of a cheetah."""
    if torso_position:
        return StateInterface(observe_with_torso, 20, ACTIONS)
    return StateInterface(observe, 17, ACTIONS)


def plant() -> Plant:
    """Gymnasium's HalfCheetah."""
    return gymnasium_plant("half_cheetah", SUBSTEPS)


@dataclass(frozen=True)
class Tracking:
    """Distance of the forward velocity from the target in [m/s], negative."""

    def __call__(self, motion: Motion) -> np.ndarray:
        return -np.abs(forward_velocity(motion) - motion.task["target_velocity"])


def half_cheetah_vel(
    low: float = 0.0, high: float = 3.0, episode_steps: int = STEPS, torso_position: bool = False
) -> TaskFamily:
    """Run at a speed that nobody tells: r = -|dx/dt - v| - 0.05 |a|^2, v from U(low, high) in [m/s].

    Source: MAML section 5.3 (0 to 2), VariBAD, PEARL and ProMP (0 to 3), RoML (0 to 7).

    Args:
        low: slowest target in [m/s].
        high: fastest target in [m/s].
        episode_steps: control steps per episode.
        torso_position: whether the torso's place in the world is seen too, as in MAML, PEARL, VariBAD and RoML.

    Raises:
        TaskError: an empty range, or no whole number of steps.
    """
    target = Parameter(
        "target_velocity", "m/s", TaskVariable(), low, high, ood="high",
        source="MAML 0-2, VariBAD, PEARL and ProMP 0-3, RoML 0-7",
    )  # fmt: skip
    body = plant()
    return TaskFamily(
        name="half_cheetah_vel",
        plant=body,
        interface=interface(torso_position),
        parameters=(target,),
        reward=Reward.sum(tracking=Tracking(), control=control_cost),
        start=start,
        episode_seconds=check_steps(episode_steps) * body.period,
        about="run at an unknown speed (MAML, PEARL, ProMP, VariBAD, RoML)",
    )


@dataclass(frozen=True)
class Directed:
    """Forward velocity in the wanted direction in [m/s]."""

    def __call__(self, motion: Motion) -> np.ndarray:
        return motion.task["direction"] * forward_velocity(motion)


def half_cheetah_dir(episode_steps: int = STEPS, torso_position: bool = False) -> TaskFamily:
    """Run forwards (+1) or backwards (-1), which nobody tells: r = d dx/dt - 0.05 |a|^2.

    There are two tasks, so training and held-out ones are the same, and none is out of distribution. Source: MAML
    section 5.3, PEARL, ProMP, VariBAD.

    Args:
        episode_steps: control steps per episode.
        torso_position: whether the torso's place in the world is seen too, as in MAML, PEARL and VariBAD.

    Raises:
        TaskError: no whole number of steps.
    """
    body = plant()
    return TaskFamily(
        name="half_cheetah_dir",
        plant=body,
        interface=interface(torso_position),
        parameters=(
            Parameter.choice(
                "direction", "1", TaskVariable(), (-1.0, 1.0), source="MAML: forwards or backwards"
            ),
        ),
        reward=Reward.sum(running=Directed(), control=control_cost),
        start=start,
        episode_seconds=check_steps(episode_steps) * body.period,
        about="run forwards or backwards (MAML, PEARL, ProMP, VariBAD)",
    )
