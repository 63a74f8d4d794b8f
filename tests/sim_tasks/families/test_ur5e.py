"""`ur5e_reach`, `ur5e_track`: where goals lie, how they move, and what closeness pays; worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim_tasks.families import load_family
from sim_tasks.families.ur5e import FLOOR, Flange
from sim_tasks.motion import Motion
from sim_tasks.row_random import RowRandom
from sim_tasks.trial_env import TrialVecEnv

REACH, TRACK = load_family("ur5e_reach"), load_family("ur5e_track")


def test_targets_are_above_the_table_and_within_reach():
    assert REACH.goal is not None
    targets = REACH.goal.draw(RowRandom([0], 2000).all, 2000)
    assert targets.shape == (2000, 3)
    assert targets[:, 2].min() >= FLOOR
    # Arm and wrist stretched out from the shoulder, 0.1625 m up: 0.425 + 0.3922 + 0.0997 + 0.0996 m, and 0.1333 aside.
    reach = np.hypot(0.425 + 0.3922 + 0.0997 + 0.0996, 0.1333)
    assert np.linalg.norm(targets - [0, 0, 0.1625], axis=1).max() < reach
    assert np.ptp(targets, axis=0).min() > 0.3


def test_a_target_lasts_three_seconds():
    env = TrialVecEnv(REACH, 2, 0, threads=1, changes=False)
    goals = []
    for _ in range(299):  # the trial's last step would be the 300th
        assert env.goal is not None
        goals.append(env.goal[0].copy())
        env.step(np.zeros((2, 6)))
    changed = np.flatnonzero((np.diff(goals, axis=0) != 0).any(axis=1)) + 1
    assert changed.tolist() == [150]  # 3 s of 0.02 s


def test_success_is_judged_by_the_target_that_the_step_was_for():
    """Also in the steps after which there is a new one: the 150th and the last, which decide over a trial."""
    asked = []

    def success(motion: Motion) -> np.ndarray:
        assert motion.goal is not None
        asked.append(motion.goal.copy())
        return motion.goal[:, 0] > 0

    env = TrialVecEnv(replace(REACH, success=success), 3, 0, threads=1, changes=False)
    assert env.success is not None
    assert not env.success.any()
    assert env.goal is not None
    goal = env.goal.copy()
    for _ in range(300):
        goal = env.goal.copy()
        env.step(np.zeros((3, 6)))
        np.testing.assert_array_equal(asked[-1], goal)
        np.testing.assert_array_equal(env.success, goal[:, 0] > 0)
    assert (env.goal != goal).any(axis=1).all()
    env.reset(np.array([1]))
    assert env.success.tolist() == [goal[0, 0] > 0, False, goal[2, 0] > 0]


def test_ellipses_stay_above_the_table_and_their_velocity_is_their_derivative():
    assert TRACK.goal is not None
    plans = TRACK.goal.draw(RowRandom([1], 500).all, 500)
    step = 1e-5
    for time in (0.0, 0.7, 3.1):
        early, late = (TRACK.goal.now(plans, np.full(500, time + sign * step)) for sign in (-1, 1))
        now = TRACK.goal.now(plans, np.full(500, time))
        np.testing.assert_allclose(now[:, 3:], (late - early)[:, :3] / (2 * step), atol=1e-6)
        assert now[:, 2].min() >= FLOOR
        # Axes up to 0.12 sqrt(3) m each, at right angles in time, 0.4 rounds a second at most.
        assert np.linalg.norm(now[:, 3:], axis=1).max() <= 2 * np.pi * 0.4 * 0.12 * np.sqrt(6)


@pytest.mark.parametrize(("away", "near"), [(0.0, 1.0), (0.003, 1.0), (0.033, 0.7 * 0.1), (0.5, 0.0)])
def test_closeness_pays(away, near):
    """Fine: 1 within 3 mm, 0.1 (`value_at_margin`) 30 mm further; coarse adds at most 0.3 of which 0.1 at 0.6 m."""
    env = TrialVecEnv(REACH, 1, 0, threads=1)
    flange = Flange(REACH.robot)
    motion = env.motion
    assert motion.goal is not None
    motion.goal[0] = flange.position(motion.position)[0] + [away, 0.0, 0.0]
    assert flange.distance(motion)[0] == pytest.approx(away)
    value = REACH.reward.terms["near"](motion)[0]
    coarse = 0.3 / (
        1 + 9 * (away / 0.6) ** 2
    )  # long_tail with 0.1 at the margin: 1 / (1 + (x / m)^2 (1 / 0.1 - 1))
    assert value >= coarse - 1e-9
    assert value == pytest.approx(coarse + near - 0.3 * (near == 1.0), abs=0.01 if away == 0.5 else 1e-6)


def test_success_is_within_two_centimetres():
    env = TrialVecEnv(REACH, 1, 0, threads=1)
    motion = env.motion
    assert REACH.success is not None
    assert motion.goal is not None
    for away, there in ((0.019, True), (0.021, False)):
        motion.goal[0] = Flange(REACH.robot).position(motion.position)[0] + [0.0, away, 0.0]
        assert REACH.success(motion)[0] == there
