"""What is heard becomes arrays in the order of time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.running.sim_clock import SimClock
from ros_bridge.hil.running.trace_writer import TraceWriter, latencies


def test_rows_are_put_in_order_and_what_came_long_before_the_start_is_left_out(tmp_path):
    writer = TraceWriter()
    for at in (100.2, 100.1, 99.95, 99.0):
        writer.add("command", at, np.array([at, -at]))
    writer.add("requested", 100.1, np.array([1.0, np.nan]), 4)
    trace = writer.trace(100.0)
    np.testing.assert_allclose(trace.command_time, [-0.05, 0.1, 0.2])
    np.testing.assert_allclose(trace.command[:, 0], [99.95, 100.1, 100.2])
    np.testing.assert_allclose(writer.trace(100.0, 0.15).command_time, [-0.05, 0.1])
    assert trace.reasons.tolist() == [4]
    assert trace.reasons.dtype.kind == "i"
    assert len(trace.position) == len(trace.upright) == 0
    trace.save(tmp_path / "trace.npz")
    np.testing.assert_array_equal(Trace.load(tmp_path / "trace.npz").command, trace.command)


def test_arrays_grow():
    writer = TraceWriter()
    for k in range(3000):
        writer.add("readings", float(k), np.full(3, k), np.zeros(3), np.nan)
    trace = writer.trace(0.0)
    np.testing.assert_array_equal(trace.position[:, 1], np.arange(3000))
    assert len(trace.upright) == 0  # nobody has an IMU


def test_latency_is_that_of_the_first_command_after_a_reading_and_before_the_next():
    # The reading at 0 is answered at 0.1, and again at 0.2; that at 2 is not answered before the one at 3 is there;
    # the command at -1 answers nothing.
    when, took = latencies(np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.1, 0.2, 1.3, 3.5]))
    np.testing.assert_allclose(when, [0.0, 1.0, 3.0])
    np.testing.assert_allclose(took, [0.1, 0.3, 0.5])


def test_simulated_time_is_what_the_clock_had_said_when_a_message_was_sent():
    clock = SimClock()
    assert clock.at(5.0) == 0.0
    for system, simulated in ((10.0, 1.5), (11.0, 2.0)):
        message: Any = SimpleNamespace(
            clock=SimpleNamespace(sec=int(simulated), nanosec=round(1e9 * (simulated % 1)))
        )
        clock.hear(message, {"source_timestamp": round(1e9 * system)})  # type: ignore[typeddict-item]
    assert [clock.at(at) for at in (9.9, 10.5, 11.0, 99.0)] == [0.0, 1.5, 2.0, 2.0]
    assert clock.newest == 2.0
