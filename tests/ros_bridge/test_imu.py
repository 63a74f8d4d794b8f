"""IMU messages to gyro and gravity and back: by hand, in ROS's order x y z w; nothing broken passes as a reading."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sensor_msgs.msg import Imu

from robots import SensorFrame
from ros_bridge import imu
from ros_bridge.conversions import Reading
from ros_bridge.errors import BridgeError
from tests.ros_bridge.stand_ins import imu_state

HALF = math.sqrt(0.5)


def heard(reading: Reading) -> dict[str, np.ndarray]:
    """Of one robot. Shape (1, 3) each."""
    assert reading.frame.gyro is not None
    assert reading.frame.gravity is not None
    return {"gyro": reading.frame.gyro, "gravity": reading.frame.gravity}


@pytest.mark.parametrize(
    ("orientation", "gravity"),
    [
        ((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, -1.0)),  # level: gravity points down
        ((0.0, 0.0, HALF, HALF), (0.0, 0.0, -1.0)),  # whichever way it heads
        ((HALF, 0.0, 0.0, HALF), (0.0, -1.0, 0.0)),  # rolled by 90 deg to its right: gravity to its right, -y
        ((-HALF, 0.0, 0.0, HALF), (0.0, 1.0, 0.0)),
        ((0.0, HALF, 0.0, HALF), (1.0, 0.0, 0.0)),  # pitched by 90 deg: nose, x, down
        ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0)),  # on its back
        ((0.0, math.sin(0.15), 0.0, math.cos(0.15)), (math.sin(0.3), 0.0, -math.cos(0.3))),
        ((0.0, -math.sin(0.15), 0.0, -math.cos(0.15)), (math.sin(0.3), 0.0, -math.cos(0.3))),  # the same turn
    ],
)
def test_gravity_by_hand(go2, orientation, gravity):
    got = imu.to_imu_reading(imu_state(1.0, (0.1, 0.2, 0.3), orientation), go2)
    assert got.problem is None
    assert got.frame.stamp == 1.0
    np.testing.assert_allclose(heard(got)["gravity"], [gravity], atol=1e-12)
    np.testing.assert_array_equal(heard(got)["gyro"], [(0.1, 0.2, 0.3)])
    assert np.isnan(got.frame.position).all()  # an IMU says nothing of joints


def test_any_direction_of_gravity_survives_the_way_to_a_message_and_back(go2):
    rng = np.random.default_rng(4)
    directions = [*rng.standard_normal((200, 3)), *np.eye(3), *-np.eye(3), [1e-9, 0.0, 1.0]]
    for direction in directions:
        gravity = np.asarray(direction) / np.linalg.norm(direction)
        gyro = rng.standard_normal((1, 3))
        joints = np.zeros((1, 12))
        sent = SensorFrame(np.array([1.7e9 + 0.25]), joints, joints, gyro, gravity[None])
        message = imu.imu_message(sent, go2)
        assert message.header.frame_id == "imu"
        assert message.linear_acceleration_covariance[0] == -1
        got = imu.to_imu_reading(message, go2)
        assert got.problem is None
        assert got.frame.stamp == sent.stamp
        np.testing.assert_allclose(heard(got)["gravity"], [gravity], atol=1e-7)
        np.testing.assert_array_equal(heard(got)["gyro"], gyro)


def test_slightly_rounded_quaternions_are_brought_to_length_one(go2):
    got = imu.to_imu_reading(imu_state(1.0, orientation=(0.0, 0.0, 0.0, 1.005)), go2)
    assert got.problem is None
    np.testing.assert_allclose(heard(got)["gravity"], [[0.0, 0.0, -1.0]], atol=1e-12)


def without(field: str) -> Imu:
    message = imu_state(1.0)
    getattr(message, f"{field}_covariance")[0] = -1.0
    return message


@pytest.mark.parametrize(
    ("message", "words", "lost"),
    [
        (without("orientation"), "`orientation` is marked as absent", "gravity"),
        (without("angular_velocity"), "`angular_velocity` is marked as absent", "gyro"),
        (imu_state(1.0, orientation=(0.0, 0.0, 0.0, np.nan)), "orientation is [0.0, 0.0, 0.0, nan]", "gravity"),
        (imu_state(1.0, orientation=(np.inf, 0.0, 0.0, 1.0)), "orientation is [inf", "gravity"),
        (imu_state(1.0, orientation=(0.0, 0.0, 0.0, 0.0)), "orientation has length 0; expected a unit", "gravity"),
        (imu_state(1.0, orientation=(0.0, 0.0, 0.0, 1.02)), "orientation has length 1.02", "gravity"),
        (imu_state(1.0, orientation=(1e200, 0.0, 1e200, 1.0)), "orientation has length 1.41e+200", "gravity"),
        (imu_state(1.0, (np.nan, 0.0, 0.0)), "angular_velocity is [nan, 0.0, 0.0]", "gyro"),
        (imu_state(1.0, (0.0, -np.inf, 0.0)), "angular_velocity is [0.0, -inf, 0.0]", "gyro"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words_and_is_nan_in_the_frame(go2, message, words, lost):
    got = imu.to_imu_reading(message, go2)
    assert got.problem is not None
    assert words in got.problem
    kept = {"gyro": "gravity", "gravity": "gyro"}[lost]
    assert np.isnan(heard(got)[lost]).all()
    assert np.isfinite(heard(got)[kept]).all()


def test_a_message_without_a_stamp_is_a_problem_even_if_its_numbers_are_fine(go2):
    assert imu.to_imu_reading(imu_state(0.0), go2).problem == "header.stamp is not set"


def test_all_that_is_wrong_is_said_at_once(go2):
    message = imu_state(0.0, (np.nan, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))
    assert str(imu.to_imu_reading(message, go2).problem).count("; ") == 3


def test_a_robot_without_an_imu_says_nothing(pendulum):
    with pytest.raises(BridgeError, match="pendulum: no IMU"):
        imu.imu_message(SensorFrame.unheard(1, imu=False), pendulum)


def test_what_readings_share_cannot_be_written_to(go2):
    """All of the IMU's readings have the same NaN joints: who wrote a number there would write it into all."""
    reading = imu.to_imu_reading(imu_state(1.0), go2)
    assert np.isnan(reading.frame.position).all()
    for shared in (reading.frame.position, reading.frame.velocity):
        with pytest.raises(ValueError, match="read-only"):
            shared[0, 0] = 1.0
