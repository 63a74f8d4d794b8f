"""`go2_velocity`: a quadruped goes where it is told, whatever it carries, stands on, and has broken.

The velocity is a goal that the policy is told. The task, which nobody tells, is the robot and its ground.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robots import load_robot
from robots.observation import ObservationTerm
from sim_tasks.families.go2_rewards import REWARD, base_state, fallen, on_target, velocity_error
from sim_tasks.family import Pushes, TaskFamily
from sim_tasks.goal import Goal
from sim_tasks.plant import robot_plant
from sim_tasks.ports import RobotInterface
from sim_tasks.randomisation import (
    ActionDelay,
    Armature,
    ComOffset,
    EncoderOffset,
    FrictionLoss,
    GeomFriction,
    GravityNoise,
    GravityTilt,
    GyroBias,
    GyroNoise,
    JointDamping,
    JointFault,
    MotorStrength,
    Parameter,
    Payload,
    PositionNoise,
    PushSpeed,
    Readout,
    ServoKd,
    ServoKp,
    TotalMass,
    VelocityNoise,
)
from sim_tasks.row_random import Rows

ROBOT = load_robot("go2")
JOINTS = tuple(name.removesuffix("_joint") for name in ROBOT.joint_names)
FEET = ("FL", "FR", "RL", "RR")
FAULT = JointFault(ROBOT.joint_names)
HEALTHY = (-1.0,) * len(JOINTS)
"""Choices of no faulty joint at all: as many as of faulty ones, so that every second robot is healthy."""
FAULT_LOCKS = 60.0
"""Dry friction in [N m] of a joint that is locked: the strongest motor gives 35.55 N m."""
MAX_DELAY = 0.0375
"""[s]: 30 ms, and the quarter of the range that out-of-distribution tasks go beyond it."""

SPEED = (1.0, 0.5, 1.0)
"""Fastest goals: forwards and backwards in [m/s], sideways in [m/s], turning in [rad/s]. legged_gym's and mjlab's 1 m/s
and 1 rad/s; sideways half of it, as a leg reaches less far that way."""
STANDING = 0.1
"""Share of goals that ask to stand still; mjlab's."""

UNIFORM = 1 / np.sqrt(3)
"""Standard deviation of a uniform distribution on [-1, 1]: the practice gives the bounds of uniform noise, the sensor
model's is gaussian of the same variance."""

_RANGES = "ranges of real quadrupeds' training: "
_FAULT_SOURCE = "a motor that overheats, loses a phase or a gear that jams: any joint, any severity"

PARAMETERS = (
    Parameter(
        "foot_friction", "1", GeomFriction(FEET), 0.3, 1.25, "abs", "uniform", "high",
        source=_RANGES + "0.3-1.2 (mjlab), 0.5-1.25 (ASAP)",
    ),
    Parameter("link_mass", "1", TotalMass(), 0.9, 1.1, source=_RANGES + "0.9-1.1 (ASAP)"),
    Parameter("com_forward", "m", ComOffset("base", "x"), -0.025, 0.025, source=_RANGES + "25-50 mm"),
    Parameter("com_left", "m", ComOffset("base", "y"), -0.025, 0.025, source=_RANGES + "25-50 mm"),
    Parameter("com_up", "m", ComOffset("base", "z"), -0.03, 0.03, source=_RANGES + "30 mm (mjlab)"),
    Parameter(
        "payload", "kg", Payload("base", (0.0, 0.0, 0.08)), 0.0, 3.0, "abs", "uniform", "high",
        source=_RANGES + "up to 3 kg (legged_gym); on the trunk, whose top is at 0.057 m",
    ),
    Parameter("servo_stiffness", "1", ServoKp(factor=True), 0.9, 1.1, source=_RANGES + "0.9-1.1"),
    Parameter("servo_damping", "1", ServoKd(factor=True), 0.9, 1.1, source=_RANGES + "0.9-1.1"),
    Parameter("motor_strength", "1", MotorStrength(), 0.9, 1.1, source=_RANGES + "0.9-1.1"),
    Parameter(
        "joint_friction", "N m", FrictionLoss(), 0.1, 0.4, "abs", "log_uniform",
        source="Unitree's const.xacro has 0.2; published identifications of single drives vary by a factor of 2",
    ),
    Parameter(
        "joint_damping", "N m s/rad", JointDamping(), 0.005, 0.1, "abs", "log_uniform",
        source="Unitree's const.xacro has 0.01; MuJoCo Menagerie's model has 0.1",
    ),
    Parameter("armature", "1", Armature(factor=True), 1.0, 1.05, source=_RANGES + "1.0-1.05"),
    Parameter.choice(
        "faulty_joint", "index", FAULT.which, HEALTHY + tuple(map(float, range(len(JOINTS)))),
        source=_FAULT_SOURCE + "; every second robot has none",
    ),
    Parameter(
        "fault_strength", "1", FAULT.strength, 0.2, 1.0, "abs", "uniform", "low", source=_FAULT_SOURCE
    ),
    Parameter.choice(
        "fault_friction", "N m", FAULT.friction, (0.0, 2.0, FAULT_LOCKS),
        source="none besides its weakness; a dry gear, ten times the healthy 0.2 N m; locked",
    ),
    Parameter("slope_x", "rad", GravityTilt("x"), -0.12, 0.12, source="up to 9.6 deg; friction 0.3 holds to 16.7"),
    Parameter("slope_y", "rad", GravityTilt("y"), -0.12, 0.12, source="up to 9.6 deg; friction 0.3 holds to 16.7"),
    Parameter("action_delay", "s", ActionDelay(), 0.0, 0.03, "abs", "uniform", "high", source=_RANGES + "0-30 ms"),
    Parameter(
        "push_speed", "m/s", PushSpeed(), 0.0, 1.0, "abs", "uniform", "high", source=_RANGES + "0.5-1 m/s"
    ),
    *(
        Parameter(f"encoder_{name}", "rad", EncoderOffset(index), -0.015, 0.015, source=_RANGES + "0.015 rad")
        for index, name in enumerate(JOINTS)
    ),
    *(
        Parameter(
            f"gyro_bias_{axis}", "rad/s", GyroBias(index), -0.02, 0.02,
            source="zero-rate offset of consumer IMUs, 1 deg/s (BMI088's data sheet)",
        )
        for index, axis in enumerate("xyz")
    ),
    *(
        Parameter(
            name, unit, target, 0.2 * bound * UNIFORM, bound * UNIFORM, "abs", "log_uniform", "both",
            source=_RANGES + f"uniform {bound:g}; down to a fifth of it",
        )
        for name, unit, target, bound in (
            ("position_noise", "rad", PositionNoise(), 0.01),
            ("velocity_noise", "rad/s", VelocityNoise(), 1.5),
            ("gyro_noise", "rad/s", GyroNoise(), 0.2),
            ("gravity_noise", "1", GravityNoise(), 0.05),
        )
    ),
)  # fmt: skip

