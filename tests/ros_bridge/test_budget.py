"""Time that commands may move for. The period is 1/64 s, so that times add up exactly; two joints, 1 and 4 units/s."""

from __future__ import annotations

import numpy as np
import pytest

from ros_bridge.budget import MotionBudget

PERIOD = 1 / 64
RATE = np.array([1.0, 4.0])


@pytest.fixture
def budget() -> MotionBudget:
    """A first command was sent at 1 s."""
    made = MotionBudget(PERIOD, RATE)
    assert made.available(0.0) == 1.5 * PERIOD
    made.spend(1.0, np.zeros(2))
    return made


def test_a_burst_has_what_was_saved_and_the_time_that_passes(budget):
    assert budget.available(1.0) == 0.0  # nobody knows where the first one came from
    assert budget.available(9.0) == 1.5 * PERIOD
    budget.spend(9.0, np.array([PERIOD, 0.0]))
    assert budget.available(9.0) == 0.5 * PERIOD
    budget.spend(
        9.0, np.array([PERIOD, 2.0 * PERIOD])
    )  # the second joint is four times as fast: half a period
    assert budget.available(9.0) == 0.0
    assert budget.available(9.0 + PERIOD / 4) == PERIOD / 4


def test_who_moves_by_less_saves_the_rest(budget):
    budget.spend(9.0, np.array([0.25 * PERIOD, 0.0]))
    assert budget.available(9.0) == 1.25 * PERIOD


def test_time_that_runs_backwards_brings_nothing(budget):
    budget.spend(9.0, np.array([PERIOD, 0.0]))
    assert budget.available(3.0) == 0.5 * PERIOD


def test_torque_that_was_let_go_of_at_once_leaves_nothing(budget):
    budget.spend(9.0, np.array([100.0, 0.0]))
    assert budget.available(9.0) == 0.0


def test_readings_with_jitter_move_as_far_as_those_without(budget):
    rng, at, command = np.random.default_rng(0), 2.0, np.zeros(2)
    for k in range(2000):
        at = 2.0 + (k + rng.uniform(0.0, 0.49)) * PERIOD
        time = min(budget.available(at), PERIOD)
        command = command + time * RATE
        budget.spend(at, command)
    np.testing.assert_allclose(command / RATE, 2000 * PERIOD, rtol=1e-3)


def test_no_window_of_time_has_more_than_itself_and_a_step_and_a_half(budget):
    rng, at = np.random.default_rng(1), 2.0
    times, sent = [at], [np.zeros(2)]
    for _ in range(3000):
        at += rng.choice([0.0, 0.0, 0.001, 0.002, PERIOD, 3 * PERIOD])
        reach = min(budget.available(at), PERIOD) * RATE
        times.append(at)
        sent.append(sent[-1] + rng.choice([-1.0, 1.0, 1.0], 2) * reach)
        budget.spend(at, sent[-1])
    path = np.concatenate([[0.0], np.cumsum((np.abs(np.diff(sent, axis=0)) / RATE).max(axis=1))])
    for window in (1, 2, 5, 20):
        moved = path[window:] - path[:-window]
        passed = np.array(times[window:]) - np.array(times[:-window])
        assert (moved <= passed + 1.5 * PERIOD + 1e-9).all()
