"""Gymnasium's own environments, driven with the actions of ours: where the two are, and what each step paid."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv

from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv

ONLY = np.array([0])


@dataclass(frozen=True)
class Step:
    """One control step as Gymnasium's environment sees it."""

    before: np.ndarray
    qpos: np.ndarray
    qvel: np.ndarray
    action: np.ndarray
    forces: np.ndarray
    """`cfrc_ext` at the beginning of the last time step. Shape (nbody, 6)."""
    period: float

    @property
    def speed(self) -> np.ndarray:
        """Of the root along x and y, over the control step, in [m/s]."""
        return (self.qpos[:2] - self.before[:2]) / self.period


def gym(name: str, timestep: float | None = None, **options: Any) -> MujocoEnv:
    """An environment of Gymnasium without its wrappers."""
    env = gymnasium.make(name, disable_env_checker=True, **options).unwrapped
    assert isinstance(env, MujocoEnv)
    if timestep is not None:
        env.model.opt.timestep = timestep
    return env


def compare(
    family: str, twin: MujocoEnv, values: list[float], reward: Callable[[Step], float], steps: int = 200
) -> None:
    """Same start, same actions: every state bit for bit, every reward to 1e-9 of the formula on Gymnasium's state."""
    env = TrialVecEnv(load_family(family), 1, seed=0, threads=1)
    env.reset(ONLY, np.array([values]))
    twin.reset(seed=3)
    env.sim.reset(ONLY, twin.data.qpos[None], twin.data.qvel[None])
    # Gymnasium has run mj_forward once at its reset: the constraint solver's first guess is part of the state.
    env.sim.bind("qacc_warmstart")[:] = twin.data.qacc_warmstart
    for action in np.random.default_rng(1).uniform(-1, 1, (steps, 1, env.family.action_size)):
        before, forces = twin.data.qpos.copy(), last_forces(twin, action[0])
        motion, paid = env.motion, env.step(action)
        twin.do_simulation(action[0], twin.frame_skip)
        step = Step(before, twin.data.qpos, twin.data.qvel, action[0], forces, twin.dt)
        np.testing.assert_allclose(paid.reward[0], reward(step), rtol=0, atol=1e-9)
        np.testing.assert_array_equal(motion.qpos[0], twin.data.qpos)
        np.testing.assert_array_equal(motion.qvel[0], twin.data.qvel)


def last_forces(twin: MujocoEnv, action: np.ndarray) -> np.ndarray:
    """Forces on the bodies when the last time step of the coming control step begins. Shape (nbody, 6)."""
    data = copy.copy(twin.data)
    data.ctrl[:] = action
    mujoco.mj_step(twin.model, data, nstep=twin.frame_skip - 1)
    mujoco.mj_forward(twin.model, data)
    mujoco.mj_rnePostConstraint(twin.model, data)
    return data.cfrc_ext.copy()
