"""Which messages come, when, and in which order, under faults of traffic. Numbers are worked out by hand."""

from __future__ import annotations

import pytest

from ros_bridge.hil.line import Disturbance, Line
from ros_bridge.hil.schedule import JOINTS, Fault


def fault(kind: str, **more) -> Fault:
    return Fault(kind, JOINTS, begin=1.0, duration=2.0, **more)


def passed(
    kind: str, magnitude: float = 0.0, count: int = 8, period: float = 0.02, seed: int = 0
) -> list[tuple[float, int]]:
    """When messages 0, 1, ... come out, in control periods, under a fault that begins with the first."""
    line, out = Line(), list[tuple[float, int]]()
    disturbance = Disturbance(fault(kind, magnitude=magnitude, seed=seed), begin=0.0)
    for step in range(count + 100):
        if step < count:
            line.push(step, step * period, [disturbance])
        out += [(step, message) for message in line.release(step * period + 1e-9)]
    return out


def test_off_lets_nothing_through():
    assert passed("off") == []


def test_slow_lets_one_of_three_through():
    assert passed("slow", 3.0) == [(2, 2), (5, 5)]


def test_delayed_messages_come_two_periods_later_in_order():
    assert passed("delayed", 0.04, count=4) == [(2, 0), (3, 1), (4, 2), (5, 3)]


def test_an_intermittent_line_is_away_first_and_back_after_the_magnitude():
    # Away for 0.00 to 0.05 s, back until 0.10 s, away until 0.15 s: messages 3 and 4 of 0.06 and 0.08 s, then none.
    assert passed("intermittent", 0.05) == [(3, 3), (4, 4)]


def test_duplicates_come_at_once():
    assert passed("duplicates", count=2) == [(0, 0), (0, 0), (1, 1), (1, 1)]


def test_reordered_messages_come_after_the_next():
    assert passed("reordered", count=4) == [(1, 1), (1, 0), (3, 3), (3, 2)]


def test_bursts_come_together():
    assert passed("bursts", 3.0, count=7) == [(2, 0), (2, 1), (2, 2), (5, 3), (5, 4), (5, 5)]


def test_loss_has_its_share():
    assert len(passed("loss", 0.25, count=2000)) == pytest.approx(1500, abs=80)  # 4 standard deviations: 77


def test_two_faults_act_on_what_the_first_leaves():
    line = Line()
    twice, later = Disturbance(fault("duplicates"), 0.0), Disturbance(fault("delayed", magnitude=0.1), 0.0)
    line.push("a", 0.0, [twice, later])
    assert line.release(0.09) == []
    assert line.release(0.1) == ["a", "a"]


def test_what_comes_after_a_delay_does_not_overtake():
    line = Line()
    line.push("late", 0.0, [Disturbance(fault("delayed", magnitude=0.1), 0.0)])
    line.push("fresh", 0.02)
    assert line.release(0.05) == []
    assert line.next_due == pytest.approx(0.1)
    assert line.release(0.1) == ["late", "fresh"]
