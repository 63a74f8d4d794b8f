"""Measured rewards: the true one but for the sensors' errors, heard from the frame that the policy sees."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import numpy as np
import pytest

from robots import SensorFrame, load_robot
from robots.reward import RewardLayout, heard
from robots.reward_terms import RewardPart, RewardTerm
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.registered import FAMILIES

MEASURED = [name for name, family in FAMILIES.items() if family.measured_reward is not None]
EXACT = ("pendulum_swingup", "ur5e_reach", "ur5e_track")
"""Whose measured reward is the true one but for the sensors' errors."""


def layout_of(family: TaskFamily) -> RewardLayout:
    assert family.measured_reward is not None
    return family.measured_reward


def environment(family: TaskFamily, robots: int = 6, episodes: int = 1) -> TrialVecEnv:
    return TrialVecEnv(family, robots, 0, threads=1, episodes=episodes)


def actions(env: TrialVecEnv, steps: int, size: float = 1.0) -> np.ndarray:
    """Any motion: half of the time pushes that last, half of it noise."""
    rng = np.random.default_rng(5)
    shape = (steps, env.robots, env.family.action_size)
    return (
        size
        * (np.repeat(rng.uniform(-1, 1, shape)[::20], 20, axis=0)[:steps] + rng.uniform(-1, 1, shape))
        / 2
    )


def true_frame(env: TrialVecEnv) -> SensorFrame:
    motion = env.motion
    return SensorFrame(env.sim.time.copy(), motion.position.copy(), motion.velocity.copy())


def test_these_have_one():
    assert set(MEASURED) == {"pendulum_swingup", "double_pendulum_swingup", "ur5e_reach", "ur5e_track"}


@pytest.mark.parametrize("name", EXACT)
def test_on_sensors_without_errors_it_is_the_true_reward(name):
    env, seen = environment(FAMILIES[name]), []
    for action in actions(env, 60):
        sent_before = env.motion.action.copy()
        goal = None if env.goal is None else env.goal.copy()
        transition = env.step(action)
        redrawn = goal is not None and name == "ur5e_reach" and (goal != env.goal).any()
        if redrawn or transition.truncated.any():
            continue
        measured = layout_of(env.family)(true_frame(env), env.goal, env.motion.action, sent_before)
        np.testing.assert_allclose(measured, env.family.reward(env.motion), rtol=1e-9, atol=1e-12)
        seen.append(measured)
    assert np.std(seen) > 1e-4


