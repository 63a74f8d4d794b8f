"""The adaptation node in this process, and a robot stand-in that speaks to it over DDS: well, badly, or not at all.

The policy asks for full effort, 2.5 N m, unless a test says otherwise: a command of zero is the safe one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from robots.safety import SAFE_MODE, Reason, reason_names
from ros_bridge import topics
from ros_bridge.control_loop import ControlLoop
from ros_bridge.deploy import AutoStart
from ros_bridge.node import AdaptationNode
from tests.ros_bridge.patience import until
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import Steadfast, joint_state

pytestmark = pytest.mark.ros

NAMESPACE, ROGUE = "bench", "rogue"
COMMANDS = f"/{NAMESPACE}/effort_controller/commands"
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
PERIOD = 0.02
QUANTITIES = 13
"""As many as the bundle names."""


@pytest.fixture(scope="module")
def ros() -> Iterator[None]:
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="module")
def robot(pendulum: RobotSpec) -> Iterator[RobotStandIn]:
    stand_in = RobotStandIn(pendulum, NAMESPACE)
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def rogue(pendulum: RobotSpec) -> Iterator[RobotStandIn]:
    stand_in = RobotStandIn(pendulum, ROGUE)
    yield stand_in
    stand_in.close()


class Bench:
    """Node and robot, served in turn by the one thread of the test."""

    def __init__(self, node: AdaptationNode, robot: RobotStandIn):
        self.node = node
        self.robot = robot
        self.executor = SingleThreadedExecutor()
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

    def turn(self) -> None:
        self.executor.spin_once(timeout_sec=0.002)
        self.robot.turn(timeout=0.0)

    def serve(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def until(self, condition: Callable[[], object]) -> None:
        until(condition, self.turn)

    def good_readings_until(self, condition: Callable[[], object]) -> None:
        """A good reading every control period."""
        due = 0.0

        def turn() -> None:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + PERIOD
                self.robot.say_fine()
            self.turn()

        until(condition, turn)

    def configure(self) -> None:
        assert self.node.trigger_configure() == SUCCESS
        self.loop.controller.adapter = Steadfast(joints=1, quantities=QUANTITIES)

    def activate(self) -> None:
        self.good_readings_until(lambda: self.node.refusal() is None)
        assert self.node.trigger_activate() == SUCCESS

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


@pytest.fixture
def bench(ros: None, robot: RobotStandIn, bundle: PolicyBundle) -> Iterator[Bench]:
    made = Bench(AdaptationNode(str(bundle.path), namespace=NAMESPACE), robot)
    yield made
    close(made)


def close(bench: Bench) -> None:
    bench.node.close()
    bench.executor.shutdown()
    bench.node.destroy_node()


@pytest.fixture(scope="module")
def running(ros: None, rogue: RobotStandIn, bundle: PolicyBundle) -> Iterator[Bench]:
    """One node for all hostile messages: each must leave it as good as new."""
    made = Bench(AdaptationNode(str(bundle.path), namespace=ROGUE), rogue)
    yield made
    close(made)


def safe(command: np.ndarray) -> bool:
    return command.tolist() == [0.0]


# Hostile messages


def nan() -> list[JointState]:
    return [joint_state(time.time(), position=(np.nan,))]


def infinite() -> list[JointState]:
    return [joint_state(time.time(), velocity=(-np.inf,))]


def wrong_name() -> list[JointState]:
    return [joint_state(time.time(), ("Pivot",))]


def twice_the_name() -> list[JointState]:
    return [joint_state(time.time(), ("pivot", "pivot"), (0.0, 1.0), (0.0, 1.0))]


def no_velocities() -> list[JointState]:
    return [joint_state(time.time(), velocity=())]


def too_few_positions() -> list[JointState]:
    return [joint_state(time.time(), ("other", "pivot"), (0.0,), (0.0, 0.0))]


def nothing_but_a_stamp() -> list[JointState]:
    return [joint_state(time.time(), (), (), ())]


def too_fast_a_joint() -> list[JointState]:
    return [joint_state(time.time(), velocity=(-30.0,))]


def beyond_the_cable() -> list[JointState]:
    return [joint_state(time.time(), position=(40.0,))]


def empty() -> list[JointState]:
    return [JointState()]


def without_stamp() -> list[JointState]:
    return [joint_state(0.0)]


def from_the_future() -> list[JointState]:
    return [joint_state(time.time() + 1.0)]


def from_the_past() -> list[JointState]:
    return [joint_state(time.time() - 1.0)]


CONTENT = {
    nan: Reason.SENSOR_NOT_FINITE,
    infinite: Reason.SENSOR_NOT_FINITE,
    wrong_name: Reason.SENSOR_NOT_FINITE,
    twice_the_name: Reason.SENSOR_NOT_FINITE,
    no_velocities: Reason.SENSOR_NOT_FINITE,
    too_few_positions: Reason.SENSOR_NOT_FINITE,
    nothing_but_a_stamp: Reason.SENSOR_NOT_FINITE,
    too_fast_a_joint: Reason.VELOCITY_LIMIT,
    beyond_the_cable: Reason.POSITION_LIMIT,
    empty: Reason.SENSOR_STALE,
    without_stamp: Reason.SENSOR_STALE,
    from_the_future: Reason.SENSOR_STALE,
    from_the_past: Reason.SENSOR_STALE,
}


@pytest.mark.parametrize("hostile", CONTENT, ids=lambda hostile: hostile.__name__)
def test_a_hostile_message_is_met_with_a_safe_command_and_survived(running, hostile):
    reason = CONTENT[hostile]
    (name,) = reason_names(reason)
    running.in_control()
    counted, first = running.loop.counts[name], len(running.commands)

    def answered() -> bool:
        return running.loop.counts[name] > counted and bool(running.reasons & reason)

    def turn() -> None:  # again and again: one alone may arrive before a control step is due
        for message in hostile():
            running.robot.say(message)
        running.serve(PERIOD)

    until(answered, turn)
    assert running.reasons & SAFE_MODE
    # Beyond 20 rad/s the safe command damps: 0.15 N m s/rad x 30 rad/s, cut to 2.5 N m. Else it is none.
    expected = 2.5 if hostile is too_fast_a_joint else 0.0
    running.until(lambda: running.commands[-1].tolist() == [expected])
    running.good_readings_until(running.at_full_effort)
    assert len(running.commands) > first
    assert within_limits(running)


def within_limits(bench: Bench) -> bool:
    commands = np.array(bench.commands)
    return bool(np.isfinite(commands).all() and np.abs(commands).max() <= 2.5)


def test_joints_in_another_order_beside_others_are_no_problem(running):
    running.in_control()
    bad = running.loop.counts["sensor_not_finite"]
    steps, commands = running.loop.steps, len(running.commands)

    def turn() -> None:
        names = ("gripper", "pivot", "wheel")
        running.robot.say(joint_state(running.robot.now(), names, (np.nan, 0.1, 5e9), (np.inf, 0.2, 0.0)))
        running.serve(PERIOD)

    until(lambda: running.loop.steps > steps + 20, turn)
    assert running.loop.counts["sensor_not_finite"] == bad
    assert len(running.commands) > commands + 10
    assert within_limits(running)


def verdicts(bench: Bench) -> dict[str, int]:
    return {verdict.value: count for verdict, count in bench.loop.intake.counts.items()}


def refused(counts: dict[str, int]) -> int:
    """Older than the one before; on a slow machine already too old to be compared."""
    return counts["out_of_order"] + counts["stale"]


def test_duplicates_and_old_readings_are_counted_and_not_acted_upon(running):
    running.in_control()
    before, steps = verdicts(running), running.loop.steps
    newest = running.robot.now()
    for _ in range(3):
        running.robot.say(joint_state(newest))
        running.serve(0.002)
    running.robot.say(joint_state(newest - 0.01))
    running.until(lambda: refused(verdicts(running)) > refused(before))
    assert verdicts(running)["duplicate"] > before["duplicate"]
    assert running.loop.steps <= steps + 2  # what was still on its way, and the newest
    running.good_readings_until(running.at_full_effort)
    assert within_limits(running)


def test_ten_times_too_many_readings_are_acted_upon_at_the_control_rate(running):
    running.in_control()
    before, steps, began = verdicts(running), running.loop.steps, time.monotonic()
    while time.monotonic() < began + 1.0:
        running.robot.say_fine()
        running.serve(PERIOD / 10)
    taken = running.loop.steps - steps
    assert verdicts(running)["between_steps"] > before["between_steps"] + taken
    # 50 steps/s; a reading up to half of its interval early is taken.
    assert 5 < taken <= 1.1 * (time.monotonic() - began) / PERIOD + 2
    assert within_limits(running)


def test_a_burst_is_one_step(running):
    running.in_control()
    running.serve(PERIOD)
    steps, now = running.loop.steps, running.robot.now()
    for k in range(50):
        running.robot.say(joint_state(now - 1e-4 * (50 - k)))
    running.serve(PERIOD)
    assert running.loop.steps - steps == 1
    running.good_readings_until(running.at_full_effort)
    assert within_limits(running)


def test_sensors_that_fall_silent_are_answered_within_the_watchdog_s_time(running):
    running.in_control()
    running.until(lambda: safe(running.commands[-1]))
    # 0.06 s until a reading is stale, 0.03 s between two looks of the watchdog; the rest is a slow machine's.
    assert 0.06 < time.monotonic() - running.robot.said < 0.09 + 2.0
    running.until(lambda: running.reasons == Reason.STOPPED | Reason.SENSOR_STALE)
    commands = len(running.commands)
    running.until(lambda: len(running.commands) > commands + 5)  # and it goes on saying so
    assert all(safe(command) for command in running.commands[commands:])
    running.until(lambda: running.level() == DiagnosticStatus.ERROR)
    assert running.message().startswith("safe mode: sensor_stale, stopped")
    running.good_readings_until(running.at_full_effort)


def test_sensors_that_turn_nan_make_the_next_command_safe(running):
    running.in_control()
    running.serve(PERIOD)  # what was still on its way
    first = len(running.commands)
    running.robot.say(joint_state(running.robot.now(), position=(np.nan,)))
    running.until(lambda: len(running.commands) > first)
    assert safe(running.commands[first])
    running.until(lambda: running.reasons & (Reason.SENSOR_NOT_FINITE | Reason.SENSOR_STALE))


def test_a_random_sender_never_makes_a_bad_command(running):
    running.in_control()
    rng = np.random.default_rng(6)
    values = (0.0, 1.0, -35.0, 40.0, np.nan, np.inf, -np.inf, 1e300)
    first = len(running.commands)
    for _ in range(400):
        names = tuple(rng.choice(["pivot", "x", ""], rng.integers(0, 3)).tolist())
        lengths = [max(0, len(names) + int(rng.choice([0, 0, 1, -1]))) for _ in range(2)]
        numbers = [tuple(rng.choice(values, length).tolist()) for length in lengths]
        running.robot.say(
            joint_state(time.time() + rng.choice([0.0, 0.0, 0.01, -0.05, -9.0, 9.0]), names, *numbers)
        )
        running.serve(0.002)
    assert len(running.commands) > first + 10
    assert within_limits(running)
    running.good_readings_until(running.at_full_effort)


# Life of a node


def test_a_life_from_configure_to_shutdown_and_back(bench):
    assert bench.node.state == "unconfigured"
    for _ in range(2):
        bench.in_control()
        assert bench.node.state == "active"
        assert bench.node.trigger_deactivate() == SUCCESS
        bench.until(lambda: safe(bench.commands[-1]))
        commands = len(bench.commands)
        bench.robot.say_fine()
        bench.serve(5 * PERIOD)
        assert len(bench.commands) == commands  # inactive is silent
        assert bench.node.trigger_cleanup() == SUCCESS
        assert bench.node.loop is None
    assert bench.node.trigger_shutdown() == SUCCESS
    assert bench.node.state == "finalized"


def test_cleaned_up_it_holds_no_topic_open(bench):
    bench.configure()
    bench.until(lambda: bench.robot.node.count_publishers(COMMANDS) == 1)
    timers = len(list(bench.node.timers))
    assert bench.node.trigger_cleanup() == SUCCESS
    bench.until(lambda: bench.robot.node.count_publishers(COMMANDS) == 0)
    assert len(list(bench.node.timers)) == timers - 1


def test_a_lifecycle_manager_can_lead_it_through_its_services(bench):
    def change(transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bench.call(ChangeState, "change_state", request).success

    def state() -> str:
        return bench.call(GetState, "get_state", GetState.Request()).current_state.label

    assert change(Transition.TRANSITION_CONFIGURE)
    assert state() == "inactive"
    assert not change(Transition.TRANSITION_ACTIVATE)  # without sensors
    assert state() == "inactive"
    assert change(Transition.TRANSITION_CLEANUP)
    assert change(Transition.TRANSITION_CONFIGURE)
    bench.activate()
    bench.good_readings_until(lambda: bench.commands)
    assert change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state() == "finalized"
    bench.until(lambda: safe(bench.commands[-1]))


def test_without_fresh_and_finite_sensors_it_cannot_be_activated(bench):
    bench.configure()
    assert bench.node.trigger_activate() == FAILURE
    assert bench.node.state == "inactive"
    bench.robot.say(joint_state(time.time(), velocity=(np.nan,)))
    bench.until(lambda: bench.loop.problem)
    assert bench.node.refusal() == "joint_states: velocity of 'pivot' is nan"
    assert bench.node.trigger_activate() == FAILURE
    bench.good_readings_until(lambda: bench.node.refusal() is None)
    time.sleep(0.1)  # older than 0.06 s by now
    assert bench.node.trigger_activate() == FAILURE
    assert bench.commands == []


def test_it_is_activated_once_and_only_when_its_sensors_are_fresh(bench):
    starter = AutoStart(bench.node)
    assert starter.configure()
    bench.loop.controller.adapter = Steadfast(joints=1, quantities=QUANTITIES)
    starter.poll()
    assert bench.node.state == "inactive"

    def active() -> bool:
        starter.poll()
        return bench.node.state == "active"

    bench.good_readings_until(active)
    assert bench.node.trigger_deactivate() == SUCCESS
    bench.good_readings_until(lambda: bench.node.refusal() is None)
    starter.poll()
    assert bench.node.state == "inactive"  # whoever deactivated it had a reason


def test_the_first_reading_after_activation_is_acted_upon_softly(bench):
    bench.configure()
    bench.activate()
    assert bench.commands == []
    bench.good_readings_until(lambda: bench.commands)
    assert bench.commands[0][0] == pytest.approx(0.25)  # a tenth of 2.5 N m


def set_bundle(bench: Bench, value: str):
    request = SetParameters.Request()
    request.parameters = [Parameter("bundle", Parameter.Type.STRING, value).to_parameter_msg()]
    assert request.parameters[0].value.type == ParameterType.PARAMETER_STRING
    return bench.call(SetParameters, "set_parameters", request).results[0]


def test_parameters_are_fixed_while_it_is_configured(bench, bundle):
    bench.configure()
    result = set_bundle(bench, "/elsewhere")
    assert not result.successful
    assert result.reason == "bundle: clean the node up first (it is inactive)"
    assert bench.node.get_parameter("bundle").value == str(bundle.path)
    assert bench.node.trigger_cleanup() == SUCCESS
    assert set_bundle(bench, "/elsewhere").successful
    assert bench.node.trigger_configure() == FAILURE
    assert "/elsewhere: no such bundle" in str(bench.node.fault)
    assert set_bundle(bench, str(bundle.path)).successful
    assert bench.node.trigger_configure() == SUCCESS
    assert bench.node.fault is None


def test_stop_is_a_safe_command_until_the_next_activation(bench):
    bench.in_control()
    response = bench.call(Trigger, "stop", Trigger.Request())
    assert (response.success, response.message) == (True, "safe command until the next activation")
    bench.until(lambda: safe(bench.commands[-1]))
    commands = len(bench.commands)
    bench.good_readings_until(lambda: len(bench.commands) > commands + 10)
    assert all(safe(command) for command in bench.commands[commands:])
    assert bench.node.trigger_deactivate() == SUCCESS
    assert not bench.call(Trigger, "stop", Trigger.Request()).success
    bench.in_control()


def test_reset_belief_forgets_and_control_goes_on(bench):
    bench.in_control()
    adapter = bench.loop.controller.adapter
    assert isinstance(adapter, Steadfast)
    resets = adapter.resets
    assert bench.call(Trigger, "reset_belief", Trigger.Request()).success
    assert adapter.resets == resets + 1
    assert adapter.heard < 5
    assert bench.node.state == "active"
    bench.good_readings_until(bench.at_full_effort)


def test_a_policy_that_fails_in_motion_ends_control_with_a_safe_command(bench):
    bench.in_control()

    def fail(*_, **__):
        raise RuntimeError("out of memory")

    bench.loop.controller.adapter.act = fail
    bench.good_readings_until(lambda: bench.node.state == "inactive")
    bench.until(lambda: safe(bench.commands[-1]))
    assert bench.node.fault == "gave up: RuntimeError: out of memory"
    bench.until(lambda: bench.level() == DiagnosticStatus.ERROR)
    assert bench.message() == "gave up: RuntimeError: out of memory"


def test_a_policy_that_answers_nan_is_overruled(bench):
    bench.in_control()
    adapter = bench.loop.controller.adapter
    assert isinstance(adapter, Steadfast)
    adapter.action[:] = np.nan
    bench.good_readings_until(lambda: bench.reasons & Reason.POLICY_NOT_FINITE)
    bench.good_readings_until(lambda: safe(bench.commands[-1]))
    adapter.action[:] = 1.0
    bench.good_readings_until(bench.at_full_effort)
    assert within_limits(bench)


def test_the_bundle_s_own_belief_is_published_with_names_and_units(bench, bundle):
    assert bench.node.trigger_configure() == SUCCESS
    bench.activate()
    beliefs = bench.robot.beliefs[NAMESPACE]
    bench.good_readings_until(lambda: len(beliefs) > 5)
    family = bundle.manifest["family"]
    assert list(beliefs[-1].names) == family["belief_names"]
    assert list(beliefs[-1].units) == family["belief_units"]
    assert np.isfinite(beliefs[-1].mean).all()
    assert (beliefs[-1].std > 0).all()


def test_a_topic_that_ros_does_not_allow_is_named(ros, robot, bundle, pendulum, tmp_path):
    text = (pendulum.model.parent / "robot.yaml").read_text(encoding="utf-8")
    (tmp_path / "robot.yaml").write_text(
        text.replace("effort_controller/commands", "not a topic"), encoding="utf-8"
    )
    (tmp_path / "pendulum.xml").write_bytes(pendulum.model.read_bytes())
    bench = Bench(AdaptationNode(str(bundle.path), str(tmp_path / "robot.yaml"), NAMESPACE), robot)
    try:
        assert bench.node.trigger_configure() == FAILURE
        assert bench.node.state == "unconfigured"
        assert "not a topic" in str(bench.node.fault)
    finally:
        close(bench)


def test_quality_of_service_of_commands_can_be_overridden_and_of_nothing_else_with_it(bench):
    name = f"qos_overrides./{NAMESPACE}/effort_controller/commands.publisher.reliability"
    override = Parameter(name, Parameter.Type.STRING, "best_effort")
    bench.node._parameter_overrides[name] = override
    bench.configure()

    def reliability(topic: str) -> list[QoSReliabilityPolicy]:
        found = bench.robot.node.get_publishers_info_by_topic(f"/{NAMESPACE}/{topic}")
        return [info.qos_profile.reliability for info in found]

    bench.until(lambda: reliability("effort_controller/commands") == [QoSReliabilityPolicy.BEST_EFFORT])
    bench.until(lambda: reliability(topics.REQUESTED))
    assert reliability(topics.REQUESTED) == [QoSReliabilityPolicy.RELIABLE]
    assert topics.COMMAND_QOS.reliability == QoSReliabilityPolicy.RELIABLE
