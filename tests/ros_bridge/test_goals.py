"""Goal messages to arrays and back, and what of them is refused."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_msgs.msg import Point, PointStamped, Pose, PoseStamped, Twist, TwistStamped, Vector3
from std_msgs.msg import Float64MultiArray, Header

from robots.goal import SIZES, GoalLayout
from ros_bridge.conversions import to_stamp
from ros_bridge.goals import SOURCES, TIMEOUTS, goal_message, to_goal

NAN, INF = float("nan"), float("inf")


def layout(kind: str, size: int = 3) -> GoalLayout:
    size = SIZES[kind] or size
    names = tuple(f"g{index}" for index in range(size))
    return GoalLayout(kind, names, ("1",) * size, (-1.0,) * size, (1.0,) * size)


def header(stamp: float = 5.0, frame: str = "base") -> Header:
    return Header(stamp=to_stamp(stamp), frame_id=frame)


def twist(forward: float = 0.5, left: float = -0.25, turning: float = 0.125) -> Twist:
    return Twist(linear=Vector3(x=forward, y=left, z=9.0), angular=Vector3(x=9.0, y=NAN, z=turning))


def pose(*where: float, frame: str = "base") -> PoseStamped:
    x, y, z = where
    return PoseStamped(header=header(frame=frame), pose=Pose(position=Point(x=x, y=y, z=z)))


def point(*where: float, frame: str = "base") -> PointStamped:
    x, y, z = where
    return PointStamped(header=header(frame=frame), point=Point(x=x, y=y, z=z))


@pytest.mark.parametrize(
    ("kind", "message", "values", "stamp"),
    [
        ("velocity", twist(), [0.5, -0.25, 0.125], None),
        ("velocity", TwistStamped(header=header(), twist=twist()), [0.5, -0.25, 0.125], 5.0),
        ("velocity", TwistStamped(header=header(frame=""), twist=twist()), [0.5, -0.25, 0.125], 5.0),
        ("velocity", TwistStamped(header=header(0.0), twist=twist()), [0.5, -0.25, 0.125], None),
        ("tool_position", pose(0.4, 0.1, 0.3), [0.4, 0.1, 0.3], 5.0),
        ("tool_position", point(0.4, 0.1, 0.3), [0.4, 0.1, 0.3], 5.0),
        ("tool_motion", Float64MultiArray(data=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [1, 2, 3, 4, 5, 6], None),
        ("numbers", Float64MultiArray(data=[7.0, 8.0, 9.0]), [7, 8, 9], None),
    ],
)
def test_goals_by_hand(kind, message, values, stamp):
    got = to_goal(message, layout(kind), "base")
    assert got.problem is None
    assert got.values.tolist() == values
    assert got.stamp == stamp
    assert type(message) in SOURCES[kind].values()


@pytest.mark.parametrize(
    ("kind", "message", "words"),
    [
        ("velocity", twist(forward=NAN), "g0 is nan"),
        ("velocity", twist(turning=-INF), "g2 is -inf"),
        ("velocity", TwistStamped(header=header(frame="odom"), twist=twist()), "frame_id is 'odom'; expected 'base'"),
        ("tool_position", pose(0.4, INF, 0.3), "g1 is inf"),
        ("tool_position", pose(0.4, 0.1, 0.3, frame="world"), "frame_id is 'world'; expected 'base'"),
        ("tool_position", point(0.4, 0.1, 0.3, frame=""), "frame_id is ''; expected 'base'"),
        ("tool_motion", Float64MultiArray(data=[1.0, 2.0, 3.0]), "3 numbers; expected 6: g0, g1, g2, g3, g4, g5"),
        ("numbers", Float64MultiArray(), "0 numbers; expected 3: g0, g1, g2"),
        ("numbers", Float64MultiArray(data=[0.0] * 4), "4 numbers; expected 3"),
        ("numbers", Float64MultiArray(data=[0.0, NAN, 0.0]), "g1 is nan"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_goal_is_said_in_words(kind, message, words):
    assert words in str(to_goal(message, layout(kind), "base").problem)


@pytest.mark.parametrize("kind", SIZES)
def test_a_goal_survives_the_way_to_a_message_and_back(kind):
    goal = np.linspace(-0.5, 0.75, layout(kind).size)
    message = goal_message(goal, kind, "base", 12.5)
    assert type(message) is next(iter(SOURCES[kind].values()))
    got = to_goal(message, layout(kind), "base")
    assert got.problem is None
    np.testing.assert_array_equal(got.values, goal)


def test_every_kind_of_goal_can_be_told():
    assert SOURCES.keys() == SIZES.keys()
    assert TIMEOUTS.keys() < SIZES.keys()
