"""`half_cheetah_*`: the literature's families on Gymnasium's HalfCheetah body.

Definitions: VariBAD (arXiv:1910.08348) and its code base, PEARL (1903.08254), MAML (1703.03400), RoML (2301.11147).
Control step 0.05 s, five time steps; an episode never ends early; 200 steps.
"""

from __future__ import annotations

import numpy as np

from sim_tasks.bodies import gymnasium_plant
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.ports import StateInterface
from sim_tasks.randomisation import Parameter, TaskVariable
from sim_tasks.reward import Reward
from sim_tasks.row_random import Rows

NQ = NV = 9
STEPS = 200
PERIOD = 0.05
"""[s]."""
CONTROL_COST = 0.05


def observe(motion: Motion) -> np.ndarray:
    """Positions but for that along the track, then velocities. Shape (N, 17)."""
    return np.concatenate([motion.qpos[:, 1:], motion.qvel], axis=1)


def forward_velocity(motion: Motion) -> np.ndarray:
    """Mean speed of the root over the control step in [m/s]. Shape (N,)."""
    return (motion.qpos[:, 0] - motion.before[:, 0]) / PERIOD


def control_cost(motion: Motion) -> np.ndarray:
    return -CONTROL_COST * np.square(motion.action).sum(axis=1)


def start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gym's start: positions +-0.1, velocities gaussian with 0.1."""
    return rng.uniform(-0.1, 0.1, (count, NQ)), 0.1 * rng.standard_normal((count, NV))


def half_cheetah_vel(low: float = 0.0, high: float = 3.0, episode_steps: int = STEPS) -> TaskFamily:
    """Run at a speed that nobody tells, drawn from U(low, high) in [m/s]."""
    speed = Parameter(
        "target_velocity",
        "m/s",
        TaskVariable(),
        low,
        high,
        source="VariBAD and PEARL 0-3, MAML 0-2, RoML 0-7",
    )
    return TaskFamily(
        name="half_cheetah_vel",
        plant=gymnasium_plant("half_cheetah", substeps=5),
        interface=StateInterface(observe, 17, 6),
        parameters=(speed,),
        reward=Reward.sum(
            tracking=lambda motion: -np.abs(forward_velocity(motion) - motion.task["target_velocity"]),
            control=control_cost,
        ),
        start=start,
        episode_seconds=episode_steps * PERIOD,
        reward_measurable=True,
        about="run at an unknown speed (VariBAD, PEARL, MAML, RoML)",
    )
