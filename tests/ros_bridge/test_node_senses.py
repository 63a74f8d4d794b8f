"""The node of a robot with an IMU, and of an arm, both told goals: over DDS, with untrained policies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point, PointStamped, Pose, PoseStamped, Twist, TwistStamped, Vector3
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from robots.safety import Reason
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.node import AdaptationNode
from tests.ros_bridge.bench import FAILURE, PERIOD, SUCCESS, Bench
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import imu_state

pytestmark = pytest.mark.ros

WALKER, ARM = "walker", "reacher"
SILENT = "imu: no reading younger than 0.06 s"
GOALS = ("imu", "cmd_vel", "cmd_vel_stamped", "goal_pose", "goal_point", "goal")


@pytest.fixture(scope="module")
def dog(go2: RobotSpec) -> Iterator[RobotStandIn]:
    stand_in = RobotStandIn(go2, WALKER)
    yield stand_in
    stand_in.close()


@pytest.fixture
def walker(ros: None, dog: RobotStandIn, go2_bundle: PolicyBundle) -> Iterator[Bench]:
    made = Bench(AdaptationNode(str(go2_bundle.path), namespace=WALKER), dog)
    yield made
    made.close()


@pytest.fixture(scope="module")
def arm(ur5e: RobotSpec) -> Iterator[RobotStandIn]:
    stand_in = RobotStandIn(ur5e, ARM)
    yield stand_in
    stand_in.close()


@pytest.fixture
def reacher(ros: None, arm: RobotStandIn, ur5e_bundle: PolicyBundle) -> Iterator[Bench]:
    made = Bench(AdaptationNode(str(ur5e_bundle.path), namespace=ARM), arm)
    yield made
    made.close()


def start(bench: Bench) -> None:
    assert bench.node.trigger_configure() == SUCCESS
    bench.activate()
    bench.good_readings_until(lambda: len(bench.commands) > 3 and bench.loop.latest == Reason.SOFT_START)


def keeper(bench: Bench) -> GoalKeeper:
    assert bench.loop.goals is not None
    return bench.loop.goals


def goal(bench: Bench) -> list[float]:
    held = keeper(bench).goal
    return [] if held is None else held.tolist()


def twist(forward: float, left: float = 0.0, turning: float = 0.0) -> Twist:
    return Twist(linear=Vector3(x=forward, y=left), angular=Vector3(z=turning))


def pose(x: float, y: float, z: float, frame: str = "base") -> PoseStamped:
    return PoseStamped(header=Header(frame_id=frame), pose=Pose(position=Point(x=x, y=y, z=z)))


def test_without_its_imu_it_cannot_be_activated_and_says_which_topic_is_missing(walker):
    assert walker.node.trigger_configure() == SUCCESS
    walker.good_readings_until(lambda: walker.node.refusal() == SILENT, imu=False)
    assert walker.node.trigger_activate() == FAILURE
    assert walker.node.state == "inactive"
    walker.good_readings_until(lambda: walker.told().get("senses") == SILENT, imu=False)
    walker.activate()
    walker.good_readings_until(lambda: walker.commands)


def test_a_broken_imu_is_named_with_what_is_wrong(walker):
    assert walker.node.trigger_configure() == SUCCESS
    broken = imu_state(walker.robot.now(), orientation=(0.0, 0.0, 0.0, 0.0))

    def say() -> None:
        broken.header.stamp = imu_state(walker.robot.now()).header.stamp
        walker.robot.say_imu(broken)

    words = "imu: orientation has length 0; expected a unit quaternion (x y z w)"
    walker.good_readings_until(lambda: walker.node.refusal() == words, imu=False, tell=say)
    assert walker.node.trigger_activate() == FAILURE


def test_an_imu_that_falls_silent_stops_the_robot_and_one_that_comes_back_starts_it_softly(walker):
    start(walker)
    walker.good_readings_until(lambda: walker.reasons & Reason.SENSOR_STALE, imu=False)
    count = len(walker.commands)
    walker.good_readings_until(lambda: len(walker.commands) > count + 10, imu=False)
    here = walker.loop.spec.default_position + 0.1
    np.testing.assert_allclose(walker.commands[-1], here, atol=1e-9)  # held where it stands
    walker.good_readings_until(lambda: walker.level() == DiagnosticStatus.ERROR, imu=False)
    assert walker.message() == f"safe mode: sensor_stale ({SILENT})"
    walker.good_readings_until(lambda: walker.loop.latest == Reason.SOFT_START)
    assert np.isfinite(walker.commands).all()


def test_what_came_together_with_the_joints_is_acted_upon_with_them(walker, monkeypatch):
    """A gyro that comes a step late makes a walker that turns badly."""
    start(walker)
    senses, apart = walker.loop.senses, []
    frame = senses.frame

    def spied(now: float, arrival: float):
        assert senses.imu is not None
        assert senses.imu.newest is not None
        assert senses.joints.newest is not None
        apart.append(float(senses.joints.newest.stamp[0] - senses.imu.newest.stamp[0]))
        return frame(now, arrival)

    monkeypatch.setattr(senses, "frame", spied)
    walker.good_readings_until(lambda: len(apart) > 50)
    assert np.mean(np.abs(apart) < 1e-9) > 0.8  # on a slow machine the two may be apart


def test_imu_readings_are_counted_in_the_diagnostics(walker):
    start(walker)
    old = imu_state(walker.robot.now() - 5.0)
    walker.good_readings_until(
        lambda: int(walker.told().get("imu readings stale", 0)) > 0,
        imu=False,
        tell=lambda: walker.robot.say_imu(old),
    )
    assert int(walker.told()["imu readings fresh"]) > 0


def test_a_velocity_holds_for_half_a_second_and_is_followed_by_rest(walker):
    start(walker)
    assert goal(walker) == [0.0, 0.0, 0.0]
    walker.good_readings_until(
        lambda: walker.told().get("goal source") == "cmd_vel",
        tell=lambda: walker.robot.tell("cmd_vel", twist(0.5, 0.25, -0.125)),
    )
    assert goal(walker) == [0.5, 0.25, -0.125]
    walker.good_readings_until(lambda: goal(walker) == [0.0, 0.0, 0.0])
    assert keeper(walker).counts["timed_out"] >= 1
    walker.good_readings_until(lambda: walker.told().get("goal source") == "rest")
    assert walker.told()["goal"] == "forward 0 m/s, left 0 m/s, turning 0 rad/s"
    assert walker.node.state == "active"


def test_a_stamped_velocity_is_another_way_to_say_it(walker):
    start(walker)

    def tell() -> None:
        stamp = imu_state(walker.robot.now()).header.stamp
        walker.robot.tell("cmd_vel_stamped", TwistStamped(header=Header(stamp=stamp), twist=twist(-0.25)))

    walker.good_readings_until(lambda: goal(walker) == [-0.25, 0.0, 0.0], tell=tell)
    assert keeper(walker).source == "cmd_vel_stamped"


def test_a_velocity_that_is_no_number_is_refused_and_told(walker):
    start(walker)
    words = "goal refused: cmd_vel: forward is nan"
    walker.good_readings_until(
        lambda: walker.level() == DiagnosticStatus.WARN and walker.message() == words,
        tell=lambda: walker.robot.tell("cmd_vel", twist(float("nan"))),
    )
    assert goal(walker) == [0.0, 0.0, 0.0]
    assert int(walker.told()["goals refused"]) > 0
    assert np.isfinite(walker.commands).all()


def test_only_what_robot_and_bundle_need_is_listened_to(walker, reacher):
    def heard(bench: Bench) -> set[str]:
        count = bench.robot.node.count_subscribers
        return {topic for topic in GOALS if count(f"/{bench.namespace}/{topic}")}

    assert walker.node.trigger_configure() == SUCCESS
    assert reacher.node.trigger_configure() == SUCCESS
    walker.until(lambda: heard(walker) == {"imu", "cmd_vel", "cmd_vel_stamped"})
    reacher.until(lambda: heard(reacher) == {"goal_pose", "goal_point"})
    assert walker.node.trigger_cleanup() == SUCCESS
    walker.until(lambda: heard(walker) == set())


def test_a_place_holds_and_one_in_another_frame_is_refused_by_name(reacher):
    start(reacher)
    assert keeper(reacher).source == "rest"
    reacher.good_readings_until(
        lambda: goal(reacher) == [-0.5, 0.125, 0.375],
        tell=lambda: reacher.robot.tell("goal_pose", pose(-0.5, 0.125, 0.375)),
    )
    words = "goal_pose: frame_id is 'world'; expected 'base'"
    reacher.good_readings_until(
        lambda: keeper(reacher).problem == words,
        tell=lambda: reacher.robot.tell("goal_pose", pose(0.0, 0.0, 0.5, frame="world")),
    )
    steps = reacher.loop.steps
    reacher.good_readings_until(lambda: reacher.loop.steps > steps + round(1.0 / PERIOD))
    assert goal(reacher) == [-0.5, 0.125, 0.375]
    point = PointStamped(header=Header(frame_id="base"), point=Point(x=-0.375, y=0.0, z=0.5))
    reacher.good_readings_until(
        lambda: goal(reacher) == [-0.375, 0.0, 0.5], tell=lambda: reacher.robot.tell("goal_point", point)
    )


def test_a_place_times_out_where_a_timeout_is_set_and_the_tool_is_to_stay(reacher):
    reacher.node.set_parameters([Parameter("goal_timeout", value=0.2)])
    start(reacher)
    reacher.good_readings_until(
        lambda: goal(reacher) == [-0.5, 0.125, 0.375],
        tell=lambda: reacher.robot.tell("goal_pose", pose(-0.5, 0.125, 0.375)),
    )
    reacher.good_readings_until(lambda: keeper(reacher).source == "rest")
    position = (reacher.loop.spec.default_position + 0.1)[None]
    observation = reacher.loop.controller.observation
    here = keeper(reacher).layout.within(observation.tool_position(position)[0])
    np.testing.assert_allclose(goal(reacher), here, atol=1e-9)
