"""Work side by side: really at the same time, results in order, and no error is lost."""

from __future__ import annotations

import threading

import pytest

from adapt.parallel import side_by_side


def test_results_come_in_the_order_of_the_work():
    assert side_by_side(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]


def test_all_run_at_the_same_time():
    """Each waits for the other: one after the other they would never end."""
    meeting = threading.Barrier(2, timeout=20)
    assert sorted(side_by_side(meeting.wait, meeting.wait)) == [0, 1]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_is_raised_when_the_others_have_ended(failing):
    ended = threading.Event()

    def fail() -> None:
        raise ValueError("broken")

    work = [ended.set, ended.set]
    work[failing] = fail
    with pytest.raises(ValueError, match="broken"):
        side_by_side(*work)
    assert ended.is_set()


def test_work_may_itself_work_side_by_side():
    assert side_by_side(lambda: side_by_side(lambda: 1, lambda: 2), lambda: 3) == [[1, 2], 3]
