"""`ant_dir` and `ant_goal`: Gymnasium's ant, step by step, and rewards worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.motion import Motion
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.families.twin import Step, compare, gym


def moved(x: float, y: float, z: float = 0.5, **task: float) -> Motion:
    """An ant that got to (x, y) [m] from 0 in one control step, all actions 0.5, one foot on the floor."""
    qpos = np.zeros((1, 15))
    qpos[0, :3] = x, y, z
    forces = np.zeros((1, 14, 6))
    forces[0, 4] = [0.5, 0, 0, 0, 0, 30]  # 0.5 N m and, clipped to 1, 30 N: 0.25 + 1 = 1.25, times 0.0005
    return Motion(
        qpos,
        np.zeros((1, 14)),
        np.full((1, 8), 0.5),
        np.zeros((1, 15)),
        period=0.05,
        task={name: np.array([value]) for name, value in task.items()},
        bind=lambda name: {"cfrc_ext": forces}[name],
    )


CONTACT = 1.25 * 0.0005


def contact(step: Step) -> float:
    return 0.0005 * float(np.sum(np.clip(step.forces, -1, 1) ** 2))


def test_direction_family_against_gymnasium():
    angle = 2.5

    def reward(step: Step) -> float:
        along = step.speed @ [np.cos(angle), np.sin(angle)]
        return along - 0.5 * np.sum(step.action**2) - contact(step) + 1

    compare("ant_dir", gym("Ant-v5"), [angle], reward)


def test_goal_family_against_gymnasium():
    radius, angle = 2.0, 4.0
    goal = radius * np.array([np.cos(angle), np.sin(angle)])

    def reward(step: Step) -> float:
        return -np.abs(step.qpos[:2] - goal).sum() - 0.1 * np.sum(step.action**2) - contact(step)

    compare("ant_goal", gym("Ant-v5"), [radius, angle], reward)


@pytest.mark.parametrize(
    ("angle", "along"), [(0.0, 2.0), (np.pi / 2, 1.0), (np.pi, -2.0), (1.0, 2 * 0.540302306 + 0.841470985)]
)
def test_direction_reward_by_hand(angle, along):
    # (0.1, 0.05) m in 0.05 s are (2, 1) m/s. The angle is an angle: 1 rad is no "direction number one".
    # 8 actions of 0.5 cost 0.5 * 8 * 0.25 = 1; being alive pays 1.
    reward = load_family("ant_dir").reward(moved(0.1, 0.05, direction=angle))
    assert reward[0] == pytest.approx(along - 1 - CONTACT + 1, abs=1e-8)


def test_goal_reward_by_hand():
    # Goal (0, 2); from (0.5, 1) that is 0.5 + 1; the actions cost 0.1 * 8 * 0.25 = 0.2.
    reward = load_family("ant_goal").reward(moved(0.5, 1.0, goal_radius=2.0, goal_angle=np.pi / 2))
    assert reward[0] == pytest.approx(-1.5 - 0.2 - CONTACT, abs=1e-12)


@pytest.mark.parametrize(
    ("z", "ends"), [(0.19999, True), (0.2, False), (1.0, False), (1.00001, True), (np.nan, True)]
)
def test_direction_episodes_end_outside_the_heights(z, ends):
    family = load_family("ant_dir")
    assert family.terminal is not None
    assert family.terminal(moved(0, 0, z)).tolist() == [ends]
    low = load_family("ant_dir@promp")
    assert low.terminal is not None
    assert low.terminal(moved(0, 0, 0.1)).tolist() == [False]


def test_goal_episodes_never_end_early():
    assert load_family("ant_goal").terminal is None


def test_directions_cover_the_circle():
    angles = load_family("ant_dir").sample("train", 4000, seed=0)[:, 0]
    counts, _ = np.histogram(angles, bins=8, range=(0, 2 * np.pi))
    assert (np.abs(counts - 500) < 105).all()  # five standard deviations: sqrt(4000 / 8 * 7 / 8) = 21
    with pytest.raises(TaskError, match="no out-of-distribution tasks"):
        load_family("ant_dir").sample("ood", 1, seed=0)


def test_two_directions_are_forwards_and_backwards_not_one_radian():
    family = load_family("ant_dir@varibad")
    assert not family.disjoint
    assert np.unique(family.sample("train", 100, seed=0)).tolist() == [0.0, np.pi]


def test_goals_are_uniform_over_the_disk():
    family = load_family("ant_goal")
    radius, angle = family.sample("train", 4000, seed=0).T
    # Half of a disk of radius 3 lies within 3 / sqrt(2) = 2.121; the mean radius is 2.
    assert np.mean(radius < 2.1213) == pytest.approx(0.5, abs=0.04)
    assert radius.mean() == pytest.approx(2.0, abs=0.06)
    assert np.hypot(np.cos(angle).mean(), np.sin(angle).mean()) < 0.06
    assert family.sample("ood", 200, seed=0)[:, 0].min() > 3.0
    assert load_family("ant_goal@roml").sample("train", 500, seed=0)[:, 0].max() == pytest.approx(
        5.0, abs=0.05
    )


def test_observations():
    for name, size in (("ant_dir", 27), ("ant_dir@promp", 111), ("ant_goal", 113)):
        env = TrialVecEnv(load_family(name), 2, seed=0, threads=1)
        for _ in range(40):  # it comes to stand
            env.step(np.zeros((2, 8)))
        qpos, qvel, forces = env.motion.qpos, env.motion.qvel, np.clip(env.motion["cfrc_ext"], -1, 1)
        assert np.abs(forces).max() == 1.0, "no foot on the floor"
        parts = [qpos if name == "ant_goal" else qpos[:, 2:], qvel, forces.reshape(2, 84)]
        np.testing.assert_array_equal(env.observation, np.hstack(parts).astype(np.float32)[:, :size])


def test_a_new_episode_shows_no_forces_of_the_one_before():
    env = TrialVecEnv(load_family("ant_goal", episode_steps=40), 2, seed=0, episodes=2, threads=1)
    for _ in range(40):
        env.step(np.zeros((2, 8)))
    assert env.episode.tolist() == [1, 1]
    assert not env.observation[:, 29:].any()  # it starts in the air


def test_a_random_policy_gets_what_gymnasiums_gets():
    # Who stays where it is loses 200 times the city-block distance of its goal, and 200 * 0.1 * 8 / 3 = 53 for control.
    # Staggering off costs 100 to 200 more. Goals are 2 m away on average, 4 / pi times that in city blocks: -562 and
    # less in all. Gymnasium's ant, 30 episodes: -729 +- 50; this one, 128: -699 +- 26.
    env = TrialVecEnv(load_family("ant_goal"), 16, seed=1, threads=1)
    rng = np.random.default_rng(0)
    returns = sum(env.step(rng.uniform(-1, 1, (16, 8))).reward for _ in range(200))
    radius, angle = env.sim.values.T
    standing = -200 * radius * (np.abs(np.cos(angle)) + np.abs(np.sin(angle))) - 53
    assert -300 < (returns - standing).mean() < 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ant_dir", {"directions": "left"}, "directions: 'left'; valid: circle, forward_backward"),
        ("ant_dir", {"lowest": 1.5}, "lowest: 1.5 m; valid: 0 up to 1"),
        ("ant_goal", {"radius": -3.0}, "radius: -3.0; valid: a positive, finite number"),
        ("ant_goal", {"episode_steps": -1}, "episode_steps: -1; valid"),
    ],
)
def test_bad_options_are_named(name, options, message):
    with pytest.raises(TaskError, match=message):
        load_family(name, **options)
