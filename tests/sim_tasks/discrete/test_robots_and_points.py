"""Binned robot families and the point mass."""

import numpy as np
import pytest

from sim_tasks.discrete.binned import Binned
from sim_tasks.discrete.point import Point
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv


def test_centres_are_equally_spaced_over_the_range():
    assert Binned(1, 0, family="point_robot").centres.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert Binned(1, 0, family="point_robot", bins=2).centres.tolist() == [-1.0, 1.0]
    assert Binned(1, 0, family="point_robot", bins=4).centres == pytest.approx([-1, -1 / 3, 1 / 3, 1])


def test_it_is_the_family_with_these_actions():
    """A trial environment whose state, task and streams are the same moves the same."""
    env = Binned(3, 0, family="half_cheetah_vel", bins=3)
    twin = TrialVecEnv(load_family("half_cheetah_vel"), 3, 0, stream=11)
    twin.restore(env.sim.state())
    rng = np.random.default_rng(0)
    for step, action in enumerate(rng.integers(0, 3, (200, 3, 6))):
        env.step(action)
        expected = twin.step(action - 1.0)
        assert np.array_equal(env.observation[:, :-1], twin.observation)
        assert np.array_equal(env.reward, expected.reward.astype(np.float32))
        assert env.observation[:, -1] == pytest.approx(1.0 - (step + 1) / 200)
    assert env.last.all()
    assert (env.observation[:, -1] == 0.0).all()
    env.step(np.zeros((3, 6), np.int64))
    assert not env.last.any()
    assert (env.observation[:, -1] == 1.0).all()


@pytest.mark.parametrize(
    ("family", "repeat", "joints"), [("pendulum_swingup", 4, 1), ("hopper_rand_params", 2, 3)]
)
def test_a_held_action_is_as_many_steps_whose_rewards_add_up(family, repeat, joints):
    """Hoppers fall in mid-hold: what comes after the end of an episode pays nothing, and does not undo the end."""
    held, single = (Binned(8, 3, family=family, bins=3, repeat=k, change="never") for k in (repeat, 1))
    rng, ends, inside = np.random.default_rng(0), 0, 0
    for _ in range(300):
        ignored = held.last.copy()
        single.restore(held.state())
        action = rng.integers(0, 3, (8, joints))
        held.step(action)
        reward, ended = np.zeros(8), ignored.copy()
        for part in range(repeat):
            single.step(action)
            reward += np.where(ended, 0.0, single.reward)
            inside += np.count_nonzero(single.last & ~ended) if part < repeat - 1 else 0
            ended |= single.last
        assert held.reward == pytest.approx(reward, abs=1e-5)
        assert np.array_equal(held.last, ended & ~ignored)
        ongoing = ~ended
        assert np.array_equal(held.observation[ongoing], single.observation[ongoing])
        ends += np.count_nonzero(held.last)
    assert ends >= 8
    assert inside > 0 or family == "pendulum_swingup"


def test_one_action_may_stand_for_the_bins_of_all_joints():
    joint, each = (Binned(9, 1, family="point_robot", bins=3, joint=joint) for joint in (True, False))
    assert (joint.actions, joint.joints) == (9, 1)
    each.restore(joint.state())
    joint.step(np.arange(9)[:, None])
    each.step(np.array([(x, y) for x in range(3) for y in range(3)]))
    assert np.array_equal(joint.observation, each.observation)
    assert len(np.unique(joint.observation[:, :2], axis=0)) == 9
    with pytest.raises(TaskError, match="joint: 5 bins of 6 joints are 15625 actions; valid: up to 1024"):
        Binned(1, 0, family="half_cheetah_vel", joint=True)


def test_an_action_is_held_for_a_divisor_of_the_episode():
    for repeat in (0, 7):
        with pytest.raises(TaskError, match=f"repeat: {repeat}; valid: a divisor of 300"):
            Binned(1, 0, family="pendulum_swingup", repeat=repeat)


def test_an_episode_begins_at_rest_whatever_the_ignored_step_did():
    env = Binned(2, 0, family="pendulum_swingup")
    for _ in range(env.family.episode_steps + 1):
        env.step(np.full((2, 1), 4))
    assert (env.sim.episode_step == 0).all()
    assert (env.sim.elapsed == 0).all()
    assert not env.sim.previous_action.any()


