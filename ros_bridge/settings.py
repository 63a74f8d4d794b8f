"""The adaptation node's ROS parameters: what they mean, what is valid, and when they may be set."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from ros_bridge.errors import BridgeError

UNCONFIGURED = "May be set while the node is unconfigured."
TEXTS = {
    "bundle": f"Folder of the policy bundle. {UNCONFIGURED}",
    "robot": "Registered name of the robot or path of its robot.yaml; empty: the robot that the bundle names. "
    + UNCONFIGURED,
    "belief_file": "File that keeps what was understood of the robot over restarts: read on activation, written on "
    f"deactivation; empty: none. {UNCONFIGURED}",
    "audit_log": "File to which is appended what became of every proposal of an adaptation by gradients; empty: none. "
    + UNCONFIGURED,
    "fallback": "Folder of a bundle of a policy that does not adapt, which drives while the robot is unfamiliar to the "
    f"adaptive one; empty: none. {UNCONFIGURED}",
    "record": f"Folder in which a bag of every configuration is kept; empty: nothing is recorded. {UNCONFIGURED}",
}
AUTO_ACCEPT = "auto_accept"
_FLAGS = {
    AUTO_ACCEPT: (
        True,
        "Whether parameters that adaptation by gradients proposes are tried as soon as they have passed their gates; "
        f"otherwise they wait for the service accept. {UNCONFIGURED}",
    ),
}
"""Default, and what it is."""
GOAL_TIMEOUT, DIAGNOSTICS_PERIOD, EXPLORATION = "goal_timeout", "diagnostics_period", "exploration"
_NUMBERS = {
    GOAL_TIMEOUT: (
        0.0,
        0.0,
        3600.0,
        "For how long a goal holds, in [s]; then the robot is to stand still. 0: velocities and moving targets 0.5 s, "
        f"places and plain numbers until they are replaced. {UNCONFIGURED}",
    ),
    EXPLORATION: (
        1.0,
        0.0,
        1.0,
        "How far a policy that adapts by gradients explores while it collects experience, in the standard deviations "
        f"that it was trained with. {UNCONFIGURED}",
    ),
    DIAGNOSTICS_PERIOD: (1.0, 0.05, 3600.0, "Time between diagnostics in [s]. Fixed when the node starts."),
}
"""Default, least and most, and what it is."""
FIXED_WHILE_CONFIGURED = (*TEXTS, *_FLAGS, GOAL_TIMEOUT, EXPLORATION)


def declare(node: Node, **defaults: str) -> None:
    """Declares all of them; texts have `defaults`.

    Raises:
        BridgeError: a value that the node was started with is not valid; names it and the valid ones.
    """
    try:
        for name, default in defaults.items():
            node.declare_parameter(name, default, ParameterDescriptor(description=TEXTS[name]))
        for name, (default, description) in _FLAGS.items():
            node.declare_parameter(name, default, ParameterDescriptor(description=description))
        for name, (default, low, high, description) in _NUMBERS.items():
            descriptor = ParameterDescriptor(
                description=description,
                read_only=name == DIAGNOSTICS_PERIOD,
                dynamic_typing=True,  # else ROS refuses 1 where it wants 1.0
                floating_point_range=[FloatingPointRange(from_value=low, to_value=high)],
            )
            problem = number_problem(node.declare_parameter(name, default, descriptor))
            if problem:  # ROS looks at floating-point numbers alone
                raise BridgeError(problem)
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise BridgeError(" ".join(str(error).split())) from error


def number(node: Node, name: str) -> float:
    """A number's value."""
    return float(node.get_parameter(name).value)


def flag(node: Node, name: str) -> bool:
    """A flag's value."""
    return bool(node.get_parameter(name).value)


def number_problem(parameter: Parameter) -> str | None:
    """What is wrong with a value for one of the numbers, in words; None if nothing is."""
    _, low, high, _ = _NUMBERS[parameter.name]
    unit = "" if parameter.name == EXPLORATION else " s"
    value = parameter.value
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if sound and low <= value <= high:
        return None
    return f"{parameter.name}: got {value!r:.80}; valid: a number from {low:g} to {high:g}{unit}"


def judge(parameters: Iterable[Parameter], configured: bool, state: str) -> SetParametersResult:
    """Whether parameters may be set to these values now."""
    problem = change_problem(parameters, configured, state)
    return SetParametersResult(successful=problem is None, reason=problem or "")


def change_problem(parameters: Iterable[Parameter], configured: bool, state: str) -> str | None:
    """Why parameters may not be set to these values now, in words; None if they may."""
    for parameter in parameters:
        if parameter.name in FIXED_WHILE_CONFIGURED and configured:
            return f"{parameter.name}: clean the node up first (it is {state})"
        if parameter.name in _NUMBERS and (problem := number_problem(parameter)):
            return problem
    return None
