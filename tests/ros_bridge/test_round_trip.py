"""Round trips of node and echo are measured in three processes, of which none is left."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import robots
from ros_bridge import round_trip
from ros_bridge.errors import ProcessError
from ros_bridge.processes import Process
from ros_bridge.round_trip import Pace, measure_round_trips, summary
from tests.ros_bridge.patience import alive

PENDULUM = Path(robots.__file__).parent / "pendulum" / "robot.yaml"
RATE = 50.0
"""Of the pendulum's control, in [Hz]."""


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Of all processes that were started; none of them is left."""
    started: list[int] = []

    class Noted(Process):
        def __init__(self, *arguments: object, **more: object):
            super().__init__(*arguments, **more)  # type: ignore[arg-type]
            started.append(self.pid)

    monkeypatch.setattr(round_trip, "Process", Noted)
    yield started
    assert started
    assert not any(alive(pid) for pid in started)


def test_a_summary_by_hand():
    """At 500 Hz, 2 ms: of the node's four, one came 1 ms late, one never; the ratio of medians is 1 / 0.5."""
    records = {
        "node": {"latency_ms": [1.0, 3.0, None, 0.8], "slips": 1},
        "echo": {"latency_ms": [0.5, 0.5, 0.5, None], "slips": 2},
    }
    told = summary(records, 500.0)
    assert told["node_ms"]["p50"] == 1.0
    assert told["node_ms"]["max"] == 3.0
    assert told["ratio_p50"] == 2.0
    assert (told["messages"], told["lost"], told["late"], told["missed_deadlines"]) == (4, 1, 1, 2)
    assert told["max_lateness_ms"] == pytest.approx(1.0)
    assert (told["echo_lost"], told["echo_late"], told["slips"]) == (1, 0, 3)


@pytest.mark.ros
def test_node_and_echo_answer_over_dds(bundle, tmp_path, pids):
    told = measure_round_trips(bundle.path, PENDULUM, Pace(RATE, seconds=1.0, rounds=1), tmp_path)
    assert len(pids) == 3
    assert told["rate_hz"] == RATE
    assert 30 <= told["messages"] <= 51
    assert told["lost"] < told["messages"] / 2
    for who in ("node_ms", "echo_ms"):
        assert 0 < told[who]["p50"] <= told[who]["p99"] <= told[who]["max"] < 1000
    assert told["ratio_p50"] == pytest.approx(told["node_ms"]["p50"] / told["echo_ms"]["p50"])
    assert all(math.isfinite(value) for value in told.values() if not isinstance(value, dict))


@pytest.mark.ros
def test_a_node_that_does_not_start_says_why(tmp_path, pids):
    with pytest.raises(ProcessError, match=r"(?s)deploy .* ended with code 2; .*node\.log.*no_such_bundle"):
        measure_round_trips(tmp_path / "no_such_bundle", PENDULUM, Pace(RATE, 1.0, 1), tmp_path)
    assert os.listdir(tmp_path)
