"""Which readings are acted upon. Periods are powers of two, so that times add up exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ros_bridge.intake import Intake, Verdict

PERIOD = 1 / 64
STALE = 3 * PERIOD
ACT, EARLY, DUPLICATE = Verdict.ACT, Verdict.EARLY, Verdict.DUPLICATE
OUT_OF_ORDER, STALE_READING = Verdict.OUT_OF_ORDER, Verdict.STALE


@pytest.fixture
def intake() -> Intake:
    return Intake(PERIOD, STALE)


def heard(intake: Intake, stamps) -> list[Verdict]:
    """Readings that arrive the moment they are measured."""
    return [intake.judge(stamp, stamp, stamp) for stamp in stamps]


@pytest.mark.parametrize("faster", [1, 4, 10])
def test_faster_sensors_are_acted_upon_once_a_period(intake, faster):
    verdicts = heard(intake, [k * PERIOD / faster for k in range(20 * faster)])
    assert verdicts == ([ACT] + [EARLY] * (faster - 1)) * 20


def test_slower_sensors_are_acted_upon_every_time(intake):
    assert heard(intake, [2 * k * PERIOD for k in range(10)]) == [ACT] * 10


@pytest.mark.parametrize("rate", [50.0, 200.0, 500.0])
def test_with_jitter_steps_keep_to_the_period(rate):
    intake, rng = Intake(0.02, 0.06), np.random.default_rng(3)
    stamps = np.arange(0.0, 20.0, 1 / rate)
    stamps += rng.uniform(-0.15, 0.15, len(stamps)) / rate
    steps = np.array([t for t, v in zip(stamps, heard(intake, stamps.tolist()), strict=True) if v is ACT])
    # 20 s / 0.02 s = 1000 steps. Intervals are 0.7 to 1.3 of the nominal one; a reading is taken up to half an
    # interval early, and the one after a reading that was just too early comes at most 1.3 - 0.7 / 2 late.
    assert np.diff(steps).min() > 0.02 - 0.65 / rate
    assert np.diff(steps).max() < 0.02 + 0.95 / rate
    assert 1000 <= len(steps) <= 1100


def test_readings_that_were_held_up_are_all_acted_upon_however_close_they_come(intake):
    """Steps are a period apart by their stamps, not by the clock: the control loop bounds what they may change."""
    stamps = [1.0 + k * PERIOD for k in range(4)]
    assert [intake.judge(stamp, 1.0 + 3 * PERIOD, 7.0) for stamp in stamps] == [ACT] * 4


def test_rates_by_hand():
    # In units of 1/256 s: a period is 5, readings come every 2, and may be taken 1 too early: at 0, 4, 8, and so on.
    intake = Intake(5 / 256, 15 / 256)
    assert heard(intake, [2 * k / 256 for k in range(7)]) == [ACT, EARLY, ACT, EARLY, ACT, EARLY, ACT]


def test_the_same_stamp_again_is_a_duplicate(intake):
    assert heard(intake, [1.0, 1.0, 1.0 + PERIOD]) == [ACT, DUPLICATE, ACT]


def test_an_older_stamp_is_out_of_order(intake):
    intake.judge(1.0, 1.0, 1.0)
    assert intake.judge(1.0 - PERIOD, 1.0, 1.0) is OUT_OF_ORDER
    assert intake.judge(1.0 + PERIOD, 1.0 + PERIOD, 1.0 + PERIOD) is ACT


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (STALE, ACT),
        (STALE + PERIOD / 64, STALE_READING),
        (-PERIOD, ACT),  # clocks of two computers are never quite the same
        (-PERIOD * 65 / 64, STALE_READING),
        (1e9, STALE_READING),  # never stamped
        (math.nan, STALE_READING),
        (math.inf, STALE_READING),
    ],
)
def test_ages_at_the_edge(intake, age, verdict):
    assert intake.judge(0.0, age, 5.0) is verdict


def test_a_stale_reading_does_not_break_the_silence(intake):
    assert intake.silent(0.0)
    intake.judge(1.0, 1.0, 1.0)
    assert not intake.silent(1.0 + STALE)
    intake.judge(1.0 + PERIOD, 1.0 + 10 * PERIOD, 1.0 + STALE)
    assert intake.silent(1.0 + STALE + PERIOD)


def test_a_duplicate_does_not_break_the_silence(intake):
    """A sensor that is stuck on its last reading is a sensor that has stopped."""
    for k in range(10):
        intake.judge(1.0, 1.0 + k * PERIOD, 1.0 + k * PERIOD)
        assert intake.silent(1.0 + k * PERIOD) == (k > 3)
    assert intake.counts[DUPLICATE] == 3  # then they are too old to be looked at


def test_a_reading_that_is_repeated_while_ros_time_stands_still_is_never_fresh_again(intake):
    """Neither its stamp nor ROS time moves, so that by its age it is as good as new for ever."""
    arrivals = [1.0 + k * PERIOD for k in range(50)]
    assert [intake.judge(1.0, 1.0, arrival) for arrival in arrivals] == [ACT] + [DUPLICATE] * 49
    assert all(intake.silent(arrival) for arrival in arrivals[4:])
    intake.restart()
    assert intake.judge(1.0, 1.0, arrivals[-1]) is DUPLICATE
    assert intake.judge(1.0 + PERIOD, 1.0 + PERIOD, arrivals[-1]) is ACT


def test_clocks_set_back_are_followed_once_the_old_readings_are_forgotten(intake):
    intake.judge(100.0, 100.0, 1.0)
    verdicts = [intake.judge(90.0 + k * PERIOD, 90.0 + k * PERIOD, 1.0 + k * PERIOD) for k in range(1, 7)]
    # Silent is more than 3 periods after the last good reading: from the fourth on.
    assert verdicts == [OUT_OF_ORDER] * 3 + [ACT] * 3


def test_clocks_set_forward_together_are_followed_at_once(intake):
    intake.judge(100.0, 100.0, 1.0)
    assert intake.judge(110.0, 110.0, 1.0 + PERIOD) is ACT


def test_a_robot_whose_clock_is_wrong_is_never_acted_upon(intake):
    for k in range(20):
        now = 1000.0 + k * PERIOD
        assert intake.judge(now - 3600.0, now, now) is STALE_READING
        assert intake.judge(now + 3600.0, now, now) is STALE_READING
        assert intake.silent(now)


def test_after_a_restart_the_next_reading_is_due(intake):
    quarter = PERIOD / 4
    assert heard(intake, [1.0, 1.0 + quarter]) == [ACT, EARLY]
    intake.restart()
    assert heard(intake, [1.0 + 2 * quarter]) == [ACT]


def test_every_reading_is_counted_once(intake):
    heard(intake, [1.0, 1.0, 1.0 + PERIOD / 4, 1.0 + PERIOD, 1.0])
    intake.judge(2.0, 9.0, 9.0)
    assert intake.counts == {ACT: 2, EARLY: 1, DUPLICATE: 1, OUT_OF_ORDER: 1, STALE_READING: 1}


def test_no_order_of_stamps_gives_steps_closer_than_the_slack_allows(intake):
    """A rogue sender cannot drive the policy faster than the clock: stamps are held to `now`."""
    rng = np.random.default_rng(8)
    now, acted = 50.0, 0
    for _ in range(5000):
        now += PERIOD / 10
        stamp = now + rng.uniform(-2 * STALE, 2 * STALE)
        acted += intake.judge(stamp, now, now) is ACT
    assert 100 < acted <= 1 + 5000 / 10 * 2  # at least half a period between two steps
