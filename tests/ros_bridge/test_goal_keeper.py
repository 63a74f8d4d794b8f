"""Which goal holds: the last good one, until it times out; then to stand still."""

from __future__ import annotations

import numpy as np
import pytest

from robots.goal import GoalLayout
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import GoalReading

VELOCITY = GoalLayout(
    "velocity", ("forward", "left", "turning"), ("m/s", "m/s", "rad/s"), (-1.0, -0.5, -1.0), (1.0, 0.5, 1.0)
)
PLACE = GoalLayout("tool_position", ("x", "y", "z"), ("m", "m", "m"), (0.2, -0.5, 0.15), (0.8, 0.5, 0.9))
NUMBERS = GoalLayout("numbers", ("a", "b"), ("1", "1"), (-1.0, -1.0), (1.0, 1.0))


def told(*values: float, stamp: float | None = None, problem: str | None = None) -> GoalReading:
    return GoalReading(np.array(values), stamp, problem)


def no_tool() -> None:
    return None


def current(keeper: GoalKeeper, arrival: float, tool=no_tool) -> list[float] | None:
    goal = keeper.current(arrival, tool)
    return None if goal is None else goal.tolist()


def test_before_the_first_goal_and_after_its_timeout_a_velocity_is_zero():
    keeper = GoalKeeper(VELOCITY)
    assert current(keeper, 1.0) == [0.0, 0.0, 0.0]
    keeper.hear(told(0.5, 0.25, -1.0), "cmd_vel", 9.0, 1.0)
    assert current(keeper, 1.5) == [0.5, 0.25, -1.0]
    assert (keeper.source, keeper.age(1.5)) == ("cmd_vel", 0.5)
    assert current(keeper, 1.51) == [0.0, 0.0, 0.0]  # after 0.5 s
    assert current(keeper, 9.0) == [0.0, 0.0, 0.0]
    assert (keeper.source, keeper.counts["timed_out"]) == ("rest", 1)


@pytest.mark.parametrize("timeout", [0.1, 2.0])
def test_the_timeout_may_be_another_one(timeout):
    keeper = GoalKeeper(VELOCITY, timeout)
    keeper.hear(told(0.5, 0.0, 0.0), "cmd_vel", 0.0, 0.0)
    assert current(keeper, timeout) == [0.5, 0.0, 0.0]
    assert current(keeper, timeout + 0.01) == [0.0, 0.0, 0.0]


def test_goals_are_cut_to_what_was_trained_and_that_is_counted():
    keeper = GoalKeeper(VELOCITY)
    keeper.hear(told(5.0, -2.0, 0.5), "cmd_vel", 0.0, 0.0)
    assert current(keeper, 0.0) == [1.0, -0.5, 0.5]
    keeper.hear(told(1.0, -0.5, 0.5), "cmd_vel", 0.0, 0.0)
    assert keeper.counts == {"taken": 2, "clipped": 1, "refused": 0, "timed_out": 0}


def test_a_refused_goal_leaves_the_last_good_one_and_is_told_with_its_topic():
    keeper = GoalKeeper(VELOCITY)
    keeper.hear(told(0.5, 0.0, 0.0), "cmd_vel", 0.0, 0.0)
    keeper.hear(told(np.nan, 0.0, 0.0, problem="forward is nan"), "cmd_vel_stamped", 0.3, 0.3)
    assert current(keeper, 0.4) == [0.5, 0.0, 0.0]
    assert keeper.problem == "cmd_vel_stamped: forward is nan"
    assert (keeper.source, keeper.counts["refused"]) == ("cmd_vel", 1)
    assert current(keeper, 0.6) == [0.0, 0.0, 0.0]  # a refused goal prolongs nothing
    keeper.hear(told(0.25, 0.0, 0.0), "cmd_vel", 0.7, 0.7)
    assert keeper.problem is None


