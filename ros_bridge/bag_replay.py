"""Replays a bag: what the node's control loop was given, in order, to a control loop with the same or another bundle.

With the bundle that was recorded, every command has to come out again to the last bit. Another bundle is told what was
really sent at each step, so that what it believes is about the robot that moved; what it asks for moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle, open_bundle
from adapt.errors import AdaptError
from adapt.online.controller import AdaptiveController, Age, ControlStep
from adapt.online.from_bundle import controller_of, open_fallback
from adapt.online.gradient import GradientAdapter
from robots import RobotSpec, SensorFrame
from ros_bridge import bag_events
from ros_bridge.bag_events import Event, Kind, Outcome
from ros_bridge.bag_reader import Bag
from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.conversions import to_reading
from ros_bridge.errors import RecordingError
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import SOURCES, to_goal
from ros_bridge.imu import to_imu_reading
from ros_bridge.latency import LatencyMeter
from ros_bridge.replay_trace import Answer, Quantities, Trace, listed, quantities


class Shadow(AdaptiveController):
    """A controller beside another one: it is told what that one has sent."""

    sent: np.ndarray | None = None
    """The other one's last command, in [command unit]. Shape (1, J); None: its own."""

    def step(
        self,
        frame: SensorFrame,
        age: Age = 0.0,
        sent: np.ndarray | None = None,
        goal: np.ndarray | None = None,
        reward: np.ndarray | None = None,
        elapsed: float | Callable[[], float] = np.inf,
    ) -> ControlStep:
        return super().step(frame, age, self.sent if sent is None else sent, goal, reward, elapsed)


class BagPlayer:
    """One control loop that is given a bag's events."""

    def __init__(
        self,
        bundle: PolicyBundle,
        spec: RobotSpec,
        goal_timeout: float,
        shadow: bool,
        fallback: PolicyBundle | None = None,
    ):
        """`shadow`: whether the bundle, or its fallback, is another one than drove the robot."""
        self.controller = controller_of(bundle, spec, fallback, Shadow)
        goals = bundle.goal and GoalKeeper(bundle.goal, goal_timeout)
        self._ticks: Iterator[float] = iter(())
        self.loop = ControlLoop(spec, self.controller, goals, clock=lambda: next(self._ticks))
        self.loop.rehearse()
        self.ignored = 0
        """Goals on topics that this bundle does not listen to."""
        self._shadow = shadow

    def play(self, event: Event) -> Output | None:
        """What the loop answers to one event."""
        output = self._play(event)
        if self._shadow:
            if event.kind is Kind.START:
                self.controller.sent = None
            if event.output is not None:
                self.controller.sent = event.output.command[None]
        return output

    def _play(self, event: Event) -> Output | None:
        loop, spec = self.loop, self.loop.spec
        if event.kind in (Kind.RESTORE, Kind.PARAMETERS):
            return None if self._shadow else self._given(event)
        if event.kind in (Kind.FREEZE, Kind.UNFREEZE):
            return loop.freeze(event.kind is Kind.FREEZE)
        if event.kind is Kind.JOINTS:
            self._ticks = iter((0.0, event.took))
            return loop.hear(to_reading(event.message, spec), event.now, event.arrival)
        if event.kind is Kind.IMU:
            return loop.hear_imu(to_imu_reading(event.message, spec), event.now, event.arrival)
        if event.kind is Kind.GOAL:
            return self._goal(event)
        if event.kind is Kind.WATCH:
            return loop.watch(event.arrival)
        if event.kind is Kind.HALT:
            return loop.halt(event.arrival)
        if event.kind is Kind.END:
            return loop.end(event.arrival)
        return loop.start() if event.kind is Kind.START else loop.forget()

    def _given(self, event: Event) -> None:
        """What the adapter was given beside the readings; another bundle's can do nothing with it."""
        state, adapter = dict(event.state or {}), self.controller.adapter
        try:
            if event.kind is Kind.RESTORE:
                self.loop.restore(state)
            elif isinstance(adapter, GradientAdapter):
                exploration = float(state.pop("exploration")[0])
                adapter.restore(state)
                adapter.exploration = exploration
        except (AdaptError, KeyError, IndexError) as error:
            raise RecordingError(f"event {event.sequence}: {event.kind.value}: {error}") from error

    def _goal(self, event: Event) -> None:
        goals = self.loop.goals
        if goals is None or not isinstance(
            event.message, SOURCES[goals.layout.kind].get(event.topic, type(None))
        ):
            self.ignored += 1
            return
        reading = to_goal(event.message, goals.layout, self.loop.spec.ros.frame)
        self.loop.hear_goal(reading, event.topic, event.now, event.arrival)