def test_blocks_share_a_robot_and_keep_it_or_do_not():
    def robots(tasks: int, change: str, split: str = "train") -> list[np.ndarray]:
        env = Binned(4, 0, family="hopper_rand_params", split=split, tasks=tasks, change=change)
        rng, out = np.random.default_rng(0), [env.values.copy()]
        for _ in range(120):
            began = env.last.copy()
            env.step(rng.integers(0, 5, (4, 3)))
            if began.any():
                out.append(env.values.copy())
                assert np.array_equal(env.sim.sim.values, env.values)
        return out

    one, pairs, each = (robots(tasks, "never") for tasks in (1, 2, 4))
    assert len(one) > 5
    assert all(np.array_equal(values, one[0]) for values in one)
    assert [len(np.unique(run[0], axis=0)) for run in (one, pairs, each)] == [1, 2, 4]
    assert np.array_equal(pairs[0][0], pairs[0][1])
    assert not np.array_equal(one[0], robots(1, "never", "test")[0])

    changing = np.array(robots(1, "episode"))  # shape (moments, 4, P)
    runs = [list(dict.fromkeys(map(bytes, changing[:, row]))) for row in range(4)]
    shortest = min(map(len, runs))
    assert shortest > 2
    assert all(run[:shortest] == runs[0][:shortest] for run in runs), "the k-th robot is the same for all"


def test_goals_of_held_out_points_lie_in_other_directions():
    places = {}
    for split in ("train", "test"):
        env = Point(500, 0, split=split, tasks=500)
        angle = np.arctan2(env.goal[:, 1], env.goal[:, 0]) % (2 * np.pi)
        places[split] = set(np.floor(angle / (2 * np.pi) * 128).astype(int))
        radius = np.hypot(*env.goal.T)
        assert 0.5 <= radius.min() < radius.max() <= 1.5
    assert not places["train"] & places["test"]
    assert len(places["test"]) == 16


def test_a_pushed_point_moves_as_the_equation_says():
    env = Point(1, 0, joints=2)
    start, (gain, decay) = env.position.copy(), env._gains[0]
    for _ in range(3):
        env.step(np.array([[2, 0]]))
    velocity, way = 0.0, 0.0
    for _ in range(3):
        velocity = decay * velocity + gain
        way += 0.1 * velocity
    assert env.velocity[0] == pytest.approx([velocity, -velocity])
    assert env.position - start == pytest.approx(np.array([[way, -way]]))
    assert env.reward[0] == pytest.approx(-0.1 * np.linalg.norm(env.position[0] - env.goal[0]), rel=1e-6)


def test_a_point_that_is_driven_to_its_goal_is_rewarded():
    env = Point(32, 0, sparse=True, tasks=32, split="test")
    for _ in range(51):
        want = env.goal - env.position - 0.8 * env.velocity
        env.step(
            (
                3 * np.round(np.clip(2 * want[:, 0], -1, 1)) + np.round(np.clip(2 * want[:, 1], -1, 1)) + 4
            ).astype(np.int64)[:, None]
        )
    returns = env.returns()
    assert len(returns) == 32
    assert np.median(returns) > 15  # of 50; pushes all or nothing make it swing about the goal


def test_nine_actions_are_three_times_three():
    one, two = Point(9, 0), Point(9, 0, joints=2)
    action = np.arange(9)
    one.step(action[:, None])
    two.step(np.column_stack([action // 3, action % 3]))
    assert np.array_equal(one.observation, two.observation)


def test_walls_stop_a_point():
    env = Point(1, 0)
    for _ in range(45):
        env.step(np.array([[8]]))
    assert env.position[0].tolist() == [2.0, 2.0]
    assert not env.velocity.any()


def test_standard_rewards_are_the_familys_own_in_another_unit():
    own, standard = (Binned(4, 3, family="point_robot", tasks=4, standard=each) for each in (False, True))
    zero, one = standard.unit
    assert own.unit == (0.0, 1.0)
    assert zero == pytest.approx(-1.1, abs=0.1)  # minus metres from the goal; the point begins 1 m from it
    assert 10 < one < 40
    rng = np.random.default_rng(0)
    for _ in range(100):
        action = rng.integers(0, 5, (4, 2))
        own.step(action)
        standard.step(action)
        assert zero + one * standard.reward == pytest.approx(own.reward, abs=1e-5)
    assert standard.returns() == pytest.approx(own.returns())
