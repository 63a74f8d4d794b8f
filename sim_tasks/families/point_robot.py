"""`point_robot`: a point on a plane that has to find out where its goal is.

Definitions: PEARL (arXiv:1903.08254), VariBAD (1910.08348) and their code.

MuJoCo's mass point is exact here: with a time step of 1 s, a mass of 1 kg and the force 0.1 a - v, the velocity
becomes v + (0.1 a - v) = 0.1 a and the position x + 0.1 a.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_tasks.families.literature import check_choice, check_positive, check_steps
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import Plant, model_plant
from sim_tasks.ports import StateInterface
from sim_tasks.randomisation import Parameter, TaskVariable
from sim_tasks.reward import Reward
from sim_tasks.row_random import Rows

STEPS = 100
"""Control steps per episode; VariBAD."""
GOALS = ("semicircle", "square")

POINT = """
<mujoco model="point">
  <option timestep="1" gravity="0 0 0"/>
  <worldbody>
    <geom name="floor" type="plane" size="2 2 0.1" pos="0 0 -0.05" contype="0" conaffinity="0"/>
    <body name="point">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom name="point" type="sphere" size="0.05" mass="1" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
  <actuator>
    <general name="x" joint="x" ctrlrange="-1 1" gaintype="fixed" gainprm="0.1" biastype="affine" biasprm="0 0 -1"/>
    <general name="y" joint="y" ctrlrange="-1 1" gaintype="fixed" gainprm="0.1" biastype="affine" biasprm="0 0 -1"/>
  </actuator>
</mujoco>
"""


def plant() -> Plant:
    """The point; one time step per control step."""
    return model_plant("point", mujoco.MjModel.from_xml_string(POINT), 1, joints=("x", "y"))


def observe(motion: Motion) -> np.ndarray:
    """Where the point is, x and y in [m]. Shape (N, 2)."""
    return motion.qpos


@dataclass(frozen=True)
class Distance:
    """Of the point from the goal in [m]."""

    on_circle: bool

    def __call__(self, motion: Motion) -> np.ndarray:
        if self.on_circle:
            angle = motion.task["goal_angle"]
            x, y = np.cos(angle), np.sin(angle)
        else:
            x, y = motion.task["goal_x"], motion.task["goal_y"]
        return np.hypot(motion.qpos[:, 0] - x, motion.qpos[:, 1] - y)


@dataclass(frozen=True)
class Dense:
    """Minus the distance."""

    distance: Distance

    def __call__(self, motion: Motion) -> np.ndarray:
        return -self.distance(motion)


@dataclass(frozen=True)
class Sparse:
    """1 minus the distance within the radius, nothing beyond it."""

    distance: Distance
    radius: float

    def __call__(self, motion: Motion) -> np.ndarray:
        distance = self.distance(motion)
        return np.where(distance <= self.radius, 1.0 - distance, 0.0)


@dataclass(frozen=True)
class Reached:
    """Within the radius about the goal."""

    distance: Distance
    radius: float

    def __call__(self, motion: Motion) -> np.ndarray:
        return self.distance(motion) <= self.radius


@dataclass(frozen=True)
class Start:
    """At rest, in the middle or anywhere in the square of +-`reach`."""

    reach: float

    def __call__(self, rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.uniform(-self.reach, self.reach, (count, 2)), np.zeros((count, 2))


def point_robot(
    goals: str = "semicircle",
    sparse: bool = False,
    radius: float = 0.2,
    random_start: bool = False,
    episode_steps: int = STEPS,
) -> TaskFamily:
    """Move to a goal that nobody tells, by 0.1 a per step, a clipped to [-1, 1]: r = -distance.

    Goals lie on the upper unit semicircle, at an angle from U(0, pi), or in the square of +-1. Sparse: r = 1 - distance
    within `radius` of the goal, 0 elsewhere. An episode never ends early. Source: VariBAD (PointEnv, SparsePointEnv),
    PEARL (point-robot, sparse-point-robot).

    Args:
        goals: `semicircle` or `square`.
        sparse: whether the reward is sparse.
        radius: within which the goal counts as reached, in [m].
        random_start: whether episodes start anywhere in the square of +-1, as PEARL's point-robot; otherwise in the
            middle.
        episode_steps: control steps per episode; 100 in VariBAD, 20 in PEARL.

    Raises:
        TaskError: unknown goals, a radius that is not positive, or no whole number of steps.
    """
    distance = Distance(check_choice("goals", goals, GOALS) == "semicircle")
    check_positive("radius", radius)
    return TaskFamily(
        name="point_robot",
        plant=plant(),
        interface=StateInterface(observe, 2, 2),
        parameters=_goal(goals),
        reward=Reward.sum(goal=Sparse(distance, radius) if sparse else Dense(distance)),
        start=Start(1.0 if random_start else 0.0),
        success=Reached(distance, radius),
        episode_seconds=float(check_steps(episode_steps)),
        about="move to an unknown goal (PEARL, VariBAD)",
    )


def _goal(goals: str) -> tuple[Parameter, ...]:
    if goals == "semicircle":
        source = "VariBAD: U(0, pi), on the unit circle"
        return (Parameter("goal_angle", "rad", TaskVariable(), 0.0, np.pi, source=source),)
    source = "PEARL: U(-1, 1)"
    return tuple(Parameter(f"goal_{axis}", "m", TaskVariable(), -1.0, 1.0, source=source) for axis in "xy")
