"""Quality of service by parameter: of every topic, what is sensible, and one clear line for what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.parameter import Parameter
from rclpy.qos import QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Float64MultiArray

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from ros_bridge import topics
from ros_bridge.conversions import to_stamp
from ros_bridge.deploy import NOT_CONFIGURED
from ros_bridge.errors import BridgeError
from ros_bridge.node import AdaptationNode
from ros_bridge.processes import Process, own_domain
from tests.ros_bridge.bench import FAILURE, PERIOD, SUCCESS, Bench
from tests.ros_bridge.patience import until
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import imu_state, joint_state

pytestmark = pytest.mark.ros

NAMESPACE = "chosen"
BEST_EFFORT, RELIABLE = QoSReliabilityPolicy.BEST_EFFORT, QoSReliabilityPolicy.RELIABLE
SAID = {
    "position_controller/commands": 1,
    "adaptation/requested": 2,
    "adaptation/belief": 2,
    "adaptation/familiarity": 2,
    "/diagnostics": 2,
}
"""Publishers, and how many policies may be chosen of each."""
HEARD = ("joint_states", "imu", "cmd_vel", "cmd_vel_stamped")


def absolute(topic: str) -> str:
    return topic if topic.startswith("/") else f"/{NAMESPACE}/{topic}"


def names() -> list[str]:
    """All parameters that there are."""
    said = [f"qos_overrides.{absolute(topic)}.publisher.reliability" for topic in SAID]
    said += [
        f"qos_overrides.{absolute(topic)}.publisher.depth" for topic, count in SAID.items() if count == 2
    ]
    return sorted(said + [f"qos_overrides.{absolute(topic)}.subscription.reliability" for topic in HEARD])


@pytest.fixture(scope="module")
def robot(go2: RobotSpec) -> Iterator[RobotStandIn]:
    stand_in = RobotStandIn(go2, NAMESPACE)
    yield stand_in
    stand_in.close()


@pytest.fixture
def bench(ros: None, robot: RobotStandIn, go2_bundle: PolicyBundle) -> Iterator[Bench]:
    made = Bench(AdaptationNode(str(go2_bundle.path), namespace=NAMESPACE), robot)
    yield made
    made.close()


def choose(node: AdaptationNode, name: str, value: Any) -> None:
    """As if it had been given on the command line."""
    node._parameter_overrides[name] = Parameter(name, value=value)


def declared(node: AdaptationNode) -> list[str]:
    mine = (name for name in node._parameters if name.startswith("qos_overrides./"))
    return sorted(name for name in mine if "/parameter_events" not in name and "/clock" not in name)


def test_of_every_topic_the_reliability_may_be_chosen_and_the_depth_of_what_nobody_obeys(bench):
    assert bench.node.trigger_configure() == SUCCESS
    assert declared(bench.node) == names()


@pytest.mark.parametrize("topic", HEARD)
def test_a_subscription_is_what_was_chosen_and_others_are_as_they_were(bench, topic):
    choose(bench.node, f"qos_overrides.{absolute(topic)}.subscription.reliability", "reliable")
    assert bench.node.trigger_configure() == SUCCESS
    count = bench.robot.node.get_subscriptions_info_by_topic

    def reliability(each: str) -> list[QoSReliabilityPolicy]:
        found = [info for info in count(absolute(each)) if info.node_name == "adaptation"]
        return [info.qos_profile.reliability for info in found]

    for each in HEARD:
        expected = RELIABLE if each == topic else BEST_EFFORT
        bench.until(lambda each=each, expected=expected: reliability(each) == [expected])


@pytest.mark.parametrize(
    ("policy", "value", "valid"),
    [
        ("position_controller/commands.publisher.reliability", "sometimes", "reliable, best_effort"),
        ("position_controller/commands.publisher.reliability", 1, "reliable, best_effort"),
        ("joint_states.subscription.reliability", "unknown", "reliable, best_effort"),
        ("adaptation/requested.publisher.depth", 0, "a whole number from 1 to 1000"),
        ("adaptation/requested.publisher.depth", -4, "a whole number from 1 to 1000"),
        ("adaptation/belief.publisher.depth", "many", "a whole number from 1 to 1000"),
        ("adaptation/belief.publisher.depth", True, "a whole number from 1 to 1000"),
    ],
)
def test_what_is_not_valid_is_named_and_nothing_is_open_afterwards(bench, policy, value, valid):
    name = f"qos_overrides.{absolute(policy)}"
    choose(bench.node, name, value)
    publishers, subscriptions = len(list(bench.node.publishers)), len(list(bench.node.subscriptions))
    assert bench.node.trigger_configure() == FAILURE
    assert bench.node.fault == f"not configured: {name}: got {value!r}; valid: {valid}"
    assert len(list(bench.node.publishers)) == publishers
    assert len(list(bench.node.subscriptions)) == subscriptions
    choose(bench.node, name, "reliable" if "reliable" in valid else 5)
    assert bench.node.trigger_configure() == SUCCESS


@pytest.mark.parametrize(
    "policy",
    [
        "joint_state.subscription.reliability",
        "joint_states.publisher.reliability",
        "joint_states.subscription.depth",
        "position_controller/commands.publisher.durability",
    ],
)
def test_what_nobody_may_choose_is_ignored_and_said(bench, policy):
    said: list[str] = []
    logger = bench.node.get_logger()
    name = f"qos_overrides.{absolute(policy)}"
    choose(bench.node, name, "reliable")

    class Log:
        warning = staticmethod(said.append)
        info, error = logger.info, logger.error

    bench.node.get_logger = lambda: Log
    assert bench.node.trigger_configure() == SUCCESS
    (line,) = said
    assert line.startswith(f"ignored: {name}; valid: ")
    assert all(valid in line for valid in names())
    del bench.node.get_logger


def test_diagnostics_are_what_was_chosen_when_the_node_starts(ros, tmp_path):
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    def start(value: str) -> AdaptationNode:
        rclpy.try_shutdown()
        file = tmp_path / "params.yaml"
        chosen = {"/diagnostics": {"publisher": {"reliability": value, "depth": 3}}}
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"qos_overrides": chosen}}}))
        rclpy.init(
            args=["", "--ros-args", "--params-file", str(file)],
            signal_handler_options=SignalHandlerOptions.NO,
        )
        return AdaptationNode(namespace=NAMESPACE)

    try:
        node = start("best_effort")
        profile = node._diagnostics.qos_profile
        assert (profile.reliability, profile.depth) == (BEST_EFFORT, 3)
        node.destroy_node()
        with pytest.raises(
            BridgeError,
            match=r"qos_overrides\./diagnostics\.publisher\.reliability: got 'no'; valid: reliable",
        ):
            start("no")
    finally:
        rclpy.try_shutdown()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)


def deployed(bundle: PolicyBundle, log: Path, *ros_arguments: str) -> Process:
    arguments = ["deploy", str(bundle.path), "--namespace", NAMESPACE, "--ros-args", *ros_arguments]
    return Process(arguments, log, own_domain())


def test_a_process_takes_both_from_its_command_line_and_lives_on_simulated_time(robot, go2_bundle, tmp_path):
    chosen = {
        absolute("position_controller/commands"): {"publisher": {"reliability": "best_effort"}},
        absolute("adaptation/requested"): {"publisher": {"depth": 7}},
    }
    file = tmp_path / "params.yaml"
    parameters = {"use_sim_time": True, "qos_overrides": chosen}
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
    clock = robot.node.create_publisher(Clock, "/clock", 10)
    process = deployed(go2_bundle, tmp_path / "log", "--params-file", str(file))
    commands = absolute("position_controller/commands")
    heard: list[Float64MultiArray] = []
    listener = robot.node.create_subscription(Float64MultiArray, commands, heard.append, topics.SENSOR_QOS)
    spec, now = robot._spec, 50.0

    def simulate() -> None:
        nonlocal now
        assert process.poll() is None, process.tail(20)
        now += PERIOD
        clock.publish(Clock(clock=to_stamp(now)))
        robot.say_imu(imu_state(now))
        still = (0.0,) * len(spec.joints)
        robot.say(joint_state(now, spec.joint_names, tuple(spec.default_position.tolist()), still))
        robot.listen(PERIOD)

    try:
        until(lambda: len(heard) > 20, simulate)
        (info,) = (
            info
            for info in robot.node.get_publishers_info_by_topic(commands)
            if info.node_name == "adaptation"
        )
        assert info.qos_profile.reliability == BEST_EFFORT
        assert process.stop() == 0
    finally:
        process.stop()
        robot.node.destroy_subscription(listener)
        robot.node.destroy_publisher(clock)


def test_a_process_with_a_value_that_is_not_valid_ends_with_one_clear_line(go2_bundle, tmp_path):
    name = f"qos_overrides.{absolute('imu')}.subscription.reliability"
    process = deployed(go2_bundle, tmp_path / "log", "-p", f"{name}:=maybe")
    try:
        assert process.wait(60.0) == NOT_CONFIGURED
        assert f"not configured: {name}: got 'maybe'; valid: reliable, best_effort" in process.tail()
        assert "Traceback" not in process.tail(50)
    finally:
        process.stop()
