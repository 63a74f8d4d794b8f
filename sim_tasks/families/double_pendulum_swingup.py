"""`double_pendulum_swingup`: swing a double pendulum up with one motor, whose links, friction and drive are unknown.

Acrobot: the elbow drives, the shoulder hangs free; pendubot: the other way round (Spong 1995). DFKI RIC's
`double_pendulum` competitions (ICRA and IROS "AI Olympics") use the same rig and the same two tasks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from dm_control.utils import rewards

from robots import RobotSpec, load_robot, with_passive
from robots.observation import ObservationTerm
from robots.reward import RewardLayout
from robots.reward_terms import RewardPart, RewardTerm
from robots.tolerance import Tolerance
from sim_tasks.errors import TaskError
from sim_tasks.family import Change, TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import robot_plant
from sim_tasks.ports import RobotInterface
from sim_tasks.randomisation import (
    ActionDelay,
    BodyMass,
    EncoderOffset,
    FrictionLoss,
    JointDamping,
    MotorStrength,
    Parameter,
    PositionNoise,
    VelocityNoise,
)
from sim_tasks.reward import Reward
from sim_tasks.row_random import Rows

PASSIVE = {"acrobot": "shoulder", "pendubot": "elbow"}
LENGTHS = (0.2, 0.3)
"""Of the links in [m], design C.1; double_pendulum.xml has their source."""
TOP = sum(LENGTHS)
STANDING = 0.05
"""Height in [m] below the top within which the tip counts as up: both links within 0.4 to 0.6 rad of upright."""
MAX_DELAY = 0.05
"""[s]."""

PARAMETERS = (
    Parameter(
        "lower_mass", "kg", BodyMass("lower_link"), 0.7, 1.4, "scale", "log_uniform",
        source="the rig's weights can be changed; identified designs differ by as much",
    ),
    Parameter(
        "upper_mass", "kg", BodyMass("upper_link"), 0.9, 1.1, "scale", "uniform",
        source="link mass x0.9 to 1.1, as on legged robots",
    ),
    Parameter(
        "viscous_friction", "N m s/rad", JointDamping(), 0.0005, 0.02, "abs", "log_uniform",
        source="identified 0.001, the single pendulum's fits 0.0 to 0.03",
    ),
    Parameter(
        "shoulder_friction", "N m", FrictionLoss("shoulder"), 0.05, 0.25, "abs", "uniform", "high",
        source="identified 0.16",
    ),
    Parameter(
        "elbow_friction", "N m", FrictionLoss("elbow"), 0.05, 0.2, "abs", "uniform", "high",
        source="identified 0.12",
    ),
    Parameter(
        "motor_strength", "1", MotorStrength(), 0.7, 1.2, "abs", "log_uniform",
        source="the single pendulum's recordings show 0.4 to 0.7 of the measured torque, with the same drive",
    ),
    Parameter(
        "action_delay", "s", ActionDelay(), 0.005, 0.03, "abs", "uniform", "high",
        source="the single pendulum's measured torque lags by 20 ms",
    ),
    Parameter(
        "shoulder_offset", "rad", EncoderOffset(0), -0.1, 0.1, "abs", "uniform",
        source="the zero is set by hand",
    ),
    Parameter(
        "elbow_offset", "rad", EncoderOffset(1), -0.1, 0.1, "abs", "uniform",
        source="the zero is set by hand",
    ),
    Parameter(
        "position_noise", "rad", PositionNoise(), 0.0005, 0.003, "abs", "log_uniform",
        source="the recordings resolve 0.0002 rad; backlash 0.15 deg",
    ),
    Parameter(
        "velocity_noise", "rad/s", VelocityNoise(), 0.05, 0.3, "abs", "log_uniform",
        source="as on the single pendulum with the same drive",
    ),
)  # fmt: skip


def tip_height(position: np.ndarray) -> np.ndarray:
    """Height of the tip above the shoulder in [m], from joint positions in [rad], shape (N, 2). Shape (N,)."""
    shoulder, elbow = position[:, 0], position[:, 1]
    return -LENGTHS[0] * np.cos(shoulder) - LENGTHS[1] * np.cos(shoulder + elbow)


def upright_error(position: np.ndarray) -> np.ndarray:
    """Angle from upright of the link that is farther from it, in [rad]; joint positions in [rad], shape (N, 2)."""
    links = np.stack([position[:, 0], position.sum(axis=1)], axis=1)
    return np.abs(np.mod(links, 2 * np.pi) - np.pi).max(axis=1)


def _upright(motion: Motion) -> np.ndarray:
    """Sharp within centimetres of the top, with a slope from hanging that tells a learner where up is."""
    height = tip_height(motion.position)
    raised = (1 + height / TOP) / 2
    precise = rewards.tolerance(height, bounds=(TOP - 0.005, np.inf), margin=0.15)
    return 0.2 * raised**2 + 0.8 * precise


def _steady(motion: Motion) -> np.ndarray:
    shoulder, elbow = motion.velocity.T
    slow = rewards.tolerance(shoulder, margin=6.0) * rewards.tolerance(elbow, margin=8.0)
    return (1 + np.asarray(slow)) / 2


def _small_control(motion: Motion) -> np.ndarray:
    effort = rewards.tolerance(motion.action[:, 0], margin=1.0, value_at_margin=0.0, sigmoid="quadratic")
    return (9 + np.asarray(effort)) / 10


UPRIGHT_LINKS = {"target": (np.pi, 0.0), "mix": ((1.0, 0.0), (1.0, 1.0)), "wrapped": True}
"""How far the links are from upright: theirs are the shoulder's angle, and the sum of both joints'."""
MEASURED_REWARD = (
    RewardTerm(
        "upright",
        (
            RewardPart(
                "position",
                Tolerance(margin=np.pi * np.sqrt(2), sigmoid="cosine", value_at_margin=0.0),
                0.2,
                **UPRIGHT_LINKS,
            ),
            # Both links tilted by a have the tip 2 TOP sin(a / 2)^2 below the top: 0.141 rad for the bounds of the
            # true reward, 0.005 m, and 0.809 rad where its margin of 0.15 m ends. Times sqrt(2): of both together.
            RewardPart("position", Tolerance((0.0, 0.2), margin=0.944), 0.8, **UPRIGHT_LINKS),
        ),
    ),
    RewardTerm(
        "steady",
        (RewardPart("velocity", Tolerance(margin=1.0), 0.5, mix=((1 / 6.0, 0.0), (0.0, 1 / 8.0))),),
        offset=0.5,
    ),
    RewardTerm(
        "small_control",
        (RewardPart("action", Tolerance(margin=1.0, sigmoid="quadratic", value_at_margin=0.0), 0.1),),
        offset=0.9,
    ),
)
"""The same of what is measured, by the angles of the links in place of the tip's height. Encoders whose zeros are off
have another upright than the true one."""


def _wound_up(robot: RobotSpec) -> Callable[[Motion], np.ndarray]:
    """Beyond the cables' length the robot stays in safe mode until somebody unwinds it: there is nothing to gain."""
    low, high = robot.position_limits
    return lambda motion: np.any((motion.position < low) | (motion.position > high), axis=1)


