"""Which command answers which reading, by hand: readings every 2 ms at 10, 12, ...; times in [ms] for the eye."""

from __future__ import annotations

import numpy as np
import pytest

from ros_bridge.matching import latencies

NOBODY = np.nan


def in_ms(published: list[float], arrivals: list[float]) -> list[float]:
    return [float(latency) for latency in latencies(published, arrivals)]


@pytest.mark.parametrize(
    ("published", "arrivals", "found"),
    [
        # One command after each reading.
        ([10, 12, 14], [10.5, 12.7, 14.5], [0.5, 0.7, 0.5]),
        # Nobody answers.
        ([10, 12], [], [NOBODY, NOBODY]),
        ([], [], []),
        # Words before the first reading, and a second one without another reading, answer nothing.
        ([10, 12], [3, 10.5, 11, 12.5], [0.5, 0.5]),
        # The second takes 3.1 ms, the third has come meanwhile and is answered at once.
        ([10, 12, 14, 16], [10.5, 15.1, 15.6, 16.5], [0.5, 3.1, 1.6, 0.5]),
        # The second takes 4.3 ms: of the two that have come meanwhile only the newest is answered.
        ([10, 12, 14, 16, 18], [10.5, 16.3, 16.8, 18.5], [0.5, 4.3, NOBODY, 0.8, 0.5]),
        # Every answer takes 3 ms: every second reading, or nearly, is never heard of.
        ([10, 12, 14, 16, 18], [13, 16, 19], [3, 4, NOBODY, 3, NOBODY]),
    ],
)
def test_answers_by_order_and_time(published, arrivals, found):
    assert in_ms(published, arrivals) == pytest.approx(found, nan_ok=True)


def test_after_a_loss_one_reading_is_late_and_one_unanswered_and_then_it_goes_on():
    """The loss costs two deadlines at most; it does not shift all that follows."""
    published = [float(time) for time in range(10, 50, 2)]
    arrivals = [time + 0.5 for time in published if time != 20]
    found = np.array(in_ms(published, arrivals))
    assert np.isnan(found).sum() == 1
    assert (found > 2).sum() == 1
    assert found[7:] == pytest.approx(0.5)
