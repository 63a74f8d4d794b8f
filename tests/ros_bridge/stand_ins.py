"""Stand-ins for what is too slow or too well-behaved for a test: adapters, messages, frames."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Quaternion, Vector3
from sensor_msgs.msg import Imu, JointState

from adapt.online.controller import AdaptiveController
from adapt.types import Belief
from robots import RobotSpec, SensorFrame
from robots.observation import ObservationLayout, ObservationTerm
from robots.reward import RewardLayout
from ros_bridge import conversions

FAMILY = {"belief_names": ["mass"], "belief_units": ["kg"]}


class Steadfast:
    """An adapter that always asks for the same action, and believes in the number of readings it has heard."""

    def __init__(self, joints: int, quantities: int = 1):
        self.action = np.full((1, joints), 1.0, np.float32)
        self.quantities = quantities
        self.heard = 0
        self.resets = 0
        self.sent: list[np.ndarray] = []
        """The previous actions that it was told of."""
        self.seen: list[np.ndarray] = []
        """The observations that it was given."""

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        self.heard = 0
        self.resets += 1

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        self.heard += int(listen[0])
        self.sent.append(previous_action.copy())
        self.seen.append(observation.copy())
        return self.action

    def belief(self) -> Belief:
        count = np.full((1, self.quantities), float(self.heard))
        return Belief(count, count, count, np.full_like(count, 0.5))


def controller(
    spec: RobotSpec, adapter, goal: int = 0, reward: RewardLayout | None = None
) -> AdaptiveController:
    """Observes velocities, and goals of `goal` numbers where there are any."""
    terms = [ObservationTerm("velocity"), *([ObservationTerm("goal")] if goal else [])]
    return AdaptiveController(spec, ObservationLayout(terms, spec, goal), adapter, reward=reward)


def frame(stamp: float, position: float = 0.0, velocity: float = 0.0, joints: int = 1) -> SensorFrame:
    """One robot's reading, the same for all joints."""
    return SensorFrame(np.array([stamp]), np.full((1, joints), position), np.full((1, joints), velocity))


def reading(
    stamp: float, position: float = 0.0, velocity: float = 0.0, joints: int = 1
) -> conversions.Reading:
    """Of joints, all the same."""
    made = frame(stamp, position, velocity, joints)
    return conversions.Reading(made, None if made.finite[0] else "not finite")


def imu_reading(
    stamp: float,
    gyro: float = 0.0,
    gravity: float = -1.0,
    joints: int = 12,
    problem: str | None = None,
) -> conversions.Reading:
    """Of the IMU of a robot with so many joints: gravity along z, the same gyro about all axes."""
    nothing = np.full((1, joints), np.nan)
    down = np.array([[0.0, 0.0, gravity]])
    made = SensorFrame(np.array([stamp]), nothing, nothing, np.full((1, 3), gyro), down)
    return conversions.Reading(made, problem)


def joint_state(
    stamp: float,
    names: tuple[str, ...] = ("pivot",),
    position: tuple[float, ...] = (0.0,),
    velocity: tuple[float, ...] = (0.0,),
    effort: tuple[float, ...] = (),
) -> JointState:
    """Any message at all, also one that no robot should send."""
    message = JointState(
        name=list(names), position=list(position), velocity=list(velocity), effort=list(effort)
    )
    message.header.stamp = conversions.to_stamp(stamp)
    return message


def imu_state(
    stamp: float,
    rate: tuple[float, float, float] = (0.0, 0.0, 0.0),
    orientation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0),
) -> Imu:
    """Any message at all; the orientation is x y z w."""
    x, y, z, w = orientation
    turn, speed = Quaternion(x=x, y=y, z=z, w=w), Vector3(x=rate[0], y=rate[1], z=rate[2])
    message = Imu(orientation=turn, angular_velocity=speed)
    message.header.stamp = conversions.to_stamp(stamp)
    return message
