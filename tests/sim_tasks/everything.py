"""A family in which everything happens that the simulator can do: sensing errors, delays, goals, pushes, changes."""

from __future__ import annotations

import numpy as np

from robots import load_robot
from robots.observation import ObservationTerm
from sim_tasks.family import Change, Pushes, TaskFamily
from sim_tasks.goal import Goal
from sim_tasks.motion import Motion
from sim_tasks.plant import robot_plant
from sim_tasks.ports import RobotInterface
from sim_tasks.randomisation import (
    ActionDelay,
    BodyMass,
    ControlJitter,
    DroppedSamples,
    EncoderOffset,
    GravityNoise,
    GyroBias,
    GyroNoise,
    NoLoadSpeed,
    ObservationDelay,
    Parameter,
    PositionNoise,
    PushSpeed,
    TaskVariable,
    VelocityNoise,
)
from sim_tasks.reward import Reward
from sim_tasks.row_random import Rows

ERRORS = (
    ("position_offset", "rad", EncoderOffset(), 0.015),
    ("position_noise", "rad", PositionNoise(), 0.01),
    ("velocity_noise", "rad/s", VelocityNoise(), 1.5),
    ("gyro_bias", "rad/s", GyroBias(), 0.05),
    ("gyro_noise", "rad/s", GyroNoise(), 0.2),
    ("gravity_noise", "1", GravityNoise(), 0.05),
    ("drop_probability", "1", DroppedSamples(), 0.3),
    ("observation_delay", "s", ObservationDelay(), 0.05),
    ("control_jitter", "s", ControlJitter(), 0.008),
    ("push_speed", "m/s", PushSpeed(), 1.0),
    ("no_load_speed", "rad/s", NoLoadSpeed(), 40.0),
)
"""Name, unit, target and upper end of each range; the lower end is half of it."""


def _start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Standing where the robot stands by default, a little off."""
    spec = load_robot("go2")
    joints = np.array([joint.default_position for joint in spec.joints])
    qpos = np.tile(np.concatenate([[0.0, 0.0, 0.35, 1.0, 0.0, 0.0, 0.0], joints]), (count, 1))
    qpos[:, 7:] += rng.uniform(-0.1, 0.1, (count, 12))
    return qpos, 0.1 * rng.standard_normal((count, 18))


def _tracking(motion: Motion) -> np.ndarray:
    assert motion.goal is not None
    error = motion.qvel[:, :3] - motion.goal
    return np.exp(-motion.task["sharpness"] * np.square(error).sum(axis=1))


def _height(motion: Motion) -> np.ndarray:
    return np.cos(motion["xpos"][:, 1, 2] - 0.3)


def everything() -> TaskFamily:
    """A Go2 that is asked for a velocity and falls over now and then."""
    robot = load_robot("go2")
    errors = [
        Parameter(name, unit, target, high / 2, high, source="made up", ood="none")
        for name, unit, target, high in ERRORS
    ]
    parameters = (
        Parameter("base_mass", "kg", BodyMass("base"), 0.8, 1.2, "scale", "log_uniform", source="made up"),
        Parameter("action_delay", "s", ActionDelay(), 0.0, 0.02, source="made up", ood="none"),
        Parameter("sharpness", "1", TaskVariable(), 1.0, 4.0, source="made up"),
        *errors,
    )
    terms = (
        ObservationTerm("relative_position", history=3),
        ObservationTerm("velocity", 0.1),
        ObservationTerm("gyro", 0.25),
        ObservationTerm("gravity", history=2),
        ObservationTerm("goal"),
    )
    return TaskFamily(
        name="everything",
        plant=robot_plant(robot, max_delay=0.04, stage=1),
        interface=RobotInterface(robot, terms, goal=3),
        parameters=parameters,
        reward=Reward.product(tracking=_tracking, height=_height),
        start=_start,
        terminal=lambda motion: motion.qpos[:, 2] < 0.2,
        episode_seconds=4.0,
        goal=Goal(
            ("vx", "vy", "vz"),
            ("m/s", "m/s", "m/s"),
            draw=lambda rng, count: rng.uniform(-1.0, 1.0, (count, 4)),
            at=lambda plans, times: plans[:, :3] * np.cos(plans[:, 3:] * times[:, None]),
            every=(0.5, 1.0),
        ),
        change=Change("base_mass", probability=0.5, knock=0.5),
        pushes=Pushes(every=(0.5, 1.0), speed=0.5, dofs=(0, 1)),
    )
