"""What a bundle says of its policy's goals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from adapt.bundle import load_bundle, open_bundle
from robots.goal import GoalLayout
from sim_tasks.families import load_family
from tests.small_bundle import untrained_policy


def goal_layout(name: str) -> GoalLayout:
    family = load_family(name)
    assert family.goal is not None
    return family.goal.layout(family.episode_seconds)


def test_a_family_s_goals_leave_with_their_kind_names_units_and_range():
    goal = goal_layout("go2_velocity")
    assert (goal.kind, goal.names) == ("velocity", ("forward", "left", "turning"))
    assert goal.units == ("m/s", "m/s", "rad/s")
    # Uniform within 1 m/s, 0.5 m/s and 1 rad/s: the edge itself belongs to the range, and little beyond it.
    assert all(most >= edge for most, edge in zip(goal.high, (1.0, 0.5, 1.0), strict=True))
    assert goal.high == pytest.approx((1.0, 0.5, 1.0), rel=0.01)
    assert goal.low == pytest.approx((-1.0, -0.5, -1.0), rel=0.01)


def test_a_moving_goal_s_range_is_that_of_the_whole_episode():
    goal = goal_layout("ur5e_track")
    assert (goal.kind, goal.size) == ("tool_motion", 6)
    # At most 0.4 rounds per second with half axes up to 0.12 m: 2 pi 0.4 0.12 sqrt(2) = 0.43 m/s.
    assert 0.3 < min(goal.high[3:]) <= max(goal.high[3:]) <= 0.43
    assert goal.low[2] >= 0.15 - 1e-9  # the lowest targets


def test_a_bundle_is_written_with_its_goals_and_read_back(tmp_path):
    bundle = untrained_policy(tmp_path / "bundle", "ur5e_reach")
    assert load_bundle(bundle.path).goal == goal_layout("ur5e_reach")
    assert bundle.goal is not None
    assert np.shape([bundle.goal.low, bundle.goal.high]) == (2, 3)


def test_a_family_without_goals_says_so(belief_bundle):
    assert json.loads((belief_bundle.path / "manifest.json").read_text())["goal"] is None
    assert belief_bundle.goal is None


def test_a_robot_s_joints_are_as_passive_as_its_bundle_says(tmp_path):
    """Nobody drove the acrobot's shoulder in training."""
    path = untrained_policy(tmp_path / "bundle", "double_pendulum_swingup").path
    for robot in ("", "double_pendulum"):
        _, spec = open_bundle(path, robot)
        assert [joint.passive for joint in spec.joints] == [True, False]
        assert spec.command_limits[:, 0].tolist() == [0.0, 0.0]
