"""The node's parameters: ranges, integers in place of numbers, and one clear line for what is not valid."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from ros_bridge.errors import BridgeError
from ros_bridge.node import AdaptationNode

pytestmark = pytest.mark.ros

Make = Callable[..., AdaptationNode]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a node that was started with the parameters given, on a command line as `adapt deploy` has it."""
    made: list[AdaptationNode] = []

    def node(**parameters: Any) -> AdaptationNode:
        rules = [rule for name, value in parameters.items() for rule in ("-p", f"{name}:={value}")]
        arguments = ["", "--ros-args", *rules] if rules else []
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        made.append(AdaptationNode())
        return made[-1]

    yield node
    for each in made:
        each.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("diagnostics_period", "1", 1.0),
        ("diagnostics_period", "0.25", 0.25),
        ("goal_timeout", "2", 2.0),
        ("goal_timeout", "0", 0.0),
        ("goal_timeout", "0.1", 0.1),
        ("exploration", "1", 1.0),
        ("exploration", "0.25", 0.25),
    ],
)
def test_whole_numbers_are_numbers(make, name, given, value):
    assert float(make(**{name: given}).get_parameter(name).value) == value


@pytest.mark.parametrize("name", ["diagnostics_period", "goal_timeout", "exploration"])
@pytest.mark.parametrize("given", ["-1", "-1.0", "1e9", "4000", ".nan", ".inf", "soon", "true", "[1.0]"])
def test_what_is_not_valid_is_refused_by_name_with_what_is(make, name, given):
    with pytest.raises(BridgeError) as error:
        make(**{name: given})
    message = str(error.value)
    assert name in message
    assert "\n" not in message
    assert re.search(r"\b1\b" if name == "exploration" else "3600", message)  # the most that is valid


@pytest.mark.parametrize("given", ["0", "0.0"])
def test_diagnostics_without_a_pause_are_refused(make, given):
    """A timer of period 0 would spin a core for ever."""
    with pytest.raises(BridgeError, match=r"diagnostics_period.*0\.05"):
        make(diagnostics_period=given)


def test_a_bundle_that_is_no_text_is_refused(make):
    with pytest.raises(BridgeError, match="bundle"):
        make(bundle="5")


def test_all_are_described_with_their_ranges(make):
    node = make()
    for name in ("bundle", "robot", "goal_timeout", "diagnostics_period"):
        assert node.describe_parameter(name).description.endswith(".")
    (allowed,) = node.describe_parameter("diagnostics_period").floating_point_range
    assert (allowed.from_value, allowed.to_value) == (0.05, 3600.0)
    (allowed,) = node.describe_parameter("goal_timeout").floating_point_range
    assert (allowed.from_value, allowed.to_value) == (0.0, 3600.0)


def test_they_may_be_set_while_the_node_is_unconfigured_within_their_ranges(make):
    node = make()

    def put(name: str, value: Any) -> tuple[bool, str]:
        (result,) = node.set_parameters([Parameter(name, value=value)])
        return result.successful, result.reason

    assert put("goal_timeout", 2) == (True, "")
    assert put("goal_timeout", -2) == (False, "goal_timeout: got -2; valid: a number from 0 to 3600 s")
    assert put("goal_timeout", "long")[0] is False
    assert put("goal_timeout", -2.0)[0] is False
    assert float(node.get_parameter("goal_timeout").value) == 2.0
    assert put("diagnostics_period", 2.0) == (
        False,
        "Trying to set a read-only parameter: diagnostics_period.",
    )


def test_diagnostics_come_in_their_period(make):
    node = make(diagnostics_period="0.1")
    reports: list[float] = []
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    node._diagnostics.publish = lambda message: reports.append(time.monotonic())
    end = time.monotonic() + 1.05
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    executor.shutdown()
    assert 5 <= len(reports) <= 11
