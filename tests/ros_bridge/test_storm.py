"""More than 100,000 random and adversarial messages and actions at the control loops of five robots, in ROS's types.

Never an exception, never a command that is not finite, out of limits, or further from the last one than a control
period allows, in a burst together no further than one and a half; but that torque may be let go of at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, PoseStamped, Twist, Vector3
from std_msgs.msg import Header

from adapt.bundle import PolicyBundle
from adapt.online import learning
from adapt.online.controller import AdaptiveController, ControlStep
from adapt.online.gradient import GradientAdapter
from adapt.online.learning import OnRobotLearning
from adapt.online.learning_settings import LearningSettings
from adapt.online.proposal import Proposal
from adapt.types import Belief
from robots import RobotSpec, load_robot
from robots.goal import GoalLayout
from robots.observation import ObservationLayout, ObservationTerm
from robots.reason import Reason
from robots.spec import EffortSensor
from ros_bridge import conversions
from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import to_goal
from ros_bridge.imu import to_imu_reading
from tests.ros_bridge.stand_ins import imu_state, joint_state

MESSAGES = 22_000
"""To each of five robots."""
BAD = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 1e9, 5e-324, -0.0])
UNITS = {"velocity": ("m/s", "m/s", "rad/s"), "tool_position": ("m", "m", "m")}
LAYOUTS = {
    kind: GoalLayout(kind, ("a", "b", "c"), units, (-1.0,) * 3, (1.0,) * 3) for kind, units in UNITS.items()
}


class Mad:
    """An adapter whose actions are anything, and mostly numbers."""

    def __init__(self, rng: np.random.Generator, actions: int):
        self._rng, self._actions = rng, actions

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Nothing is remembered."""

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        assert np.isfinite(observation).all(), "nothing broken reaches the policy"
        assert np.isfinite(previous_action).all()
        with np.errstate(over="ignore"):
            return spoilt(self._rng, self._rng.normal(0, 2, (1, self._actions)), 0.02).astype(np.float32)

    def belief(self) -> Belief | None:
        return None


