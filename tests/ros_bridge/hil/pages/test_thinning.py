"""Fewer samples, and nothing that stands out is lost."""

from __future__ import annotations

import numpy as np
import pytest

from ros_bridge.hil.pages.thinning import LEVELS, OUTSIDE, axis_range, levels, spans, thin, ticks


@pytest.mark.parametrize("sample", [0, 1, 4999, 7777, 9999])
def test_a_spike_of_one_sample_stays(sample: int) -> None:
    values = np.zeros((10_000, 2))
    values[sample, 0], values[sample, 1] = 5.0, -7.0
    time = np.arange(10_000) / 1000
    times, kept = thin(time, values, 100)
    assert kept.shape == (200, 2)
    assert kept[:, 0].max() == 5.0
    assert kept[:, 1].min() == -7.0
    # 10 s in 100 buckets: off by no more than one bucket.
    assert abs(times[kept[:, 0].argmax()] - time[sample]) <= 0.1


def test_least_and_greatest_keep_their_order() -> None:
    values = np.array([[3.0], [1.0], [2.0], [4.0]] * 2)
    times, kept = thin(np.arange(8.0), values, 2)
    # 3 1 2 4: 1 comes before 4.
    assert kept.ravel().tolist() == [1.0, 4.0, 1.0, 4.0]
    assert times.tolist() == [0.0, 3.0, 4.0, 7.0]


def test_a_bucket_without_a_number_is_a_gap_and_infinity_is_none() -> None:
    values = np.array([[1.0], [2.0], [np.nan], [np.inf], [5.0], [np.nan]])
    _, kept = thin(np.arange(6.0), values, 3)
    np.testing.assert_array_equal(kept.ravel(), [1, 2, np.nan, np.nan, 5, np.nan])  # as it is: 6 of 2 x 3
    _, kept = thin(np.arange(6.0), values[[0, 1, 2, 3, 2, 3]], 2)
    # Buckets of 3: (1, 2, NaN) and (inf, NaN, inf).
    np.testing.assert_array_equal(kept.ravel(), [1, 2, np.nan, np.nan])


def test_nothing_stays_nothing() -> None:
    times, kept = thin(np.zeros(0), np.zeros((0, 3)), 10)
    assert times.shape == (0,)
    assert kept.shape == (0, 3)
    assert spans(np.zeros(0), np.zeros(0, bool)) == []


def test_spans_last_until_the_next_sample() -> None:
    holds = np.array([True, True, False, False, True])
    assert spans(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), holds) == [[0.0, 2.0], [4.0, 4.0]]
    assert spans(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), holds, gap=2.0) == [[0.0, 4.0]]


def test_garbage_does_not_flatten_an_axis() -> None:
    own, seen = np.array([0.0, 1.0]), np.array([0.5, 1.4, 1e300, np.nan])
    # The other may add the length of the first, 1, to its ends; 6 % of 2 are a margin: 0 - 0.12 to 2 + 0.12.
    assert axis_range(own, seen) == pytest.approx((-0.12, 2.12))
    # A limit at 3 is within 4 lengths, one at 30 is not: 0 to 3, and 0.18.
    assert axis_range(own, np.zeros(0), (3.0, 30.0)) == pytest.approx((-0.18, 3.18))
    for nothing in (np.zeros(0), np.full(3, np.nan)):
        low, high = axis_range(nothing, nothing)
        assert low < high
    low, high = axis_range(np.full(4, 7.0), np.zeros(0))
    assert low < 7.0 < high


def test_levels_are_steps_and_say_what_lies_beyond() -> None:
    placed = levels(np.array([0.0, 5.0, np.nan, 10.0, 1e12, -1e12]), 0.0, 10.0)
    high, low = LEVELS + OUTSIDE, -OUTSIDE
    assert placed == [0, LEVELS // 2, None, LEVELS // 2, high - LEVELS, low - high]
    assert ticks(np.array([0.5, 0.52, 0.6])) == [5000, 200, 800]
