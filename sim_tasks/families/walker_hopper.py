"""`walker2d_rand_params`, `hopper_rand_params`: walk or hop with a body whose every part is another than told.

Definitions: rand_param_envs, as PEARL (arXiv:1903.08254) and VariBAD (1910.08348) use it. Control step 0.016 s: four
time steps of 4 ms, RK4.

The original draws a factor for every element of four model fields, also where it changes nothing: where the model has
a zero, for inertia about axes that a body moving in a plane never turns about, and for torsional and rolling friction,
which contacts of three dimensions do not have. Those are not drawn here; the physics have the same distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.bodies import gymnasium_plant
from sim_tasks.families.literature import (
    STEPS,
    ControlCost,
    NearRest,
    alive,
    check_positive,
    check_steps,
    forward_velocity,
)
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import Plant
from sim_tasks.ports import StateInterface
from sim_tasks.randomisation import FieldElement, Parameter
from sim_tasks.reward import Reward

SUBSTEPS, TIMESTEP = 4, 0.004
"""[s]; rand_param_envs' walker2d.xml and hopper.xml, where Gymnasium's have 0.002."""
FASTEST = 10.0
"""Velocities are seen clipped to this, in [rad/s] and [m/s]."""
BASE, DAMPING_BASE = 1.5, 1.3
SPREAD = 3.0
"""Factors are base^u, u from U(-3, 3)."""
SIDEWAYS = np.array([0.0, 1.0, 0.0])
"""The axis that all hinges turn about."""


def observe(motion: Motion) -> np.ndarray:
    """Positions but for that along the track, then velocities, clipped. Shape (N, 2 nq - 1)."""
    return np.concatenate([motion.qpos[:, 1:], np.clip(motion.qvel, -FASTEST, FASTEST)], axis=1)


@dataclass(frozen=True)
class Fallen:
    """The torso is too low, too high or too far from upright."""

    lowest: float
    """[m]."""
    highest: float
    """[m]."""
    steepest: float
    """[rad]."""

    def __call__(self, motion: Motion) -> np.ndarray:
        height, angle = motion.qpos[:, 1], motion.qpos[:, 2]
        upright = (height > self.lowest) & (height < self.highest) & (np.abs(angle) < self.steepest)
        return ~upright


@dataclass(frozen=True)
class HopperFallen(Fallen):
    """As `Fallen`; an angle or a velocity of 100 [rad], [rad/s] or [m/s] ends the episode too."""

    def __call__(self, motion: Motion) -> np.ndarray:
        calm = (np.abs(motion.qpos[:, 2:]) < 100).all(axis=1) & (np.abs(motion.qvel) < 100).all(axis=1)
        return super().__call__(motion) | ~calm


def element_parameters(model: mujoco.MjModel, spread: float = SPREAD) -> tuple[Parameter, ...]:
    """A factor for every mass, inertia, friction and damping that the motion in the plane depends on."""
    places = (
        *((f"{_body(model, i)}_mass", "body_mass", (i,)) for i in range(1, model.nbody)),
        *(
            (f"{_body(model, i)}_inertia", "body_inertia", (i, sideways_axis(model, i)))
            for i in range(1, model.nbody)
        ),
        *((f"{_geom(model, i)}_friction", "geom_friction", (i, 0)) for i in range(model.ngeom)),
        *(
            (f"{_joint(model, i)}_damping", "dof_damping", (i,))
            for i in range(model.nv)
            if model.dof_damping[i]
        ),
    )
    return tuple(_factor(name, field, index, spread) for name, field, index in places)


def sideways_axis(model: mujoco.MjModel, body: int) -> int:
    """Which of a body's principal axes of inertia all hinges turn about."""
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, model.body_iquat[body])
    return int(np.abs(SIDEWAYS @ matrix.reshape(3, 3)).argmax())


def _factor(name: str, field: str, index: tuple[int, ...], spread: float) -> Parameter:
    base = DAMPING_BASE if field == "dof_damping" else BASE
    source = f"rand_param_envs: {base}^U(-3, 3)"
    target = FieldElement(field, index)
    return Parameter(name, "1", target, base**-spread, base**spread, "abs", "log_uniform", source=source)


def _body(model: mujoco.MjModel, index: int) -> str:
    return model.body(index).name


def _geom(model: mujoco.MjModel, index: int) -> str:
    return model.geom(index).name.removesuffix("_geom")


def _joint(model: mujoco.MjModel, dof: int) -> str:
    return model.joint(model.dof_jntid[dof]).name.removesuffix("_joint")


def walker2d_rand_params(spread: float = SPREAD, episode_steps: int = STEPS) -> TaskFamily:
    """Walk forwards with an unknown body: r = dx/dt + 1 - 0.001 |a|^2; masses, inertias, frictions times 1.5^U(-3, 3),
    dampings times 1.3^U(-3, 3), each on its own.

    An episode ends unless 0.8 m < height < 2 m and |angle| < 1 rad. The body is Gymnasium's `walker2d`, whose left
    foot grips better (friction 1.9) than its right one (0.9), as the original's. Source: rand_param_envs.

    Args:
        spread: factors lie between base^-spread and base^spread.
        episode_steps: control steps per episode.

    Raises:
        TaskError: the spread is not positive, or no whole number of steps.
    """
    return _runner("walker2d", Fallen(0.8, 2.0, 1.0), spread, episode_steps, "walk")


def hopper_rand_params(spread: float = SPREAD, episode_steps: int = STEPS) -> TaskFamily:
    """Hop forwards with an unknown body: reward and factors as in `walker2d_rand_params`.

    An episode ends unless height > 0.7 m and |angle| < 0.2 rad. Source: rand_param_envs.

    Args:
        spread: factors lie between base^-spread and base^spread.
        episode_steps: control steps per episode.

    Raises:
        TaskError: the spread is not positive, or no whole number of steps.
    """
    return _runner("hopper", HopperFallen(0.7, np.inf, 0.2), spread, episode_steps, "hop")


def _runner(body: str, fallen: Fallen, spread: float, steps: int, verb: str) -> TaskFamily:
    plant = gymnasium_plant(body, SUBSTEPS, timestep=TIMESTEP)
    model = plant.model
    return TaskFamily(
        name=f"{body}_rand_params",
        plant=plant,
        interface=StateInterface(observe, model.nq - 1 + model.nv, model.nu),
        parameters=element_parameters(model, check_positive("spread", spread)),
        reward=Reward.sum(running=forward_velocity, alive=alive, control=ControlCost(0.001)),
        start=_start(plant),
        terminal=fallen,
        episode_seconds=check_steps(steps) * plant.period,
        about=f"{verb} forwards with unknown masses, inertias, friction and damping (rand_param_envs)",
    )


def _start(plant: Plant) -> NearRest:
    """Gym's: positions and velocities +-0.005, uniform."""
    return NearRest(plant.model.qpos0.copy(), plant.model.nv, spread=0.005, gaussian=False)
