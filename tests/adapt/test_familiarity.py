"""The score of a robot: which steps count, what the noise of sensors does to it, and what follows from it."""

from __future__ import annotations

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.familiarity import RELEASE, Familiarity
from adapt.online.forecast_score import Calibration, Window, forecast_columns
from adapt.types import Belief
from robots.observation import ObservationLayout, ObservationTerm
from robots.safety import Reason

STEPS, SMOOTHING = 10, 2
CALIBRATION = Calibration(2.0, 0.2, SMOOTHING, 3.0, np.array([0.1, 0.1, 0.2]), np.linspace(0.0, 4.0, 9))
"""A window of 10 control steps of 20 ms; sums of two errors."""
ACTIONS = 3
"""Of the forecast's history: so many steps in a row, and one more error, come before the first that counts."""
QUIET = np.zeros(1, dtype=int)


def still(observation, before, actions, mean, log_std) -> np.ndarray:
    """Forecasts that nothing changes."""
    return observation


@pytest.fixture
def judge(belief_bundle: PolicyBundle) -> Familiarity:
    return made(belief_bundle)


def made(bundle: PolicyBundle, robots: int = 1) -> Familiarity:
    judge = Familiarity(bundle, robots, CALIBRATION)
    judge._predict = still  # type: ignore[assignment]
    return judge


class Holds:
    """An adapter that believes nothing in particular."""

    def __init__(self, robots: int = 1):
        self.robots = robots

    def belief(self) -> Belief:
        nothing = np.zeros((self.robots, 13), np.float32)
        return Belief(nothing, nothing, nothing, nothing)


def step(judge: Familiarity, observation: np.ndarray, reasons=QUIET, fresh=True) -> None:
    """One control step of one robot; observation of shape (3,)."""
    row = observation[None].astype(np.float32)
    judge.hear(row, np.zeros((1, 1), np.float32), Holds(), np.array([fresh]))  # type: ignore[arg-type]
    judge.sent(np.asarray(reasons))


def drift(judge: Familiarity, steps: int, rate: float, start: float = 0.0) -> float:
    """The third number grows by so much a step, which nobody forecasts; returns where it ends."""
    for _ in range(steps):
        start += rate
        step(judge, np.array([0.0, 0.0, start]))
    return start


def test_window_is_a_mean_of_those_that_count():
    window = Window(2, steps=3)
    both, first = np.array([True, True]), np.array([True, False])
    assert np.isnan(window.add(np.array([1.0, 5.0]), both)).all()
    assert np.isnan(window.add(np.array([2.0, 6.0]), first)).all()
    # Robot 0 has 1, 2, 3; robot 1 has 5 and 7, which are no window yet.
    assert window.add(np.array([3.0, 7.0]), both).tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
    # Robot 0: 2, 3, 7. Robot 1: 5, 7, 9.
    assert window.add(np.array([7.0, 9.0]), both).tolist() == [4.0, 7.0]
    window.reset(np.array([0]))
    assert window.add(np.array([1.0, 1.0]), first).tolist() == pytest.approx([np.nan, 7.0], nan_ok=True)


def test_level_is_a_clipped_mean_square_in_training_scales():
    # 0.1 / 0.1 = 1; -0.2 / 0.1 = -2; 1.0 / 0.2 = 5, clipped to 3: (1 + 4 + 9) / 3.
    assert CALIBRATION.level(np.array([0.1, -0.2, 1.0])) == pytest.approx(14 / 3)


def test_confidence_is_the_share_of_trials_that_come_higher():
    # Of nine quantiles from 0 to 4, the fourth, 1.5, is the median, the eighth, 3.5, that of 99 %.
    assert CALIBRATION.confidence(np.array([-1.0, 0.0, 1.5, 3.5, 9.0])).tolist() == pytest.approx(
        [1.0, 1.0, 0.5, 0.01, 0.0]
    )


def test_goals_and_older_readings_do_not_count(robot):
    terms = [
        ObservationTerm("position", history=3),
        ObservationTerm("goal"),
        ObservationTerm("velocity", history=2),
    ]
    # position: 0, its past: 1, 2; goal: 3, 4; velocity: 5, its past: 6.
    assert forecast_columns(ObservationLayout(terms, robot, goal=2)).tolist() == [0, 5]


def test_nothing_is_said_until_a_window_is_full(judge):
    # Three steps for the actions of a forecast, one more error for the sum of two, ten that count.
    first = ACTIONS + SMOOTHING - 1 + STEPS
    drift(judge, first - 1, 0.0)
    assert np.isnan(judge.judgement().score[0])
    assert np.isnan(judge.judgement().confidence[0])
    drift(judge, 1, 0.0)
    assert judge.judgement().score[0] == 0.0
    assert judge.judgement().confidence[0] == 1.0


def test_score_by_hand(judge):
    drift(judge, 30, 0.2)
    # Sums of two errors of 0.2 over sqrt(2): 0.2 sqrt(2), in scales of 0.2: sqrt(2). Their mean square over three
    # numbers is 2 / 3; over the threshold of 2: 1 / 3.
    assert judge.judgement().score[0] == pytest.approx(1 / 3, rel=1e-4)
    assert not judge.unfamiliar[0]


