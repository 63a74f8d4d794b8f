"""`half_cheetah_vel` and `half_cheetah_dir`: Gymnasium's cheetah, step by step, and rewards worked out by hand."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.motion import Motion
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.families.twin import Step, compare, gym


def control(step: Step) -> float:
    return 0.05 * float(np.sum(step.action**2))


def moved(distance: float, rise: float = 0.0, **task: float) -> Motion:
    """A cheetah that got forward by `distance` [m] in one control step, all actions 0.5."""
    qpos = np.zeros((1, 9))
    qpos[0, :2] = distance, rise
    tasks = {name: np.array([value]) for name, value in task.items()}
    return Motion(qpos, np.zeros((1, 9)), np.full((1, 6), 0.5), np.zeros((1, 9)), period=0.05, task=tasks)


def test_speed_family_against_gymnasium():
    compare(
        "half_cheetah_vel",
        gym("HalfCheetah-v5"),
        [1.7],
        lambda step: -abs(step.speed[0] - 1.7) - control(step),
    )


@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_direction_family_against_gymnasium(direction):
    compare(
        "half_cheetah_dir",
        gym("HalfCheetah-v5"),
        [direction],
        lambda step: direction * step.speed[0] - control(step),
    )


def test_speed_reward_by_hand():
    # 0.1 m in 0.05 s are 2 m/s, 1 from the target of 3; 6 actions of 0.5 cost 0.05 * 6 * 0.25 = 0.075.
    reward = load_family("half_cheetah_vel").reward
    assert reward(moved(0.1, target_velocity=3.0))[0] == pytest.approx(-1.075, abs=1e-12)
    # Too fast costs as much as too slow; backwards at 2 m/s is 5 from the target.
    assert reward(moved(0.1, target_velocity=1.0))[0] == pytest.approx(-1.075, abs=1e-12)
    assert reward(moved(-0.1, target_velocity=3.0))[0] == pytest.approx(-5.075, abs=1e-12)


def test_direction_reward_by_hand():
    reward = load_family("half_cheetah_dir").reward
    assert reward(moved(0.1, direction=1.0))[0] == pytest.approx(2 - 0.075, abs=1e-12)
    assert reward(moved(0.1, direction=-1.0))[0] == pytest.approx(-2 - 0.075, abs=1e-12)
    assert reward(moved(-0.1, direction=-1.0))[0] == pytest.approx(2 - 0.075, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "highest"), [("", 3.0), ("@pearl", 3.0), ("@varibad", 3.0), ("@maml", 2.0), ("@roml", 7.0)]
)
def test_every_protocol_has_its_range(name, highest):
    family = load_family("half_cheetah_vel" + name)
    speeds = family.sample("train", 4000, seed=0)[:, 0]
    assert 0.0 <= speeds.min() < 0.01 * highest
    assert 0.99 * highest < speeds.max() <= highest
    assert speeds.mean() == pytest.approx(highest / 2, rel=0.03)
    # Out of distribution are only faster ones: up to a quarter of the range beyond it. Slower ones are backwards.
    beyond = family.sample("ood", 500, seed=0)[:, 0]
    assert highest < beyond.min()
    assert beyond.max() <= 1.25 * highest


def test_there_are_two_directions_and_so_no_held_out_ones():
    family = load_family("half_cheetah_dir")
    assert not family.disjoint
    for split in ("train", "test"):
        drawn, counts = np.unique(family.sample(split, 1000, seed=0), return_counts=True)
        assert drawn.tolist() == [-1.0, 1.0]
        assert abs(counts[0] - 500) < 80  # five standard deviations of a fair coin
    with pytest.raises(TaskError, match="no out-of-distribution tasks: none of direction has any"):
        family.sample("ood", 4, seed=0)


def test_observations_are_positions_velocities_and_where_wanted_the_torso():
    env = TrialVecEnv(load_family("half_cheetah_vel@varibad"), 2, seed=0, threads=1)
    plain = TrialVecEnv(load_family("half_cheetah_vel"), 2, seed=0, threads=1)
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 2, 6)):
        env.step(action)
        plain.step(action)
    qpos, qvel = env.motion.qpos, env.motion.qvel
    np.testing.assert_array_equal(plain.observation, np.float32(np.hstack([qpos[:, 1:], qvel])))
    np.testing.assert_array_equal(env.observation[:, :17], plain.observation)
    # The torso's frame is 0.7 m up at rest, on the track's plane y = 0.
    expected = np.stack([qpos[:, 0], np.zeros(2), 0.7 + qpos[:, 1]], axis=1)
    np.testing.assert_array_equal(env.observation[:, 17:], np.float32(expected))
    model, data = env.sim.get_model(0), env.sim.get_data(0)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(env.observation[0, 17:], data.body("torso").xpos, atol=1e-6)


def test_a_random_policy_gets_what_standing_about_gets():
    # Uniform actions have a mean square of 1/3: 200 * 0.05 * 6 / 3 = 20 for control. A cheetah that flounders on the
    # spot is v* from its target on average: 200 v*, 300 in all tasks' mean. By its jerks, and by slipping backwards at
    # 0.1 to 0.2 m/s, it loses some 20 to 40 more. Gymnasium's cheetah, 40 episodes: -331 +- 25 in all.
    env = TrialVecEnv(load_family("half_cheetah_vel"), 48, seed=0, threads=1)
    rng = np.random.default_rng(0)
    returns = sum(env.step(rng.uniform(-1, 1, (48, 6))).reward for _ in range(200))
    beyond = returns + 200 * env.sim.values[:, 0] + 20
    assert -60 < beyond.mean() < 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"episode_steps": 0}, "episode_steps: 0; valid: a whole number of control steps, at least 1"),
        ({"episode_steps": 2.5}, "episode_steps: 2.5; valid: a whole number"),
        ({"low": 3.0, "high": 1.0}, r"target_velocity: not a uniform range: \[3.0, 1.0\]"),
        ({"speed": 1.0}, "half_cheetah_vel: .*unexpected keyword argument 'speed'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(TaskError, match=message):
        load_family("half_cheetah_vel", **options)
