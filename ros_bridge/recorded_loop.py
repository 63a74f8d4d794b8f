"""`RecordedLoop`: a control loop that tells of everything that reaches it, in order, and of what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from adapt.online.controller import AdaptiveController
from adapt.online.gradient import GradientAdapter, Stage
from robots import RobotSpec
from ros_bridge.bag_events import Kind, Outcome
from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.conversions import Reading
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import GoalReading

State = Mapping[str, np.ndarray]
Tell = Callable[[Kind, float, float, str, Outcome, Output | None, State | None], None]
"""Kind, arrival, now, topic, outcome, answer, state: see `bag_events.Event`."""


class _Answer:
    output: Output | None = None


class RecordedLoop(ControlLoop):
    """Whoever calls it, and however it ends, what came is told after the answer."""

    def __init__(self, spec: RobotSpec, controller: AdaptiveController, goals: GoalKeeper | None, tell: Tell):
        super().__init__(spec, controller, goals)
        self._tell = tell
        adapter = controller.adapter
        self._gradient = adapter if isinstance(adapter, GradientAdapter) else None
        self._acts_by: Stage | None = None
        self._explores = 0.0

    def start(self) -> None:
        with self._told(Kind.START):
            super().start()

    def hear(self, reading: Reading, now: float, arrival: float) -> Output | None:
        adapter = self._gradient
        acts_by = None if adapter is None else adapter.stage
        with self._told(Kind.JOINTS, arrival, now) as answer:
            answer.output = super().hear(reading, now, arrival)
            if adapter is not None and acts_by is not None:
                self._tell_parameters(adapter, acts_by)
        return answer.output

    def hear_imu(self, reading: Reading, now: float, arrival: float) -> None:
        with self._told(Kind.IMU, arrival, now):
            super().hear_imu(reading, now, arrival)

    def hear_goal(self, reading: GoalReading, topic: str, now: float, arrival: float) -> None:
        with self._told(Kind.GOAL, arrival, now, topic):
            super().hear_goal(reading, topic, now, arrival)

    def watch(self, arrival: float) -> Output | None:
        output = super().watch(arrival)
        if output is not None:  # where it has nothing to say, it has not changed anything either
            self._tell(Kind.WATCH, arrival, 0.0, "", Outcome.ANSWER, output, None)
        return output

    def halt(self, arrival: float) -> Output:
        with self._told(Kind.HALT, arrival) as answer:
            answer.output = output = super().halt(arrival)
        return output

    def end(self, arrival: float) -> Output:
        with self._told(Kind.END, arrival) as answer:
            answer.output = output = super().end(arrival)
        return output

    def forget(self) -> None:
        with self._told(Kind.FORGET):
            super().forget()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        with self._told(Kind.RESTORE, state=state):
            super().restore(state)

    def freeze(self, frozen: bool) -> None:
        with self._told(Kind.FREEZE if frozen else Kind.UNFREEZE):
            super().freeze(frozen)

    def _tell_parameters(self, adapter: GradientAdapter, acts_by: Stage) -> None:
        """What this step was acted by, if it is something else than what the last one was; told before the step."""
        if acts_by is self._acts_by and adapter.exploration == self._explores:
            return
        self._acts_by, self._explores = acts_by, adapter.exploration
        state = acts_by.state() | {"exploration": np.array([adapter.exploration], np.float32)}
        self._tell(Kind.PARAMETERS, 0.0, 0.0, "", Outcome.NOTHING, None, state)

    @contextmanager
    def _told(
        self,
        kind: Kind,
        arrival: float = 0.0,
        now: float = 0.0,
        topic: str = "",
        state: State | None = None,
    ) -> Iterator[_Answer]:
        answer, outcome = _Answer(), Outcome.FAILED
        try:
            yield answer
            outcome = Outcome.NOTHING if answer.output is None else Outcome.ANSWER
        finally:
            self._tell(kind, arrival, now, topic, outcome, answer.output, state)