class SideBySide:
    """A bag's answers and a player's."""

    def __init__(self, player: BagPlayer, trace: Trace, family: dict[str, Any]):
        self.player, self.trace = player, trace
        self.latency = LatencyMeter()
        self.events = 0
        self.seconds = 0.0
        """Since the first message arrived."""
        self._family = family
        self._began: float | None = None

    def add(self, event: Event) -> None:
        """The next event."""
        if event.arrival:  # what has none happened about when the last one did
            self._began = event.arrival if self._began is None else self._began
            self.seconds = event.arrival - self._began
        output = self.player.play(event)
        self.events += 1
        if event.latency is not None:
            self.latency.add(event.latency)
        if event.outcome is not Outcome.FAILED:
            then = _answer(event.output, event.belief and event.belief.quantities, event.familiarity)
            judged = output and output.familiarity and output.familiarity.of()
            now = _answer(output, output and quantities(self._family, output.belief), judged)
            self.trace.add(event.sequence, self.seconds, then, now)


def replay_bag(path: Path, bundle: Path, robot: str = "", fallback: Path | None = None) -> dict[str, Any]:
    """Replays a recording of the node.

    Args:
        path: an MCAP file or a bag's folder.
        bundle: folder of the bundle that was recorded, or of another one for the same robot.
        robot: registered name or robot.yaml; empty for the robot that the bundle names.
        fallback: folder of the bundle that drives while the robot is unfamiliar; None: none.

    Returns:
        `name`, `bundle`, `recorded_bundle`, `fallback`, `recorded_fallback` (None: none), `same_policy` (of both),
        `events`, `ended_early` (why, or None), `ignored_goals`, `seconds`, `latency_ms`, and what `Trace.differences`
        and `Trace.course` say.

    Raises:
        RecordingError: the bag cannot be read, holds no commands, or is of another robot.
        AdaptError, RobotError: the bundle or robot cannot be used.
    """
    bag = Bag(path)
    opened, spec = open_bundle(bundle, robot)
    header = bag.header
    if header["robot_digest"] != spec.digest:
        raise RecordingError(
            f"{bag.path}: recorded on robot {header['robot']!r} with digest {header['robot_digest']:.12}; {bundle} is "
            f"for {spec.name!r} with digest {spec.digest:.12}"
        )
    other = open_fallback(fallback, opened)
    digest = "" if other is None else bag_events.policy_digest(other)
    same = (header["policy_digest"], header["fallback_digest"]) == (bag_events.policy_digest(opened), digest)
    player = BagPlayer(opened, spec, float(header["goal_timeout"]), not same, other)
    side = SideBySide(player, Trace(spec, opened.manifest["family"]), opened.manifest["family"])
    for event in bag.events():
        _check(bag, event, spec)
        side.add(event)
    if not side.trace.steps:
        raise RecordingError(
            f"{bag.path}: no commands in {side.events} events: {bag.damage or 'never active'}"
        )
    return {
        "name": bag.path.stem,
        "bundle": str(bundle),
        "recorded_bundle": header["bundle"],
        "fallback": None if fallback is None else str(fallback),
        "recorded_fallback": header["fallback"] or None,
        "same_policy": same,
        "events": side.events,
        "ended_early": bag.damage,
        "ignored_goals": player.ignored,
        "seconds": side.seconds,
        "latency_ms": listed(side.latency.summary()),
        **side.trace.differences(),
        **side.trace.course(),
    }


def _answer(output: Output | None, belief: Quantities | None, judged: np.ndarray | None) -> Answer | None:
    return output and Answer(output.command, output.requested, output.reasons, belief, judged)


def _check(bag: Bag, event: Event, spec: RobotSpec) -> None:
    """Refuses what this robot's loop cannot be given."""
    joints = len(spec.joints)
    output = event.output
    if output is not None and not (output.command.shape == output.requested.shape == (joints,)):
        raise RecordingError(
            f"{bag.path}: event {event.sequence}: commands for {len(output.command)} and {len(output.requested)} "
            f"joints; robot {spec.name!r} has {joints}"
        )
    if event.kind is Kind.IMU and spec.imu is None:
        raise RecordingError(
            f"{bag.path}: event {event.sequence}: of an IMU, which robot {spec.name!r} has not"
        )
