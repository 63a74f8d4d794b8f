"""A block on a rail without friction: everything that it does can be worked out by hand.

Force u [N] on m [kg] for n control steps of h = 0.1 s from rest, semi-implicit: v_n = h n u / m and
x_n = h^2 n (n + 1) / 2 u / m. With u = m = 1: v = 0.1, 0.2, 0.3 and x = 0.01, 0.03, 0.06, 0.10, 0.15.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mujoco
import numpy as np

from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import model_plant
from sim_tasks.ports import StateInterface
from sim_tasks.randomisation import BodyMass, Parameter, TaskVariable
from sim_tasks.reward import Reward
from sim_tasks.row_random import Rows

MODEL = """<mujoco model="slider">
  <option timestep="0.1" gravity="0 0 0" integrator="Euler"/>
  <worldbody>
    <body name="block">
      <joint name="rail" type="slide" axis="1 0 0"/>
      <geom type="box" size="0.1 0.1 0.1" mass="1"/>
    </body>
  </worldbody>
  <actuator><motor joint="rail" ctrllimited="true" ctrlrange="-2 2"/></actuator>
</mujoco>
"""
PERIOD = 0.1
"""[s]."""
STEPS = 5
"""Control steps of an episode."""
END = 0.05
"""An episode ends beyond this position in [m]."""
FORCE = 2.0
"""Of action 1 in [N]."""
PARAMETERS = (
    Parameter("mass", "kg", BodyMass("block"), 0.5, 2.0, "abs", "log_uniform", source="made up"),
    Parameter("bonus", "1", TaskVariable(), 0.0, 1.0, source="made up"),
)


def at_rest(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, 1)), np.zeros((count, 1))


def observe(motion: Motion) -> np.ndarray:
    """Position and velocity; the goal, where there is one."""
    seen = [motion.qpos, motion.qvel] + ([] if motion.goal is None else [motion.goal])
    return np.concatenate(seen, axis=1)


def progress(motion: Motion) -> np.ndarray:
    return (motion.qpos[:, 0] - motion.before[:, 0]) / motion.period


def haste(motion: Motion) -> np.ndarray:
    return -np.abs(motion.action[:, 0] - motion.previous_action[:, 0])


def bonus(motion: Motion) -> np.ndarray:
    return motion.task["bonus"]


def slider(**changes: Any) -> TaskFamily:
    """The family; it pays speed and the task's bonus, and takes changes of the action."""
    plant = model_plant("slider", mujoco.MjModel.from_xml_string(MODEL), substeps=1, joints=("rail",))
    goal = changes.get("goal")
    family = TaskFamily(
        name="slider",
        plant=plant,
        interface=StateInterface(observe, 2 + (goal.size if goal else 0), 1),
        parameters=PARAMETERS,
        reward=Reward.sum(progress=progress, haste=haste, bonus=bonus),
        start=at_rest,
        terminal=lambda motion: motion.qpos[:, 0] > END,
        success=lambda motion: motion.qpos[:, 0] > END / 2,
        episode_seconds=STEPS * PERIOD,
    )
    return replace(family, **changes)
