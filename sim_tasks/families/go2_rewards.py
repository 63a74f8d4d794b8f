"""What `go2_velocity` pays for, when it ends an episode, and when it calls the robot on target.

All terms are bounded and none is negative: whoever falls earns less, so that ending an episode early never pays.
Where the practice subtracts a square, w x^2 (legged_gym, arXiv:2109.11978; mujoco_playground; mjlab), this pays
w / (1 + x^2 / scale): the same slope about zero, and one that does not vanish far from it. Weights are per second.
"""

from __future__ import annotations

import numpy as np

from sim_tasks.motion import Motion
from sim_tasks.reward import Reward

QUATERNION = slice(3, 7)
"""Of the base in `qpos`, w x y z."""
TRACKING = 0.25
"""In [m^2/s^2] and [rad^2/s^2]: legged_gym's, mjlab's and mujoco_playground's width of the tracking terms."""
MAX_TILT = np.radians(70.0)
"""Of the base against the ground, in [rad]; mjlab's limit."""
MIN_HEIGHT = 0.12
"""Of the base's origin above the ground in [m]: its trunk reaches 0.057 m down, and the knees are on the ground."""
ON_TARGET = (0.25, 0.25)
"""Errors of velocity in [m/s] and of turning in [rad/s] up to which a robot counts as on target: half the tracking
terms' width, where they still pay 78 %."""


def base_velocity(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Velocity of the base forwards and to its left, in its own frame, in [m/s]. Shape (N,) each."""
    w, x, y, z = motion.qpos[:, QUATERNION].T
    along, across, up = motion.qvel[:, :3].T
    forward = (1 - 2 * (y * y + z * z)) * along + 2 * (x * y + w * z) * across + 2 * (x * z - w * y) * up
    left = 2 * (x * y - w * z) * along + (1 - 2 * (x * x + z * z)) * across + 2 * (y * z + w * x) * up
    return forward, left


def base_state(motion: Motion) -> np.ndarray:
    """What no sensor of the robot says: velocity of the base in its own frame in [m/s], height in [m]. Shape (N, 3)."""
    return np.stack([*base_velocity(motion), motion.qpos[:, 2]], axis=1)


def uprightness(motion: Motion) -> np.ndarray:
    """Cosine of the angle between the base's up and the ground's normal. Shape (N,)."""
    _, x, y, _ = motion.qpos[:, QUATERNION].T
    return 1 - 2 * (x * x + y * y)


def velocity_error(motion: Motion) -> np.ndarray:
    """Distance from the velocity that is asked for, along the ground, in [m/s]. Shape (N,)."""
    assert motion.goal is not None
    forward, left = base_velocity(motion)
    return np.hypot(forward - motion.goal[:, 0], left - motion.goal[:, 1])


def turning_error(motion: Motion) -> np.ndarray:
    """Distance from the turning rate that is asked for in [rad/s]. Shape (N,)."""
    assert motion.goal is not None
    return np.abs(motion.qvel[:, 5] - motion.goal[:, 2])


def _velocity(motion: Motion) -> np.ndarray:
    """Weight 1: legged_gym, mujoco_playground."""
    return motion.period * np.exp(-np.square(velocity_error(motion)) / TRACKING)


def _turning(motion: Motion) -> np.ndarray:
    """Weight 0.5: legged_gym, mujoco_playground."""
    return 0.5 * motion.period * np.exp(-np.square(turning_error(motion)) / TRACKING)


def _upright(motion: Motion) -> np.ndarray:
    """mjlab's, exp(-|horizontal part of gravity's direction|^2 / 0.2), weighted less against the tracking."""
    return 0.2 * motion.period * np.exp(-(1 - np.square(uprightness(motion))) / 0.2)


def _steady(motion: Motion) -> np.ndarray:
    """Little bouncing and rolling: legged_gym's 2 v_z^2 + 0.05 (w_x^2 + w_y^2) is 0.2 at v_z 0.3 m/s or w 2 rad/s."""
    bouncing = 2.0 * np.square(motion.qvel[:, 2])
    rolling = 0.05 * (np.square(motion.qvel[:, 3]) + np.square(motion.qvel[:, 4]))
    return 0.2 * motion.period / (1 + (bouncing + rolling) / 0.2)


def _smooth(motion: Motion) -> np.ndarray:
    """Commands that change little: legged_gym's 0.01 x^2 in units of 0.25 rad is 0.16 x^2 in ours of about 1 rad."""
    change = motion.action - motion.previous_action
    return 0.2 * motion.period / (1 + np.square(change).sum(axis=1))


REWARD = Reward.sum(velocity=_velocity, turning=_turning, upright=_upright, steady=_steady, smooth=_smooth)


def fallen(motion: Motion) -> np.ndarray:
    """The base lies on the ground, or is tilted beyond return. Shape (N,), bool."""
    return (motion.qpos[:, 2] < MIN_HEIGHT) | (uprightness(motion) < np.cos(MAX_TILT))


def on_target(motion: Motion) -> np.ndarray:
    """Walks as it is asked to. Shape (N,), bool."""
    velocity, turning = ON_TARGET
    return (velocity_error(motion) < velocity) & (turning_error(motion) < turning)
