"""A control loop with an IMU, and one with goals, without ROS. The adapter asks for full actions."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_msgs.msg import Twist, Vector3

from adapt.online.controller import AdaptiveController
from robots.goal import GoalLayout
from robots.observation import ObservationLayout, ObservationTerm
from robots.safety import Reason
from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import GoalReading, to_goal
from ros_bridge.imu import to_imu_reading
from tests.ros_bridge.stand_ins import Steadfast, controller, imu_reading, imu_state, reading

PERIOD = 0.02
VELOCITY = GoalLayout("velocity", ("a", "b", "c"), ("m/s", "m/s", "rad/s"), (-1.0,) * 3, (1.0,) * 3)
NUMBERS = GoalLayout("numbers", ("a", "b"), ("1", "1"), (-1.0,) * 2, (1.0,) * 2)
PLACE = GoalLayout("tool_position", ("x", "y", "z"), ("m", "m", "m"), (-2.0,) * 3, (2.0,) * 3)


def asserted(output: Output | None) -> Output:
    assert output is not None
    return output


def told(*values: float) -> GoalReading:
    return GoalReading(np.array(values), None, None)


@pytest.fixture
def walker(go2) -> ControlLoop:
    return ControlLoop(go2, controller(go2, Steadfast(joints=12)))


def hear_walker(loop: ControlLoop, time: float, imu: bool = True, **of_imu) -> Output | None:
    if imu:
        loop.hear_imu(imu_reading(time, **of_imu), time, time)
    default = reading(time, joints=12)
    default.frame.position[:] = loop.spec.default_position
    return loop.hear(default, time, time)


def into_control(loop: ControlLoop, begin: float = 1.0) -> float:
    hear_walker(loop, begin)
    assert loop.refusal(begin) is None
    loop.start()
    for k in range(1, 61):  # a soft start of 1 s is 50 steps
        hear_walker(loop, begin + k * PERIOD)
    assert not loop.latest & (Reason.SOFT_START | Reason.STOPPED)
    return begin + 60 * PERIOD


def test_without_an_imu_it_is_refused_by_its_topic(walker):
    hear_walker(walker, 1.0, imu=False)
    assert walker.refusal(1.0) == "imu: no reading younger than 0.06 s"


def test_an_imu_that_falls_silent_stops_the_robot_where_it_stands(walker):
    time = into_control(walker)
    outputs = [asserted(hear_walker(walker, time + k * PERIOD, imu=False)) for k in range(1, 6)]
    stale = [bool(output.reasons & Reason.SENSOR_STALE) for output in outputs]
    assert stale[:2] == [False, False]  # up to 0.06 s old
    assert stale[3:] == [True, True]
    assert walker.trouble(time + 0.1) == "imu: no reading younger than 0.06 s"
    # Safe mode holds the measured position; the rate limit leads there, 30.1 rad/s at most, here 0.6 rad a step.
    np.testing.assert_allclose(outputs[-1].command, walker.spec.default_position, atol=1e-9)
    back = [asserted(hear_walker(walker, time + k * PERIOD)).reasons for k in range(6, 12)]
    assert back[:5] == [Reason.RECOVERING] * 5, "for 0.1 s"
    assert back[5] & Reason.SOFT_START


@pytest.mark.parametrize("broken", [{"gyro": np.nan}, {"gravity": np.nan}])
def test_a_broken_imu_puts_it_into_safe_mode_at_the_next_step(walker, broken):
    time = into_control(walker)
    output = asserted(hear_walker(walker, time + PERIOD, problem="broken", **broken))
    assert output.reasons & Reason.SENSOR_NOT_FINITE
    assert walker.trouble(time + PERIOD) == "imu: broken"


def test_imu_readings_alone_bring_no_command_and_silent_joints_are_watched(walker):
    time = into_control(walker)
    steps = walker.steps
    for k in range(1, 20):
        now = time + k * 0.005
        walker.hear_imu(imu_reading(now), now, now)
    assert walker.steps == steps
    assert asserted(walker.watch(time + 0.1)).reasons == Reason.STOPPED | Reason.SENSOR_STALE


def goal_loop(spec, layout: GoalLayout, timeout: float = 0.0) -> tuple[ControlLoop, Steadfast]:
    adapter = Steadfast(joints=len(spec.joints))
    return ControlLoop(spec, controller(spec, adapter, layout.size), GoalKeeper(layout, timeout)), adapter


def hear(loop: ControlLoop, time: float) -> Output:
    return asserted(loop.hear(reading(time), time, time))


def started(spec, layout: GoalLayout) -> tuple[ControlLoop, Steadfast]:
    loop, adapter = goal_loop(spec, layout)
    loop.hear(reading(0.98), 0.98, 0.98)
    loop.start()
    return loop, adapter


def test_the_policy_observes_the_goal_and_rest_before_and_after(pendulum):
    loop, adapter = started(pendulum, VELOCITY)
    hear(loop, 1.0)
    loop.hear_goal(told(0.5, -0.25, 3.0), "cmd_vel", 1.01, 1.01)
    for k in range(1, 40):
        hear(loop, 1.0 + k * PERIOD)
    goals = [seen[0, 1:].tolist() for seen in adapter.seen]
    assert goals[0] == [0.0, 0.0, 0.0]
    # Told at 1.01, for 0.5 s: steps 1 (1.02) to 25 (1.50).
    assert goals[1:26] == [[0.5, -0.25, 1.0]] * 25
    assert goals[26:] == [[0.0, 0.0, 0.0]] * 14


def test_what_was_told_before_the_start_does_not_move_the_robot(pendulum):
    loop, adapter = goal_loop(pendulum, VELOCITY)
    loop.hear(reading(0.98), 0.98, 0.98)
    loop.hear_goal(told(1.0, 0.0, 0.0), "cmd_vel", 0.98, 0.98)
    loop.start()
    hear(loop, 1.0)
    assert adapter.seen[0][0, 1:].tolist() == [0.0, 0.0, 0.0]


def test_without_plain_numbers_the_command_is_safe_and_the_reason_is_told(pendulum):
    loop, adapter = started(pendulum, NUMBERS)
    output = hear(loop, 1.0)
    assert output.command.tolist() == [0.0]
    assert output.reasons == Reason.STOPPED
    assert loop.trouble(1.0) == "goal: no goal, and no way to stand still without one"
    assert adapter.seen == []
    loop.hear_goal(told(0.5, 0.25), "goal", 1.01, 1.01)
    back = [hear(loop, 1.02 + k * PERIOD).reasons for k in range(6)]
    assert back == [Reason.RECOVERING] * 5 + [Reason.SOFT_START]
    assert adapter.seen[0][0, 1:].tolist() == [0.5, 0.25]
    assert loop.trouble(1.02) is None


def test_an_arm_that_is_told_nothing_is_to_keep_its_tool_where_it_is(ur5e):
    adapter = Steadfast(joints=6)
    layout = ObservationLayout([ObservationTerm("tool_error")], ur5e, 3)
    loop = ControlLoop(ur5e, AdaptiveController(ur5e, layout, adapter), GoalKeeper(PLACE))

    def step(time: float, shift: float) -> None:
        made = reading(time, joints=6)
        made.frame.position[:] = ur5e.default_position + shift
        loop.hear(made, time, time)

    step(0.98, 0.0)
    loop.start()
    for k, shift in enumerate((0.1, 0.1, 0.2)):
        step(1.0 + k * PERIOD, shift)
    np.testing.assert_allclose(adapter.seen[:2], 0.0, atol=1e-6)
    assert np.abs(adapter.seen[2]).max() > 0.01  # it is where it was at the first step, not where it is led


@pytest.mark.parametrize("layout", [VELOCITY, NUMBERS, PLACE], ids=lambda layout: layout.kind)
def test_a_rehearsal_needs_no_goal_and_teaches_nothing(pendulum, layout):
    loop, adapter = goal_loop(pendulum, layout)
    loop.rehearse()
    assert (len(adapter.seen), adapter.heard) == (1, 0)
    assert loop.goals is not None
    assert loop.goals.goal is None


def test_whatever_imu_and_planner_say_every_command_is_finite_and_within_limits(go2):
    rng, values = np.random.default_rng(9), (0.0, 0.5, -2.0, 1e300, np.nan, np.inf, -np.inf)
    adapter = Steadfast(joints=12)
    terms = [ObservationTerm(name) for name in ("gyro", "gravity", "goal", "velocity")]
    layout = ObservationLayout(terms, go2, VELOCITY.size)
    loop = ControlLoop(go2, AdaptiveController(go2, layout, adapter), GoalKeeper(VELOCITY))
    into_control(loop)
    now, sent, asked = 3.0, 0, loop.steps
    for _ in range(1000):
        now += rng.choice([0.002, 0.02, 0.02, 0.2])
        sound = rng.random() < 0.5
        turn = (0.0, 0.0, 0.0, 1.0) if sound else tuple(rng.choice(values, 4))
        message = imu_state(
            max(now - rng.choice([0.0, 0.0, 0.1, -1.0]), 0.0), tuple(rng.choice(values, 3)), turn
        )
        loop.hear_imu(to_imu_reading(message, go2), now, now)
        linear, angular = (
            Vector3(**dict(zip("xyz", rng.choice(values, 3).tolist(), strict=True))) for _ in "la"
        )
        told = to_goal(Twist(linear=linear, angular=angular), VELOCITY, "base")
        loop.hear_goal(told, "cmd_vel", now, now)
        output = loop.hear(reading(now, joints=12, position=-0.9), now, now)
        if output is not None:
            sent += 1
            low, high = go2.command_limits
            assert np.isfinite(output.command).all()
            assert (output.command >= low).all()
            assert (output.command <= high).all()
    assert sent > 500
    assert loop.steps > asked + 500
    assert np.isfinite(adapter.seen).all()  # nothing broken reaches the policy


def test_before_silence_a_position_robot_goes_where_it_is_within_its_rate_limit(walker):
    into_control(walker)
    step = walker.spec.command_rate * PERIOD
    last, commands = asserted(hear_walker(walker, 2.22)).command, []
    assert np.abs(last - walker.spec.default_position).max() > step.max()
    while not commands or not walker.settled:
        commands.append(walker.end(2.24 + len(commands) * PERIOD).command)
        assert (np.abs(commands[-1] - last) <= step + 1e-12).all()
        last = commands[-1]
    assert 1 < len(commands) < 10
    np.testing.assert_allclose(last, walker.spec.default_position)
    assert hear_walker(walker, 2.24) is None