@pytest.mark.parametrize("actuated", ["acrobot", "pendubot"])
def test_the_double_pendulums_goes_by_angles_and_says_much_the_same(actuated):
    """Over all poses: highest where the true one is, and in much the same order."""
    family = load_family("double_pendulum_swingup", actuated=actuated)
    env = environment(family, 400)
    rng = np.random.default_rng(0)
    env.sim.qpos[:] = rng.uniform(-np.pi, np.pi, (400, 2))
    env.sim.qpos[:100] = np.array([np.pi, 0.0]) + rng.uniform(-0.3, 0.3, (100, 2))
    env.sim.qpos[0] = np.pi, 0.0
    env.sim.qpos[1] = -np.pi, 2 * np.pi
    env.sim.qpos[2] = 0.0, 0.0
    env.sim.qvel[:] = 0.0
    still = np.zeros((400, 1))
    true, measured = family.reward(env.motion), layout_of(family)(true_frame(env), None, still, still)
    np.testing.assert_allclose(true[:3], [1.0, 1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(measured[:3], [1.0, 1.0, 0.0], atol=1e-9)
    ranks = [np.argsort(np.argsort(each)) for each in (true, measured)]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] > 0.95
    assert np.abs(true - measured).max() < 0.3
    env.sim.qvel[:] = rng.normal(0, 5, (400, 2))
    true, measured = (
        family.reward(env.motion) / true,
        layout_of(family)(true_frame(env), None, still, still) / measured,
    )
    near = np.arange(400) != 2  # nothing by nothing
    np.testing.assert_allclose(true[near], measured[near], rtol=1e-9)


@pytest.mark.parametrize("name", MEASURED)
def test_it_is_heard_from_the_frame_that_the_policy_sees(name):
    """With its noise, offset and delay; by the goal that the policy is told now."""
    env = environment(FAMILIES[name])
    layout, before, differs = layout_of(env.family), np.zeros_like(env.previous_action), 0
    for action in actions(env, 100):
        transition = env.step(action)
        sent = env.previous_action.copy()
        expected = heard(layout(env.frame, env.goal, sent, before))
        assert transition.heard_reward.dtype == np.float32
        assert transition.heard_reward.tobytes() == expected.tobytes()
        assert env.previous_reward.tobytes() == expected.tobytes()
        differs += np.any(np.abs(transition.heard_reward - transition.reward) > 1e-4)
        before = sent
    assert differs > 50, "it is not the true one"


@pytest.mark.parametrize("name", MEASURED)
def test_it_survives_its_manifest(name):
    env = environment(FAMILIES[name])
    for action in actions(env, 5):
        env.step(action)
    layout, goal = layout_of(env.family), 0 if env.family.goal is None else env.family.goal.size
    again = RewardLayout.from_manifest(json.loads(json.dumps(layout.manifest())), env.family.robot, goal)
    given = env.frame, env.goal, env.previous_action, np.zeros_like(env.previous_action)
    assert again(*given).tobytes() == layout(*given).tobytes()


def test_it_lasts_over_episodes_and_ends_with_the_trial():
    """Episodes of 10 steps, two to a trial. Of its last step nothing is heard, but the transition tells."""
    family = replace(FAMILIES["pendulum_swingup"], episode_seconds=0.2)
    family = replace(family, change=None)
    env, plain = environment(family, episodes=2), environment(replace(family, episode_seconds=6.0))
    for t, action in enumerate(actions(env, 40), 1):
        transition = env.step(action)
        if t <= 10:
            assert transition.heard_reward.tobytes() == plain.step(action).heard_reward.tobytes()
        assert (transition.heard_reward > 0).all()
        assert env.previous_reward.tobytes() == transition.heard_reward.tobytes()
        assert transition.done.all() == (t % 20 == 0)
        if transition.done.all():
            env.reset(np.arange(env.robots))
            assert not env.previous_reward.any()


def test_what_is_scored_stays_the_true_reward():
    family = FAMILIES["pendulum_swingup"]
    env, deaf = environment(family), environment(replace(family, measured_reward=None))
    for action in actions(env, 50):
        one, other = env.step(action), deaf.step(action)
        assert one.reward.tobytes() == other.reward.tobytes()
        assert env.observation.tobytes() == deaf.observation.tobytes()
        assert one.heard_reward.all()
        assert not other.heard_reward.any()


def test_a_robot_that_measures_none_hears_none_and_a_body_the_true_one():
    dog, cheetah = environment(FAMILIES["go2_velocity"], 2), environment(FAMILIES["half_cheetah_vel"], 2)
    assert not dog.family.reward_measurable
    assert cheetah.family.reward_measurable
    for env in (dog, cheetah):
        for action in actions(env, 5):
            transition = env.step(action)
            told = np.zeros_like(transition.reward) if env is dog else transition.reward
            assert transition.heard_reward.tobytes() == told.astype(np.float32).tobytes()


def test_it_goes_on_after_a_restore():
    env, other = environment(FAMILIES["ur5e_reach"], 2), environment(FAMILIES["ur5e_reach"], 2)
    moves = actions(env, 20)
    for action in moves[:10]:
        env.step(action)
    other.restore(env.state())
    assert other.previous_reward.tobytes() == env.previous_reward.tobytes()
    for action in moves[10:]:
        assert env.step(action).heard_reward.tobytes() == other.step(action).heard_reward.tobytes()


def test_checkpoints_from_before_it_was_kept_are_read():
    env = environment(FAMILIES["pendulum_swingup"], 2)
    env.step(actions(env, 1)[0])
    state = env.state()
    del state["previous_reward"]
    env.restore(state)
    assert not env.previous_reward.any()


def test_a_simulation_that_diverged_earned_nothing():
    env = environment(FAMILIES["pendulum_swingup"], 3)
    env.step(actions(env, 1)[0])
    env.sim.qvel[1] = 1e6
    transition = env.step(np.zeros((3, 1)))
    assert transition.terminated.tolist() == [False, True, False]
    assert (transition.heard_reward == 0).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"robot": "go2"},
            "measured_reward: of robot 'go2' with a goal of size 0; this family's is 'pendulum'",
        ),
        ({"goal": 3}, "measured_reward: of robot 'pendulum' with a goal of size 3"),
    ],
)
def test_that_of_another_robot_is_refused(changes, words):
    term = RewardTerm("slow", (RewardPart("velocity", "square", -1.0),))
    layout = RewardLayout([term], load_robot(changes.get("robot", "pendulum")), changes.get("goal", 0))
    with pytest.raises(TaskError, match=words):
        replace(FAMILIES["pendulum_swingup"], measured_reward=layout)


def test_a_benchmarks_body_measures_nothing():
    layout = layout_of(FAMILIES["pendulum_swingup"])
    with pytest.raises(TaskError, match="half_cheetah_vel is about a benchmark's body"):
        dataclasses.replace(FAMILIES["half_cheetah_vel"], measured_reward=layout)
