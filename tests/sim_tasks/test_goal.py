"""`Goal` and `GoalState`: plans that are drawn, last for their time and say where to be at each moment."""

from __future__ import annotations

import json

import numpy as np
import pytest

from robots.goal import GoalLayout
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.goal import Goal, GoalState
from sim_tasks.row_random import RowRandom, Rows
from sim_tasks.trial_env import TrialVecEnv

PERIOD = 0.1
"""[s]."""
NAMES, UNITS = ("x", "y"), ("m", "m")
ON_ROBOTS = ("go2_velocity", "ur5e_reach", "ur5e_track")
"""Families with goals."""


def pair(rng: Rows, count: int) -> np.ndarray:
    return rng.uniform(0.0, 1.0, (count, 2))


def line(plans: np.ndarray, times: np.ndarray) -> np.ndarray:
    """From a place x at a speed v: (x + v t, 0)."""
    return np.stack([plans[:, 0] + plans[:, 1] * times, np.zeros(len(plans))], axis=1)


def state_of(goal: Goal, robots: int = 3) -> tuple[GoalState, RowRandom]:
    state, random = GoalState(goal, robots, PERIOD), RowRandom([1], robots)
    state.redraw(np.arange(robots), random.all)
    return state, random


def test_a_plan_is_the_goal_where_nothing_else_is_said():
    goal = Goal(NAMES, UNITS, pair)
    state, _ = state_of(goal)
    assert goal.size == 2
    np.testing.assert_array_equal(state.goal, RowRandom([1], 3).all.uniform(0.0, 1.0, (3, 2)))
    for _ in range(100):
        assert not len(state.advance())
    np.testing.assert_array_equal(state.goal, state.plans)


def test_a_goal_moves_from_the_moment_at_which_its_plan_was_drawn():
    state, random = state_of(Goal(NAMES, UNITS, pair, at=line))
    x, v = state.plans.T
    np.testing.assert_array_equal(state.goal[:, 0], x)
    state.advance()
    state.advance()
    np.testing.assert_allclose(state.goal[:, 0], x + 0.2 * v, rtol=1e-12)  # two steps of 0.1 s
    state.redraw(np.array([1]), random.rows(np.array([1])))
    state.advance()
    assert state.goal[1, 0] == pytest.approx(state.plans[1, 0] + 0.1 * state.plans[1, 1])
    assert state.goal[0, 0] == pytest.approx(x[0] + 0.3 * v[0])


def test_plans_are_due_after_their_time():
    state, random = state_of(Goal(NAMES, UNITS, pair, every=(0.2, 0.2)))
    assert state.lasts.tolist() == [2, 2, 2]
    assert state.advance().tolist() == []
    state.redraw(np.array([2]), random.rows(np.array([2])))  # its episode began anew
    assert state.advance().tolist() == [0, 1]


def test_the_time_is_drawn_between_its_ends():
    state, _ = state_of(Goal(NAMES, UNITS, pair, every=(0.5, 1.0)), robots=500)
    # 5 to 10 steps; the outermost are rounded to half as often as the others: 500 / 10 = 50 expected.
    assert set(state.lasts) == {5, 6, 7, 8, 9, 10}
    assert 20 < np.sum(state.lasts == 5) < 80


def test_a_redraw_touches_no_other_robot():
    state, random = state_of(Goal(NAMES, UNITS, pair, every=(0.5, 1.0)))
    state.advance()
    before = state.goal.copy(), state.lasts.copy()
    state.redraw(np.array([1]), random.rows(np.array([1])))
    np.testing.assert_array_equal(state.goal[[0, 2]], before[0][[0, 2]])
    np.testing.assert_array_equal(state.lasts[[0, 2]], before[1][[0, 2]])
    assert (state.goal[1] != before[0][1]).all()
    assert state.age.tolist() == [1, 0, 1]


def test_the_goal_is_live_and_goes_on_from_a_saved_state():
    state, _ = state_of(Goal(NAMES, UNITS, pair, at=line, every=(0.3, 0.3)))
    live = state.goal
    state.advance()
    saved = {name: value.tolist() for name, value in state.state().items()}
    other = GoalState(Goal(NAMES, UNITS, pair, at=line, every=(0.3, 0.3)), 3, PERIOD)
    other.restore(saved)
    np.testing.assert_array_equal(other.goal, live)
    for due in ([], [0, 1, 2]):
        assert state.advance().tolist() == other.advance().tolist() == due
        np.testing.assert_array_equal(other.goal, live)
    assert live is state.goal


@pytest.mark.parametrize(("goal", "shape"), [
    (Goal(NAMES, UNITS, lambda rng, n: rng.uniform(0, 1, (n, 1))), r"\(3, 1\)"),
    (Goal(NAMES, UNITS, lambda rng, n: rng.uniform(0, 1, (n, 3))), r"\(3, 3\)"),
    (Goal(NAMES, UNITS, pair, at=lambda plans, times: plans[:, 0] * times), r"\(3,\)"),
])  # fmt: skip
def test_goals_of_another_shape_are_refused(goal, shape):
    with pytest.raises(TaskError, match=rf"goal: shape {shape}; expected \(3, 2\) for x, y"):
        state_of(goal)


def test_the_range_of_goals_is_that_of_what_is_drawn():
    """Of 4096 uniform numbers, the least is within 1/300 of the end but with probability (1 - 1/300)^4096 = 1e-6.

    Half a percent is added on either side, so that 0 and 1 belong to it.
    """
    layout = Goal(NAMES, UNITS, pair, kind="numbers").layout(5.0)
    assert (layout.kind, layout.names, layout.units) == ("numbers", NAMES, UNITS)
    np.testing.assert_allclose(layout.low, -0.005, atol=1 / 300)
    np.testing.assert_allclose(layout.high, 1.005, atol=1 / 300)
    assert max(layout.low) <= 0.0
    assert min(layout.high) >= 1.0
    assert layout == Goal(NAMES, UNITS, pair).layout(1.0), "the same at every call"


@pytest.mark.parametrize(("every", "seconds"), [(None, 5.0), ((1.0, 2.0), 2.0)])
def test_the_range_of_a_goal_that_moves_is_over_as_long_as_it_lasts(every, seconds):
    """x + v t with x and v in [0, 1] is up to 1 + t: both above 0.98 in one of 2500 draws."""
    layout = Goal(NAMES, UNITS, pair, at=line, every=every).layout(5.0)
    assert 0.97 * (1 + seconds) < layout.high[0] < 1 + seconds
    assert (layout.low[1], layout.high[1]) == (0.0, 0.0)


@pytest.mark.parametrize("name", ON_ROBOTS)
def test_the_goals_of_every_family_on_a_robot_can_be_recorded(name):
    family = load_family(name)
    assert family.goal is not None
    layout = family.goal.layout(family.episode_seconds)
    assert GoalLayout.from_manifest(json.loads(json.dumps(layout.manifest()))) == layout
    assert layout.kind != "numbers"
    assert layout.size == family.observation.goal
    env = TrialVecEnv(family, 64, seed=5, threads=1)
    assert env.goal is not None
    reach = np.subtract(layout.high, layout.low)
    assert (np.abs(layout.within(env.goal) - env.goal) <= 0.05 * reach).all()
