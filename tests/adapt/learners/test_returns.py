"""Returns and the scale of rewards, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from adapt.learners.returns import ReturnMeter, RewardScale
from sim_tasks.transition import Transition


def step(reward: list[float], over: list[bool]) -> Transition:
    """Of episodes that end by their time limit."""
    ends, never = np.array(over), np.zeros(len(over), dtype=bool)
    return Transition(np.array(reward), ends, never, ends, np.array(reward, np.float32))


def test_returns_of_whole_episodes_by_hand():
    meter = ReturnMeter(2)
    assert meter.mean() == {}
    meter.add(step([5.0, 1.0], [True, False]))  # begun before we looked: does not count
    assert meter.mean() == {}
    meter.add(step([2.0, 1.0], [False, True]))
    meter.add(step([3.0, 7.0], [True, True]))  # 2 + 3 and 7
    assert meter.mean() == {"return": 6.0}


def test_episodes_that_are_broken_off_do_not_count():
    meter = ReturnMeter(1)
    meter.add(step([1.0], [True]))
    meter.add(step([4.0], [False]))
    meter.forget(np.array([0]))
    meter.add(step([3.0], [True]))
    assert meter.mean() == {"return": 3.0}


def test_what_was_counted_goes_on_after_a_restore():
    meter, other = ReturnMeter(2), ReturnMeter(2)
    meter.add(step([1.0, 1.0], [True, False]))
    meter.add(step([4.0, 1.0], [False, True]))
    other.restore(meter.state())
    for each in (meter, other):
        each.add(step([1.0, 9.0], [True, True]))
        assert each.mean() == {"return": 7.0}  # 4 + 1 and 9


def test_scaled_rewards_have_returns_of_unit_variance():
    rng = np.random.default_rng(0)
    scale, gamma, never = RewardScale(500, 0.9), 0.9, np.zeros(500, dtype=bool)
    for _ in range(400):
        scale.scale(3.0 * rng.standard_normal(500), never)
    # A sum of g^k e_k with independent e of deviation 3 has the variance 9 / (1 - g^2) = 47.4.
    assert scale.std == pytest.approx(np.sqrt(9 / (1 - gamma**2)), rel=0.03)
    np.testing.assert_allclose(scale.scale(np.full(500, 2.0), never), 2.0 / scale.std)


def test_nothing_of_a_trial_counts_for_the_next():
    scale = RewardScale(1, 0.5)
    scale.scale(np.array([4.0]), np.array([False]))
    scale.scale(np.array([4.0]), np.array([True]))
    assert scale.state()["discounted"].tolist() == [0.0]
