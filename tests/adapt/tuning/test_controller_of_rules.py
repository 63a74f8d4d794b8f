"""The bandit over rules: it finds the best, forgets what is over, and refuses what is no return."""

from __future__ import annotations

import numpy as np
import pytest

from adapt.tuning.controller import Controller, play

MEANS = np.array([-40.0, -35.0, -60.0])


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_best_arm_whatever_the_size_of_returns(seed: int):
    rng = np.random.default_rng(seed)
    controller = Controller(arms=3)
    chosen = play(controller, lambda arm: float(rng.normal(MEANS[arm], 3.0)), pulls=100)
    assert controller.best() == 1
    assert (chosen[-50:] == 1).mean() > 0.5
    assert (MEANS.max() - MEANS[chosen]).mean() < 0.5 * (MEANS.max() - MEANS).mean()


def test_every_arm_is_pulled_first():
    assert play(Controller(arms=4), float, pulls=4).tolist() == [0, 1, 2, 3]


def test_the_bound_worked_out_by_hand():
    """Returns 0, 1 and 1, 1 (already in [0, 1]): means 0.5 and 1, counts 2 and 2, equal bonuses: arm 1. With a third
    pull of arm 1, bonuses are c sqrt(log 5 / 2) = 0.897 c and c sqrt(log 5 / 3) = 0.732 c: arm 0 if c > 3.03."""
    for exploration, expected in ((3.0, 1), (3.1, 0)):
        controller = Controller(arms=2, exploration=exploration)
        for arm, value in ((0, 0.0), (0, 1.0), (1, 1.0), (1, 1.0)):
            controller.hear(arm, value)
        assert controller.choose() == 1
        controller.hear(1, 1.0)
        assert controller.choose() == expected


def test_what_is_over_is_forgotten():
    """The arms change places after 200 pulls."""
    rng = np.random.default_rng(0)
    controller = Controller(arms=2, window=40)
    first = play(controller, lambda arm: float(rng.normal(arm, 0.3)), pulls=200)
    second = play(controller, lambda arm: float(rng.normal(1 - arm, 0.3)), pulls=200)
    assert (first[-100:] == 1).mean() > 0.7
    assert (second[-100:] == 0).mean() > 0.7
    assert controller.best() == 0


def test_equal_returns_are_no_division_by_zero():
    chosen = play(Controller(arms=2), lambda arm: 7.0, pulls=20)
    assert set(chosen) == {0, 1}


def test_what_is_no_return_is_refused():
    controller = Controller(arms=2)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="valid: finite"):
            controller.hear(0, bad)
    with pytest.raises(ValueError, match="valid: 0 to 1"):
        controller.hear(2, 0.0)
    with pytest.raises(ValueError, match="no arm was pulled"):
        controller.best()
    with pytest.raises(ValueError, match="valid: 1 arm or more"):
        Controller(arms=5, window=3)
