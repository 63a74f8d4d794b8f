"""What a family's own functions return has one row or number per simulation; anything else is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.ports import StateInterface
from sim_tasks.reward import Reward
from sim_tasks.trial_env import TrialVecEnv


def env_with(**changes) -> TrialVecEnv:
    return TrialVecEnv(replace(load_family("pendulum_swingup"), **changes), 3, seed=0, threads=1)


@pytest.mark.parametrize(
    ("term", "shape"),
    [
        (lambda motion: motion.position, r"\(3, 1\)"),  # times a shape (3,) it would be (3, 3)
        (lambda motion: motion.position.sum(), r"\(\)"),  # all simulations in one number
        (lambda motion: motion.position[:2, 0], r"\(2,\)"),
    ],
)
def test_a_reward_of_another_shape_is_refused_by_the_name_of_its_term(term, shape):
    with pytest.raises(TaskError, match=rf"reward 'odd': shape {shape}; expected \(3,\), one number per"):
        env_with(reward=Reward.product(fine=lambda motion: motion.position[:, 0], odd=term))


@pytest.mark.parametrize("name", ["terminal", "success"])
def test_a_verdict_of_another_shape_is_refused(name):
    with pytest.raises(TaskError, match=rf"pendulum_swingup: {name}: shape \(3, 1\); expected \(3,\)"):
        env_with(**{name: lambda motion: motion.position > 1})


def test_an_observation_of_another_shape_is_refused():
    state = StateInterface(lambda motion: motion.position, observation_size=2, action_size=1)
    with pytest.raises(TaskError, match=r"pendulum_swingup: observe: shape \(3, 1\); expected \(3, 2\)"):
        env_with(interface=state, measured_reward=None)


def test_a_start_of_another_shape_is_refused():
    # The pendulum has one position and one velocity.
    with pytest.raises(TaskError, match=r"start: qvel has shape \(3, 2\); expected \(3, 1\)"):
        env_with(training_start=lambda rng, n: (np.zeros((n, 1)), np.zeros((n, 2))))
    with pytest.raises(TaskError, match=r"start: qpos has shape \(3,\); expected \(3, 1\)"):
        env_with(training_start=lambda rng, n: (np.zeros(n), np.zeros((n, 1))))
