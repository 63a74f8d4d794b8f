"""Torque that is measured, torque that a position command asks for, and commands that follow each other closely.

The arm's limits (`two_joints.py`), shoulder and elbow: 3 and 1.5 N m, 20 and 30 units/s at 50 Hz.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robots import RobotSpec, SensorFrame
from robots.reason import SAFE_MODE, Reason
from robots.safety import SafetyFilter
from robots.spec import EffortSensor, Gains
from tests.robots.arm import AT_REST, HIGH, INTERFACES, LOW, REST, STEP, Storm, awake, causes, frame
from tests.robots.two_joints import two_joints

OFF = np.array([0.0, 0.0])
SENSOR = EffortSensor(sustained=0.05, margin=1.25)
"""Three control periods of 0.02 s at least, beyond 3.75 and 1.875 N m: the fourth reading in a row."""


@pytest.fixture(params=INTERFACES)
def interface(request) -> str:
    return request.param


@pytest.fixture
def arm(tmp_path, interface) -> RobotSpec:
    return two_joints(tmp_path, interface)


def strained(spec: RobotSpec, robots: int = 1, sensor: EffortSensor = SENSOR) -> SafetyFilter:
    return SafetyFilter(dataclasses.replace(spec, effort_sensor=sensor), robots)


def measured(*torque: float, robots: int = 1) -> SensorFrame:
    return dataclasses.replace(frame(robots=robots), effort=np.tile(torque or OFF, (robots, 1)).astype(float))


def answers(filter_: SafetyFilter, interface: str, *torques: tuple[float, float]) -> list[int]:
    """The safe-mode reasons of one reading after the other."""
    rest = REST[interface][None]
    return [int(filter_.certify(rest, measured(*each)).reasons[0] & SAFE_MODE) for each in torques]


TOO_MUCH = int(Reason.EFFORT_LIMIT)


@pytest.mark.parametrize("torque", [(3.76, 0.0), (-3.76, 0.0), (0.0, 1.9), (0.0, -1e9), (1e300, 1e300)])
def test_too_much_torque_for_too_long_is_safe_mode(arm, interface, torque):
    filter_ = strained(arm)
    assert answers(filter_, interface, *[torque] * 6) == [0, 0, 0, TOO_MUCH, TOO_MUCH, TOO_MUCH]
    assert filter_.counts[Reason.EFFORT_LIMIT] == 3
    # It ends with the torque, and the time begins anew.
    assert answers(filter_, interface, (0.0, 0.0), *[torque] * 4) == [0, 0, 0, 0, TOO_MUCH]


def test_up_to_the_limit_times_its_margin_it_is_not(arm, interface):
    assert answers(strained(arm), interface, *[(3.75, -1.875)] * 20) == [0] * 20


def test_a_spike_does_not_stop_it_and_no_time_means_the_first_reading(arm, interface):
    spikes = [(9.0, 0.0)] * 3 + [(0.0, 0.0)]
    assert answers(strained(arm), interface, *spikes * 5) == [0] * 20
    assert answers(strained(arm, sensor=EffortSensor(0.0)), interface, (3.01, 0.0)) == [TOO_MUCH]


def test_spikes_of_two_joints_do_not_add_up(arm, interface):
    assert answers(strained(arm), interface, *[(9.0, 0.0), (0.0, 9.0)] * 6) == [0] * 12


def test_a_reading_that_is_no_number_does_not_end_the_time(arm, interface):
    torques = [(9.0, 0.0)] * 3 + [(np.nan, 0.0)] + [(9.0, 0.0)]
    said = answers(strained(arm), interface, *torques)
    assert said == [0, 0, 0, int(Reason.SENSOR_NOT_FINITE), TOO_MUCH]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_torque_that_is_no_number_is_a_broken_sensor(arm, interface, value):
    filter_ = strained(arm, robots=2)
    reading = measured(robots=2)
    assert reading.effort is not None
    reading.effort[1, 0] = value
    out = filter_.certify(np.tile(REST[interface], (2, 1)), reading)
    assert (out.reasons & SAFE_MODE).tolist() == [0, Reason.SENSOR_NOT_FINITE]


def test_torque_that_is_missing_is_a_broken_sensor(arm, interface):
    out = strained(arm).certify(REST[interface][None], frame())
    assert out.reasons[0] & SAFE_MODE == Reason.SENSOR_NOT_FINITE


def test_a_robot_that_does_not_measure_torque_may_hear_as_much_as_it_likes(arm, interface):
    assert answers(SafetyFilter(arm), interface, *[(9.0, 9.0)] * 9) == [0] * 9


def test_only_the_strained_robot_stops_and_a_reset_forgets(arm, interface):
    filter_, reading = strained(arm, robots=3), measured(robots=3)
    assert reading.effort is not None
    reading.effort[1] = 9.0
    rest = np.tile(REST[interface], (3, 1))
    for _ in range(3):
        filter_.certify(rest, reading)
    saved, other = filter_.state(), strained(arm, robots=3)
    other.restore(saved)
    assert (filter_.certify(rest, reading).reasons & SAFE_MODE).tolist() == [0, TOO_MUCH, 0]
    assert (other.certify(rest, reading).reasons & SAFE_MODE).tolist() == [0, TOO_MUCH, 0]
    filter_.reset(np.array([1]))
    assert (filter_.certify(rest, reading).reasons & SAFE_MODE).tolist() == [0, 0, 0]


STIFF = (Gains(10.0, 2.0), Gains(5.0, 0.0))
"""3 N m / 10 N m/rad = 0.3 rad at rest, moved on by 2 / 10 = 0.2 s of the speed; 1.5 / 5 = 0.3 rad."""


def servo(
    folder, share: float = 1.0, gains: tuple[Gains | None, ...] = STIFF, robots: int = 1
) -> SafetyFilter:
    spec = two_joints(folder, "position")
    joints = tuple(dataclasses.replace(j, gains=g) for j, g in zip(spec.joints, gains, strict=True))
    safety = dataclasses.replace(spec.safety, servo_effort=share)
    return SafetyFilter(dataclasses.replace(spec, joints=joints, safety=safety), robots)


def test_a_position_command_asks_its_servo_for_no_more_than_its_torque(tmp_path):
    filter_ = awake(servo(tmp_path), "position")
    out = filter_.certify(AT_REST[None] + [[0.39, -0.29]], frame())
    np.testing.assert_allclose(out.command, AT_REST[None] + [[0.3, -0.29]], atol=1e-12)
    assert out.reasons.tolist() == [Reason.SERVO_EFFORT]
    # At 1 rad/s the servo itself brakes with 2 N m: 0.3 + 0.2 rad ahead, and 0.1 behind.
    ahead = filter_.certify(AT_REST[None] + [[0.6, 0.0]], frame(velocity=(1.0, 0.0)))
    np.testing.assert_allclose(ahead.command[0, 0], 0.25 + 0.5, atol=1e-12)
    torque = 10.0 * (ahead.command[0, 0] - 0.25) - 2.0 * 1.0
    assert torque == pytest.approx(3.0)


def test_the_share_is_of_the_effort_limit_and_joints_without_gains_go_free(tmp_path):
    filter_ = awake(servo(tmp_path, 0.5, (STIFF[0], None)), "position")
    out = filter_.certify(AT_REST[None] + [[0.39, 0.59]], frame())
    np.testing.assert_allclose(out.command, AT_REST[None] + [[0.15, 0.59]], atol=1e-12)
    assert filter_.counts[Reason.SERVO_EFFORT] == 1


def test_the_place_to_hold_is_not_moved_by_it(tmp_path):
    filter_ = awake(servo(tmp_path), "position")
    broken = np.full((1, 2), np.nan)
    filter_.certify(broken, frame())
    out = filter_.certify(broken, frame((1.2, 0.5)))  # pushed away by more than 0.3 rad
    np.testing.assert_allclose(out.command, AT_REST[None], atol=1e-12)
    assert not out.reasons[0] & Reason.SERVO_EFFORT


def test_no_storm_gets_through_a_filter_that_looks_at_torque(tmp_path):
    robots = 16
    filter_ = servo(tmp_path, robots=robots)
    spec = dataclasses.replace(filter_.spec, effort_sensor=SENSOR)
    filter_, storm = SafetyFilter(spec, robots), Storm(0, "position", robots)
    last, seen = np.tile(REST["position"], (robots, 1)), 0
    for _ in range(2000):
        request, reading, age = storm.gust()
        torque = storm.spoil(storm.rng.normal(0, 3, (robots, 2)), 0.01, (np.nan, np.inf, 1e300))
        out = filter_.certify(request, dataclasses.replace(reading, effort=torque), age)
        assert ((out.command >= LOW["position"]) & (out.command <= HIGH["position"])).all()  # NaN is neither
        assert (np.abs(out.command - last) <= STEP + 1e-12).all()
        deaf = ~np.isfinite(torque).all(axis=1)
        expected = causes(request, reading, age)[~deaf]
        np.testing.assert_array_equal(out.reasons[~deaf] & SAFE_MODE & ~TOO_MUCH, expected)
        assert (out.reasons[deaf] & Reason.SENSOR_NOT_FINITE > 0).all()
        last, seen = out.command, seen | int(np.bitwise_or.reduce(out.reasons))
    assert seen & Reason.EFFORT_LIMIT
    assert seen & Reason.SERVO_EFFORT


def test_commands_in_a_burst_move_as_far_as_time_allows(arm, interface):
    filter_ = awake(SafetyFilter(arm), interface)
    last, far = REST[interface], REST[interface] + [1.2, -1.2]
    for elapsed, share in ((0.02, 1.0), (0.005, 0.25), (0.0, 0.0), (0.01, 0.5), (9.0, 1.0)):
        out = filter_.certify(far[None], frame(), elapsed=elapsed)
        np.testing.assert_allclose(out.command[0] - last, np.clip(far - last, -STEP * share, STEP * share))
        assert bool(out.reasons[0] & Reason.RATE_LIMIT) == (np.abs(far - last) > STEP * share).any()
        last = out.command[0]


@pytest.mark.parametrize("elapsed", [np.nan, -1.0, -np.inf, 0.0])
def test_a_time_that_cannot_be_is_none_at_all(arm, interface, elapsed):
    filter_ = awake(SafetyFilter(arm), interface)
    out = filter_.certify(REST[interface][None] + 1.0, frame(), elapsed=elapsed)
    np.testing.assert_array_equal(out.command[0], REST[interface])
    stop = filter_.stop(elapsed)
    np.testing.assert_array_equal(stop.command[0], REST[interface])


def test_stopping_in_a_burst_moves_as_far_as_time_allows(tmp_path):
    filter_ = awake(SafetyFilter(two_joints(tmp_path, "velocity")), "velocity")
    for _ in range(3):
        filter_.certify(np.array([[1.0, 1.0]]), frame())
    sent = [filter_.stop(elapsed).command[0] for elapsed in (0.0, 0.005, 0.02)]
    # By 20 and 30 rad/s^2.
    np.testing.assert_allclose(sent, [[1.0, 1.0], [0.9, 0.85], [0.5, 0.25]], atol=1e-12)
