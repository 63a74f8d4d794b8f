"""Measures against answers that were worked out by hand, and against plain loops on random samples."""

from __future__ import annotations

import numpy as np
import pytest

from ros_bridge.hil.judging import measures

NONE = np.zeros(0)


def flags(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        ("..xx.", 0.0, 2.0),
        ("..xx.", 3.0, 3.0),
        ("..xx.", 4.0, np.nan),
        ("", 0.0, np.nan),
        ("x", 0.0, 0.0),
    ],
)
def test_the_first_flag(text, since, expected):
    time = np.arange(float(len(text)))
    assert measures.first_time(time, flags(text), since) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "since", "hold", "expected"),
    [
        ("xx.xxx.", 0.0, 3.0, 3.0),  # three samples stand for 3 s
        ("xx.xxx.", 0.0, 3.5, np.nan),
        ("xx.xxx.", 4.0, 2.0, 4.0),
        ("xx.xxx.", 4.0, 3.0, np.nan),
        ("......x", 0.0, 1.0, 6.0),
        ("", 0.0, 1.0, np.nan),
    ],
)
def test_flags_that_hold(text, since, hold, expected):
    time = np.arange(float(len(text)))
    found = measures.held_from(time, flags(text), since, hold, period=1.0, gap=1.5)
    assert found == pytest.approx(expected, nan_ok=True)


def test_flags_do_not_hold_over_a_gap():
    time = np.array([0.0, 1.0, 4.0, 5.0, 6.0])
    assert measures.held_from(time, flags("xxxxx"), 0.0, 3.0, period=1.0, gap=1.5) == 4.0


@pytest.mark.parametrize(
    ("text", "expected"), [("..xx", 2.0), ("xxxx", 0.0), ("xxx.", np.nan), ("", np.nan), ("x", 0.0)]
)
def test_what_settles_stays(text, expected):
    time = np.arange(float(len(text)))
    assert measures.settled_at(time, flags(text)) == pytest.approx(expected, nan_ok=True)


def test_time_with_a_flag_does_not_count_silence():
    time = np.array([0.0, 1.0, 2.0, 8.0])
    # [0, 1) and [1, 2) count; from 2 to 8 nobody knows; the last sample stands for a period of 1 s.
    assert measures.time_with(time, flags("xxxx"), 0.0, 10.0, most=1.5, period=1.0) == pytest.approx(3.0)
    assert measures.time_with(time, flags(".x.."), 0.0, 10.0, most=1.5, period=1.0) == pytest.approx(1.0)
    assert measures.time_with(time, flags("xxxx"), 0.5, 1.5, most=1.5, period=1.0) == pytest.approx(1.0)
    assert measures.time_with(NONE, flags(""), 0.0, 1.0, most=1.0, period=1.0) == 0.0


def test_band_shares_by_hand():
    low, high = np.array([-1.0, 2.0, 0.0]), np.array([3.0, 4.0, 0.0])
    share = measures.band_share(np.array([[3.0, 3.0, 0.0], [-3.0, np.nan, 0.1]]), low, high)
    # Middles 1, 3, 0 and half widths 2, 1, 0.
    assert share.tolist() == [[1.0, 0.0, 0.0], [2.0, np.inf, np.inf]]
    assert measures.worst(np.array([[0.1, 0.2], [np.nan, 0.0]])) == (np.inf, 1, 0)
    assert measures.worst(np.array([[0.1, 0.2], [0.3, 0.0]])) == (0.3, 1, 0)


def test_the_longest_gap_and_what_does_not_count():
    time = np.array([1.0, 2.0, 6.0, 9.0])
    assert measures.longest_gap(time, 0.0, 10.0) == (4.0, 2.0)
    # Of 2 to 6 s only 2 to 3 and 5.5 to 6 are left: 1.5 s. Times that overlap count once.
    assert measures.longest_gap(time, 0.0, 10.0, [(3.0, 5.0), (4.0, 5.5)]) == (3.0, 6.0)
    assert measures.longest_gap(time, 0.0, 20.0) == (11.0, 9.0)
    assert measures.longest_gap(NONE, 0.0, 5.0) == (5.0, 0.0)


def test_an_answer_has_to_come_in_time():
    asked, answers = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.5, 1.5, 3.2])
    assert measures.unanswered(asked, answers, 0.5).tolist() == [False, False, True, False]
    assert measures.unanswered(asked, NONE, 0.5).all()


@pytest.mark.parametrize("seed", range(20))
def test_measures_agree_with_plain_loops(seed):
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 60))
    time, set_ = np.sort(random.uniform(0.0, 10.0, size)), random.random(size) < 0.7
    since, hold, gap = random.uniform(0.0, 5.0), random.uniform(0.1, 1.5), random.uniform(0.1, 1.0)
    found = measures.held_from(time, set_, since, hold, period=0.0, gap=gap)
    assert found == pytest.approx(_held(time, set_, since, hold, gap), nan_ok=True)

    expected = 0.0
    for index, begin in enumerate(time):
        end = time[index + 1] if index + 1 < size else begin + 0.05
        if set_[index] and end - begin <= gap:
            expected += max(0.0, min(end, 8.0) - max(begin, 2.0))
    assert measures.time_with(time, set_, 2.0, 8.0, gap, 0.05) == pytest.approx(expected)

    values = random.normal(size=size)
    assert measures.root_mean_square(values) == pytest.approx(np.linalg.norm(values) / np.sqrt(size))
    answers = np.sort(random.uniform(0.0, 10.0, 30))
    late = [not any(at <= answer <= at + 0.2 for answer in answers) for at in time]
    assert measures.unanswered(time, answers, 0.2).tolist() == late


def _held(time, set_, since, hold, gap):
    for first in range(len(time)):
        last = first
        if time[first] < since or not set_[first]:
            continue
        while last + 1 < len(time) and set_[last + 1] and time[last + 1] - time[last] <= gap:
            last += 1
        if time[last] - time[first] >= hold:
            return time[first]
    return np.nan
