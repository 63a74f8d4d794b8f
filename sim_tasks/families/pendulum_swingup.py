"""`pendulum_swingup`: swing up and balance a pendulum whose encoder, drive and payload are not the ones promised.

The reward is about the true upright, the encoder's zero is unknown: whoever does not find it out balances beside
the goal, or not at all.
"""

from __future__ import annotations

import numpy as np
from dm_control.utils import rewards

from robots import load_robot
from robots.observation import ObservationTerm
from robots.reward import RewardLayout
from robots.reward_terms import RewardPart, RewardTerm
from robots.tolerance import Tolerance
from sim_tasks.family import Change, TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import robot_plant
from sim_tasks.ports import RobotInterface
from sim_tasks.randomisation import (
    ActionDelay,
    BodyDistance,
    BodyMass,
    JointField,
    MotorGain,
    Parameter,
    Readout,
    Sensing,
)
from sim_tasks.reward import Reward
from sim_tasks.row_random import Rows

GRAVITY = 9.81
ROD_MASS, ROD_COM, ROD_INERTIA = 0.130, 0.240, 2.7e-3
"""[kg], [m], [kg m^2] about the rod's COM; pendulum.xml derives them."""
ARMATURE = 6**2 * 6.07e-5
"""Rotor inertia behind the 6:1 gear in [kg m^2]."""

UPRIGHT = 0.25
"""Distance from upright in [rad] within which the pendulum counts as balanced."""

PARAMETERS = (
    Parameter(
        "payload_mass", "kg", BodyMass("payload"), 0.6, 1.3, "scale", "log_uniform",
        source="the same rig was run with other masses than its 0.546 kg",
    ),
    Parameter(
        "payload_distance", "m", BodyDistance("payload"), 0.8, 1.1, "scale", "uniform",
        source="clamped along the rod; moves the centre of mass from 0.34 to 0.50 m",
    ),
    Parameter(
        "viscous_friction", "N m s/rad", JointField("pivot", "dof_damping"), 0.01, 0.12, "abs", "log_uniform",
        source="published identifications 0.05-0.35; fits of the recordings' free motion give 0.0-0.03",
    ),
    Parameter(
        "coulomb_friction", "N m", JointField("pivot", "dof_frictionloss"), 0.03, 0.2, "abs", "uniform", "high",
        source="published identifications 0.03-0.2",
    ),
    Parameter(
        "motor_gain", "1", MotorGain("pivot"), 0.65, 1.2, "abs", "log_uniform",
        source="fits of the recordings give 0.4-0.7 of the measured torque at the joint",
    ),
    Parameter(
        "action_delay", "s", ActionDelay("pivot"), 0.01, 0.04, "abs", "uniform", "high",
        source="half a control period up to two; the measured torque lags by 20 ms",
    ),
    Parameter(
        "encoder_offset", "rad", Sensing(0, "position_offset"), -0.3, 0.3, "abs", "uniform",
        source="the zero is set by hand, on a base that is level by eye",
    ),
    Parameter(
        "position_noise", "rad", Sensing(0, "position_noise"), 0.0005, 0.005, "abs", "log_uniform",
        source="the recordings have 0.001 rad; up to twice the backlash of 0.15 deg",
    ),
    Parameter(
        "velocity_noise", "rad/s", Sensing(0, "velocity_noise"), 0.05, 0.3, "abs", "log_uniform",
        source="the recordings have 0.09 to 0.16 rad/s",
    ),
)  # fmt: skip


def inertia(values: dict[str, np.ndarray]) -> np.ndarray:
    """Moment of inertia about the pivot in [kg m^2]. Shape (n,)."""
    rod = ROD_INERTIA + ROD_MASS * ROD_COM**2
    return rod + values["payload_mass"] * values["payload_distance"] ** 2 + ARMATURE


def gravity_torque(values: dict[str, np.ndarray]) -> np.ndarray:
    """Torque of gravity at the horizontal, m g l, in [N m]. Shape (n,)."""
    return GRAVITY * (ROD_MASS * ROD_COM + values["payload_mass"] * values["payload_distance"])


