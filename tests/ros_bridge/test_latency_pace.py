"""Measured durations, and simulated time on the wall clock: both by hand, on a clock that the test turns."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import ros_bridge.pace
from ros_bridge.latency import LatencyMeter
from ros_bridge.lifetime import POLL, StopFlag
from ros_bridge.pace import Pace


def test_latencies_by_hand():
    meter = LatencyMeter(size=8)
    for ms in (1.0, 2.0, 3.0, 4.0, 105.0):
        meter.add(1e-3 * ms)
    # The 99 % quantile of five numbers lies at 0.99 x 4 = 3.96 of the way: 4 + 0.96 x 101.
    assert meter.summary() == pytest.approx({"p50": 3.0, "p99": 100.96, "max": 105.0})


def test_only_the_newest_latencies_count():
    meter = LatencyMeter(size=3)
    for ms in (500.0, 400.0, 1.0, 2.0, 3.0):
        meter.add(1e-3 * ms)
    assert meter.summary()["max"] == pytest.approx(3.0)
    assert meter.summary()["p50"] == pytest.approx(2.0)
    assert meter.count == 5


def test_without_latencies_there_is_no_summary():
    assert all(np.isnan(value) for value in LatencyMeter().summary().values())


class Clock:
    """A clock that goes on by what an executor waits for, and by what a message costs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.costs: list[float] = []
        """Of the coming messages, in [s]: each ends a wait at once."""

    def monotonic(self) -> float:
        return self.now

    def spin_once(self, timeout_sec: float) -> None:
        self.waits.append(timeout_sec)
        self.now += self.costs.pop(0) if self.costs else timeout_sec


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ros_bridge.pace, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def make_pace(clock: Clock, stop: StopFlag | None = None) -> Pace:
    return Pace(clock, stop or StopFlag(), patience=0.5)  # type: ignore[arg-type]


def test_deadlines_are_absolute_so_that_time_does_not_drift(clock):
    pace = make_pace(clock)
    clock.costs = [0.01] * 7  # messages end waits early
    for deadline in (1.0, 2.0, 3.0):
        pace.until(deadline)
        assert pace.now() == pytest.approx(deadline)
    assert clock.now == pytest.approx(103.0)
    assert pace.slips == 0


def test_a_signal_is_seen_within_one_poll(clock):
    make_pace(clock).until(60.0)
    assert max(clock.waits) == POLL


def test_a_deadline_that_has_passed_still_serves_messages(clock):
    pace = make_pace(clock)
    clock.now += 0.25
    pace.until(0.125)
    assert clock.waits == [0.0]
    assert pace.now() == pytest.approx(0.25)  # within the patience: time is left as it is


def test_a_machine_that_is_too_slow_sets_simulated_time_back(clock):
    pace = make_pace(clock)
    clock.costs = [5.0]
    pace.until(1.0)
    assert pace.slips == 1
    assert pace.late == pace.lost == pytest.approx(4.0)  # it is 5 s, and should be 1
    assert pace.now() == pytest.approx(1.0)
    pace.until(2.0)
    assert pace.late == 0.0
    assert pace.now() == pytest.approx(2.0)
    assert pace.slips == 1


def test_told_to_stop_it_does_not_wait(clock):
    stop = StopFlag()
    pace = make_pace(clock, stop)
    stop.raised = True
    pace.until(60.0)
    assert len(clock.waits) == 1


def test_a_restart_is_time_zero(clock):
    pace = make_pace(clock)
    clock.now += 7.0
    pace.restart()
    assert pace.now() == 0.0
