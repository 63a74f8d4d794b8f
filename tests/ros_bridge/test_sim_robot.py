"""What the simulated robot asks for, judges and says of a run, without ROS."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from robots.goal import SIZES
from ros_bridge.sim_judge import SimJudge
from ros_bridge.sim_robot import verdict
from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.hidden_task import hidden_task

FAMILIES = ("pendulum_swingup", "double_pendulum_swingup", "go2_velocity", "ur5e_reach", "ur5e_track")
ONE = np.zeros(1, dtype=int)


def simulation(family: TaskFamily) -> BatchSim:
    task = hidden_task(family, 0, 0)
    sim = BatchSim(family.plant, family.parameters, 1, threads=1)
    sim.set_parameters(ONE, task.values[None])
    sim.reset(ONE, task.start[None], task.start_velocity[None])
    return sim


def summary(**changes: Any) -> dict[str, Any]:
    return {"upright_first": True, "recovered": None, "on_target": 0.5, "fell_at": None} | changes


def test_a_verdict_tells_both_judgements_apart():
    said = verdict(summary(recovered=False))
    assert said == "where it should be, for a second: yes; after the change: no; on target 50 % of the time"


def test_a_run_without_a_change_is_not_said_to_have_failed():
    assert "no; after the change: no change; on target" in verdict(summary(upright_first=False))


def test_a_fall_is_said_with_its_time():
    assert verdict(summary(fell_at=3.206)).endswith("; fell at 3.21 s")


def test_what_nobody_can_judge_is_not_said_to_have_failed():
    assert verdict(summary(upright_first=False, on_target=None)) == "nobody here can judge what it did"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_asked_for_and_judged(name):
    family = load_family(name)
    judge = SimJudge(family, simulation(family), steps=5, seed=0)
    for k in range(5):
        assert not judge.step(0.02 * k)
    assert judge.on_target is not None
    assert 0.0 <= judge.on_target <= 1.0
    if family.goal is None:
        assert judge.goal is None
    else:
        assert judge.goal is not None
        assert len(judge.goal) == family.goal.size == (SIZES[family.goal.kind] or family.goal.size)


def test_goals_change_when_they_are_due_and_a_seed_repeats_them():
    family = load_family("ur5e_reach")  # a new target every 3 s, 150 steps

    def asked(seed: int) -> np.ndarray:
        judge, goals = SimJudge(family, simulation(family), steps=400, seed=seed), []
        for k in range(400):
            judge.step(0.02 * k)
            assert judge.goal is not None
            goals.append(judge.goal.copy())
        return np.array(goals)

    goals = asked(1)
    assert np.flatnonzero(np.abs(np.diff(goals, axis=0)).max(axis=1)).tolist() == [149, 299]
    np.testing.assert_array_equal(goals, asked(1))
    assert np.abs(goals[0] - asked(2)[0]).max() > 0.01


def test_a_moving_goal_moves_at_every_step():
    family = load_family("ur5e_track")
    judge, goals = SimJudge(family, simulation(family), steps=3, seed=0), []
    for k in range(3):
        judge.step(0.02 * k)
        assert judge.goal is not None
        goals.append(judge.goal.copy())
    # From one step to the next it goes as far as its velocity says, but for the curve's bend.
    np.testing.assert_allclose(goals[2][:3] - goals[1][:3], 0.02 * goals[1][3:], atol=1e-3)


def test_a_step_is_judged_by_the_goal_that_it_was_for():
    """The goal of step 150 is new: whoever stands at the old one was there until then, and no longer."""
    family = load_family("ur5e_reach")
    sim = simulation(family)
    judge = SimJudge(family, sim, steps=160, seed=0)
    assert judge.goal is not None
    first = judge.goal.copy()
    judge._family = _there(family, first)
    for k in range(160):
        judge.step(0.02 * k)
    # Steps 0 to 150 end or begin under the first goal: it is replaced after the judgement at 150.
    assert judge.successful.tolist() == [True] * 151 + [False] * 9


def _there(family: TaskFamily, place: np.ndarray) -> TaskFamily:
    """The family as a robot sees it that stands at `place`."""
    return dataclasses.replace(family, success=lambda motion: np.abs(motion.goal - place).max(axis=1) < 1e-9)


def test_a_robot_that_lies_on_the_ground_has_fallen_once():
    family = load_family("go2_velocity")
    sim = simulation(family)
    judge = SimJudge(family, sim, steps=4, seed=0)
    assert not judge.step(0.0)
    sim.qpos[0, 2] = 0.05  # of the base above the ground; it has fallen below 0.12 m
    assert judge.step(0.02)
    assert not judge.step(0.04)
    assert judge.fell_at == 0.02


def test_goals_that_somebody_else_tells_are_not_judged():
    family = load_family("go2_velocity")
    judge = SimJudge(family, simulation(family), steps=2, seed=0, goals=False)
    judge.step(0.0)
    assert (judge.goal, judge.on_target) == (None, None)
    assert not judge.successful_until(0.02)


def test_a_family_without_goals_needs_nobody_to_tell_them():
    family = load_family("pendulum_swingup")
    judge = SimJudge(family, simulation(family), steps=100, seed=0, goals=False)
    for k in range(100):
        judge.step(0.02 * k)
    assert judge.on_target == 0.0
    judge.successful[40:] = True
    # The last second of 2 s is steps 50 to 99; of 1.5 s, 25 to 74.
    assert judge.successful_until(2.0)
    assert not judge.successful_until(1.5)
