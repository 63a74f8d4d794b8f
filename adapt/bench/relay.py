"""What the relay of hardware-in-the-loop runs adds to a reading's way, beside bare relays, with 12 joints."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from adapt.bench.node import RATE, ROUNDS, check_pace
from adapt.console import say

TARGET_MS = 0.5
"""What three faults may add to the median of a bare relay, in [ms]."""


def measure_relay(seconds: float, rate_hz: float = RATE, rounds: int = ROUNDS) -> dict[str, Any]:
    """Four relays, `seconds` each in `rounds` turns, with readings at `rate_hz` [Hz].

    Returns:
        What `ros_bridge.hil.hop_times.summary` says; `target_ms`, and `within_target`.

    Raises:
        AdaptError: no time, no rate, or no rounds.
        ProcessError: a process did not start or failed; says what its log says last.
    """
    check_pace(seconds, rate_hz, rounds)
    from ros_bridge.hil.hop_times import HopPace, measure_hops

    pace = HopPace(rate_hz, seconds, rounds)
    say(f"  four relays in turn at {rate_hz:g} Hz, {rounds} times: {pace.duration:.0f} s and start-up")
    with tempfile.TemporaryDirectory(prefix="adapt_bench_") as name:
        found = measure_hops(pace, Path(name))
    return found | {"target_ms": TARGET_MS, "within_target": found["added_ms"] < TARGET_MS}


def told(found: dict[str, Any]) -> list[str]:
    """What `measure_relay` returns, in words and with units."""
    about = {
        "executor": "bare, rclpy's executor",
        "wait_set": "bare, a wait set of its own",
        "clear": "ours without a fault",
        "faulty": f"ours with {found['faults']} faults",
    }
    lines = [
        f"{words:<27} p50 {of['p50']:.3f} ms, p99 {of['p99']:.3f} ms, max {of['max']:.3f} ms, "
        f"lost {found['lost'][name]}"
        for name, words in about.items()
        for of in (found[f"{name}_ms"],)
    ]
    return [
        *lines,
        f"faults add {found['added_ms']:+.3f} ms to the bare relay's median, "
        f"{found['added_to_wait_set_ms']:+.3f} ms to that on a wait set; target: less than {found['target_ms']:g} ms",
    ]
