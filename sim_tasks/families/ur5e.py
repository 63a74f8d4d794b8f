"""`ur5e_reach` and `ur5e_track`: bring the flange of an arm to a point, or along a curve, under an unknown payload.

The arm follows joint targets by its own servos, which carry its own weight and nothing else: what it lifts bends it, by
centimetres, and late targets make it lag. Whoever finds out how much can aim beside the goal.
"""

from __future__ import annotations

import numpy as np
from dm_control.utils import rewards

from robots import RobotSpec, load_robot
from robots.kinematics import ForwardKinematics
from robots.observation import ObservationTerm
from robots.reward import RewardLayout
from robots.reward_terms import RewardPart, RewardTerm
from robots.tolerance import Tolerance
from sim_tasks.family import Change, TaskFamily
from sim_tasks.goal import Goal
from sim_tasks.motion import Motion
from sim_tasks.plant import robot_plant
from sim_tasks.ports import RobotInterface
from sim_tasks.randomisation import (
    ActionDelay,
    BodyMass,
    EncoderOffset,
    FrictionLoss,
    ObservationDelay,
    Parameter,
    PositionNoise,
    ServoKd,
    ServoKp,
    VelocityNoise,
)
from sim_tasks.reward import Reward, Term
from sim_tasks.row_random import Rows

MAX_DELAY = 0.05
"""Buffer for late commands in [s]."""
FLOOR = 0.15
"""Lowest targets above the base in [m]; the payload hangs 0.08 m below the flange."""
CLOSE = 0.02
"""Distance from the target in [m] that counts as there."""
_CANDIDATES = 4

PARAMETERS = (
    Parameter(
        "payload_mass", "kg", BodyMass("payload"), 0.1, 4.0, "abs", "log_uniform",
        source="UR5e user manual: at most 5 kg",
    ),
    Parameter(
        "servo_stiffness", "1", ServoKp(factor=True), 0.75, 1.5, "abs", "log_uniform",
        source="kp x0.75 to 1.5, UR10e on hardware",
    ),
    Parameter(
        "servo_damping", "1", ServoKd(factor=True), 0.5, 3.0, "abs", "log_uniform",
        source="kd x0.3 to 3.0, UR10e on hardware; below 0.5 ours rings with 4 kg",
    ),
    Parameter(
        "joint_friction", "N m", FrictionLoss(), 0.3, 0.7, "abs", "uniform",
        source="0.3 to 0.7, UR10e on hardware",
    ),
    Parameter(
        "action_delay", "s", ActionDelay(), 0.005, 0.03, "abs", "uniform", "high",
        source="5 to 10 ms measured on a Panda; up to 30 ms through a network",
    ),
    Parameter(
        "observation_delay", "s", ObservationDelay(), 0.0, 0.02, "abs", "uniform", "high",
        source="joint states at 500 Hz, read by a controller at 50 Hz",
    ),
    Parameter(
        "shoulder_offset", "rad", EncoderOffset(1), -0.015, 0.015, "abs", "uniform",
        source="encoder offset +-0.015 rad, legged robots on hardware",
    ),
    Parameter(
        "position_noise", "rad", PositionNoise(), 0.0001, 0.001, "abs", "log_uniform",
        source="repeatability 0.03 mm at 0.85 m is 0.00004 rad (user manual); ten times that and more",
    ),
    Parameter(
        "velocity_noise", "rad/s", VelocityNoise(), 0.002, 0.05, "abs", "log_uniform",
        source="differences of such positions over 20 ms: 0.0001 to 0.001 * sqrt(2) / 0.02",
    ),
)  # fmt: skip


class Flange:
    """Where the flange is, and which points it can reach from in front of the robot."""

    def __init__(self, robot: RobotSpec):
        assert robot.tool is not None
        self._kinematics = ForwardKinematics(robot.tool, robot.joint_names)
        self.centre = robot.action_range.mean(axis=0)
        self.half_range = np.ptp(robot.action_range, axis=0) / 2

    def position(self, joints: np.ndarray) -> np.ndarray:
        """In the base frame in [m], shape (N, 3), from joint positions in [rad], shape (N, 6)."""
        return self._kinematics(joints)

    def reachable(self, rng: Rows, count: int, share: float) -> np.ndarray:
        """Points that it has at random joint positions within a share of the action range. Shape (count, 3), [m]."""
        unit = rng.uniform(-share, share, (count, _CANDIDATES, len(self.centre)))
        joints = self.centre + unit * self.half_range
        points = self.position(joints.reshape(-1, len(self.centre))).reshape(count, _CANDIDATES, 3)
        # The first that is high enough, or the highest: targets are never in the table.
        high = points[:, :, 2] > FLOOR
        chosen = np.where(high.any(axis=1), high.argmax(axis=1), points[:, :, 2].argmax(axis=1))
        points = points[np.arange(count), chosen]
        points[:, 2] = np.maximum(points[:, 2], FLOOR)
        return points

    def distance(self, motion: Motion) -> np.ndarray:
        """From the goal to where the flange really is, in [m]. Shape (N,)."""
        assert motion.goal is not None
        return np.sqrt(np.square(self.position(motion.position) - motion.goal[:, :3]).sum(axis=1))


