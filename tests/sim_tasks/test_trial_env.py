"""`TrialVecEnv`: a trial is one task from first to last step, certified commands, and reproducible to the bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from robots.safety import Reason
from sim_tasks.families import load_family
from sim_tasks.family import Change, TaskFamily
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.playing import play, same

FULL = load_family("pendulum_swingup")
STEPS = 20
"""Control steps of the short episodes that these tests use: 0.4 s of 20 ms each."""
SHORT = replace(FULL, episode_seconds=0.4)
SURE = replace(SHORT, change=Change("payload_mass", probability=1.0, knock=4.0))
MASS = FULL.parameter_index("payload_mass")
ALL = np.arange(8)


def environment(family: TaskFamily = SHORT, robots: int = 8, seed: int = 0, **options: Any) -> TrialVecEnv:
    return TrialVecEnv(family, robots, seed, threads=1, **options)


def how_many(env: TrialVecEnv, reason: Reason) -> int:
    """For how many robots the last command was not what was asked for, because of this."""
    assert env.port.reasons is not None
    return int(np.count_nonzero(env.port.reasons & reason))


def change_step(env: TrialVecEnv) -> np.ndarray:
    """When the physics of each trial change, in control steps. Shape (N,)."""
    return env._disturbances.change_step


def actions(steps: int, robots: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (steps, robots, 1))


def test_the_same_seed_gives_the_same_trajectories():
    same(play(environment(episodes=2), actions(100)), play(environment(episodes=2), actions(100)))


@pytest.mark.parametrize("other", [{"seed": 1}, {"stream": 1}])
def test_another_seed_or_stream_draws_other_tasks(other):
    one, two = environment(), environment(**other)
    assert (one.sim.values != two.sim.values).all()
    assert (one.observation != two.observation).all()


def test_tasks_are_of_the_split_that_was_asked_for():
    # Along the first parameter, test tasks own every eighth of 1024 cells of the log range.
    low, high = np.log(FULL.bounds[:, 0])
    for split, held_out in (("train", False), ("test", True)):
        values = environment(robots=200, split=split).sim.values[:, 0]
        cells = np.floor((np.log(values) - low) / (high - low) * 1024 + 1e-6)
        assert ((cells % 8 == 7) == held_out).all()


def test_starts_are_the_training_ones_in_training_alone():
    train, test = (environment(FULL, 400, split=split).sim.position for split in ("train", "test"))
    assert np.abs(test).max() <= 0.6
    assert np.mean(np.abs(train) > 0.6) > 0.3  # worked out: 0.40


def test_the_context_is_the_task():
    env = environment()
    np.testing.assert_array_equal(env.context, FULL.normalise(env.sim.values).astype(np.float32))


def test_a_task_can_be_given():
    env, values = environment(), FULL.sample("test", 2, seed=3)
    before = env.sim.values.copy()
    env.reset(np.array([2, 5]), values)
    np.testing.assert_array_equal(env.sim.values[[2, 5]], values)
    np.testing.assert_array_equal(env.context[[2, 5]], FULL.normalise(values).astype(np.float32))
    np.testing.assert_array_equal(np.delete(env.sim.values, [2, 5], 0), np.delete(before, [2, 5], 0))


def test_a_trial_of_three_episodes_keeps_its_task_and_ends_truncated():
    env = environment(episodes=3, changes=False)
    values, flags, ends, done = env.sim.values.copy(), [env.new_episode.copy()], [], []
    context = env.context.copy()
    for action in actions(3 * STEPS):
        outcome = env.step(action)
        ends.append(outcome.truncated.copy())
        done.append(outcome.done.copy())
        flags.append(env.new_episode.copy())
        assert not outcome.terminated.any()
        np.testing.assert_array_equal(env.sim.values, values)
        np.testing.assert_array_equal(env.context, context)
    # Episodes begin with observations 0, 20 and 40 and end with steps 20, 40 and 60; the last of them is the trial's.
    assert np.flatnonzero(np.array(flags).all(axis=1)).tolist() == [0, STEPS, 2 * STEPS]
    assert np.array(flags).dtype == np.float32
    assert np.flatnonzero(np.array(ends).all(axis=1)).tolist() == [STEPS - 1, 2 * STEPS - 1, 3 * STEPS - 1]
    assert np.flatnonzero(np.array(done).all(axis=1)).tolist() == [3 * STEPS - 1]
    assert [np.sum(flag) for flag in (flags, ends, done)] == [3 * 8, 3 * 8, 8]


def test_an_episode_boundary_moves_the_robot_and_starts_softly():
    env = environment(episodes=2, split="test", changes=False)
    for action in np.ones((STEPS - 1, 8, 1)):
        env.step(action)
    assert (env.previous_action == 1.0).all()
    env.step(np.ones((8, 1)))
    # Test starts: within 0.6 rad and 1 rad/s, at time 0; nothing was sent yet.
    assert np.abs(env.sim.position).max() <= 0.6
    assert np.abs(env.sim.velocity).max() <= 1.0
    assert env.sim.time.tolist() == [0.0] * 8
    assert (env.previous_action == 0.0).all()
    env.step(np.ones((8, 1)))
    np.testing.assert_allclose(env.previous_action, 0.1, atol=1e-6)


def test_a_trial_that_ends_is_left_for_the_caller_to_look_at():
    env = environment(changes=False)
    assert [env.step(action).truncated.all() for action in actions(STEPS)][-1]
    np.testing.assert_allclose(env.sim.time, STEPS * 0.02, atol=1e-9)
    env.reset(np.array([3]))
    assert env.elapsed.tolist() == [20, 20, 20, 0, 20, 20, 20, 20]


def test_a_reset_touches_no_other_trial():
    env = environment()
    play(env, actions(5))
    position, values, elapsed = env.sim.position, env.sim.values.copy(), env.elapsed.copy()
    env.reset(np.array([4]))
    rest = np.delete(ALL, 4)
    np.testing.assert_array_equal(env.sim.position[rest], position[rest])
    np.testing.assert_array_equal(env.sim.values[rest], values[rest])
    np.testing.assert_array_equal(env.elapsed[rest], elapsed[rest])
    assert (env.sim.values[4] != values[4]).all()


def test_previous_action_is_what_was_certified():
    env = environment(split="test", changes=False)
    sent = []
    for _ in range(12):
        env.step(np.full((8, 1), 3.0))  # three times the limit, at once
        sent.append(env.previous_action.copy())
    # The soft start of 0.2 s lets through a tenth more of the largest action at each step of 20 ms.
    ramp = np.minimum(np.arange(1, 13) / 10, 1.0)
    np.testing.assert_allclose(np.array(sent)[..., 0], np.tile(ramp[:, None], 8), atol=1e-6)


def test_too_fast_a_robot_is_damped_and_the_policy_is_told():
    env = environment(split="test", changes=False)
    env.sim.reset(ALL, np.zeros((8, 1)), np.full((8, 1), 25.0))
    sent, fast = [], []
    for _ in range(3):
        env.step(np.ones((8, 1)))
        sent.append(env.previous_action.copy())
        fast.append(how_many(env, Reason.VELOCITY_LIMIT))
    # First on the reading from before: soft start, 0.1. Then nothing, until three positions tell the speed: 0.15 N m
    # s/rad at more than 20 rad/s ask for -3 N m and more, cut to -2.5 N m (action -1), which 125 N m/s allow in a step.
    np.testing.assert_allclose(np.array(sent)[..., 0], np.tile([[0.1], [0.0], [-1.0]], 8), atol=1e-6)
    assert fast == [0, 8, 8]


def test_a_policy_that_fails_sends_nothing_that_is_not_finite():
    env = environment(changes=False)
    not_finite = []
    for bad in (np.nan, np.inf, -np.inf):
        env.step(np.full((8, 1), bad))
        not_finite.append(how_many(env, Reason.POLICY_NOT_FINITE))
        assert np.isfinite(env.previous_action).all()
        assert np.isfinite(env.observation).all()
    assert not_finite == [8, 8, 8]
    assert env.port.invalid_actions == 3 * 8


def test_the_change_changes_its_parameter_alone_and_knocks():
    env = environment(SURE, episodes=2)
    assert ((change_step(env) >= STEPS // 4) & (change_step(env) < 2 * STEPS)).all()
    change_step(env)[:] = 7
    values = env.sim.values.copy()
    for action in actions(6):
        env.step(action)
    np.testing.assert_array_equal(env.sim.values, values)
    saved, action = env.state(), actions(1, seed=5)[0]
    change_step(env)[:] = 99
    env.step(action)
    unchanged = env.sim.position, env.sim.velocity
    env.restore(saved)
    env.step(action)
    assert (env.sim.values[:, MASS] != values[:, MASS]).all()
    np.testing.assert_array_equal(np.delete(env.sim.values, MASS, 1), np.delete(values, MASS, 1))
    low, high = FULL.bounds[:, MASS]
    assert ((env.sim.values[:, MASS] >= low) & (env.sim.values[:, MASS] <= high)).all()
    np.testing.assert_array_equal(env.context, FULL.normalise(env.sim.values).astype(np.float32))
    np.testing.assert_array_equal(env.sim.position, unchanged[0])
    knock = env.sim.velocity - unchanged[1]
    assert (np.abs(knock) <= 4.0).all()
    assert np.abs(knock).max() > 1.0


def test_the_changed_physics_is_kept_until_the_trial_ends():
    env = environment(SURE, episodes=3)
    change_step(env)[:] = 25  # in the second episode
    plan = actions(3 * STEPS)
    for action in plan[:25]:
        env.step(action)
    changed = env.sim.values.copy()
    for action in plan[25:]:
        env.step(action)
        np.testing.assert_array_equal(env.sim.values, changed)
    assert (env.elapsed == 3 * STEPS).all()


@pytest.mark.parametrize(("family", "share"), [(SURE, 1.0), (SHORT, 0.3)])
def test_changes_come_as_often_as_the_family_says(family, share):
    env = environment(family, robots=1000)
    # 1000 trials at 0.3 have a standard deviation of 0.014; four of them.
    assert np.mean(change_step(env) < env.trial_steps) == pytest.approx(share, abs=0.06)
    quiet = environment(family, robots=1000, changes=False)
    assert (change_step(quiet) > quiet.trial_steps).all()


def test_trials_can_be_spread_over_their_length():
    env = environment(episodes=3, robots=500)
    env.stagger(stride=4)
    assert (env.elapsed % 4 == 0).all()
    # 60 steps in strides of 4: fifteen places, all of them taken.
    assert set(env.elapsed) == set(range(0, 60, 4))


def test_a_simulation_can_be_given_a_seed_of_its_own():
    env, other = environment(), environment(robots=1, seed=9)
    env.reseed(np.array([3]), [9])
    env.reset(np.array([3]))
    plan = actions(50)
    same(play(other, plan[:, 3:4]), play(env, plan), rows=[3])


@pytest.mark.parametrize("steps", [3, 33])
def test_a_restored_environment_goes_on_bit_by_bit(steps):
    env = environment(SURE, episodes=2)
    play(env, actions(steps))
    saved, plan = env.state(), actions(90, seed=1)
    expected = play(env, plan)
    env.restore(saved)
    same(play(env, plan), expected)
    fresh = environment(SURE, episodes=2, seed=77)
    fresh.restore(saved)
    same(play(fresh, plan), expected)
    assert fresh.sim.diverged == env.sim.diverged


def test_a_state_that_went_through_lists_is_the_same():
    env = environment(SURE)
    play(env, actions(9))
    saved, plan = env.state(), actions(30, seed=1)

    def listed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: listed(item) for key, item in value.items()}
        return value.tolist() if isinstance(value, np.ndarray) else value

    expected = play(env, plan)
    env.restore(listed(saved))
    same(play(env, plan), expected)


def test_a_diverged_simulation_is_terminated_not_truncated():
    env = environment(changes=False)
    env.sim.push(np.array([6]), np.array([[np.nan]]))
    outcome = env.step(np.zeros((8, 1)))
    assert outcome.terminated.tolist() == [False] * 6 + [True, False]
    assert not outcome.truncated.any()
    np.testing.assert_array_equal(outcome.done, outcome.terminated)
    assert env.sim.diverged == 1
    assert np.isfinite(env.observation).all()
    assert np.isfinite(outcome.reward).all()


def test_the_reward_is_about_the_true_upright_not_the_encoders():
    env = environment(robots=3, changes=False)
    values = np.tile(FULL.bounds.mean(axis=0), (3, 1))
    values[:, FULL.parameter_index("encoder_offset")] = [-0.3, 0.0, 0.3]
    env.reset(np.arange(3), values)
    env.sim.reset(np.arange(3), np.full((3, 1), np.pi), np.zeros((3, 1)))
    reward = env.apply(np.zeros((3, 1))).reward
    # All three stand upright and at rest; 20 ms do not make them fall. Observed they are 0.3 rad apart:
    # sin(pi -+ 0.3) = +-0.2955, known to the noise of at most 0.01 rad.
    np.testing.assert_allclose(reward, 1.0, atol=1e-3)
    np.testing.assert_allclose(env.observation[:, 0], [0.2955, 0.0, -0.2955], atol=0.05)


def test_rewards_stay_between_zero_and_one():
    env = environment(FULL, robots=64)
    rewards = play(env, actions(300, robots=64))["reward"]
    assert rewards.min() >= 0.0
    assert rewards.max() <= 1.0
    assert rewards.max() > 0.5  # half of the training starts are anywhere, some of them upright
