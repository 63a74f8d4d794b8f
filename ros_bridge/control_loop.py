"""`ControlLoop`: what the adaptation node does with every reading and every silence, without a node. J joints."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from adapt.online.controller import AdaptiveController
from adapt.online.familiarity import Judgement
from adapt.types import Belief, HasState
from robots import RobotSpec, SensorFrame
from robots.safety import Reason, reason_names
from ros_bridge.budget import MotionBudget
from ros_bridge.conversions import Reading
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import GoalReading
from ros_bridge.intake import Verdict
from ros_bridge.senses import Senses


@dataclass(frozen=True)
class Output:
    """What is to be published now."""

    command: np.ndarray
    """Certified, in [command unit]. Shape (J,)."""
    requested: np.ndarray
    """What the policy asked for, in [command unit]; NaN where it was not asked. Shape (J,)."""
    reasons: int
    """Bit mask of `robots.safety.Reason`."""
    belief: Belief | None
    """None where the policy was not asked, or holds none."""
    took: float = 0.0
    """How long the policy took to answer, in [s]."""
    reward: float = np.nan
    """What was measured of the control step before; NaN where nothing was, or the policy was not asked."""
    familiarity: Judgement | None = None
    """None where nobody judges it, or the policy was not asked."""


class _Stopwatch:
    """The age of a reading before the policy is asked, and after it has answered."""

    def __init__(self, clock: Callable[[], float], age: float):
        self.took = 0.0
        """From the first question on, in [s]."""
        self._clock, self._age = clock, age
        self._began: float | None = None

    def age(self) -> float:
        """In [s]. The first answer is the age that was given."""
        if self._began is None:
            self._began = self._clock()
        else:
            self.took = self._clock() - self._began
        return self._age + self.took


class ControlLoop:
    """One robot's controller behind its readings. Driven by those of its joints; `watch` covers the time without any.

    `now` is ROS time in [s], `arrival` monotonic time in [s].
    """

    def __init__(
        self,
        spec: RobotSpec,
        controller: AdaptiveController,
        goals: GoalKeeper | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`clock`: monotonic, in [s]; it measures how long the policy takes."""
        self.spec = spec
        self.clock = clock
        self.controller = controller
        self.senses = Senses(spec)
        self.goals = goals
        """None where the policy is told nothing."""
        self.counts: Counter[str] = Counter()
        """Published commands by reason, since the start; those to an `unfamiliar` robot and of a `fallback`, too."""
        self.seen = 0
        """All reasons since somebody last set this to 0: a bit mask."""
        self.steps = 0
        """How often the policy was asked."""
        self.reward_sum, self.rewards = 0.0, 0
        """Of those that were measured since somebody last set both to 0, and how many."""
        self.running = False
        self.latest = 0
        """Reasons of the newest command: a bit mask."""
        self.belief: Belief | None = None
        """The newest belief."""
        self.familiarity: Judgement | None = None
        """The newest judgement."""
        self._stopped = False
        self._sent_at = -np.inf
        self._budget = MotionBudget(spec.period, spec.command_rate)
        self.moving_time: Callable[[float], float] = lambda arrival: arrival
        """From a monotonic time in [s] to the time by which the robot moves then, in [s]: another one if simulated."""

    def rehearse(self) -> None:
        """Runs the policy on no reading at all: a graph that does not fit the robot fails here, not in motion."""
        frame = self.senses.unheard
        still = self.goals and self.goals.layout.rest(self._tool(self.spec.default_position[None]))
        self.controller.step(frame, goal=self._row(still))

    def refusal(self, arrival: float) -> str | None:
        """Why commands may not begin now, or None: all sensors are fresh and finite, all joints within their limits."""
        return self.senses.refusal(arrival) or self._out_of_limits()

    def trouble(self, arrival: float) -> str | None:
        """What keeps the policy from driving, in words: a sensor, or that it is not told what to do."""
        return self.senses.refusal(arrival) or (self.goals and self.goals.missing())

    def start(self) -> None:
        """A new trial, from where the robot is."""
        newest = self.senses.joints.newest
        self.controller.reset(position=None if newest is None else newest.position)
        self.senses.joints.intake.restart()
        if self.goals is not None:
            self.goals.restart()
        self.familiarity = None
        self._stopped = False
        self.running = True

    def hear(self, reading: Reading, now: float, arrival: float) -> Output | None:
        """A reading of the joints came: the step that follows from it, or None if none is due."""
        verdict = self.senses.joints.hear(reading, now, arrival)
        if not self.running:
            return None
        if verdict is Verdict.STALE:  # whoever sends those may send many
            due = arrival - self._sent_at >= self.spec.period / 2
            return self._safe(Reason.SENSOR_STALE, arrival) if due else None
        if verdict is not Verdict.ACT:
            return None
        return self._safe(Reason.OK, arrival) if self._stopped else self._step(now, arrival)

    def hear_imu(self, reading: Reading, now: float, arrival: float) -> None:
        """A reading of the IMU came: the next reading of the joints acts on it."""
        assert self.senses.imu is not None
        self.senses.imu.hear(reading, now, arrival)

    def hear_goal(self, reading: GoalReading, topic: str, now: float, arrival: float) -> None:
        """Somebody told the robot what to do: the next reading of the joints acts on it."""
        assert self.goals is not None
        self.goals.hear(reading, topic, now, arrival)

    def watch(self, arrival: float) -> Output | None:
        """To be called every so often: the safe command while the sensors are silent, else None."""
        if self.running and self.senses.joints.intake.silent(arrival):
            return self._safe(Reason.SENSOR_STALE, arrival)
        return None

    def halt(self, arrival: float) -> Output:
        """The safe command, from now until the next `start`."""
        self._stopped = True
        return self._safe(Reason.OK, arrival)

    def end(self, arrival: float) -> Output:
        """A safe command before silence: to be called again, a control period later, until `settled`."""
        self.running = False
        return self._safe(Reason.OK, arrival)

    @property
    def settled(self) -> bool:
        """Whether the last command was the whole way to the safe one."""
        return self.controller.safety.settled

    def forget(self) -> None:
        """Drops what is believed of the robot; control goes on."""
        self.controller.forget()

    def state(self) -> dict[str, np.ndarray]:
        """What is understood of the robot; of a bundle's adapters alone."""
        return cast(HasState, self.controller.adapter).state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Inverse of `state`.

        Raises:
            AdaptError: it is not of this bundle's adapter.
        """
        cast(HasState, self.controller.adapter).restore(state)
        if self.controller.learning is not None:
            self.controller.learning.reset()

    def freeze(self, frozen: bool) -> None:
        """Whether what is understood of the robot stays as it is; control goes on."""
        self.controller.frozen = frozen

    def _step(self, now: float, arrival: float) -> Output:
        frame, age = self.senses.frame(now, arrival)
        goal = self._goal(frame, arrival)
        if goal is not None and not np.isfinite(goal).all() and frame.finite[0]:
            return self._safe(Reason.OK, arrival)  # nobody has said what to do
        stopwatch = _Stopwatch(self.clock, age)
        step = self.controller.step(
            frame,
            stopwatch.age,
            goal=goal,
            elapsed=lambda: self._budget.available(self.moving_time(arrival + stopwatch.took)),
        )
        self.steps += 1
        self._sent_at, took = arrival, stopwatch.took
        self._budget.spend(self.moving_time(arrival + took), step.command[0])
        reasons = int(step.reasons[0]) | (Reason.OVERRUN if took > self.spec.period else 0)
        reward = np.nan if step.reward is None else float(step.reward[0])
        command, asked = step.command[0], step.requested[0]
        return self._count(Output(command, asked, int(reasons), step.belief, took, reward, step.familiarity))

    def _out_of_limits(self) -> str | None:
        """Which joint stands where it may not be, in words; None if none does."""
        newest, (low, high) = self.senses.joints.newest, self.spec.position_limits
        assert newest is not None
        for name, at, least, most in zip(
            self.spec.joint_names, newest.position[0].tolist(), low.tolist(), high.tolist(), strict=True
        ):
            if not least <= at <= most:
                topic = self.senses.joints.topic
                return f"{topic}: joint {name!r} is at {at:.4g} rad; valid: {least:.4g} to {most:.4g} rad"
        return None

    def _goal(self, frame: SensorFrame, arrival: float) -> np.ndarray | None:
        """What holds now, as `_row` has it."""
        return self._row(self.goals and self.goals.current(arrival, lambda: self._tool(frame.position)))

    def _row(self, goal: np.ndarray | None) -> np.ndarray | None:
        """A goal, shape (G,), for one robot, shape (1, G): NaN where nobody knows it; None where there are no goals."""
        if self.goals is None:
            return None
        return np.full((1, self.goals.layout.size), np.nan) if goal is None else goal[None]

    def _tool(self, position: np.ndarray) -> np.ndarray | None:
        """Where the tool is, in the base frame in [m], shape (3,), at joint positions, shape (1, J), in [rad]."""
        observation = self.controller.observation
        return None if observation.body.tool is None else observation.tool_position(position)[0]

    def _safe(self, why: Reason, arrival: float) -> Output:
        command = self.controller.stop(self._budget.available(self.moving_time(arrival)))[0]
        self._sent_at = arrival
        self._budget.spend(self.moving_time(arrival), command)
        nothing = np.full(len(self.spec.joints), np.nan)
        return self._count(Output(command, nothing, int(Reason.STOPPED | why), None))

    def _count(self, output: Output) -> Output:
        self.latest = output.reasons
        self.seen |= output.reasons
        self.belief = output.belief or self.belief
        if np.isfinite(output.reward):
            self.reward_sum, self.rewards = self.reward_sum + output.reward, self.rewards + 1
        self.counts.update(reason_names(output.reasons))
        if output.familiarity is not None:
            self.familiarity = output.familiarity
            self.counts["unfamiliar"] += int(output.familiarity.unfamiliar[0])
            self.counts["fallback"] += int(output.familiarity.fallback[0] > 0)
        return output