def spoilt(rng: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(rng.random(values.shape) < share, rng.choice(BAD, values.shape), values)


class Storm:
    """Drives one control loop, and looks at all that it sends."""

    def __init__(self, spec: RobotSpec, terms: tuple[str, ...], goal: str | None, seed: int):
        self.spec = spec
        self.rng = np.random.default_rng(seed)
        layout = ObservationLayout([ObservationTerm(term) for term in terms], spec, 3 if goal else 0)
        goals = GoalKeeper(LAYOUTS[goal]) if goal else None
        self.loop = ControlLoop(spec, self.controller(layout), goals, clock=self.clock)
        self.now, self.messages, self.sent, self.seen = 100.0, 0, 0, 0
        self.last: np.ndarray | None = None
        self.last_at, self.thought = -np.inf, 0.0
        self.recent: list[tuple[np.ndarray, float]] = []
        """How far the newest commands moved, and the time that each had."""
        self.strain = 0.0
        """Measured torque over its limit; it stays for a while."""

    def controller(self, layout: ObservationLayout) -> AdaptiveController:
        return AdaptiveController(self.spec, layout, Mad(self.rng, len(self.spec.active)))

    def clock(self) -> float:
        """A policy that mostly answers at once."""
        self.thought += float(self.rng.choice([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.03, 0.5]))
        return self.thought

    def turn(self) -> None:
        self.now += self.rng.choice([0.0, 0.002, 0.02, 0.02, 0.02, 0.02, 0.1])
        event = self.rng.random()
        if not self.loop.running or event < 0.002:
            self.begin()
        elif event < 0.006:
            self.look(self.loop.halt(self.now) if event < 0.004 else self.loop.end(self.now), self.now)
        elif event < 0.15:
            arrival = self.now + float(self.rng.choice([0.0, 0.1]))
            self.look(self.loop.watch(arrival), arrival)
        if self.spec.imu is not None:
            self.tell_imu()
        if self.loop.goals is not None:
            self.tell_goal()
        self.tell_joints()

    def begin(self) -> None:
        """The node would wait until it is not refused; here it begins with whatever was heard last."""
        newest = self.loop.senses.joints.newest
        if newest is not None:
            self.loop.refusal(self.now)
        self.loop.start()
        self.last = self.loop.controller.safety.state()["last"][0]

    def stamp(self) -> float:
        return max(0.0, self.now + self.rng.choice([0.0] * 12 + [-0.01, -1.0, 1.0, -99.9]))

    def tell_joints(self) -> None:
        rng, spec = self.rng, self.spec
        low, high = spec.position_limits
        position = spoilt(rng, low + (high - low) * rng.uniform(-0.002, 1.002, low.shape), 0.003)
        velocity = spoilt(rng, spec.velocity_limit * rng.uniform(-1.003, 1.003, low.shape), 0.003)
        names = list(spec.joint_names)
        if rng.random() < 0.02:
            names[rng.integers(len(names))] = str(rng.choice(["", "ghost", names[0]]))
        cut = len(names) if rng.random() < 0.99 else rng.integers(len(names) + 1)
        self.strain = self.strain if rng.random() < 0.9 else float(rng.choice([0.0, 0.5, 2.0]))
        effort = spoilt(rng, spec.effort_limit * self.strain * rng.choice([-1.0, 1.0], low.shape), 0.003)
        message = joint_state(
            self.stamp(), tuple(names), tuple(position[:cut]), tuple(velocity), tuple(effort[:cut])
        )
        self.messages += 1
        self.look(self.loop.hear(conversions.to_reading(message, spec), self.now, self.now), self.now)

    def tell_imu(self) -> None:
        rng = self.rng
        turn = rng.normal(size=4) * [0.1, 0.1, 1.0, 1.0]
        turn = spoilt(rng, turn / np.linalg.norm(turn) * rng.choice([1.0] * 30 + [0.0, 2.0]), 0.005)
        message = imu_state(self.stamp(), tuple(spoilt(rng, rng.normal(size=3), 0.005)), tuple(turn))
        self.messages += 1
        self.loop.hear_imu(to_imu_reading(message, self.spec), self.now, self.now)

    def tell_goal(self) -> None:
        goals = self.loop.goals
        assert goals is not None
        x, y, z = spoilt(self.rng, self.rng.normal(size=3), 0.05).tolist()
        if goals.layout.kind == "velocity":
            message, topic = Twist(linear=Vector3(x=x, y=y), angular=Vector3(z=z)), "cmd_vel"
        else:
            frame = str(self.rng.choice([self.spec.ros.frame, "moon"]))
            stamp = conversions.to_stamp(self.stamp())
            point = Pose(position=Point(x=x, y=y, z=z))
            message, topic = PoseStamped(header=Header(stamp=stamp, frame_id=frame), pose=point), "goal_pose"
        self.messages += 1
        self.loop.hear_goal(to_goal(message, goals.layout, self.spec.ros.frame), topic, self.now, self.now)

    def look(self, output: Output | None, arrival: float) -> None:
        if output is None:
            return
        passed = max(arrival + output.took - self.last_at, 0.0)
        self.last_at = arrival + output.took
        self.sent += 1
        self.seen |= output.reasons
        low, high = self.spec.command_limits
        assert output.command.shape == low.shape
        assert ((output.command >= low) & (output.command <= high)).all()  # NaN is neither
        let_go = self.spec.interface == "effort" and output.reasons & Reason.STOPPED
        if self.last is not None and not let_go:
            moved = np.abs(output.command - self.last)
            assert (moved <= self.spec.command_rate * self.spec.period + 1e-9).all()
            self.recent = [*self.recent, (moved, passed)][-5:]
            path, time = (sum(each) for each in zip(*self.recent, strict=True))
            assert (path <= self.spec.command_rate * (time + 1.5 * self.spec.period) + 1e-9).all()
        else:
            self.recent = []
        self.last = output.command


def watched(name: str) -> RobotSpec:
    """A robot that measures torque, and whose position commands are held to the torque that they ask for."""
    spec = load_robot(name)
    share = None if spec.interface == "effort" else 1.0
    safety = replace(spec.safety, servo_effort=share)
    return replace(spec, safety=safety, effort_sensor=EffortSensor(sustained=0.03, margin=1.1))


WALKS = ("relative_position", "velocity", "gyro", "gravity", "goal"), "velocity"
REACHES = ("position", "velocity", "tool_error"), "tool_position"
SWINGS = ("position", "velocity"), None


class Bribed(AdaptiveController):
    """Hears any reward at all."""

    rng: np.random.Generator

    def step(self, frame, age=0.0, sent=None, goal=None, reward=None, elapsed=np.inf) -> ControlStep:
        with np.errstate(over="ignore"):
            reward = spoilt(self.rng, self.rng.normal(size=(1, 1)), 0.02).astype(np.float32)
        return super().step(frame, age, sent, goal, reward, elapsed)


class MadUpdates:
    """Proposes anything, as if there were no gates: not a number, huge, steep, of another shape, or sound."""

    def __init__(self, rng: np.random.Generator, start: np.ndarray):
        self._rng, self._start, self._asked = rng, start, False

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        assert all(np.isfinite(array).all() for array in arrays.values()), "nothing broken is learned from"
        self._asked = True

    def poll(self) -> Proposal | None:
        if not self._asked or self._rng.random() < 0.5:
            return None
        self._asked = False
        rng, size = self._rng, self._start.size
        with np.errstate(over="ignore"):
            found = (
                None,
                spoilt(rng, self._start, 0.1).astype(np.float32),
                self._start * np.float32(1e30),
                rng.normal(0, 1e4, size).astype(np.float32),
                self._start + rng.normal(0, 0.3, size).astype(np.float32),
                np.full(size, 3e38, np.float32),
                self._start[1:],
                self._start.astype(np.float64),
            )[rng.integers(8)]
        return Proposal(found, {} if found is not None else {"error": "none"})

    def close(self) -> None:
        """There is no process."""


class LearningStorm(Storm):
    """Of a policy that adapts by gradients, with people who accept, roll back, freeze and forget at any moment."""

    def __init__(self, bundle: PolicyBundle, terms: tuple[str, ...], seed: int):
        adapter = bundle.manifest["adapter"] | {"episode_steps": 10}
        self.bundle = replace(bundle, manifest=bundle.manifest | {"adapter": adapter})
        self.events = Counter[str]()
        super().__init__(load_robot("pendulum"), terms, None, seed)

    def controller(self, layout: ObservationLayout) -> AdaptiveController:
        adapter, settings = (
            GradientAdapter(self.bundle),
            LearningSettings(attempts=1000, margin=10.0, interventions=1.0),
        )
        assert layout.size == self.bundle.observation.size
        updates = MadUpdates(self.rng, self.bundle.start)
        self.learning = OnRobotLearning(self.bundle, adapter, settings, self.log, updates)
        made = Bribed(self.spec, layout, adapter, learning=self.learning)
        made.rng = self.rng
        return made

    def log(self, event: dict[str, Any]) -> None:
        json.dumps(event, allow_nan=False)
        self.events[event["event"]] += 1

    def turn(self) -> None:
        super().turn()
        event = self.rng.random()
        if event < 0.01:
            self.learning.accept()
        elif event < 0.011:
            self.learning.rollback()
        elif event < 0.012:
            self.loop.freeze(bool(self.rng.random() < 0.3))
        elif event < 0.0122:
            self.loop.forget()


ROBOTS = {
    "pendulum": (load_robot, SWINGS, {Reason.TILT_LIMIT, Reason.BASE_HEIGHT, Reason.EFFORT_LIMIT, Reason.SERVO_EFFORT}),
    "go2": (load_robot, WALKS, {Reason.EFFORT_LIMIT, Reason.SERVO_EFFORT}),
    "ur5e": (load_robot, REACHES, {Reason.TILT_LIMIT, Reason.BASE_HEIGHT, Reason.EFFORT_LIMIT, Reason.SERVO_EFFORT}),
    "watched pendulum": (watched, SWINGS, {Reason.TILT_LIMIT, Reason.BASE_HEIGHT, Reason.SERVO_EFFORT}),
    "watched go2": (watched, WALKS, set()),
}  # fmt: skip
"""How they are described, what their policies are told, and the reasons that they cannot have."""
UNMET = {Reason.COMMAND_LIMIT, Reason.ACCELERATION_LIMIT}
"""No robot has such a limit of acceleration, and actions end where commands may."""


@pytest.mark.parametrize("name", ROBOTS)
def test_nothing_gets_through_the_control_loop(name):
    describe, told, impossible = ROBOTS[name]
    storm = Storm(describe(name.split()[-1]), *told, seed=len(name))
    while storm.messages < MESSAGES:
        storm.turn()
    assert storm.sent > MESSAGES / 10
    unmet = {reason for reason in Reason if reason and not storm.seen & reason}
    assert unmet == UNMET | impossible
    assert storm.loop.steps > MESSAGES / 20


def test_nothing_gets_through_that_learning_proposes(gradient_bundle, monkeypatch):
    """Most of a storm is of no use to learn from: here it is learned from all the same."""
    monkeypatch.setattr(learning, "LEAST_USABLE", 0.0)
    monkeypatch.setattr(learning, "LEAST_DRIVEN", 0.0)
    terms = tuple(term.name for term in gradient_bundle.observation.terms)
    storm = LearningStorm(gradient_bundle, terms, seed=3)
    while storm.messages < MESSAGES / 3:
        storm.turn()
    assert storm.sent > MESSAGES / 30
    assert storm.seen & Reason.POLICY_NOT_FINITE
    told = {"reset", "window collected", "trial begins", "rolled back", "rejected", "kept"}
    assert told <= set(storm.events), storm.events
