"""Between sensor_msgs/Imu and a frame's gyro and gravity. Pure functions: no node, no clock, no state.

ROS writes quaternions x y z w; an orientation turns vectors of the IMU's frame into the world's, whose z points up
(REP 103, REP 145).
"""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import Quaternion, Vector3
from sensor_msgs.msg import Imu

from robots import RobotSpec, SensorFrame
from ros_bridge.conversions import Reading, to_seconds, to_stamp, unmeasured
from ros_bridge.errors import BridgeError

ABSENT = -1.0
"""First number of a covariance whose quantity is not measured (sensor_msgs/Imu)."""
UNIT_TOLERANCE = 0.01
"""How far a quaternion's length may be from 1: drivers round, and nobody's rounding is as coarse as that."""
_UPSIDE_DOWN = 1e-12
"""Squared length of a turn that is not unique: gravity points exactly upwards."""


def to_imu_reading(message: Imu, spec: RobotSpec) -> Reading:
    """Angular velocity and the direction of gravity; joints are NaN, and so is whatever is missing or unusable."""
    gyro, gyro_problem = _gyro(message)
    gravity, gravity_problem = _gravity(message)
    stamp = np.array([to_seconds(message.header.stamp)])
    joints = unmeasured(len(spec.joints))
    frame = SensorFrame(stamp, joints, joints, gyro[None], gravity[None])
    stamped = message.header.stamp.sec or message.header.stamp.nanosec
    problems = (None if stamped else "header.stamp is not set", gyro_problem, gravity_problem)
    return Reading(frame, "; ".join(problem for problem in problems if problem) or None)


def imu_message(frame: SensorFrame, spec: RobotSpec) -> Imu:
    """One robot's reading as its IMU publishes it. No IMU of ours accelerates: that field is marked as absent.

    The heading is not known from gravity: of all orientations that fit, it is the smallest turn.

    Raises:
        BridgeError: the robot or the frame has no IMU.
    """
    if spec.imu is None or frame.gyro is None or frame.gravity is None:
        raise BridgeError(f"{spec.name}: no IMU, and so nothing that it could say")
    message = Imu()
    message.header.stamp = to_stamp(float(frame.stamp[0]))
    message.header.frame_id = spec.imu.frame
    x, y, z = frame.gyro[0].tolist()
    message.angular_velocity = Vector3(x=x, y=y, z=z)
    x, y, z, w = orientation_of(frame.gravity[0]).tolist()
    message.orientation = Quaternion(x=x, y=y, z=z, w=w)
    message.linear_acceleration_covariance[0] = ABSENT
    return message


def gravity_of(orientation: np.ndarray) -> np.ndarray:
    """Where gravity points, a unit vector in the IMU's frame, shape (3,), under a unit quaternion x y z w."""
    x, y, z, w = orientation.tolist()  # plain numbers are several times faster than numpy's
    # R^T (0, 0, -1): the third row of the rotation matrix, turned round.
    return np.array([2 * (w * y - x * z), -2 * (y * z + w * x), 2 * (x * x + y * y) - 1])


def orientation_of(gravity: np.ndarray) -> np.ndarray:
    """The smallest turn, a unit quaternion x y z w, under which gravity, a unit vector, shape (3,), points down."""
    x, y, z = gravity
    # From g to d = (0, 0, -1): axis g x d, and w = 1 + g . d before it is brought to length 1.
    turn = np.array([-y, x, 0.0, 1 - z])
    squared = float(turn @ turn)
    return np.array([1.0, 0.0, 0.0, 0.0]) if squared < _UPSIDE_DOWN else turn / math.sqrt(squared)


def _gyro(message: Imu) -> tuple[np.ndarray, str | None]:
    rate = message.angular_velocity
    value = [rate.x, rate.y, rate.z]
    if message.angular_velocity_covariance[0] == ABSENT:
        return np.full(3, np.nan), "`angular_velocity` is marked as absent (its covariance begins with -1)"
    if not all(map(math.isfinite, value)):
        return np.full(3, np.nan), f"angular_velocity is {value}"
    return np.array(value), None


def _gravity(message: Imu) -> tuple[np.ndarray, str | None]:
    turn, unknown = message.orientation, np.full(3, np.nan)
    value = [turn.x, turn.y, turn.z, turn.w]
    if message.orientation_covariance[0] == ABSENT:
        return unknown, "`orientation` is marked as absent (its covariance begins with -1)"
    if not all(map(math.isfinite, value)):
        return unknown, f"orientation is {value} (x y z w)"
    length = math.hypot(*value)
    if abs(length - 1.0) > UNIT_TOLERANCE:
        return unknown, f"orientation has length {length:.3g}; expected a unit quaternion (x y z w)"
    return gravity_of(np.array(value) / length), None
