"""The life of the adaptation node: lifecycle, parameters, services, faults, and what it publishes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSReliabilityPolicy
from std_srvs.srv import Trigger

from robots.safety import Reason
from ros_bridge import topics
from ros_bridge.deploy import AutoStart
from ros_bridge.node import AdaptationNode
from tests.ros_bridge.bench import FAILURE, PERIOD, QUANTITIES, SUCCESS, Bench, safe
from tests.ros_bridge.stand_ins import Steadfast

pytestmark = pytest.mark.ros

NAMESPACE = "bench"
COMMANDS = f"/{NAMESPACE}/effort_controller/commands"


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
    bench.say_until(bench.robot.say_broken, lambda: bench.loop.senses.joints.problem)
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
    assert bench.within_limits()


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
        bench.close()


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
