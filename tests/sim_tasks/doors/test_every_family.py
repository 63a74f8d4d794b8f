"""Every registered family, and dm_control's, through every door."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from sim_tasks.doors import register
from sim_tasks.doors.dm_environment import AdaptEnvironment
from sim_tasks.doors.gymnasium_env import AdaptEnv
from sim_tasks.doors.sb3_env import AdaptVecEnv
from sim_tasks.doors.vector_env import AdaptVectorEnv
from sim_tasks.families import load_family

SUITE = ("dm_control:cheetah/run", "dm_control:reacher/easy")
"""One whose simulations are stepped together, and one where they are stepped one by one."""
NAMES = [name.removeprefix("adapt/").removesuffix("-v0") for name in register()]


@pytest.mark.parametrize("name", [*NAMES, *SUITE])
def test_all_doors_show_the_same(name):
    family = load_family(name)
    single, vector = AdaptEnv(family), AdaptVectorEnv(family, 2, threads=1)
    sb3, dm = AdaptVecEnv(family, 2, seed=3, threads=1), AdaptEnvironment(family, seed=3)
    observation, info = single.reset(seed=3)
    seen = [vector.reset(seed=3)[0][0], sb3.reset()[0], dm.reset().observation]
    low, high = family.bounds
    task = np.array(list(info["task"].values()))
    assert ((task >= low) & (task <= high)).all()
    for action in np.random.default_rng(0).uniform(-1, 1, (3, family.action_size)).astype(np.float32):
        assert observation in single.observation_space
        for other in seen:
            np.testing.assert_array_equal(other, observation)
        observation, reward, terminated, truncated, info = single.step(action)
        assert list(info["task"].values()) == list(dm.task.values())
        both, step = np.stack([action, -action]), dm.step(action)
        batch, stable = vector.step(both), sb3.step(both)
        assert reward == batch[1][0] == step.reward
        assert stable[1][0] == np.float32(reward)
        assert (batch[2][0], batch[3][0], stable[2][0]) == (terminated, truncated, terminated or truncated)
        seen = [batch[0][0], stable[0][0], step.observation]
    np.testing.assert_array_equal(dm.physics.data.qpos, single._trials.env.sim.qpos[0])


def test_families_without_a_name_open_by_their_own():
    env = gymnasium.make("adapt/family-v0", family=SUITE[0])
    assert env.reset(seed=0)[0].shape == (17,)
    assert env.action_space.shape == (6,)