def _start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Hanging, let go somewhere near the bottom."""
    return rng.uniform(-0.3, 0.3, (count, 2)), rng.uniform(-0.5, 0.5, (count, 2))


def _training_start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A third hang, a third are anywhere, a third are near the top: balance has to be seen to be aimed for."""
    position, velocity = _start(rng, count)
    kind = rng.random((count, 1))
    anywhere = rng.uniform(-np.pi, np.pi, (count, 2))
    upright = np.array([np.pi, 0.0]) + rng.uniform(-0.3, 0.3, (count, 2))
    position = np.where(kind < 2 / 3, np.where(kind < 1 / 3, anywhere, upright), position)
    fast = rng.uniform(-1.0, 1.0, (count, 2)) * np.where(kind < 1 / 3, 6.0, 1.0)
    return position, np.where(kind < 2 / 3, fast, velocity)


def double_pendulum_swingup(actuated: str = "acrobot") -> TaskFamily:
    """The family; every range's reason stands beside it in `PARAMETERS`.

    Args:
        actuated: `acrobot` (the elbow drives) or `pendubot` (the shoulder does).

    Raises:
        TaskError: neither of the two.
    """
    if actuated not in PASSIVE:
        raise TaskError(f"actuated: {actuated!r}; valid: {', '.join(PASSIVE)}")
    robot = with_passive(load_robot("double_pendulum"), PASSIVE[actuated])
    terms = (
        ObservationTerm("sin_position"),
        ObservationTerm("cos_position"),
        ObservationTerm("velocity", scale=0.1),
        ObservationTerm("position", scale=0.1),  # how far the cables are wound up
    )
    return TaskFamily(
        name="double_pendulum_swingup" if actuated == "acrobot" else "double_pendulum_swingup@pendubot",
        plant=robot_plant(robot, max_delay=MAX_DELAY),
        interface=RobotInterface(robot, terms),
        parameters=PARAMETERS,
        reward=Reward.product(upright=_upright, steady=_steady, small_control=_small_control),
        measured_reward=RewardLayout(MEASURED_REWARD, robot),
        start=_start,
        training_start=_training_start,
        terminal=_wound_up(robot),
        success=lambda motion: tip_height(motion.position) > TOP - STANDING,
        error=lambda motion: upright_error(motion.position),
        error_unit="rad",
        episode_seconds=8.0,
        change=Change("lower_mass", probability=0.3, knock=2.0),
        about="swing a double pendulum up and balance it, one of its two motors passive",
    )
