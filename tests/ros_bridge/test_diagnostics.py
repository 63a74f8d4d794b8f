"""What the node says of itself: the level, the words, and counts that are those of its control loop."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from robots.reward import RewardLayout
from robots.reward_terms import RewardPart, RewardTerm
from robots.safety import Reason
from ros_bridge.control_loop import ControlLoop
from ros_bridge.diagnostics import Health, Reporter, belief_in_words, judge
from tests.ros_bridge.stand_ins import FAMILY, Steadfast, controller, reading

_METERS = [tracemalloc.Filter(True, "*/ros_bridge/latency.py")]
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
STALE = Reason.STOPPED | Reason.SENSOR_STALE


def health(**changes: Any) -> Health:
    usual: dict[str, Any] = {"period": 0.02, "rate": 50.0, "p99": 1.0}
    return Health(**usual | changes)


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, OK, "in control"),
        ({"seen": Reason.SOFT_START | Reason.RATE_LIMIT}, OK, "in control"),
        ({"latest": STALE, "seen": STALE}, ERROR, "safe mode: sensor_stale, stopped"),
        ({"latest": STALE, "problem": "old"}, ERROR, "safe mode: sensor_stale, stopped (old)"),
        ({"seen": Reason.SENSOR_NOT_FINITE}, WARN, "was in safe mode: sensor_not_finite"),
        ({"doubt": "unfamiliar robot", "refused": "x"}, WARN, "unfamiliar robot"),
        ({"seen": STALE, "doubt": "unfamiliar robot"}, WARN, "was in safe mode: sensor_stale, stopped"),
        ({"refused": "cmd_vel: forward is nan"}, WARN, "goal refused: cmd_vel: forward is nan"),
        ({"latest": STALE, "seen": STALE, "refused": "x"}, ERROR, "safe mode: sensor_stale, stopped"),
        ({"p99": 10.5}, WARN, "slow: a step takes 10.5 ms (p99)"),  # more than half of 20 ms
        ({"p99": 9.5}, OK, "in control"),
        ({"rate": 44.0}, WARN, "44.0 steps/s instead of 50.0"),
        ({"rate": 54.0}, OK, "in control"),
        ({"rate": 56.0}, WARN, "56.0 steps/s instead of 50.0"),
        ({"rate": np.nan, "p99": np.nan}, OK, "in control"),  # the first report: nothing measured yet
    ],
)
def test_the_level_of_a_condition(changes, level, words):
    assert judge(health(**changes)) == (level, words)


@pytest.fixture
def loop(pendulum) -> ControlLoop:
    loop = ControlLoop(pendulum, controller(pendulum, Steadfast(joints=1)))
    loop.hear(reading(1.0), 1.0, 1.0)
    loop.start()
    return loop


def hear(loop: ControlLoop, first: int, last: int) -> None:
    for k in range(first, last + 1):
        loop.hear(reading(1.0 + 0.02 * k), 1.0 + 0.02 * k, 1.0 + 0.02 * k)


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_a_report_by_hand(loop):
    reporter = Reporter("arm/adaptation")
    reporter.begin(loop, FAMILY)
    reporter.report("active", None, 1.0)
    hear(loop, 1, 40)
    reporter.latency.add(0.002)
    control, belief = reporter.report("active", None, 1.8)
    assert (control.level, control.message) == (OK, "in control")
    assert (control.name, control.hardware_id) == ("arm/adaptation: control", "pendulum")
    told = values(control)
    assert told["control rate"] == "50.0 Hz"  # 40 steps in 0.8 s
    assert told["latency p99"] == "2.000 ms"
    assert told["readings acted_upon"] == "41"  # with the one before the start
    assert told["commands soft_start"] == str(loop.counts["soft_start"])
    assert (belief.name, values(belief)) == ("arm/adaptation: belief", {"mass": "40 +- 0.5 kg"})


def test_ages_and_intervals_of_readings_by_hand(loop):
    reporter = Reporter("node")
    reporter.begin(loop, FAMILY)
    told = values(reporter.report("active", None, 1.0)[0])
    assert told["reading age p50"] == "0.000 ms"  # of the one before the start
    assert told["reading interval p50"] == "nan ms"
    # Ages of 0, 4, 4 and 10 ms, intervals of 24, 20 and 26 ms; a duplicate and a stale one count for nothing.
    for stamp, late in ((1.02, 0.004), (1.04, 0.004), (1.04, 0.005), (0.9, 0.15), (1.06, 0.01)):
        loop.hear(reading(stamp), stamp + late, stamp + late)
    loop.hear(reading(1.08), 1.075, 1.08)  # 5 ms before its stamp
    told = values(reporter.report("active", None, 1.1)[0])
    assert [told[f"reading age {of}"] for of in ("p50", "max")] == ["4.000 ms", "10.000 ms"]
    assert [told[f"reading interval {of}"] for of in ("p50", "max")] == ["22.000 ms", "26.000 ms"]
    assert told["readings before their stamp"] == "1"
    assert "imu reading age p50" not in told


def test_measuring_readings_allocates_nothing(loop):
    """Of what stays: the rings are filled, and nothing grows with the number of readings."""
    hear(loop, 1, 50)
    tracemalloc.start()
    hear(loop, 51, 100)
    before = tracemalloc.take_snapshot().filter_traces(_METERS)
    hear(loop, 101, 2500)
    after = tracemalloc.take_snapshot().filter_traces(_METERS)
    tracemalloc.stop()
    grown = sum(each.size_diff for each in after.compare_to(before, "filename"))
    assert abs(grown) < 200  # bytes: two floats more or less, after 2400 readings


def test_the_rate_is_that_of_the_interval(loop):
    reporter = Reporter("node")
    reporter.begin(loop, FAMILY)
    hear(loop, 1, 30)
    reporter.report("active", None, 1.6)
    hear(loop, 31, 40)
    report = reporter.report("active", None, 2.0)[0]
    assert (report.level, report.message) == (WARN, "25.0 steps/s instead of 50.0")  # 10 in 0.4 s


def test_the_mean_reward_is_that_of_the_interval(pendulum):
    """Of a reward of 2 |velocity|; the reading at the start of a trial and broken ones do not count."""
    term = RewardTerm("fast", (RewardPart("velocity", "linear", mix=((2.0,),)),))
    made = controller(pendulum, Steadfast(joints=1), reward=RewardLayout([term], pendulum))
    loop, reporter = ControlLoop(pendulum, made), Reporter("node")
    reporter.begin(loop, FAMILY)
    loop.hear(reading(1.0), 1.0, 1.0)
    loop.start()
    told = []
    for first, velocities in ((1, [9.0]), (2, [1.0, 2.0, np.nan, 3.0]), (6, [0.5])):
        for k, velocity in enumerate(velocities, first):
            time = 1.0 + 0.02 * k
            loop.hear(reading(time, velocity=velocity), time, time)
        told.append(values(reporter.report("active", None, 2.0)[0])["reward"])
    assert told == ["none measured", "4 per step", "1 per step"]


def test_without_a_reward_nothing_is_said_of_one(loop):
    reporter = Reporter("node")
    reporter.begin(loop, FAMILY)
    hear(loop, 1, 5)
    assert "reward" not in values(reporter.report("active", None, 1.1)[0])


def test_safe_mode_is_an_error_while_it_lasts_and_a_warning_once(loop):
    reporter = Reporter("node")
    reporter.begin(loop, FAMILY)
    reporter.report("active", None, 1.0)
    hear(loop, 1, 5)
    loop.watch(1.9)
    said = reporter.report("active", None, 1.9)[0].message
    silent = "joint_states: no reading younger than 0.06 s"
    assert said == f"safe mode: sensor_stale, stopped ({silent})"
    loop.watch(2.0)
    hear(loop, 51, 60)
    report = reporter.report("active", None, 2.2)[0]
    assert (report.level, report.message) == (WARN, "was in safe mode: sensor_stale, stopped, recovering")
    hear(loop, 61, 70)
    assert reporter.report("active", None, 2.4)[0].level == OK


def test_before_and_after_a_loop_the_state_is_reported(loop):
    reporter = Reporter("node")
    (report,) = reporter.report("unconfigured", None, 1.0)
    assert (report.level, report.message, values(report)) == (OK, "unconfigured", {"state": "unconfigured"})
    (report,) = reporter.report("unconfigured", "not configured: why", 1.0)
    assert (report.level, report.message) == (ERROR, "not configured: why")
    reporter.begin(loop, FAMILY)
    assert reporter.report("inactive", None, 1.0)[0].message == "inactive"
    assert reporter.report("inactive", "gave up: why", 1.0)[0].level == ERROR
    reporter.begin(None, {})
    assert len(reporter.report("unconfigured", None, 1.0)) == 1


def test_a_belief_in_words():
    family = {"belief_names": ["mass", "gain"], "belief_units": ["kg", "1"]}
    belief = Steadfast(joints=1).belief()
    two = type(belief)(belief.mean, belief.log_std, np.array([[0.6149, 12.0]]), np.array([[0.0512, 3.0]]))
    assert belief_in_words(family, two) == {"mass": "0.615 +- 0.051 kg", "gain": "12 +- 3 1"}