LOCKED = 0.1
"""The authority that stands for none at all: readouts are read on a logarithmic scale."""


def _authority(index: int) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Of one joint: how much of the torque that it is asked for reaches the leg, at a nominal drive 1."""

    def read(values: dict[str, np.ndarray]) -> np.ndarray:
        left = np.where(
            values["fault_friction"] > 0, LOCKED, np.maximum(values["fault_strength"], 2 * LOCKED)
        )
        return values["motor_strength"] * np.where(values["faulty_joint"] == index, left, 1.0)

    return read


READOUTS = tuple(Readout(f"authority_{name}", "1", _authority(index)) for index, name in enumerate(JOINTS))

TERMS = (
    ObservationTerm("gyro", scale=0.5),
    ObservationTerm("gravity", scale=3.0),
    ObservationTerm("goal", scale=2.0),
    ObservationTerm("relative_position", scale=3.0),
    ObservationTerm("velocity", scale=0.15),
)
"""Scaled to about one: a walking leg swings by 0.3 rad at 7 rad/s, the trunk by 0.3 rad at 2 rad/s."""


def _draw_goal(rng: Rows, count: int) -> np.ndarray:
    """Forward [m/s], left [m/s], turning left [rad/s]. Shape (count, 3)."""
    asked = rng.uniform(np.negative(SPEED), SPEED, (count, 3))
    return np.where(rng.random((count, 1)) < STANDING, 0.0, asked)


GOAL = Goal(
    ("forward", "left", "turning"), ("m/s", "m/s", "rad/s"), _draw_goal, every=(3.0, 8.0), kind="velocity"
)
"""Redrawn every 3 to 8 s, as in mjlab."""

START_HEIGHT = 0.34
"""Of the base in [m]: 0.333 m with unbent servos (go2.xml), and room for a foot that hangs lower. Slopes are turns of
gravity: the ground stays at 0."""


def _start(rng: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Standing anywhere, heading anywhere, legs and trunk a little askew, in slight motion."""
    qpos, qvel = np.zeros((count, 19)), np.zeros((count, 18))
    qpos[:, 2] = START_HEIGHT
    tilt = rng.uniform(-0.1, 0.1, (count, 2))
    qpos[:, 3:7] = _attitude(tilt[:, 0], tilt[:, 1], rng.uniform(-np.pi, np.pi, count))
    qpos[:, 7:] = ROBOT.default_position + rng.uniform(-0.1, 0.1, (count, 12))
    qvel[:, :6] = rng.uniform(-0.3, 0.3, (count, 6))
    return qpos, qvel


def _attitude(roll: np.ndarray, pitch: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Quaternions w x y z of a turn by yaw, then pitch, then roll about the turned axes, in [rad]. Shape (n, 4)."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(angle / 2), np.sin(angle / 2)) for angle in (roll, pitch, yaw))
    return np.stack(
        [
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        ],
        axis=1,
    )


def go2_velocity() -> TaskFamily:
    """The family, with every range's reason beside it in `PARAMETERS`."""
    return TaskFamily(
        name="go2_velocity",
        plant=robot_plant(ROBOT, MAX_DELAY),
        interface=RobotInterface(ROBOT, TERMS, GOAL.size),
        parameters=PARAMETERS,
        readouts=READOUTS,
        reward=REWARD,
        start=_start,
        terminal=fallen,
        success=on_target,
        error=velocity_error,
        error_unit="m/s",
        goal=GOAL,
        privileged=base_state,
        pushes=Pushes(every=(1.0, 10.0), speed=1.0, dofs=(0, 1)),
        episode_seconds=10.0,
        about="walk at a velocity that is told, with unknown load, friction, slope, drives and one faulty joint",
    )
