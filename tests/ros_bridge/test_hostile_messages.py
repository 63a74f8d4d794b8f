"""Hostile messages and silent sensors, against a real node over DDS: one node meets them all, and survives each."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from robots.safety import SAFE_MODE, Reason, reason_names
from ros_bridge.node import AdaptationNode
from tests.ros_bridge.bench import PERIOD, Bench, safe
from tests.ros_bridge.patience import until
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import joint_state

pytestmark = pytest.mark.ros

NAMESPACE = "rogue"


@pytest.fixture(scope="module")
def running(ros: None, pendulum: RobotSpec, bundle: PolicyBundle) -> Iterator[Bench]:
    """Each message must leave the node as good as new."""
    robot = RobotStandIn(pendulum, NAMESPACE)
    made = Bench(AdaptationNode(str(bundle.path), namespace=NAMESPACE), robot)
    yield made
    made.close()
    robot.close()


def nan() -> JointState:
    return joint_state(time.time(), position=(np.nan,))


def infinite() -> JointState:
    return joint_state(time.time(), velocity=(-np.inf,))


def wrong_name() -> JointState:
    return joint_state(time.time(), ("Pivot",))


def twice_the_name() -> JointState:
    return joint_state(time.time(), ("pivot", "pivot"), (0.0, 1.0), (0.0, 1.0))


def no_velocities() -> JointState:
    return joint_state(time.time(), velocity=())


def too_few_positions() -> JointState:
    return joint_state(time.time(), ("other", "pivot"), (0.0,), (0.0, 0.0))


def nothing_but_a_stamp() -> JointState:
    return joint_state(time.time(), (), (), ())


def too_fast_a_joint() -> JointState:
    return joint_state(time.time(), velocity=(-30.0,))


def beyond_the_cable() -> JointState:
    return joint_state(time.time(), position=(40.0,))


def empty() -> JointState:
    return JointState()


def without_stamp() -> JointState:
    return joint_state(0.0)


def from_the_future() -> JointState:
    return joint_state(time.time() + 1.0)


def from_the_past() -> JointState:
    return joint_state(time.time() - 1.0)


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
        running.robot.say(hostile())
        running.serve(PERIOD)

    until(answered, turn)
    assert running.reasons & SAFE_MODE
    # None, also to a joint that says 30 rad/s where it stands: what positions do not bear out is not damped.
    running.until(lambda: running.commands[-1].tolist() == [0.0])
    running.good_readings_until(running.at_full_effort)
    assert len(running.commands) > first
    assert running.within_limits()


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
    assert running.within_limits()


def verdicts(bench: Bench) -> dict[str, int]:
    return {verdict.value: count for verdict, count in bench.loop.senses.joints.intake.counts.items()}


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
    assert running.within_limits()


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
    assert running.within_limits()


def test_a_burst_is_one_step(running):
    running.in_control()
    running.serve(PERIOD)
    steps, now = running.loop.steps, running.robot.now()
    for k in range(50):
        running.robot.say(joint_state(now - 1e-4 * (50 - k)))
    running.serve(PERIOD)
    assert running.loop.steps - steps == 1
    running.good_readings_until(running.at_full_effort)
    assert running.within_limits()


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
    assert running.within_limits()
    running.good_readings_until(running.at_full_effort)