READOUTS = (
    Readout("gravity_stiffness", "1/s^2", lambda values: gravity_torque(values) / inertia(values)),
    Readout("drive_authority", "rad/s^2 per N m", lambda values: values["motor_gain"] / inertia(values)),
    Readout("damping_rate", "1/s", lambda values: values["viscous_friction"] / inertia(values)),
    Readout("stiction", "rad/s^2", lambda values: values["coulomb_friction"] / inertia(values)),
)


def upright_error(position: np.ndarray) -> np.ndarray:
    """Signed distance from upright in [rad], within [-pi, pi). Shape as `position`, true angles in [rad]."""
    return np.mod(position, 2 * np.pi) - np.pi


def _upright(motion: Motion) -> np.ndarray:
    """Sharp about the true upright, with a gentle slope from hanging that tells a learner where up is."""
    error = upright_error(motion.position[:, 0])
    raised = (1 + np.cos(error)) / 2
    precise = rewards.tolerance(error, bounds=(-0.03, 0.03), margin=0.2)
    return 0.1 * raised + 0.9 * precise


def _steady(motion: Motion) -> np.ndarray:
    return (1 + np.asarray(rewards.tolerance(motion.velocity[:, 0], margin=4.0))) / 2


def _small_control(motion: Motion) -> np.ndarray:
    effort = rewards.tolerance(motion.action[:, 0], margin=1.0, value_at_margin=0.0, sigmoid="quadratic")
    return (9 + np.asarray(effort)) / 10


MEASURED_REWARD = (
    RewardTerm(
        "upright",
        (
            RewardPart(
                "position",
                Tolerance(margin=np.pi, sigmoid="cosine", value_at_margin=0.0),
                0.1,
                (np.pi,),
                wrapped=True,
            ),
            RewardPart("position", Tolerance((-0.03, 0.03), margin=0.2), 0.9, (np.pi,), wrapped=True),
        ),
    ),
    RewardTerm("steady", (RewardPart("velocity", Tolerance(margin=4.0), 0.5),), offset=0.5),
    RewardTerm(
        "small_control",
        (RewardPart("action", Tolerance(margin=1.0, sigmoid="quadratic", value_at_margin=0.0), 0.1),),
        offset=0.9,
    ),
)
"""The same of what is measured. Its upright is the encoder's, beside the true one by as much as its zero is off."""


def _start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Hanging, let go somewhere near the bottom."""
    return rng.uniform(-0.6, 0.6, (count, 1)), rng.uniform(-1.0, 1.0, (count, 1))


def _training_start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of the starts are anywhere, in any motion: a weak motor's learner must have seen the top to aim for it."""
    position, velocity = _start(rng, count)
    anywhere = rng.random((count, 1)) < 0.5
    position = np.where(anywhere, rng.uniform(-np.pi, np.pi, (count, 1)), position)
    return position, np.where(anywhere, rng.uniform(-6.0, 6.0, (count, 1)), velocity)


def pendulum_swingup() -> TaskFamily:
    """The family, with every range's reason beside it in `PARAMETERS`."""
    robot = load_robot("pendulum")
    terms = (
        ObservationTerm("sin_position"),
        ObservationTerm("cos_position"),
        ObservationTerm("velocity", scale=0.2),
    )
    return TaskFamily(
        name="pendulum_swingup",
        plant=robot_plant(robot),
        interface=RobotInterface(robot, terms),
        parameters=PARAMETERS,
        readouts=READOUTS,
        reward=Reward.product(upright=_upright, steady=_steady, small_control=_small_control),
        measured_reward=RewardLayout(MEASURED_REWARD, robot),
        start=_start,
        training_start=_training_start,
        success=lambda motion: np.abs(upright_error(motion.position[:, 0])) < UPRIGHT,
        error=lambda motion: np.abs(upright_error(motion.position[:, 0])),
        error_unit="rad",
        episode_seconds=6.0,
        change=Change("payload_mass", probability=0.3, knock=4.0),
        about="swing up and balance with an unknown payload, drive, delay and encoder zero",
    )
