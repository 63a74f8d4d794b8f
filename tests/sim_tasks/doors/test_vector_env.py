"""The vector door: each sub-environment is the single environment, bit for bit, also where episodes end early."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from robots.safety import Reason
from sim_tasks.doors.gymnasium_env import AdaptEnv
from sim_tasks.doors.vector_env import AdaptVectorEnv
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.motion import Motion

STEPS, N = 50, 5
CHEETAH = "adapt/half_cheetah_vel-v0"


def _fast(motion: Motion) -> np.ndarray:
    return np.abs(motion.velocity[:, 0]) > 3.0


FAMILY = replace(load_family("pendulum_swingup"), episode_seconds=0.4, terminal=_fast)
"""Episodes of 20 control steps of 20 ms, which end early at more than 3 rad/s: a quarter of the starts are faster."""


def plan(steps: int = STEPS, count: int = N, size: int = 1) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (steps, count, size)).astype(np.float32)


def test_each_sub_environment_is_the_single_one_bit_for_bit():
    vector, singles = AdaptVectorEnv(FAMILY, N, threads=2), [AdaptEnv(FAMILY) for _ in range(N)]
    observations, _ = vector.reset(seed=7)
    ends = np.zeros(2, dtype=int)
    for row, env in enumerate(singles):
        np.testing.assert_array_equal(env.reset(seed=7 + row)[0], observations[row])
    for actions in plan():
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        ends += terminated.sum(), truncated.sum()
        for row, env in enumerate(singles):
            observation, *outcome, info = env.step(actions[row])
            assert outcome == [rewards[row], terminated[row], truncated[row]]
            if terminated[row] or truncated[row]:
                np.testing.assert_array_equal(infos["final_obs"][row], observation)
                assert infos["final_info"]["success"][row] == info["success"]
                observation, info = env.reset()
                assert infos["task"]["payload_mass"][row] == info["task"]["payload_mass"]
            np.testing.assert_array_equal(observations[row], observation)
            assert infos["interventions"][row] == info["interventions"]
    assert ends.min() > 2  # both kinds of end were seen


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_it_says_what_gymnasiums_own_vector_says(mode):
    own = AdaptVectorEnv(FAMILY, N, threads=1, autoreset_mode=mode.value)
    theirs = SyncVectorEnv([lambda: AdaptEnv(FAMILY)] * N, autoreset_mode=mode)
    assert own.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"]
    for space in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(own, space) == getattr(theirs, space)
    np.testing.assert_array_equal(own.reset(seed=1)[0], theirs.reset(seed=1)[0])
    ends = np.zeros(2, dtype=int)
    for actions in plan():
        (*ours, infos), (*expected, wanted) = own.step(actions), theirs.step(actions)
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        for name in ("success", "interventions"):
            np.testing.assert_array_equal(infos[name], wanted[name])
        for name in ("_final_obs", "_final_info"):
            np.testing.assert_array_equal(infos.get(name, False), wanted.get(name, False))
        if "_final_info" in wanted:
            ended = wanted["_final_info"]
            for name in ("success", "interventions"):
                one, other = infos["final_info"][name], wanted["final_info"][name]
                np.testing.assert_array_equal(one[ended], other[ended])
        ends += ours[2].sum(), ours[3].sum()
    assert ends.min() > 2


def test_gymnasium_makes_it():
    env = gymnasium.make_vec(CHEETAH, num_envs=3, vectorization_mode="vector_entry_point", high=2.0)
    assert isinstance(env.unwrapped, AdaptVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observations, infos = env.reset(seed=0)
    assert observations.shape == (3, 17)
    assert observations.dtype == np.float32
    assert (infos["task"]["target_velocity"] < 2.0).all()
    assert infos["_task"].all()
    assert env.spec is not None
    same = gymnasium.make_vec(env.spec)  # rebuilt from what it says of itself
    np.testing.assert_array_equal(same.reset(seed=0)[0], observations)


def test_gymnasiums_vector_wrappers_work_on_it():
    own = AdaptVectorEnv(replace(FAMILY, terminal=None), N, autoreset_mode="NextStep")
    env = gymnasium.wrappers.vector.NormalizeObservation(
        gymnasium.wrappers.vector.RecordEpisodeStatistics(own)
    )
    env.reset(seed=0)
    lengths = []
    for actions in plan():
        *_, infos = env.step(actions)
        if "episode" in infos:
            lengths += infos["episode"]["l"][infos["_episode"]].tolist()
    assert lengths == [20] * (2 * N)  # steps 20 and 41, as the 21st begins the second episode


def test_returned_arrays_are_the_callers():
    env = AdaptVectorEnv(FAMILY, N, threads=1)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    second, *_ = env.step(plan()[0])
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)
    second[:] = np.nan
    assert np.isfinite(env.step(plan()[1])[0]).all()


def test_nan_actions_are_reported_for_whom_they_were():
    env = AdaptVectorEnv(replace(FAMILY, terminal=None), N, threads=1)
    env.reset(seed=0)
    actions = np.zeros((N, 1), np.float32)
    assert "invalid_action" not in env.step(actions)[4]
    actions[3] = np.nan
    observations, rewards, *_, infos = env.step(actions)
    assert infos["invalid_action"].tolist() == [False, False, False, True, False]
    assert (infos["interventions"] & Reason.POLICY_NOT_FINITE).nonzero()[0].tolist() == [3]
    assert np.isfinite(observations).all()
    assert np.isfinite(rewards).all()
    assert env.invalid_actions == 1
    assert "invalid_action" not in env.step(np.zeros((N, 1)))[4]


def test_seeds_can_be_given_one_by_one():
    env = AdaptVectorEnv(FAMILY, 3, threads=1)
    observations, _ = env.reset(seed=[4, 9, 4])
    np.testing.assert_array_equal(observations[0], observations[2])
    assert (observations[0] != observations[1]).all()
    np.testing.assert_array_equal(AdaptEnv(FAMILY).reset(seed=9)[0], observations[1])
    again, _ = env.reset()
    assert (again[0] != observations[0]).all()


def test_wrong_use_is_named():
    with pytest.raises(TaskError, match="robots: 0; at least one is needed"):
        AdaptVectorEnv(FAMILY, 0)
    with pytest.raises(TaskError, match="unknown render_mode 'human'; valid: rgb_array or none"):
        AdaptVectorEnv(FAMILY, 2, render_mode="human")
    with pytest.raises(TaskError, match="unknown autoreset_mode 'Disabled'; valid: SameStep, NextStep"):
        AdaptVectorEnv(FAMILY, 2, autoreset_mode="Disabled")
    env = AdaptVectorEnv(FAMILY, 2, threads=1)
    with pytest.raises(TaskError, match="step before reset"):
        env.step(np.zeros((2, 1)))
    with pytest.raises(TaskError, match=r"3 seeds for 2 simulation\(s\)"):
        env.reset(seed=[1, 2, 3])
    env.reset(seed=0)
    with pytest.raises(TaskError, match=r"action of shape \(2,\); expected \(2, 1\)"):
        env.step(np.zeros(2))