def test_noise_counts_less_than_what_is_systematic(belief_bundle):
    drifting, noisy = made(belief_bundle), made(belief_bundle)
    drift(drifting, 30, 0.2)
    for t in range(30):
        step(noisy, np.array([0.0, 0.0, 0.1 * (-1) ** t]))  # every error is 0.2, one way and back
    assert noisy.judgement().score[0] < 1e-6 < drifting.judgement().score[0]


def test_one_knock_is_not_enough(judge):
    drift(judge, 20, 0.0)
    drift(judge, 10, 0.0, start=1000.0)
    # Two sums hold the jump, each clipped to 3 in one of three numbers: 2 x 3 of 10 steps, over 2.
    assert judge.judgement().score[0] == pytest.approx(0.3)


def test_threshold_and_release(judge):
    end = drift(judge, 30, 0.3)  # (1.5 sqrt(2))^2 / 3 / 2 = 0.75
    assert judge.judgement().score[0] == pytest.approx(0.75, rel=1e-3)
    assert not judge.unfamiliar[0]
    end = drift(judge, 30, 0.4, end)  # 8 / 3 / 2 = 1.33
    assert judge.unfamiliar[0]
    end = drift(judge, 30, 0.33, end)  # 0.9075: below the threshold, above the release
    assert RELEASE < judge.judgement().score[0] < 1.0
    assert judge.unfamiliar[0]
    drift(judge, 30, 0.3, end)
    assert not judge.unfamiliar[0]


def test_a_forecast_that_is_not_finite_is_as_wrong_as_can_be(judge):
    judge._predict = lambda *given: np.full((1, 3), np.nan, np.float32)
    drift(judge, 30, 0.0)
    # All three numbers are clipped to 3: 9, over the threshold of 2.
    assert judge.judgement().score[0] == pytest.approx(4.5)
    assert judge.unfamiliar[0]


@pytest.mark.parametrize(
    "reason", [Reason.SOFT_START, Reason.SENSOR_STALE, Reason.STOPPED, Reason.VELOCITY_LIMIT]
)
def test_safe_mode_and_soft_start_do_not_count(judge, reason):
    for t in range(50):
        step(judge, np.array([0.0, 0.0, t]), reasons=np.array([int(reason)]))
    assert np.isnan(judge.judgement().score[0])


def test_a_limited_command_counts(judge):
    for _ in range(50):
        step(judge, np.zeros(3), reasons=np.array([int(Reason.RATE_LIMIT | Reason.COMMAND_LIMIT)]))
    assert judge.judgement().score[0] == 0.0


def test_readings_that_are_not_fresh_break_the_chain(judge):
    drift(judge, 30, 0.0)
    step(judge, np.array([0.0, 0.0, 50.0]), fresh=False)
    for _ in range(ACTIONS + SMOOTHING - 1):  # what came meanwhile is held against nobody
        step(judge, np.array([0.0, 0.0, 50.0]))
        assert not judge.counted[0]
    step(judge, np.array([0.0, 0.0, 50.0]))
    assert judge.counted[0]
    assert judge.judgement().score[0] == 0.0


def test_a_new_episode_breaks_the_chain_and_a_new_trial_forgets(judge):
    end = drift(judge, 30, 0.4)
    assert judge.unfamiliar[0]
    judge.interrupt()
    drift(judge, 1, 0.0, start=end + 9.0)
    assert judge.unfamiliar[0]
    assert not judge.counted[0]
    judge.reset()
    assert not judge.unfamiliar[0]
    assert np.isnan(judge.judgement().score[0])


def test_robots_do_not_mix(belief_bundle):
    judge, alone = made(belief_bundle, 3), made(belief_bundle)
    rng = np.random.default_rng(0)
    for t in range(60):
        rows = (0.3 * rng.standard_normal((3, 3)) + t * np.array([[0.0], [0.5], [0.0]])).astype(np.float32)
        fresh = np.array([True, True, t % 7 > 0])
        judge.hear(rows, np.zeros((3, 1), np.float32), Holds(3), fresh)  # type: ignore[arg-type]
        judge.sent(np.zeros(3, dtype=int))
        alone.hear(rows[2:], np.zeros((1, 1), np.float32), Holds(), fresh[2:])  # type: ignore[arg-type]
        alone.sent(QUIET)
        if t == 30:
            judge.reset(np.array([1]))
    for name, one in alone.state().items():
        np.testing.assert_array_equal(judge.state()[name][2:], one, err_msg=name)


def test_goes_on_from_its_state_to_the_last_bit(belief_bundle):
    first, second = (Familiarity(belief_bundle, 1, CALIBRATION) for _ in range(2))
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((40, 3))
    for row in rows[:25]:
        step(first, row)
    second.restore(first.state())
    for row in rows[25:]:
        step(first, row)
        step(second, row)
    for name, array in first.state().items():
        np.testing.assert_array_equal(array, second.state()[name], err_msg=name)


def test_a_state_of_other_robots_is_refused(belief_bundle):
    judge = made(belief_bundle)
    before = judge.state()
    with pytest.raises(
        AdaptError, match=r"familiarity: ring: float64 of shape \(2, 10\); expected float64 of shape"
    ):
        judge.restore(made(belief_bundle, 2).state())
    for name, array in judge.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_policy_that_does_not_forecast_has_no_score(dr_bundle):
    assert dr_bundle.manifest["familiarity"] is None
    with pytest.raises(AdaptError, match="familiarity: none; needed: a policy with a forecast"):
        Familiarity(dr_bundle)
