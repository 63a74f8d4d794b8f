"""The course of a trial, worked out on a block on a rail: ends of episodes and trials, goals, pushes, divergence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim_tasks.batch_sim import DIVERGED
from sim_tasks.errors import TaskError
from sim_tasks.family import Change, Pushes
from sim_tasks.goal import Goal
from sim_tasks.row_random import Rows
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.playing import play, same
from tests.sim_tasks.slider import FORCE, STEPS, slider

EPISODES = 3
UNIT = np.array([[1.0, 0.0]])
"""A task: mass 1 kg, bonus 0."""


def environment(robots: int = 4, **options: Any) -> TrialVecEnv:
    """Blocks of 1 kg without bonus."""
    family = slider(**{name: options.pop(name) for name in ("goal", "pushes", "change") if name in options})
    env = TrialVecEnv(family, robots, 0, threads=1, episodes=options.pop("episodes", EPISODES), **options)
    env.reset(np.arange(robots), np.repeat(UNIT, robots, axis=0))
    return env


def push_with(forces: list[float], steps: int) -> np.ndarray:
    """The same force in [N] at every step. Shape (T, N, 1)."""
    return np.tile(np.array(forces)[:, None] / FORCE, (steps, 1, 1))


# Beyond 0.05 m the episode ends. From rest, 1 N: 0.01, 0.03, 0.06 m, so at step 3. 0.4 N: 0.004, 0.012, 0.024, 0.04,
# 0.06 m, so at step 5, the last of the episode. 0 and -1 N never.
FORCES = [1.0, 0.4, 0.0, -1.0]


def steps_at(flags: np.ndarray) -> list[list[int]]:
    """At which steps, from 1, each robot's flag was up."""
    return [(np.flatnonzero(column) + 1).tolist() for column in flags.T]


def test_episodes_end_early_or_in_time_and_trials_after_three_of_them():
    env = environment()
    seen = play(env, push_with(FORCES, 15))
    assert steps_at(seen["terminated"]) == [[3, 6, 9, 12, 15], [5, 10, 15], [], []]
    assert steps_at(seen["truncated"]) == [[], [], [5, 10, 15], [5, 10, 15]]
    # Robot 0 has had its three episodes after 9 steps and began another trial.
    assert steps_at(seen["done"]) == [[9], [15], [15], [15]]
    assert steps_at(seen["new_episode"]) == [[3, 6, 9, 12, 15], [5, 10, 15], [5, 10, 15], [5, 10, 15]]


