"""`Bench`: a judge, and a node that is played to it step by step."""

from __future__ import annotations

import numpy as np

from robots import RobotSpec
from robots.safety import Reason
from ros_bridge.hil.events import STARTED, Event
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.schedule import IMU, JOINTS, Fault

PERIOD = 0.02
SAFE, DRIVES = int(Reason.SENSOR_NOT_FINITE), int(Reason.OK)


class Bench:
    """A judge, and a node that is played step by step from time 100 s on."""

    def __init__(self, spec: RobotSpec, *faults: Fault):
        self.judge = Judge(spec, faults)
        self.spec = spec
        self.now, self.sequence = 100.0, 0
        self.judge.on_event(Event(STARTED, self.now))

    def step(
        self,
        *command: float,
        reasons: int = DRIVES,
        passed: float = PERIOD,
        sequence: int = 1,
        fit: bool = True,
        relayed: bool = True,
    ):
        self.now += passed
        self.sequence += sequence
        joints = len(self.spec.joints)
        self.judge.on_reading(np.zeros(joints), np.full(joints, 0.0 if fit else 1e3), True, self.now - 0.002)
        for sensor in (JOINTS, IMU) if relayed else ():
            if sensor == JOINTS or self.spec.imu:
                self.judge.on_relayed(sensor, self.now - 0.001)
        self.judge.on_node_command(np.array(command), self.now, self.sequence)
        self.judge.on_answer(reasons, self.now)

    def event(self, what: str, index: int = 0, touched: int = 3):
        self.judge.on_event(Event(what, self.now + 0.001, index, touched))

    @property
    def found(self) -> list[str]:
        return [violation["what"] for violation in self.judge.violations]


def fault(kind: str, target: str = JOINTS, **more) -> Fault:
    return Fault(kind, target, 1.0, 1.0, **more)
