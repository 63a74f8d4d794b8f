"""`point_robot`: moves exactly by 0.1 a, is paid by the distance, and its goals lie where the papers put them."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.motion import Motion
from sim_tasks.trial_env import TrialVecEnv


def at(x: float, y: float, **task: float) -> Motion:
    """A point at (x, y) [m]."""
    tasks = {name: np.array([value]) for name, value in task.items()}
    return Motion(np.array([[x, y]]), np.zeros((1, 2)), np.ones((1, 2)), task=tasks)


def test_it_moves_by_a_tenth_of_the_action_exactly():
    env = TrialVecEnv(load_family("point_robot"), 8, seed=0, threads=1)
    np.testing.assert_array_equal(env.observation, 0.0)
    place = np.zeros((8, 2))
    for action in np.random.default_rng(0).uniform(-2, 2, (100, 8, 2)):  # half of them are clipped
        env.step(action)
        place += 0.1 * np.clip(action, -1, 1)
        np.testing.assert_allclose(env.motion.qpos, place, rtol=0, atol=1e-13)
        np.testing.assert_array_equal(env.observation, np.float32(env.motion.qpos))


def test_rewards_by_hand():
    # The goal at pi / 2 is (0, 1); from (0.6, 0.2) that is sqrt(0.36 + 0.64) = 1 m.
    dense, sparse = load_family("point_robot").reward, load_family("point_robot@sparse").reward
    far, near = at(0.6, 0.2, goal_angle=np.pi / 2), at(0.06, 1.08, goal_angle=np.pi / 2)
    assert dense(far)[0] == pytest.approx(-1.0, abs=1e-12)
    assert sparse(far)[0] == 0.0
    # (0.06, 0.08) away is 0.1 m: sparse pays 1 - 0.1.
    assert dense(near)[0] == pytest.approx(-0.1, abs=1e-12)
    assert sparse(near)[0] == pytest.approx(0.9, abs=1e-12)
    # (0.3, 0.4) away from the goal (-0.5, 0.2) in the square.
    square = load_family("point_robot@pearl").reward
    assert square(at(-0.2, 0.6, goal_x=-0.5, goal_y=0.2))[0] == pytest.approx(-0.5, abs=1e-12)


def test_the_radius_counts_as_reached():
    family = load_family("point_robot@sparse", radius=0.25)
    assert family.success is not None
    for x, reached in ((0.75, True), (0.74, False)):
        motion = at(x, 0.0, goal_angle=0.0)
        assert family.success(motion).tolist() == [reached]
        assert bool(family.reward(motion)[0] > 0) is reached


def test_a_point_that_goes_straight_to_its_goal_gets_what_the_distances_add_up_to():
    # The goal at angle 0 is (1, 0): ten full steps of 0.1 leave 0.9, 0.8, ..., 0: 4.5 in all, and nothing after that.
    env = TrialVecEnv(load_family("point_robot"), 1, seed=0, threads=1)
    env.reset(np.array([0]), np.array([[0.0]]))
    action = np.array([[1.0, 0.0]])
    paid = [env.step(action if step < 10 else 0 * action) for step in range(100)]
    assert sum(step.reward[0] for step in paid) == pytest.approx(-4.5, abs=1e-9)
    assert [step.truncated[0] for step in paid] == [False] * 99 + [True]
    assert paid[-1].done[0]


@pytest.mark.parametrize(
    ("name", "steps"),
    [("", 100), ("@varibad", 100), ("@sparse", 100), ("@pearl", 20), ("@pearl_sparse", 20)],
)
def test_horizons(name, steps):
    assert load_family("point_robot" + name).episode_steps == steps


def test_goals_lie_on_the_upper_semicircle_or_in_the_square():
    angles = load_family("point_robot").sample("train", 2000, seed=0)[:, 0]
    assert 0 <= angles.min() < 0.01
    assert np.pi - 0.01 < angles.max() <= np.pi
    # Out of distribution are goals on the lower half: up to a quarter of the range beyond either end.
    beyond = load_family("point_robot").sample("ood", 200, seed=0)[:, 0]
    assert (np.sin(beyond) < 0).all()
    goals = load_family("point_robot@pearl").sample("train", 2000, seed=0)
    assert goals.shape == (2000, 2)
    assert np.abs(goals).max() <= 1
    np.testing.assert_allclose(goals.mean(axis=0), 0, atol=0.07)


def test_pearls_point_starts_anywhere():
    places = TrialVecEnv(load_family("point_robot@pearl"), 500, seed=0, threads=1).motion.qpos
    assert 0.98 < np.abs(places).max() <= 1
    assert np.abs(places.mean(axis=0)).max() < 0.13


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goals": "circle"}, "goals: 'circle'; valid: semicircle, square"),
        ({"radius": 0.0}, "radius: 0.0; valid: a positive, finite number"),
        ({"episode_steps": True}, "episode_steps: True; valid: a whole number"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(TaskError, match=message):
        load_family("point_robot", **options)