def test_a_stamped_goal_is_as_old_as_its_stamp():
    keeper = GoalKeeper(VELOCITY)
    keeper.hear(told(0.5, 0.0, 0.0, stamp=99.6), "cmd_vel_stamped", 100.0, 7.0)
    assert current(keeper, 7.09) == [0.5, 0.0, 0.0]
    assert current(keeper, 7.11) == [0.0, 0.0, 0.0]
    keeper.hear(told(0.5, 0.0, 0.0, stamp=98.0), "cmd_vel_stamped", 100.0, 7.2)
    assert keeper.problem == "cmd_vel_stamped: is 2 s old; goals hold for 0.5 s"
    assert current(keeper, 7.2) == [0.0, 0.0, 0.0]
    keeper.hear(told(0.5, 0.0, 0.0, stamp=200.0), "cmd_vel_stamped", 100.0, 8.0)  # a clock ahead of ours
    assert current(keeper, 8.5) == [0.5, 0.0, 0.0]
    assert current(keeper, 8.51) == [0.0, 0.0, 0.0]


def test_a_place_holds_until_it_is_replaced_unless_a_timeout_is_set():
    keeper = GoalKeeper(PLACE)
    keeper.hear(told(0.4, 0.1, 0.3), "goal_pose", 0.0, 0.0)
    assert current(keeper, 1e6) == [0.4, 0.1, 0.3]
    keeper = GoalKeeper(PLACE, timeout=1.0)
    keeper.hear(told(0.4, 0.1, 0.3), "goal_pose", 0.0, 0.0)
    assert current(keeper, 1.1, lambda: np.array([0.5, 0.0, 0.4])) == [0.5, 0.0, 0.4]


def test_at_rest_the_tool_stays_where_it_was_as_rest_began():
    """A tool that sinks under its load would otherwise take its goal with it."""
    keeper, sinking = GoalKeeper(PLACE), np.array([0.5, 0.0, 0.4])

    def tool() -> np.ndarray:
        sinking[2] -= 0.01
        return sinking.copy()

    assert [current(keeper, float(k), tool) for k in range(3)] == [pytest.approx([0.5, 0.0, 0.39])] * 3
    keeper.restart()
    assert current(keeper, 4.0, tool) == pytest.approx([0.5, 0.0, 0.38])


def test_where_the_tool_is_not_known_there_is_no_rest_until_it_is():
    keeper = GoalKeeper(PLACE)
    assert current(keeper, 0.0, lambda: np.full(3, np.nan)) is None
    assert current(keeper, 0.1, lambda: np.array([0.5, 0.0, 0.4])) == [0.5, 0.0, 0.4]


def test_plain_numbers_cannot_rest():
    keeper = GoalKeeper(NUMBERS)
    assert current(keeper, 0.0) is None
    assert keeper.missing() == "goal: no goal, and no way to stand still without one"
    keeper.hear(told(0.5, 0.5), "goal", 0.0, 0.0)
    assert current(keeper, 1e6) == [0.5, 0.5]
    assert keeper.missing() is None
    keeper.restart()
    assert current(keeper, 1e6) is None


def test_what_was_told_before_a_start_is_forgotten():
    keeper = GoalKeeper(VELOCITY)
    keeper.hear(told(0.5, 0.0, 0.0), "cmd_vel", 0.0, 0.0)
    keeper.restart()
    assert current(keeper, 0.1) == [0.0, 0.0, 0.0]


def test_a_report_by_hand():
    keeper = GoalKeeper(VELOCITY)
    assert (keeper.report(0.0)["goal"], keeper.report(0.0)["goal age"]) == ("none", "never told")
    keeper.hear(told(0.5, 0.0, -2.0), "cmd_vel", 0.0, 1.0)
    keeper.hear(told(0.5, problem="1 numbers"), "cmd_vel", 0.0, 1.0)
    keeper.current(1.25, no_tool)
    assert keeper.report(1.25) == {
        "goal": "forward 0.5 m/s, left 0 m/s, turning -1 rad/s",
        "goal source": "cmd_vel",
        "goal age": "0.25 s",
        "goal timeout": "0.5 s",
        "goals taken": "1",
        "goals clipped": "1",
        "goals refused": "1",
        "goals timed_out": "0",
        "goal problem": "cmd_vel: 1 numbers",
    }
