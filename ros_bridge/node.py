"""`AdaptationNode`: a bundle drives a robot, as a ROS 2 lifecycle node. Control is driven by the robot's sensors."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Imu, JointState

from adapt.bundle import PolicyBundle, open_bundle
from adapt.online.from_bundle import controller_of, open_fallback
from robots.errors import UserError
from ros_bridge import conversions, settings, topics
from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.diagnostics import Reporter
from ros_bridge.errors import BridgeError
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import to_goal
from ros_bridge.guard import Guard
from ros_bridge.imu import to_imu_reading
from ros_bridge.last_word import say_last_word
from ros_bridge.learning import open_learning
from ros_bridge.ports import STEADY, Ports
from ros_bridge.qos_overrides import QUEUED, overridable
from ros_bridge.recorder import NO_RECORDER, open_recorder
from ros_bridge.refusals import Refusals
from ros_bridge.requests import Requests
from ros_bridge.sim_time import ClockWatch
from ros_bridge.transitions import refuse_impossible
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
        audit_log: str = "",
        fallback: str = "",
    ):
        super().__init__(topics.NODE_NAME, namespace=namespace)
        try:
            files = {
                "belief_file": belief_file,
                "record": record,
                "audit_log": audit_log,
                "fallback": fallback,
            }
            settings.declare(self, bundle=bundle, robot=robot, **files)
            chosen = overridable(self, topics.DIAGNOSTICS, "publisher", QUEUED)
        except BridgeError:
            self.destroy_node()
            raise
        self.add_on_set_parameters_callback(
            lambda changes: settings.judge(changes, self.loop is not None, self.state)
        )
        refuse_impossible(self)
        self.loop: ControlLoop | None = None
        self._recorder = NO_RECORDER
        self.fault: str | None = None
        """Why the node could not be configured, or gave up."""
        self._reporter = Reporter(self.get_fully_qualified_name().lstrip("/"))
        self._diagnostics = self.create_publisher(
            DiagnosticArray, topics.DIAGNOSTICS, QoSProfile(depth=10), qos_overriding_options=chosen
        )
        self._clock_watch = ClockWatch(self)
        self._refusals = Refusals()
        self.create_timer(settings.number(self, settings.DIAGNOSTICS_PERIOD), self._report, clock=STEADY)

    @property
    def state(self) -> str:
        """The lifecycle state's label."""
        return self._state_machine.current_state[1]

    def refusal(self) -> str | None:
        """Why the node cannot be activated now, or None."""
        if self.loop is None:
            return "not configured"
        arrival = time.monotonic()
        return self._clock_watch.problem(arrival) or self.loop.refusal(arrival)

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
            with ExitStack() as undo:
                bundle, spec = open_bundle(path, self.get_parameter("robot").value)
                timeout = settings.number(self, settings.GOAL_TIMEOUT)
                goals = bundle.goal and GoalKeeper(bundle.goal, timeout)
                fallback = open_fallback(self.get_parameter("fallback").value, bundle)
                controller = controller_of(
                    bundle, spec, fallback, learn=lambda adapter: open_learning(self, bundle, adapter)
                )
                if controller.learning is not None:
                    undo.callback(controller.learning.close)
                folder = self.get_parameter("record").value
                recorder = open_recorder(self, folder, bundle, spec, timeout, fallback)
                loop = recorder.loop(spec, controller, goals)
                loop.moving_time = lambda arrival: self._now() if self._clock_watch.simulated else arrival
                loop.rehearse()
                self._ports = self._open(bundle, loop)
                undo.pop_all()
        except Exception as error:
            known = isinstance(error, UserError)
            self.fault = f"not configured: {error}" if known else f"not configured: {path}: {error}"
            self.get_logger().error(self.fault if known else f"{self.fault}\n{traceback.format_exc()}")
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
            if self._refusals.new(refusal):
                self.get_logger().error(f"not activated: {refusal}")
            return TransitionCallbackReturn.FAILURE
        self.fault = None
        self._refusals.new(None)
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

    def _open(self, bundle: PolicyBundle, loop: ControlLoop) -> Ports:
        """The topics of this robot and this bundle."""
        return Ports(
            self,
            loop.spec,
            bundle.manifest["family"],
            bundle.goal and bundle.goal.kind,
            on_joint_states=self._on_joint_states,
            on_imu=self._on_imu,
            on_goal=self._on_goal,
            on_watch=self._on_watch,
            services=Requests(loop, self._send, self._giving_up, self.get_logger().warning).services(),
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
                self._send(output)

    def _send(self, output: Output) -> None:
        self._ports.command(output.command)
        self._ports.tell(output)

    def _end(self) -> None:
        """Before silence: the safe command, delivered, as fast as limits allow. Then what was understood is kept."""
        if self.loop is None or not self.loop.running:
            return
        self._ports.command(self.loop.end(time.monotonic()).command)
        patience = time.monotonic() + LAST_WAY
        while not self.loop.settled and time.monotonic() < patience:
            time.sleep(self.loop.spec.period)
            self._ports.command(self.loop.end(time.monotonic()).command)
        self._ports.flush()
        if problem := self._understood.save():
            self.get_logger().error(f"what was understood is lost: {problem}")

    def _close(self) -> None:
        self._end()
        if self.loop is not None:
            if self.loop.controller.learning is not None:
                self.loop.controller.learning.close()
            self.loop = None
            self._reporter.begin(None, {})
            self._guard.close()
            self._ports.close()
            self._recorder.close()
            self._recorder = NO_RECORDER

    def _report(self) -> None:
        now = time.monotonic()
        reports = self._reporter.report(self.state, self.fault, now, self._clock_watch.problem(now))
        message = DiagnosticArray(status=[*reports, *self._recorder.status(self._reporter.name)])
        message.header.stamp = self.get_clock().now().to_msg()
        self._recorder.said(message)
        self._diagnostics.publish(message)
