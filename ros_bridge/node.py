"""`AdaptationNode`: a bundle drives a robot, as a ROS 2 lifecycle node. Control is driven by the robot's sensors."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger

from adapt.bundle import PolicyBundle, open_bundle
from adapt.online.from_bundle import controller_of, open_fallback
from robots import RobotSpec
from robots.errors import UserError
from ros_bridge import conversions, settings, topics
from ros_bridge.control_loop import ControlLoop
from ros_bridge.diagnostics import Reporter
from ros_bridge.errors import BridgeError
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import to_goal
from ros_bridge.guard import Guard
from ros_bridge.imu import to_imu_reading
from ros_bridge.last_word import say_last_word
from ros_bridge.ports import STEADY, Ports
from ros_bridge.recorder import NO_RECORDER, open_recorder
from ros_bridge.understood import Understood

LAST_WAY = 1.0
"""Longest way to the safe command before silence, in [s]."""


class AdaptationNode(LifecycleNode):
    """Configured, it listens; active, it answers every due reading with a certified command."""

    def __init__(
        self,
        bundle: str = "",
        robot: str = "",
        namespace: str = "",
        belief_file: str = "",
        record: str = "",
        fallback: str = "",
    ):
        super().__init__(topics.NODE_NAME, namespace=namespace)
        try:
            settings.declare(
                self, bundle=bundle, robot=robot, belief_file=belief_file, record=record, fallback=fallback
            )
        except BridgeError:
            self.destroy_node()
            raise
        self.add_on_set_parameters_callback(self._check_parameters)
        self.loop: ControlLoop | None = None
        self._recorder = NO_RECORDER
        self.fault: str | None = None
        """Why the node could not be configured, or gave up."""
        self._reporter = Reporter(self.get_fully_qualified_name().lstrip("/"))
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(settings.number(self, settings.DIAGNOSTICS_PERIOD), self._report, clock=STEADY)

    @property
    def state(self) -> str:
        """The lifecycle state's label."""
        return self._state_machine.current_state[1]

    def refusal(self) -> str | None:
        """Why the node cannot be activated now, or None."""
        return "not configured" if self.loop is None else self.loop.refusal(time.monotonic())

    def lost_context(self) -> None:
        """Ends control although ROS is gone under the node, with the safe command all the same."""
        if self.loop is not None and self.loop.running:
            heard = say_last_word(self.loop, self._ports.commands_topic)
            self.get_logger().error(
                f"ROS was shut down; safe command {'sent' if heard else 'heard by nobody'}"
            )

    def close(self) -> None:
        """Ends control, if it runs, with the safe command, and shuts the node down."""
        if self.state in ("unconfigured", "inactive", "active"):
            self.trigger_shutdown()

    # rclpy swallows what a transition raises, so each says itself what is wrong.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        path = self.get_parameter("bundle").value
        try:
            bundle, spec = open_bundle(path, self.get_parameter("robot").value)
            timeout = settings.number(self, settings.GOAL_TIMEOUT)
            goals = bundle.goal and GoalKeeper(bundle.goal, timeout)
            fallback = open_fallback(self.get_parameter("fallback").value, bundle)
            controller = controller_of(bundle, spec, fallback)
            folder = self.get_parameter("record").value
            recorder = open_recorder(self, folder, bundle, spec, timeout, fallback)
            loop = recorder.loop(spec, controller, goals)
            loop.rehearse()
            self._ports = self._open(spec, bundle)
        except UserError as error:
            self.fault = f"not configured: {error}"
            self.get_logger().error(self.fault)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self.fault = f"not configured: {path}: {error}"
            self.get_logger().error(f"{self.fault}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        self.fault = None
        self.loop, self._recorder = loop, recorder
        self._understood = Understood(str(self.get_parameter("belief_file").value), loop, bundle)
        self._guard = Guard(spec.period, spec.safety.stale_after, self._ports.command)
        self._reporter.begin(loop, bundle.manifest["family"], self._guard)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        refusal = self.refusal()
        if self.loop is None or refusal is not None:
            self.get_logger().error(f"not activated: {refusal}")
            return TransitionCallbackReturn.FAILURE
        self.fault = None
        self.loop.start()
        if problem := self._understood.restore():
            self.get_logger().warning(f"begins without what was understood before: {problem}")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._end()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._close()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._close()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._close()
        return super().on_error(state)

    def _open(self, spec: RobotSpec, bundle: PolicyBundle) -> Ports:
        """The topics of this robot and this bundle."""
        return Ports(
            self,
            spec,
            bundle.manifest["family"],
            bundle.goal and bundle.goal.kind,
            on_joint_states=self._on_joint_states,
            on_imu=self._on_imu,
            on_goal=self._on_goal,
            on_watch=self._on_watch,
            services={
                "stop": self._on_stop,
                "reset_belief": self._on_reset_belief,
                "freeze": partial(self._on_freeze, True),
                "unfreeze": partial(self._on_freeze, False),
            },
        )

    def _on_joint_states(self, message: JointState) -> None:
        began = time.monotonic()
        self._recorder.took(message)
        with self._giving_up():
            if self.loop is None:
                return
            reading = conversions.to_reading(message, self.loop.spec)
            if self.loop.running:
                with self._guard.watching(self.loop.controller.safety.still[0]):
                    output = self.loop.hear(reading, self._now(), began)
            else:
                output = self.loop.hear(reading, self._now(), began)
            if output is not None:
                self._ports.command(output.command)
                self._reporter.latency.add(time.monotonic() - began)
                self._ports.tell(output)

    def _on_imu(self, message: Imu) -> None:
        self._recorder.took(message)
        with self._giving_up():
            if self.loop is not None:
                self.loop.hear_imu(to_imu_reading(message, self.loop.spec), self._now(), time.monotonic())

    def _on_goal(self, topic: str, message: Any) -> None:
        self._recorder.took(message)
        with self._giving_up():
            if self.loop is not None and self.loop.goals is not None:
                reading = to_goal(message, self.loop.goals.layout, self.loop.spec.ros.frame)
                self.loop.hear_goal(reading, topic, self._now(), time.monotonic())

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """What goes wrong in answering a message ends control, not the process: it has a last word to send."""
        try:
            yield
        except Exception as error:
            if not self.context.ok():
                raise  # nothing can be said here any more: `lost_context` does
            self.fault = f"gave up: {type(error).__name__}: {error}"
            self.get_logger().error(f"{self.fault}\n{traceback.format_exc()}")
            if self.state == "active":
                self.trigger_deactivate()

    def _now(self) -> float:
        """ROS time in [s]."""
        return self.get_clock().now().nanoseconds * 1e-9

    def _on_watch(self) -> None:
        with self._giving_up():
            output = None if self.loop is None else self.loop.watch(time.monotonic())
            if output is not None:
                self._ports.command(output.command)
                self._ports.tell(output)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self.loop is not None and self.loop.running
        response.message = "safe command until the next activation" if response.success else self.state
        with self._giving_up():
            if self.loop is not None and self.loop.running:
                output = self.loop.halt()
                self._ports.command(output.command)
                self._ports.tell(output)
        self.get_logger().warning(f"stop: {response.message}")
        return response

    def _on_reset_belief(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.loop is not None:
            self.loop.forget()
        response.success, response.message = True, "belief reset"
        return response

    def _on_freeze(
        self, frozen: bool, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self.loop is not None:
            self.loop.freeze(frozen)
        response.success = True
        response.message = "what is understood stays as it is" if frozen else "learns from the robot again"
        return response

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        problem = settings.change_problem(parameters, self.loop is not None, self.state)
        return SetParametersResult(successful=problem is None, reason=problem or "")

    def _end(self) -> None:
        """Before silence: the safe command, delivered, as fast as limits allow. Then what was understood is kept."""
        if self.loop is None or not self.loop.running:
            return
        self._ports.command(self.loop.end().command)
        patience = time.monotonic() + LAST_WAY
        while not self.loop.settled and time.monotonic() < patience:
            time.sleep(self.loop.spec.period)
            self._ports.command(self.loop.end().command)
        self._ports.flush()
        if problem := self._understood.save():
            self.get_logger().error(f"what was understood is lost: {problem}")

    def _close(self) -> None:
        self._end()
        if self.loop is not None:
            self.loop = None
            self._reporter.begin(None, {})
            self._guard.close()
            self._ports.close()
            self._recorder.close()
            self._recorder = NO_RECORDER

    def _report(self) -> None:
        reports = self._reporter.report(self.state, self.fault, time.monotonic())
        message = DiagnosticArray(status=[*reports, *self._recorder.status(self._reporter.name)])
        message.header.stamp = self.get_clock().now().to_msg()
        self._recorder.said(message)
        self._diagnostics.publish(message)
