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


def test_loss_grows_from_none_over_a_ramp():
    line, out = Line(), list[int]()
    growing = Disturbance(Fault("loss", JOINTS, 0.0, 40.0, 1.0, seed=3, ramp=40.0), begin=0.0)
    for step in range(2000):
        line.push(step, step * 0.02, [growing])
    out = line.release(40.0)
    # Lost with probability step / 2000: of the first half a quarter, of the second three quarters.
    early = sum(step < 1000 for step in out)
    assert early == pytest.approx(750, abs=52)  # 4 standard deviations of at most sqrt(1000 / 6) = 12.9
    assert len(out) - early == pytest.approx(250, abs=52)


def test_a_delay_that_grows_keeps_messages_in_order():
    line = Line()
    growing = Disturbance(fault("delayed", magnitude=0.1, ramp=1.0), begin=0.0)
    for step in (0, 25, 50):
        line.push(step, step * 0.02, [growing])
    assert line.release(0.0) == [0]
    assert line.release(0.549) == []
    assert line.release(0.551) == [25]  # 0.5 s + half of 0.1 s
    assert line.release(1.101) == [50]


@pytest.mark.parametrize("kind", ["off", "slow"])
def test_what_a_probability_spares_passes(kind):
    line, count = Line(), 2000
    spared = Disturbance(fault(kind, magnitude=4.0 * (kind == "slow"), probability=0.5, seed=2), begin=0.0)
    for step in range(count):
        line.push(step, step * 0.02, [spared])
    # Half is spared; of the other half none, or one in four passes.
    share = 0.5 if kind == "off" else 0.625
    assert len(line.release(100.0)) == pytest.approx(share * count, abs=90)  # 4 sqrt(2000 / 4) = 89
    assert spared.heard == pytest.approx(count / 2, abs=90)


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


def timed(kind: str, magnitude: float, count: int) -> list[tuple[int, int]]:
    """When messages 0, 1, ..., 20 ms apart, come out, in [ms]."""
    line, out = Line(), list[tuple[int, int]]()
    disturbance = Disturbance(fault(kind, magnitude=magnitude), begin=0.0)
    for now in range(20 * count + 20):
        if now % 20 == 0 and now < 20 * count:
            line.push(now // 20, 1e-3 * now, [disturbance])
        out += [(now, message) for message in line.release(1e-3 * now)]
    return out


def test_crowded_messages_wait_for_each_other_and_come_one_after_the_other():
    # The third comes at 40 ms and lets them go, 3 ms apart.
    assert timed("crowded", 3.0, 5) == [(40, 0), (43, 1), (46, 2)]


def test_repeated_messages_come_again_later():
    assert timed("repeated", 0.01, 2) == [(0, 0), (10, 0), (20, 1), (30, 1)]
