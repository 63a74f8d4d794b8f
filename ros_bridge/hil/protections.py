"""`PROTECTIONS`: what protects a robot, where in the code it is, and how a process is run without it.

For the test of the tests alone (`prove`): a scenario that passes without what it tests tests nothing. `adapt deploy`
knows nothing of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal

from robots.reason import Reason
from ros_bridge.errors import BridgeError

Side = Literal["node", "robot"]


@dataclass(frozen=True)
class Protection:
    """One protection."""

    about: str
    """What it protects from."""
    where: str
    """What it is in the code: module and class or function."""
    naive: str
    """`module:function` of `ros_bridge.hil.naive` that makes the patches which leave it out."""
    arguments: tuple[Any, ...] = ()
    """Of that function."""
    side: Side = "node"
    """Which process it is in."""

    def patches(self) -> list[Any]:
        """What leaves it out, in the process that asks. Imports ROS where the protection needs it."""
        module, function = self.naive.split(":")
        make: Callable[..., list[Any]] = getattr(import_module(f"ros_bridge.hil.naive.{module}"), function)
        return make(*self.arguments)


_filter = partial(Protection, where="robots.safety.SafetyFilter")
_intake = partial(Protection, where="ros_bridge.intake.Intake")
_conversions = partial(Protection, where="ros_bridge.conversions.to_reading")
_imu = partial(Protection, where="ros_bridge.imu.to_imu_reading")
_goals = partial(Protection, where="ros_bridge.goal_keeper.GoalKeeper")
_node = partial(Protection, where="ros_bridge.node.AdaptationNode")
_drive = partial(Protection, where="ros_bridge.drive.Drive", side="robot")


def _limit(reason: Reason, about: str) -> Protection:
    """Of what is measured: beyond it the filter is in safe mode."""
    return _filter(about, naive="filtering:unmarked", arguments=(reason,))


PROTECTIONS: dict[str, Protection] = {
    "finite": _filter("readings that are NaN or infinite", naive="filtering:finite"),
    "stale": _intake(
        "readings that are old by their stamps, or of which none came for long", naive="sensing:stale"
    ),
    "future": _intake("readings from the future: clocks disagree", naive="sensing:future"),
    "once": _intake("readings that come again, out of order, or too soon", naive="sensing:once"),
    "watchdog": Protection(
        "sensors that fall silent", "ros_bridge.control_loop.ControlLoop.watch", "control:watchdog"
    ),
    "readiness": Protection(
        "control that begins on broken sensors or beyond limits",
        "ros_bridge.control_loop.ControlLoop.refusal",
        "control:readiness",
    ),
    "names": _conversions("joints in another order than the robot's", naive="sensing:names"),
    "missing": _conversions("fields that are empty or marked as absent", naive="sensing:missing"),
    "unit_orientation": _imu("orientations that are none", naive="sensing:unit_orientation"),
    "policy_finite": _filter("a policy that asks for NaN", naive="filtering:policy_finite"),
    "command_limit": _filter("commands that a motor may not get", naive="filtering:command_limit"),
    "rate_limit": _filter("commands that jump", naive="filtering:rate_limit"),
    "acceleration_limit": _filter(
        "commands whose rate jumps", naive="filtering:acceleration_limit"
    ),
    "motion_budget": Protection(
        "readings in bursts, each with a step of the command",
        "ros_bridge.budget.MotionBudget",
        "control:motion_budget",
    ),
    "velocity_limit": _limit(Reason.VELOCITY_LIMIT, "joints that are too fast"),
    "position_limit": _limit(Reason.POSITION_LIMIT, "joints that are where they may not be"),
    "tilt_limit": _limit(Reason.TILT_LIMIT, "a robot that has fallen and goes on stepping"),
    "base_height": _filter("legs that have folded, and go on pushing", naive="filtering:base_height"),
    "effort_limit": _limit(Reason.EFFORT_LIMIT, "joints that measure too much torque for too long"),
    "servo_effort": _filter(
        "targets that ask a servo for too much torque", naive="filtering:servo_effort"
    ),
    "soft_start": _filter("a jolt when control begins", naive="filtering:soft_start"),
    "recovery": _filter(
        "flickering between driving and safe mode", naive="filtering:recovery"
    ),
    "goal_timeout": _goals("a planner that has fallen silent", naive="control:goal_timeout"),
    "goal_limits": Protection(
        "goals beyond what was trained for", "robots.goal.GoalLayout.within", "control:goal_limits"
    ),
    "goal_checks": Protection(
        "goals that are NaN, in another frame or of another size",
        "ros_bridge.goals.to_goal",
        "control:goal_checks",
    ),
    "last_word": _node("a robot that goes on when the node ends", naive="control:last_word"),
    "giving_up": _node("an error that ends the process in mid-motion", naive="control:giving_up"),
    "guard": Protection(
        "a control step that hangs", "ros_bridge.guard.Guard", "control:guard"
    ),
    "belief_file": Protection(
        "forgetting the robot at every start", "ros_bridge.understood.Understood", "control:belief_file"
    ),
    "adaptation": Protection(
        "driving a robot as if it were the average one",
        "adapt.online.controller.AdaptiveController",
        "control:adaptation",
    ),
    "familiarity": Protection(
        "trusting what was learnt on robots that are none of the family",
        "adapt.online.familiarity.Familiarity",
        "control:familiarity",
    ),
    "fallback": Protection(
        "an adaptive policy that drives what it does not know",
        "adapt.online.fallback.Fallback",
        "control:fallback",
    ),
    "trial": Protection(
        "parameters that turn out worse", "adapt.online.learning.OnRobotLearning", "control:trial"
    ),
    "recorder_thread": Protection(
        "a disk that is full or slow", "ros_bridge.recorder.Recorder", "control:recorder_thread"
    ),
    "drive_timeout": _drive("a node that is gone: the last command goes on", naive="control:drive_timeout"),
    "drive_limits": _drive("commands that no motor may get", naive="control:drive_limits"),
}  # fmt: skip


def protection(name: str) -> Protection:
    """By name.

    Raises:
        BridgeError: there is no such protection; names the valid ones.
    """
    if name not in PROTECTIONS:
        raise BridgeError(f"protection {name!r}: valid: {', '.join(PROTECTIONS)}")
    return PROTECTIONS[name]


@contextmanager
def without(names: Iterable[str]) -> Iterator[None]:
    """During this, this process is without the protections of these names; all else is as it is.

    Raises:
        BridgeError: there is no such protection.
    """
    chosen = [protection(name) for name in names]
    with ExitStack() as patched:
        for each in chosen:  # each on top of the one before
            for patch in each.patches():
                patched.enter_context(patch.applied())
        yield
