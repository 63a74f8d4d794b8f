"""SB3's algorithms have to learn, and cannot where learning is off or what is needed is not heard."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from adapt.learners.sb3 import (
    SB3PPOConfig,
    SB3RecurrentPPOConfig,
    SB3SACConfig,
    build_sb3_ppo,
    build_sb3_recurrent_ppo,
    build_sb3_sac,
)
from adapt.learners.setup import Setup
from sim_tasks.families import load_family
from sim_tasks.families.point_robot import point_robot
from tests.adapt.learners.test_sb3 import run

LEARNING = SB3PPOConfig(
    robots=32, horizon=50, batch=400, learning_rate=2e-3, gamma=0.9, log_std=-0.5, hidden=(32,)
)


@pytest.mark.parametrize(("rate", "learns"), [(LEARNING.learning_rate, True), (0.0, False)])
def test_ppo_learns_where_goals_tend_to_be_and_without_learning_does_not(rate, learns):
    """Mean reward of the last 4 of 20 updates on `point_robot`; where nothing changes, of 4.

    Seeds 0, 1, 2 gave -0.71, -0.83, -0.78, and -1.11, -1.06, -1.05 without learning. Whoever stays in the middle
    gets -1; whoever knows nothing of the goal can get -0.71 in the mean, in the best place.
    """
    config = dataclasses.replace(LEARNING, learning_rate=rate)
    learner = build_sb3_ppo(Setup(load_family("point_robot"), config, 0, 1))
    reward = np.mean([losses["reward"] for losses in run(learner, 20 if learns else 4)[-4:]])
    assert bool(reward > -0.92) is learns


@pytest.mark.parametrize(("rate", "learns"), [(3e-3, True), (0.0, False)])
def test_sac_learns_where_goals_tend_to_be_and_without_learning_does_not(rate, learns):
    """Mean reward of the last 20 of 120 updates, where nothing changes of 40; `point_robot` with 30 steps per episode.

    Seeds 0, 1, 2 gave -0.73, -0.78, -0.83, and -1.16, -1.01, -0.92 without learning.
    """
    config = SB3SACConfig(
        robots=16, horizon=4, gradient_steps=8, buffer=20_000, warm_up=640, gamma=0.9, learning_rate=rate,
        hidden=(32,), tau=0.02,
    )  # fmt: skip
    learner = build_sb3_sac(Setup(point_robot(episode_steps=30), config, 0, 1))
    reward = np.mean([losses["reward"] for losses in run(learner, 120 if learns else 40)[-20:]])
    assert bool(reward > -0.9) is learns


@pytest.mark.parametrize(("hears", "finds"), [(True, True), (False, False)])
def test_an_lstm_that_hears_the_reward_finds_the_goal_and_one_that_does_not_cannot(hears, finds):
    """Mean reward of the last 4 of 20 updates, `point_robot` with 30 steps per episode.

    Seeds 0 and 1 gave -0.54, -0.44, and seed 0 -0.76 without hearing; seeds 2 to 4 pass too. -0.71 is the most that
    whoever does not know the goal can get.
    """
    config = SB3RecurrentPPOConfig(
        robots=64, horizon=30, batch=960, epochs=6, learning_rate=5e-3, gamma=0.9, gae_lambda=0.9, log_std=-0.5,
        hidden=(32,), lstm=32, hears_past=hears,
    )  # fmt: skip
    learner = build_sb3_recurrent_ppo(Setup(point_robot(episode_steps=30), config, 0, 1))
    reward = np.mean([losses["reward"] for losses in run(learner, 20)[-4:]])
    assert bool(reward > -0.62) is finds
