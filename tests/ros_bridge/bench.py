"""`Bench`: the adaptation node in this process, and a robot stand-in that speaks to it over DDS.

The policy asks for full effort, 2.5 N m, unless a test says otherwise: a command of zero is the safe one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.lifecycle import TransitionCallbackReturn

from robots.safety import Reason
from ros_bridge import topics
from ros_bridge.control_loop import ControlLoop
from ros_bridge.node import AdaptationNode
from ros_bridge.waiting import SensorsFirst
from tests.ros_bridge.patience import until
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import Steadfast

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
PERIOD = 0.02
"""Of control, in [s]."""
QUANTITIES = 13
"""As many as the bundle names."""


class Bench:
    """Node and robot, served in turn by the one thread of the test."""

    def __init__(self, node: AdaptationNode, robot: RobotStandIn):
        self.node = node
        self.robot = robot
        self.executor = SensorsFirst()
        self.executor.add_node(node)
        self.namespace = node.get_namespace().strip("/")
        robot.listen(0.1)  # the last words of the node before
        for heard in (robot.commands, robot.requests, robot.beliefs):
            heard[self.namespace].clear()
        robot.health.clear()

    @property
    def loop(self) -> ControlLoop:
        assert self.node.loop is not None
        return self.node.loop

    @property
    def commands(self) -> list[np.ndarray]:
        return self.robot.commands[self.namespace]

    @property
    def reasons(self) -> int:
        """Of the newest command that the robot has heard of."""
        heard = self.robot.requests[self.namespace]
        return heard[-1][1] if heard else 0

    def level(self) -> bytes | None:
        """Of the node's newest diagnostics."""
        status = self.robot.health.get(f"{self.namespace}/{topics.NODE_NAME}: control")
        return status.level if status else None

    def message(self) -> str:
        return self.robot.health[f"{self.namespace}/{topics.NODE_NAME}: control"].message

    def told(self) -> dict[str, str]:
        """The values of the node's newest diagnostics; empty before the first."""
        name = f"{self.namespace}/{topics.NODE_NAME}: control"
        return self.robot.told(name) if name in self.robot.health else {}

    def turn(self) -> None:
        self.executor.spin_once(timeout_sec=0.002)
        self.robot.turn(timeout=0.0)

    def serve(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def until(self, condition: Callable[[], object]) -> None:
        until(condition, self.turn)

    def good_readings_until(
        self, condition: Callable[[], object], imu: bool = True, tell: Callable[[], object] | None = None
    ) -> None:
        """A good reading every control period, with or without that of the IMU, and after `tell` was called."""

        def say() -> None:
            if tell is not None:
                tell()
            self.robot.say_fine(imu=imu)

        self.say_until(say, condition)

    def configure(self) -> None:
        assert self.node.trigger_configure() == SUCCESS
        self.loop.controller.adapter = Steadfast(joints=1, quantities=QUANTITIES)
        self.loop.controller.familiarity = None  # what this one believes forecasts nothing

    def activate(self) -> None:
        """As soon as the sensors are fresh: on a slow machine they may be stale again a moment later."""
        self.good_readings_until(
            lambda: self.node.refusal() is None and self.node.trigger_activate() == SUCCESS
        )

    def say_until(self, tell: Callable[[], object], condition: Callable[[], object]) -> None:
        """Calls `tell` every control period: what is said before both sides have found each other is lost."""
        due = 0.0

        def turn() -> None:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + PERIOD
                tell()
            self.turn()

        until(condition, turn)

    def in_control(self) -> None:
        """Configured, active, past the soft start, and heard."""
        if self.node.state == "unconfigured":
            self.configure()
        if self.node.state == "inactive":
            self.activate()
        self.good_readings_until(self.at_full_effort)

    def at_full_effort(self) -> bool:
        answered = self.commands and self.robot.requests[self.namespace]
        return bool(answered and self.commands[-1][0] == 2.5 and self.reasons == Reason.OK)

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Calls one of the node's services, as a client on the robot's side."""
        client = self.robot.node.create_client(kind, f"/{self.namespace}/{topics.NODE_NAME}/{name}")
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        self.robot.node.destroy_client(client)
        return future.result()

    def within_limits(self) -> bool:
        """Whether all commands so far were finite and at most 2.5 N m."""
        commands = np.array(self.commands)
        return bool(np.isfinite(commands).all() and np.abs(commands).max() <= 2.5)

    def close(self) -> None:
        self.node.close()
        self.executor.shutdown()
        self.node.destroy_node()


def safe(command: np.ndarray) -> bool:
    return command.tolist() == [0.0]