def test_counters_of_steps_and_episodes():
    env = environment()
    seen = play(env, push_with(FORCES, 8))
    assert seen["elapsed"][:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert seen["episode"][:, 0].tolist() == [0, 0, 1, 1, 1, 2, 2, 2]
    assert seen["episode_step"][:, 0].tolist() == [1, 2, 0, 1, 2, 0, 1, 2]
    assert seen["episode"][:, 2].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert seen["episode_step"][:, 2].tolist() == [1, 2, 3, 4, 0, 1, 2, 3]


def test_a_boundary_moves_the_robot_and_forgets_its_action():
    env = environment(episodes=2)
    seen = play(env, push_with(FORCES, 5))
    # Robot 0, two episodes: x = 0.01, 0.03, then moved to 0; again 0.01, 0.03.
    np.testing.assert_allclose(seen["qpos"][:, 0, 0], [0.01, 0.03, 0.0, 0.01, 0.03], atol=1e-12)
    np.testing.assert_allclose(seen["observation"][:, 0, 0], [0.01, 0.03, 0.0, 0.01, 0.03], atol=1e-7)
    assert seen["previous_action"][:, 0, 0].tolist() == [0.5, 0.5, 0.0, 0.5, 0.5]


def test_rewards_are_of_the_state_that_was_reached_and_never_look_over_a_boundary():
    env = environment(episodes=2)
    reward = play(env, push_with(FORCES, 5))["reward"]
    # Robot 0: speed 0.1, 0.2, 0.3 m/s, the third of them at the end of the episode; half a unit of action is begun
    # at the first step of either episode: 0.1 - 0.5, 0.2, 0.3, and again 0.1 - 0.5, 0.2.
    np.testing.assert_allclose(reward[:, 0], [-0.4, 0.2, 0.3, -0.4, 0.2], atol=1e-12)
    # Robot 1: 0.04, 0.08, 0.12, 0.16, 0.20 m/s; action 0.2.
    np.testing.assert_allclose(reward[:, 1], [-0.16, 0.08, 0.12, 0.16, 0.20], atol=1e-12)


def test_a_trial_that_is_over_is_left_for_the_caller_to_look_at():
    env = environment(episodes=1)
    transition = [env.step(action) for action in push_with(FORCES, 3)][-1]
    assert transition.done.tolist() == [True, False, False, False]
    assert env.sim.qpos[0, 0] == pytest.approx(0.06)
    assert env.observation[0, 0] == pytest.approx(0.06)
    assert env.previous_action[0, 0] == 0.5
    assert env.new_episode.tolist() == [0, 0, 0, 0]
    env.reset(np.array([0]))
    assert env.sim.qpos[0, 0] == env.observation[0, 0] == env.previous_action[0, 0] == 0
    assert env.new_episode.tolist() == [1, 0, 0, 0]


def test_the_task_is_kept_at_boundaries_and_drawn_anew_with_the_next_trial():
    seen = play(environment(), push_with(FORCES, 16))
    values = seen["values"]
    assert (values[:8, 0] == UNIT).all()
    assert (values[8:, 0] == values[8, 0]).all()
    assert (values[8, 0] != UNIT).all()
    assert (values[:14, 1:] == UNIT).all()
    # Its mass is another one: from rest, 1 N gives v = 0.1 / m.
    np.testing.assert_allclose(seen["qvel"][9, 0, 0], 0.1 / values[9, 0, 0], rtol=1e-9)
    # And so is its bonus: 0.1 / m - 0.5 for the action + bonus.
    expected = 0.1 / values[9, 0, 0] - 0.5 + values[9, 0, 1]
    np.testing.assert_allclose(seen["reward"][9, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("velocity", [np.nan, np.inf, -np.inf, 2 * DIVERGED, -2 * DIVERGED])
def test_a_divergence_ends_the_whole_trial_whatever_its_episode(velocity):
    plan = push_with(FORCES, 12)
    undisturbed = play(environment(), plan)
    env = environment()
    play(env, plan[:1])
    env.sim.push(np.array([2]), np.array([[velocity]]))
    transition = env.step(plan[1])
    assert transition.terminated.tolist() == transition.done.tolist() == [False, False, True, False]
    assert not transition.truncated.any()
    assert transition.reward[2] == 0.0
    assert env.sim.diverged == 1
    assert env.sim.qpos[2, 0] == env.sim.qvel[2, 0] == env.observation[2, 0] == 0.0
    assert (env.episode[2], env.new_episode[2]) == (0, 0), "the caller begins the next trial"
    env.reset(np.array([2]))
    rest = play(env, plan[2:])
    assert all(np.isfinite(value).all() for value in rest.values())
    others = [0, 1, 3]
    for name, value in rest.items():
        np.testing.assert_array_equal(value[:7, others], undisturbed[name][2:9, others], err_msg=name)


def test_a_divergence_at_the_last_step_of_an_episode_is_no_time_limit():
    env = environment(episodes=1)
    for action in push_with(FORCES, STEPS - 1):
        env.step(action)
    env.sim.push(np.array([2]), np.array([[np.inf]]))
    transition = env.step(push_with(FORCES, 1)[0])
    assert transition.truncated.tolist() == [False, False, False, True]
    # Robot 0 was over at step 3, was not reset, and is still beyond the end.
    assert transition.terminated.tolist() == [True, True, True, False]


def test_fast_is_not_diverged():
    env = environment()
    env.sim.push(np.array([2]), np.array([[-0.9 * DIVERGED]]))
    assert not env.step(push_with(FORCES, 1)[0]).done.any()
    assert env.sim.diverged == 0


def goal_of(env: TrialVecEnv) -> np.ndarray:
    assert env.goal is not None
    return env.goal


def drawn_plan(rng: Rows, count: int) -> np.ndarray:
    return rng.uniform(1.0, 2.0, (count, 1))


def test_a_goal_lasts_an_episode_where_nothing_else_is_said():
    env = environment(goal=Goal(("speed",), ("m/s",), drawn_plan))
    goals = np.concatenate([goal_of(env)[None].copy(), play(env, push_with(FORCES, 15))["goal"]])[..., 0]
    # Robot 2's episodes begin with observations 0, 5, 10; 15 is the next trial's.
    changed = (np.flatnonzero(np.diff(goals[:, 2])) + 1).tolist()
    assert changed == [5, 10, 15]
    assert (np.flatnonzero(np.diff(goals[:, 0])) + 1).tolist() == [3, 6, 9, 12, 15]


def test_goals_are_redrawn_after_their_time_and_observed_at_once():
    env = environment(goal=Goal(("speed",), ("m/s",), drawn_plan, every=(0.2, 0.2)))
    first = goal_of(env).copy()
    assert env.observation[:, 2].tolist() == np.float32(first[:, 0]).tolist()
    seen = play(env, push_with(FORCES, 5))
    # Two steps of 0.1 s, then another; the boundary after step 5 draws again and begins to count again.
    goals = np.concatenate([first[None], seen["goal"]])[..., 0]
    assert (np.flatnonzero(np.diff(goals[:, 2])) + 1).tolist() == [2, 4, 5]
    np.testing.assert_array_equal(seen["observation"][:, :, 2], np.float32(seen["goal"][..., 0]))


def test_a_moving_goal_moves_with_the_time_since_it_was_drawn():
    line = Goal(("place",), ("m",), drawn_plan, at=lambda plans, times: plans * times[:, None])
    env = environment(goal=line)
    assert env._goals is not None
    slope = env._goals.plans.copy()
    assert goal_of(env).tolist() == [[0.0]] * 4
    goals = play(env, push_with(FORCES, 5))["goal"][..., 0]
    # Plan s: the goal is at 0.1 s n after n steps, and at 0 when the next episode begins.
    np.testing.assert_allclose(goals[:, 2], [0.1 * slope[2, 0] * n for n in (1, 2, 3, 4, 0)], atol=1e-12)
    np.testing.assert_allclose(goals[:4, 0], [0.1 * slope[0, 0], 0.2 * slope[0, 0], 0.0, goals[3, 0]])


def test_pushes_come_at_their_time_and_have_their_size():
    env = environment(pushes=Pushes(every=(0.3, 0.3), speed=0.5, dofs=(0,)), robots=200, episodes=1)
    velocity = play(env, np.zeros((4, 200, 1)))["qvel"][..., 0]
    # A block at rest that nobody drives moves after step 3, and nothing stops it.
    assert (velocity[:2] == 0).all()
    assert (np.abs(velocity[2]) <= 0.5).all()
    # Uniform in +-0.5: 200 draws reach beyond 0.45 on either side but for a chance of 0.95^200 = 4e-5.
    assert velocity[2].min() < -0.45
    assert velocity[2].max() > 0.45
    np.testing.assert_array_equal(velocity[3], velocity[2])


def test_the_next_push_follows_after_the_same_while():
    env = environment(pushes=Pushes(every=(0.2, 0.2), speed=0.01, dofs=(0,)), episodes=1)
    velocity = play(env, np.zeros((4, 4, 1)))["qvel"][..., 0]
    jumps = np.diff(velocity, axis=0, prepend=0.0) != 0
    assert steps_at(jumps) == [[2, 4]] * 4


def test_who_asks_for_no_disturbances_gets_none():
    quiet = environment(
        pushes=Pushes(every=(0.1, 0.1), speed=0.5, dofs=(0,)), change=Change("mass", 1.0, 1.0), changes=False
    )
    same(play(quiet, push_with(FORCES, 8)), play(environment(), push_with(FORCES, 8)))


def test_a_change_takes_effect_with_the_step_after_it():
    env = environment(change=Change("mass", probability=1.0), episodes=1)
    env._disturbances.change_step[:] = 2
    seen = play(env, push_with([0.2] * 4, 4))
    mass = seen["values"][2, :, 0]
    assert (mass != 1.0).all()
    assert (seen["values"][1] == seen["values"][2]).all(), (
        "the context changes with the observation after step 2"
    )
    # Two steps of 0.2 N on 1 kg, two on the new mass.
    np.testing.assert_allclose(seen["qvel"][1, :, 0], 0.04, rtol=1e-9)
    np.testing.assert_allclose(seen["qvel"][3, :, 0], 0.04 + 0.04 / mass, rtol=1e-9)


@pytest.mark.parametrize(("options", "message"), [
    ({"episodes": 0}, "episodes: 0; a trial has at least one"),
    ({"robots": 0}, "robots: 0; at least one is needed"),
    ({"split": "validation"}, "unknown split 'validation'; valid: train, test, ood"),
])  # fmt: skip
def test_impossible_environments_are_refused(options, message):
    arguments = {"robots": 2, "seed": 0} | options
    with pytest.raises(TaskError, match=message):
        TrialVecEnv(slider(), **arguments)
