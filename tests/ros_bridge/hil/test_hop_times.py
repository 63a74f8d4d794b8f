"""What a measurement of relays comes to, without processes. Numbers are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ros_bridge.errors import ProcessError
from ros_bridge.hil.hop_times import CLEAR, EXECUTOR, FAULTY, WAIT_SET, summary


def records(**changes: Any) -> dict[str, Any]:
    """Latencies of three readings through each relay, in [ms]."""
    latency = {
        EXECUTOR: [0.4, 0.3, 9.0],
        WAIT_SET: [0.2, 0.25, 0.3],
        CLEAR: [0.3, 0.1, 0.35],
        FAULTY: [0.5, 0.6, 0.7],
    }
    altered = {FAULTY: 3} | changes
    return {
        name: {"latency_ms": times, "sent": 4, "lost": 1, "altered": altered.get(name, 0)}
        for name, times in latency.items()
    }


def test_the_medians_are_compared():
    found = summary(records(), 500.0)
    assert found["added_ms"] == pytest.approx(0.6 - 0.4)
    assert found["added_to_wait_set_ms"] == pytest.approx(0.6 - 0.25)
    assert found["added_clear_ms"] == pytest.approx(0.3 - 0.4)
    assert found["executor_ms"]["max"] == 9.0
    assert found["lost"] == dict.fromkeys((EXECUTOR, WAIT_SET, CLEAR, FAULTY), 1)


def test_faults_that_were_not_at_work_are_no_measurement():
    with pytest.raises(ProcessError, match=r"relay faulty: 66.7 % of the readings came through altered"):
        summary(records(faulty=2), 500.0)
    with pytest.raises(ProcessError, match=r"relay clear: 33.3 %"):
        summary(records(clear=1), 500.0)
