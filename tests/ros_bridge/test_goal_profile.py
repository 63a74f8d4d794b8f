"""What a robot is asked for by a file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ros_bridge.errors import BridgeError
from ros_bridge.goal_profile import GoalEntry, GoalProfile, read_goals
from ros_bridge.sim_judge import SimJudge
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from tests.ros_bridge.test_sim_robot import simulation

NAMES = ("x", "y")


def test_an_entry_holds_from_its_time_until_the_next(tmp_path):
    path = tmp_path / "goals.json"
    path.write_text(json.dumps([{"at": 0.1, "values": [1, 2]}, {"at": 0.3, "values": [3, 4]}]))
    profile = GoalProfile(read_goals(path), NAMES, 0.1)
    asked = [profile.goal[0].tolist()]
    for _ in range(4):
        profile.advance()
        asked.append(profile.goal[0].tolist())
    # At 0, before the first entry, that one; at 0.1 and 0.2 it; from 3 * 0.1 (0.30000000000000004) on the second.
    assert asked == [[1, 2], [1, 2], [1, 2], [3, 4], [3, 4]]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "goals: none"),
        ([GoalEntry(0.0, (1.0,))], r"values \[1.0\]; expected 2 finite numbers: x, y"),
        ([GoalEntry(0.0, (1.0, float("nan")))], "finite"),
        ([GoalEntry(1.0, (1.0, 2.0)), GoalEntry(1.0, (1.0, 2.0))], r"at \[1.0, 1.0\] s; expected rising"),
    ],
)
def test_what_is_no_profile_is_refused(entries, message):
    with pytest.raises(BridgeError, match=message):
        GoalProfile(entries, NAMES, 0.1)


@pytest.mark.parametrize("text", ["{", '{"at": 0}', '[{"at": 0}]', '[{"at": 0, "values": ["x"]}]'])
def test_a_file_that_says_something_else_is_named(tmp_path, text):
    path = tmp_path / "goals.json"
    path.write_text(text)
    with pytest.raises(BridgeError, match=r"goals.json.*expected a JSON list"):
        read_goals(path)


def test_a_robot_is_judged_by_the_goals_of_the_file():
    family = load_family("ur5e_reach")
    sim = simulation(family)
    here = np.array([0.3, 0.2, 0.5])
    entries = [GoalEntry(0.0, tuple(here.tolist())), GoalEntry(0.04, (0.3, 0.2, 0.9))]
    judge = SimJudge(family, sim, steps=4, seed=0, goals=entries)
    errors, asked = [], []
    for k in range(4):
        judge.step(0.02 * k)
        assert judge.goal is not None
        errors.append(judge.error)
        asked.append(judge.goal[2])
    assert asked == [0.5, 0.5, 0.9, 0.9]
    # The robot stands: only the goal moves, 0.4 m up.
    assert errors[0] == errors[1]
    assert abs(errors[2] - errors[1]) <= 0.4
    assert errors[2] != errors[1]
    with pytest.raises(TaskError, match="asked for nothing"):
        SimJudge(load_family("pendulum_swingup"), sim, steps=1, seed=0, goals=entries)


@pytest.mark.parametrize(
    ("name", "unit", "position", "error"),
    [
        ("pendulum_swingup", "rad", [np.pi - 0.2], 0.2),
        # The upper link 0.1 rad beside upright, the lower one 0.1 + 0.2 rad.
        ("double_pendulum_swingup", "rad", [np.pi + 0.1, 0.2], 0.3),
    ],
)
def test_a_pendulum_s_error_is_its_angle_from_upright(name, unit, position, error):
    family = load_family(name)
    sim = simulation(family)
    sim.qpos[0] = position
    judge = SimJudge(family, sim, steps=1, seed=0)
    assert judge.error == pytest.approx(error)
    assert family.error_unit == unit
