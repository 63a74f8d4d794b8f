"""Bags for tests: a recorder and a control loop that are fed by hand, without a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.online.from_bundle import controller_of
from adapt.online.gradient import GradientAdapter
from adapt.online.learning import OnRobotLearning
from adapt.online.update_worker import Updates
from robots import RobotSpec
from ros_bridge import bag_events, conversions
from ros_bridge.bag_events import BagTopics
from ros_bridge.control_loop import ControlLoop
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import to_goal
from ros_bridge.imu import to_imu_reading
from ros_bridge.recorder import Recorder, Subject
from tests.ros_bridge.stand_ins import imu_state, joint_state

TOPICS = BagTopics(
    {name: f"/left/adaptation/{name}" for name in bag_events.NAMES}, lambda name: f"/left/{name}"
)
EPOCH = 1_700_000_000.0
"""ROS time as the first reading comes, in [s]; the monotonic clock says 100 then."""


def subject(bundle: PolicyBundle, spec: RobotSpec, fallback: PolicyBundle | None = None) -> Subject:
    header = bag_events.header(bundle, spec, 0.0, TOPICS, fallback)
    return Subject(spec, bundle.manifest["family"], TOPICS, header)


def gradient(adapter: object) -> GradientAdapter:
    assert isinstance(adapter, GradientAdapter)
    return adapter


class Run:
    """A robot that swings, and a node's part of a run, without the node."""

    def __init__(
        self,
        bundle: PolicyBundle,
        spec: RobotSpec,
        folder: Path,
        updates: Updates | None = None,
        fallback: PolicyBundle | None = None,
        **options: Any,
    ):
        self.spec = spec
        self.recorder = Recorder(folder, subject(bundle, spec, fallback), **options)

        def learn(adapter: object) -> OnRobotLearning | None:
            return None if updates is None else OnRobotLearning(bundle, gradient(adapter), updates=updates)

        controller = controller_of(bundle, spec, fallback, learn=learn)
        goals = bundle.goal and GoalKeeper(bundle.goal, 0.0)
        self.loop: ControlLoop = self.recorder.loop(spec, controller, goals)
        self.loop.rehearse()
        self.clock = 0.0
        self.commands: list[np.ndarray] = []

    def step(self, late: float = 0.0) -> None:
        """A period later: readings that came `late` [s]."""
        self.clock += self.spec.period
        now, arrival = EPOCH + self.clock + late, 100.0 + self.clock + late
        swing = np.sin(3 * self.clock + np.arange(len(self.spec.joints)))
        if self.spec.imu is not None:
            imu = imu_state(EPOCH + self.clock, (0.1 * swing[0], 0.0, 0.02), (0.0, 0.0, 0.0, 1.0))
            self.recorder.took(imu)
            self.loop.hear_imu(to_imu_reading(imu, self.spec), now, arrival)
        position, velocity = self.spec.default_position + 0.1 * swing, 0.3 * swing
        message = joint_state(
            EPOCH + self.clock, self.spec.joint_names, tuple(position.tolist()), tuple(velocity.tolist())
        )
        message.effort = (0.5 * swing).tolist()
        self.recorder.took(message)
        output = self.loop.hear(conversions.to_reading(message, self.spec), now, arrival)
        if output is not None:
            self.commands.append(output.command)

    def tell(self, topic: str, message: Any) -> None:
        """A goal."""
        assert self.loop.goals is not None
        self.recorder.took(message)
        reading = to_goal(message, self.loop.goals.layout, self.spec.ros.frame)
        self.loop.hear_goal(reading, topic, EPOCH + self.clock, 100.0 + self.clock)

    def silence(self, seconds: float) -> None:
        """No readings; the watchdog looks every 30 ms."""
        for _ in range(round(seconds / 0.03)):
            self.clock += 0.03
            output = self.loop.watch(100.0 + self.clock)
            if output is not None:
                self.commands.append(output.command)

    def whole(self) -> Path:
        """All that can happen: inactive, active, frozen, silent, stopped, forgotten, ended. To the bag's folder."""
        self.step()
        self.loop.start()
        for k in range(120):
            self.step(late=0.07 if k == 60 else 0.003)
        self.loop.forget()
        self.loop.freeze(True)
        self.silence(0.2)
        for _ in range(60):
            self.step()
        self.loop.freeze(False)
        for _ in range(20):
            self.step()
        self.loop.halt(100.0 + self.clock)
        self.step()
        self.loop.end(100.0 + self.clock)
        self.step()
        return self.close()

    def close(self) -> Path:
        self.recorder.close()
        (folder,) = self.recorder.folder.iterdir()
        return folder
