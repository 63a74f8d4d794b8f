"""The Gymnasium door: its registry, its checker, and an episode that is exactly the family's own."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sim_tasks.doors
from robots.safety import Reason
from sim_tasks.doors.gymnasium_env import AdaptEnv
from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, load_family
from sim_tasks.families.pendulum_swingup import UPRIGHT
from sim_tasks.trial_env import TrialVecEnv

PENDULUM, CHEETAH = "adapt/pendulum_swingup-v0", "adapt/half_cheetah_vel-v0"
FAMILY = load_family("pendulum_swingup")
SHORT = replace(FAMILY, episode_seconds=0.4)
"""Episodes of 20 control steps of 20 ms."""


def make(name: str, **settings) -> AdaptEnv:
    env = gymnasium.make(name, **settings).unwrapped
    assert isinstance(env, AdaptEnv)
    return env


@pytest.mark.parametrize("name", [PENDULUM, CHEETAH])
def test_gymnasiums_checker_has_nothing_to_say(name):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env(make(name), skip_render_check=True)
    infinite = (
        "Box observation space (minimum|maximum) value is -?infinity"  # SI units of a state have no bounds
    )
    assert [str(each.message) for each in said if not _matches(infinite, str(each.message))] == []


def _matches(pattern: str, text: str) -> bool:

    return re.search(pattern, text) is not None


def test_stable_baselines_checker_has_nothing_to_say():
    from stable_baselines3.common.env_checker import check_env as check_for_sb3

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_for_sb3(make(PENDULUM), skip_render_check=True)
        check_for_sb3(make(CHEETAH), skip_render_check=True)


def test_every_family_has_a_name_in_gymnasiums_registry():
    assert sim_tasks.doors.register() == tuple(f"adapt/{name}-v0" for name in family_names())
    for name in (*sim_tasks.doors.register(), "adapt/family-v0"):
        assert gymnasium.spec(name).vector_entry_point is not None


def test_one_line_registers_and_loads_no_torch():
    code = (
        "import sys, gymnasium\n"
        f"env = gymnasium.make('sim_tasks.doors:{CHEETAH}')\n"
        "print(env.reset(seed=0)[0].shape, 'torch' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "(17,) False"


def test_spaces():
    # Three terms of one joint, clipped at 10 by default; nine positions but one and nine velocities, unbounded.
    pendulum, cheetah = make(PENDULUM), make(CHEETAH)
    assert pendulum.observation_space == gymnasium.spaces.Box(-10.0, 10.0, (3,), np.float32)
    assert pendulum.action_space == gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    assert cheetah.observation_space == gymnasium.spaces.Box(-np.inf, np.inf, (17,), np.float32)
    assert cheetah.action_space == gymnasium.spaces.Box(-1.0, 1.0, (6,), np.float32)
    # 1 / 20 ms and 1 / 50 ms
    assert (pendulum.metadata["render_fps"], cheetah.metadata["render_fps"]) == (50, 20)


def test_an_episode_is_exactly_the_familys():
    env, trial = AdaptEnv(SHORT), TrialVecEnv(SHORT, 1, 11, threads=1)
    env.reset(seed=5)
    env.step(np.ones(1))
    observation, info = env.reset(seed=11)
    for episode in range(3):
        assert list(info["task"].values()) == trial.sim.values[0].tolist()
        for step, action in enumerate(
            np.random.default_rng(episode).uniform(-1, 1, (20, 1)).astype(np.float32)
        ):
            np.testing.assert_array_equal(observation, trial.observation[0])
            expected = trial.step(action[None])
            observation, reward, terminated, truncated, info = env.step(action)
            assert reward == expected.reward[0]
            assert not terminated
            assert truncated == (step == 19)
            assert info["success"] == (abs(trial.motion.position[0, 0] % (2 * np.pi) - np.pi) < UPRIGHT)
        np.testing.assert_array_equal(observation, trial.observation[0])
        trial.reset(np.array([0]))
        observation, info = env.reset()


def test_info_says_the_task_with_units_and_why_commands_differ():
    env = AdaptEnv(SHORT)
    _, info = env.reset(seed=0)
    assert info["units"] == {parameter.name: parameter.unit for parameter in FAMILY.parameters}
    assert info["units"]["payload_mass"] == "kg"
    assert info["split"] == "train"
    assert info["interventions"] == 0
    seen = [env.step(np.ones(1, np.float32))[4]["interventions"] for _ in range(11)]
    # Soft start blends in over 0.2 s, ten steps of 20 ms (ten times 0.1 is a little less than 1 in floating point).
    assert seen == [Reason.SOFT_START] * 10 + [Reason.OK]
    assert env.reset()[1]["interventions"] == 0


def test_nan_actions_are_counted_and_reported():
    env = AdaptEnv(SHORT)
    env.reset(seed=0)
    assert not env.step(np.zeros(1))[4]["invalid_action"]
    observation, reward, _, _, info = env.step(np.full(1, np.nan))
    assert info["invalid_action"]
    assert info["interventions"] & Reason.POLICY_NOT_FINITE
    assert np.isfinite(observation).all()
    assert np.isfinite(reward)
    assert not env.step(np.zeros(1))[4]["invalid_action"]
    assert env.invalid_actions == 1


def test_a_diverging_simulation_terminates_and_the_next_episode_is_sound():
    env = AdaptEnv(SHORT)
    env.reset(seed=0)
    env._trials.env.sim.push(np.array([0]), np.array([[np.nan]]))
    observation, reward, terminated, truncated, _ = env.step(np.zeros(1))
    assert (terminated, truncated, reward) == (True, False, 0.0)
    assert np.isfinite(observation).all()
    assert np.isfinite(env.reset()[0]).all()


def test_a_trial_of_two_episodes_is_one_episode_of_gymnasiums():
    env = AdaptEnv(SHORT, episodes=2, changes=False)
    _, info = env.reset(seed=0)
    task, new, ends = info["task"], [info["new_episode"]], []
    for _ in range(40):
        _, _, terminated, truncated, info = env.step(np.zeros(1))
        new.append(info["new_episode"])
        ends.append(terminated or truncated)
        assert info["task"] == task
    assert np.flatnonzero(new).tolist() == [0, 20]
    assert np.flatnonzero(ends).tolist() == [39]


def test_a_protocol_and_the_familys_own_options():
    assert make(CHEETAH, protocol="roml").family.bounds[:, 0].tolist() == [0.0, 7.0]
    env = make("adapt/family-v0", family="half_cheetah_vel", high=1.5, episode_steps=30)
    assert env.family.bounds[:, 0].tolist() == [0.0, 1.5]
    assert env.family.episode_steps == 30


def test_wrong_use_is_named():
    with pytest.raises(gymnasium.error.NameNotFound, match="half_cheetah_vl"):
        gymnasium.make("adapt/half_cheetah_vl-v0")
    with pytest.raises(TaskError, match=r"unknown family 'cheetah'; valid: .*half_cheetah_vel"):
        gymnasium.make("adapt/family-v0", family="cheetah")
    with pytest.raises(TaskError, match=r"unknown protocol 'rml'.*half_cheetah_vel@roml"):
        gymnasium.make(CHEETAH, protocol="rml")
    with pytest.raises(TaskError, match="unexpected keyword argument 'hihg'"):
        gymnasium.make(CHEETAH, hihg=2.0)
    with pytest.raises(TaskError, match="protocol: only for a family that is given by name"):
        AdaptEnv(SHORT, protocol="roml")
    with pytest.raises(TaskError, match="unknown split 'val'; valid: train, test, ood"):
        gymnasium.make(PENDULUM, split="val")
    with pytest.raises(TaskError, match="unknown render_mode 'ansi'; valid: human, rgb_array or none"):
        AdaptEnv(SHORT, render_mode="ansi")


def test_steps_out_of_turn_are_named():
    env = AdaptEnv(SHORT)
    with pytest.raises(TaskError, match="step before reset"):
        env.step(np.zeros(1))
    with pytest.raises(TaskError, match="render before reset"):
        env.render()
    with pytest.raises(gymnasium.error.ResetNeeded):
        gymnasium.make(PENDULUM).step(np.zeros(1))
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.zeros(1))
    with pytest.raises(TaskError, match="after the end of the episode"):
        env.step(np.zeros(1))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (np.zeros(3), r"action of shape \(3,\); expected \(1,\)"),
        (0.5, r"action of shape \(\); expected \(1,\)"),
        (np.zeros((1, 1)), r"action of shape \(1, 1\); expected \(1,\)"),
        (["left"], r"not numbers of shape \(1,\)"),
    ],
)
def test_an_action_of_another_shape_is_named(action, said):
    env = AdaptEnv(SHORT)
    env.reset(seed=0)
    with pytest.raises(TaskError, match=said):
        env.step(action)
