"""Statistics of an evaluation, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from adapt.statistics import bootstrap, bootstrap_curve, cvar, mean, score


def test_score_worked_out_by_hand():
    # Means: learner 6, DR 2, oracle 10: half of the way.
    arrays = np.array([4.0, 8.0]), np.array([1.0, 3.0]), np.array([10.0, 10.0])
    assert score(*arrays) == 0.5
    assert score(arrays[1], arrays[1], arrays[2]) == 0.0
    assert score(arrays[2], arrays[1], arrays[2]) == 1.0
    assert score(arrays[1] - 4, arrays[1], arrays[2]) == -0.5


def test_cvar_worked_out_by_hand():
    returns = np.random.default_rng(0).permutation(np.arange(100.0))
    assert cvar(returns) == 2.0  # mean of the five worst, 0 to 4
    assert cvar(returns, 0.5) == 24.5
    assert cvar(np.array([3.0, 1.0, 2.0])) == 1.0  # at least one


def test_bootstrap_worked_out_by_hand():
    # Two samples, 0 and 1: a resampled mean is 0, 0.5 or 1 with probability 1/4, 1/2, 1/4.
    assert bootstrap(mean, np.array([0.0, 1.0])) == [0.0, 1.0]
    assert bootstrap(mean, np.full(9, 3.0)) == [3.0, 3.0]


def test_bootstrap_has_the_width_of_the_normal_interval():
    sample = np.random.default_rng(0).normal(5.0, 2.0, 400)
    low, high = bootstrap(mean, sample)
    # 1.96 standard errors of 2 / sqrt(400) = 0.1 to either side.
    assert low < sample.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 0.1, rel=0.15)


def test_bootstrap_draws_the_samples_as_pairs():
    """A difference that is the same for every task has no spread, however much the tasks differ."""
    tasks = 100 * np.random.default_rng(0).random(50)
    low, high = bootstrap(lambda a, b: mean(a - b), tasks + 1, tasks)
    assert (low, high) == (pytest.approx(1.0), pytest.approx(1.0))
    assert bootstrap(mean, tasks) == bootstrap(mean, tasks)


def test_bootstrap_over_seeds_worked_out_by_hand():
    # Two trainings whose return is 0 and 1 on every task: the mean of two drawn ones is 0, 0.5 or 1 with probability
    # 1/4, 1/2, 1/4. The tasks alone would give no spread at all.
    seeds = np.array([[0.0] * 5, [1.0] * 5])
    assert bootstrap(mean, seeds) == [0.0, 1.0]
    assert bootstrap(mean, seeds.mean(axis=0)) == [0.5, 0.5]


def test_bootstrap_over_seeds_and_tasks_has_the_width_of_both():
    rng = np.random.default_rng(0)
    tasks, seeds = rng.normal(0.0, 2.0, 400), rng.normal(0.0, 1.0, 40)
    low, high = bootstrap(mean, seeds[:, None] + tasks)
    # Independent sums: variance 2^2 / 400 of the tasks' mean, 1 / 40 of the seeds'.
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(4 / 400 + 1 / 40), rel=0.2)


def test_one_seed_is_no_other_than_none():
    tasks = np.random.default_rng(1).normal(size=50)
    assert bootstrap(mean, tasks[None]) == bootstrap(mean, tasks)


def test_seeds_of_the_learner_are_drawn_for_themselves():
    """Score with one DR and one oracle, 0 and 2 on every task, and two trainings of the learner, 0 and 2."""
    learner = np.array([[0.0] * 4, [2.0] * 4])
    assert bootstrap(score, learner, np.zeros((1, 4)), np.full((1, 4), 2.0)) == [0.0, 1.0]


def test_cvar_takes_the_worst_of_all_tasks_and_seeds():
    # Of 40 returns the worst 5 % are two: 0 of the first training, 1 of the second.
    returns = np.array([[0.0, *[9.0] * 19], [1.0, *[9.0] * 19]])
    assert cvar(returns.ravel()) == 0.5
    assert cvar(returns).tolist() == [0.0, 1.0], "along the last axis"


def test_bootstrap_of_a_curve_is_that_of_each_of_its_steps():
    samples = np.random.default_rng(2).normal(size=(3, 4, 30))
    low, high = bootstrap_curve(samples)
    for t in range(4):
        np.testing.assert_allclose([low[t], high[t]], bootstrap(mean, samples[:, t]), atol=1e-12)
