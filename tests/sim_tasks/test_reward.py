"""`Reward`: terms multiplied or added, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.motion import Motion
from sim_tasks.reward import Reward

MOTION = Motion(
    qpos=np.array([[0.5], [2.0]]),
    qvel=np.array([[4.0], [-1.0]]),
    action=np.array([[0.0], [1.0]]),
    before=np.array([[0.25], [2.0]]),
    previous_action=np.array([[1.0], [0.5]]),
    goal=np.array([[1.0], [1.0]]),
    period=0.05,
    task={"weight": np.array([2.0, 3.0])},
)


def place(motion: Motion) -> np.ndarray:
    return motion.position[:, 0]


def speed(motion: Motion) -> np.ndarray:
    return motion.velocity[:, 0]


def test_a_product_and_a_sum():
    assert Reward.product(place=place, speed=speed)(MOTION).tolist() == [2.0, -2.0]  # 0.5 * 4, 2 * -1
    assert Reward.sum(place=place, speed=speed)(MOTION).tolist() == [4.5, 1.0]  # 0.5 + 4, 2 - 1


@pytest.mark.parametrize("make", [Reward.product, Reward.sum])
def test_a_single_term_is_the_reward(make):
    assert make(place=place)(MOTION).tolist() == [0.5, 2.0]


def test_terms_know_the_step_the_goal_and_the_task():
    reward = Reward.sum(
        progress=lambda motion: (motion.qpos[:, 0] - motion.before[:, 0]) / motion.period,
        haste=lambda motion: -np.abs(motion.action[:, 0] - motion.previous_action[:, 0]),
        distance=lambda motion: -motion.task["weight"] * np.abs(motion.goal - motion.qpos)[:, 0],
    )
    # 0.25 / 0.05 - 1 - 2 * 0.5 = 3; 0 - 0.5 - 3 * 1 = -3.5
    np.testing.assert_allclose(reward(MOTION), [3.0, -3.5], rtol=1e-12)


def test_terms_keep_their_names_and_whole_numbers_become_floats():
    reward = Reward.product(
        upright=lambda motion: motion.qpos[:, 0] > 1, counted=lambda motion: np.array([3, 3])
    )
    assert list(reward.terms) == ["upright", "counted"]
    assert reward(MOTION).dtype == float
    assert reward(MOTION).tolist() == [0.0, 3.0]


def test_a_reward_does_not_write_to_what_a_term_returns():
    Reward.sum(place=place, speed=speed)(MOTION)
    Reward.product(place=place, speed=speed)(MOTION)
    assert MOTION.qpos[:, 0].tolist() == [0.5, 2.0]


def test_a_motion_without_an_engine_has_no_fields():
    with pytest.raises(KeyError, match="xpos"):
        MOTION["xpos"]
