"""Joints and IMU as one frame: as old as its oldest part, and what is missing is named. By hand, without ROS."""

from __future__ import annotations

import numpy as np
import pytest

from ros_bridge.conversions import Reading
from ros_bridge.intake import Verdict
from ros_bridge.senses import Senses
from tests.ros_bridge.stand_ins import imu_reading, reading

SILENT = "no reading younger than 0.06 s"


@pytest.fixture
def senses(go2) -> Senses:
    return Senses(go2)


def joints(stamp: float, position: float = 0.5) -> Reading:
    return reading(stamp, position, 0.1, joints=12)


def hear_joints(senses: Senses, stamp: float, now: float | None = None) -> Verdict:
    now = stamp if now is None else now
    return senses.joints.hear(joints(stamp), now, now)


def hear_imu(senses: Senses, stamp: float, now: float | None = None, **given) -> Verdict:
    assert senses.imu is not None
    now = stamp if now is None else now
    return senses.imu.hear(imu_reading(stamp, **given), now, now)


def test_a_frame_has_the_newest_of_both_and_the_age_of_the_older(senses):
    hear_imu(senses, 0.97)
    hear_imu(senses, 0.99, gyro=2.0)
    hear_joints(senses, 1.0)
    frame, age = senses.frame(1.01, 1.01)
    assert frame.position.tolist() == [[0.5] * 12]
    assert frame.gyro.tolist() == [[2.0] * 3]
    assert frame.gravity.tolist() == [[0.0, 0.0, -1.0]]
    assert frame.stamp.tolist() == [1.0], "that of the joints"
    assert age == pytest.approx(0.02)
    assert frame.finite.tolist() == [True]


def test_an_imu_that_lags_does_not_hide_that_joints_have_had_no_time_to_jump(senses):
    hear_imu(senses, 0.99)
    stamps = []
    for at in (1.0, 1.02, 1.04):
        hear_joints(senses, at)
        stamps.append(float(senses.frame(at, at)[0].stamp[0]))
    assert stamps == [1.0, 1.02, 1.04]


@pytest.mark.parametrize(("joints_at", "imu_at"), [(1.0, 1.05), (1.05, 1.0)])
def test_either_of_them_makes_a_frame_old(senses, joints_at, imu_at):
    hear_joints(senses, joints_at)
    hear_imu(senses, imu_at)
    assert senses.frame(1.1, 1.1)[1] == pytest.approx(0.1)


def test_an_imu_that_stands_still_with_ros_time_is_old_by_its_arrival(senses):
    hear_imu(senses, 1.0)
    senses.joints.hear(joints(1.0), 1.0, 1.5)
    assert senses.frame(1.0, 1.5)[1] == pytest.approx(0.5)


def test_an_imu_that_was_never_heard_is_not_finite_and_named(senses):
    hear_joints(senses, 1.0)
    frame, age = senses.frame(1.0, 1.0)
    assert frame.finite.tolist() == [False]
    assert age == np.inf
    assert senses.refusal(1.0) == f"imu: {SILENT}"


def test_all_that_is_missing_is_named(senses):
    assert senses.refusal(1.0) == f"joint_states: {SILENT}; imu: {SILENT}"
    hear_imu(senses, 1.0)
    assert senses.refusal(1.0) == f"joint_states: {SILENT}"
    hear_joints(senses, 1.0)
    assert senses.refusal(1.0) is None
    hear_joints(senses, 1.07)
    assert senses.refusal(1.07) == f"imu: {SILENT}"


def test_a_broken_imu_is_named_with_what_is_wrong_until_a_good_reading_comes(senses):
    hear_joints(senses, 1.0)
    hear_imu(senses, 1.0, problem="orientation has length 0", gravity=np.nan)
    assert senses.refusal(1.0) == "imu: orientation has length 0"
    assert not senses.frame(1.0, 1.0)[0].finite[0]
    hear_imu(senses, 1.01)
    assert senses.refusal(1.01) is None
    assert senses.frame(1.01, 1.01)[0].finite[0]


def test_imu_stamps_are_judged_like_those_of_joints(senses):
    hear_joints(senses, 1.0)
    hear_imu(senses, 1.0, gyro=1.0)
    assert hear_imu(senses, 1.0, gyro=2.0) is Verdict.DUPLICATE
    assert hear_imu(senses, 0.99, now=1.01, gyro=2.0) is Verdict.OUT_OF_ORDER
    assert hear_imu(senses, 0.5, now=1.01, gyro=2.0) is Verdict.STALE
    assert senses.refusal(1.01) == "imu: the newest reading is 0.51 s old"
    assert hear_imu(senses, 2.01, now=1.01, gyro=2.0) is Verdict.STALE
    assert senses.refusal(1.01) == "imu: the newest reading is from 1 s in the future"
    assert senses.frame(1.01, 1.01)[0].gyro.tolist() == [[1.0] * 3]  # none of these is acted upon


def test_a_robot_without_an_imu_has_joints_alone(pendulum):
    senses = Senses(pendulum)
    assert senses.imu is None
    senses.joints.hear(reading(1.0, 0.5, 0.1), 1.0, 1.0)
    frame, age = senses.frame(1.03, 1.03)
    assert (frame.gyro, frame.gravity) == (None, None)
    assert age == pytest.approx(0.03)
    assert senses.refusal(1.03) is None
