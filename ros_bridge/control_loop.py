"""`ControlLoop`: what the adaptation node does with every reading and every silence, without a node. J joints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from adapt.online.controller import AdaptiveController
from adapt.types import Belief
from robots import RobotSpec, SensorFrame
from robots.safety import Reason, reason_names
from ros_bridge.conversions import Reading
from ros_bridge.intake import Intake, Verdict


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


class ControlLoop:
    """One robot's controller behind its readings. Driven by them; `watch` covers the time without any."""

    def __init__(self, spec: RobotSpec, controller: AdaptiveController):
        self.spec = spec
        self.controller = controller
        self.intake = Intake(spec.period, spec.safety.stale_after)
        self.counts: Counter[str] = Counter()
        """Published commands by reason, since the start."""
        self.seen = 0
        """All reasons since somebody last set this to 0: a bit mask."""
        self.steps = 0
        """How often the policy was asked."""
        self.running = False
        self.problem: str | None = None
        """What is wrong with the newest reading."""
        self.latest = 0
        """Reasons of the newest command: a bit mask."""
        self.belief: Belief | None = None
        """The newest belief."""
        self._stopped = False
        self._usable: SensorFrame | None = None

    def rehearse(self) -> None:
        """Runs the policy on no reading at all: a graph that does not fit the robot fails here, not in motion."""
        self.controller.step(SensorFrame.unheard(len(self.spec.joints), self.spec.imu is not None))

    def refusal(self, arrival: float) -> str | None:
        """Why commands may not begin now (monotonic [s]), or None: all joints' sensors are fresh and finite."""
        topic = self.spec.ros.joint_states
        if self.problem:
            return f"{topic}: {self.problem}"
        if self._usable is None or self.intake.silent(arrival):
            return f"{topic}: no reading younger than {self.spec.safety.stale_after} s"
        return None

    def start(self) -> None:
        """A new trial, from where the robot is."""
        position = None if self._usable is None else self._usable.position
        self.controller.reset(position=position)
        self.intake.restart()
        self._stopped = False
        self.running = True

    def hear(self, reading: Reading, now: float, arrival: float) -> Output | None:
        """A reading came: the step that follows from it, or None if none is due.

        Args:
            reading: what came.
            now: ROS time in [s].
            arrival: monotonic time in [s].
        """
        judgement = self.intake.judge(float(reading.frame.stamp[0]), now, arrival)
        verdict = judgement.verdict
        if verdict in (Verdict.ACT, Verdict.EARLY):
            self.problem = reading.problem
            self._usable = None if reading.problem else reading.frame
        elif verdict is Verdict.STALE:
            self.problem = (
                reading.problem or f"the newest reading is {now - reading.frame.stamp[0]:.3g} s old"
            )
        if not self.running:
            return None
        if verdict is Verdict.STALE:
            return self._safe(Reason.SENSOR_STALE)
        if verdict is not Verdict.ACT:
            return None
        return self._safe(Reason.OK) if self._stopped else self._step(reading.frame, judgement.age)

    def watch(self, arrival: float) -> Output | None:
        """To be called every so often: the safe command while the sensors are silent, else None."""
        if self.running and self.intake.silent(arrival):
            return self._safe(Reason.SENSOR_STALE)
        return None

    def halt(self) -> Output:
        """The safe command, from now until the next `start`."""
        self._stopped = True
        return self._safe(Reason.OK)

    def end(self) -> Output:
        """The last, safe command before silence."""
        self.running = False
        return self._safe(Reason.OK)

    def forget(self) -> None:
        """Drops what is believed of the robot; control goes on."""
        self.controller.forget()

    def _step(self, frame: SensorFrame, age: float) -> Output:
        step = self.controller.step(frame, age)
        self.steps += 1
        return self._count(Output(step.command[0], step.requested[0], int(step.reasons[0]), step.belief))

    def _safe(self, why: Reason) -> Output:
        command = self.controller.stop()[0]
        nothing = np.full(len(self.spec.joints), np.nan)
        return self._count(Output(command, nothing, int(Reason.STOPPED | why), None))

    def _count(self, output: Output) -> Output:
        self.latest = output.reasons
        self.seen |= output.reasons
        self.belief = output.belief or self.belief
        self.counts.update(reason_names(output.reasons))
        return output
