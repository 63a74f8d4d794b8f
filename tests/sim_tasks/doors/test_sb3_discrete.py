"""Environments with discrete actions through stable-baselines3's door: the same steps, what ends, and spaces."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from stable_baselines3 import PPO

from sim_tasks.discrete import make
from sim_tasks.doors.sb3_discrete import DiscreteVecEnv
from sim_tasks.errors import TaskError


def test_steps_are_those_of_the_environment_itself():
    door, twin = DiscreteVecEnv(make("catch", 3, seed=4)), make("catch", 3, seed=4)
    first = door.reset()
    twin.reset()
    assert np.array_equal(first, twin.observation)
    rng, ends = np.random.default_rng(0), 0
    for _ in range(40):
        action = rng.integers(3, size=3)
        observation, reward, done, infos = door.step(action)
        twin.step(action[:, None])
        for seen, expected in ((observation, twin.observation), (reward, twin.reward), (done, twin.last)):
            assert np.array_equal(seen, expected)
        for row, info in enumerate(infos):
            assert info.keys() == ({"terminal_observation"} if done[row] else set())
        ends += int(done.sum())
    assert ends >= 3


def test_what_was_given_is_not_changed_by_later_steps():
    door = DiscreteVecEnv(make("catch", 2, seed=0))
    observation, reward, done, _ = door.step(np.zeros(2, np.int64))
    given = [door.reset(), observation, reward, done]
    kept = [value.copy() for value in given]
    for _ in range(10):
        door.step(np.ones(2, np.int64))
    assert all(np.array_equal(now, before) for now, before in zip(given, kept, strict=True))


def test_spaces_are_those_of_pictures_boards_and_joints():
    pong = DiscreteVecEnv(make("atari:Pong", 1, seed=0, threads=1))
    assert pong.observation_space == Box(0, 255, (4, 84, 84), np.uint8)
    assert pong.action_space == Discrete(18)
    catch = DiscreteVecEnv(make("catch", 1, seed=0))
    assert catch.observation_space.dtype == np.float32
    joints = DiscreteVecEnv(make("point", 2, seed=0, joints=2))
    assert joints.action_space == MultiDiscrete([3, 3])
    joints.step(np.array([[0, 2], [1, 1]]))


def test_an_action_that_there_is_none_of_is_refused():
    door = DiscreteVecEnv(make("catch", 2, seed=0))
    with pytest.raises(TaskError, match="action 3 of environment 1"):
        door.step(np.array([0, 3]))


def test_sb3_learns_through_it():
    model = PPO(
        "MlpPolicy", DiscreteVecEnv(make("catch", 2, seed=0)), n_steps=16, batch_size=16, device="cpu"
    )
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(64)
    assert model.num_timesteps == 64
    assert any(not value.equal(before[name]) for name, value in model.policy.state_dict().items())