def _near(flange: Flange) -> Term:
    """Sharp at a centimetre, with a slope from half a metre away."""

    def near(motion: Motion) -> np.ndarray:
        distance = flange.distance(motion)
        coarse = rewards.tolerance(distance, margin=0.6, sigmoid="long_tail")
        fine = rewards.tolerance(distance, bounds=(0, 0.003), margin=0.03, sigmoid="long_tail")
        return 0.3 * np.asarray(coarse) + 0.7 * np.asarray(fine)

    return near


def _smooth(motion: Motion) -> np.ndarray:
    """Targets that do not jump: a change of the whole action range in one step costs half."""
    assert motion.previous_action is not None
    change = np.square(motion.action - motion.previous_action).sum(axis=1)
    return (1 + np.asarray(rewards.tolerance(np.sqrt(change), margin=2.0))) / 2


MEASURED_REWARD = (
    RewardTerm(
        "near",
        (
            RewardPart("tool_error", Tolerance(margin=0.6, sigmoid="long_tail"), 0.3),
            RewardPart("tool_error", Tolerance((0.0, 0.003), margin=0.03, sigmoid="long_tail"), 0.7),
        ),
    ),
    RewardTerm("smooth", (RewardPart("action_change", Tolerance(margin=2.0), 0.5),), offset=0.5),
)
"""The same of what is measured: where the flange is by nominal kinematics of encoders that are late and whose zeros are
off, and by the goal that the policy is told now."""


def _start(robot: RobotSpec, flange: Flange, share: float):
    def start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
        """At rest somewhere within a share of the action range."""
        joints = len(robot.joints)
        unit = rng.uniform(-share, share, (count, joints))
        return flange.centre + unit * flange.half_range, np.zeros((count, joints))

    return start


def _family(name: str, goal: Goal, robot: RobotSpec, flange: Flange, about: str) -> TaskFamily:
    terms = (
        ObservationTerm("relative_position"),
        ObservationTerm("velocity"),
        ObservationTerm("goal", scale=2.0),
        ObservationTerm("tool_error", scale=5.0, clip=5.0),
    )
    return TaskFamily(
        name=name,
        plant=robot_plant(robot, max_delay=MAX_DELAY),
        interface=RobotInterface(robot, terms, goal.size),
        parameters=PARAMETERS,
        reward=Reward.product(near=_near(flange), smooth=_smooth),
        measured_reward=RewardLayout(MEASURED_REWARD, robot, goal.size),
        start=_start(robot, flange, 0.2),
        training_start=_start(robot, flange, 0.6),
        success=lambda motion: flange.distance(motion) < CLOSE,
        error=flange.distance,
        error_unit="m",
        goal=goal,
        episode_seconds=6.0,
        change=Change("payload_mass", probability=0.3),
        about=about,
    )


def ur5e_reach() -> TaskFamily:
    """A new target somewhere in front of the robot every three seconds."""
    robot = load_robot("ur5e")
    flange = Flange(robot)
    goal = Goal(
        ("target_x", "target_y", "target_z"),
        ("m", "m", "m"),
        lambda rng, count: flange.reachable(rng, count, 0.6),
        every=(3.0, 3.0),
        kind="tool_position",
    )
    about = "bring an arm's flange to targets under an unknown payload, servo, friction and delay"
    return _family("ur5e_reach", goal, robot, flange, about)


def ur5e_track() -> TaskFamily:
    """Along an ellipse in space: centre, two half axes, and 0.1 to 0.4 rounds a second; at most 0.6 m/s."""
    robot = load_robot("ur5e")
    flange = Flange(robot)
    goal = Goal(
        ("target_x", "target_y", "target_z", "velocity_x", "velocity_y", "velocity_z"),
        ("m", "m", "m", "m/s", "m/s", "m/s"),
        lambda rng, count: _ellipse(flange, rng, count),
        at=_along,
        kind="tool_motion",
    )
    about = "lead an arm's flange along a curve under an unknown payload, servo, friction and delay"
    return _family("ur5e_track", goal, robot, flange, about)


def _ellipse(flange: Flange, rng: Rows, count: int) -> np.ndarray:
    """Centre [m], two half axes [m], rounds per second [1/s] and phase [rad] of each. Shape (count, 11)."""
    centre = flange.reachable(rng, count, 0.25)
    axes = rng.uniform(-0.12, 0.12, (count, 6))
    centre[:, 2] = np.maximum(
        centre[:, 2], FLOOR + 0.17
    )  # 0.12 sqrt(2): the lowest point that the axes can reach
    return np.concatenate(
        [centre, axes, rng.uniform(0.1, 0.4, (count, 1)), rng.uniform(0, 2 * np.pi, (count, 1))], axis=1
    )


def _along(plans: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Point [m] and velocity [m/s] on the ellipses at `times` [s]. Shape (N, 6)."""
    rate = 2 * np.pi * plans[:, 9]
    angle = (rate * times + plans[:, 10])[:, None]
    first, second = plans[:, 3:6], plans[:, 6:9]
    point = plans[:, :3] + np.cos(angle) * first + np.sin(angle) * second
    velocity = rate[:, None] * (np.cos(angle) * second - np.sin(angle) * first)
    return np.concatenate([point, velocity], axis=1)
