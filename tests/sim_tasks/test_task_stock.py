"""`TaskStock` and drafts of physics: that tasks are made ready early, and for many at once, shows nowhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.physics import PROPERTIES, Physics
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.everything import everything

ROBOTS = 6
ALL = np.arange(ROBOTS)
PENDULUM = load_family("pendulum_swingup")


def environment(family: TaskFamily = PENDULUM, seed: int = 0, split: str = "train") -> TrialVecEnv:
    return TrialVecEnv(family, ROBOTS, seed, split=split, threads=1)


def tasks(env: TrialVecEnv, resets: Sequence[Sequence[int]], robot: int) -> list[list[float]]:
    """The tasks that one robot has after each of these resets of some robots that it is among."""
    seen = []
    for ids in resets:
        env.reset(np.array(ids))
        if robot in ids:
            seen.append(env.sim.values[robot].tolist())
    return seen


def physics(sim: BatchSim) -> dict[str, np.ndarray]:
    """All that may differ between simulations, by name."""
    used = {name: sim.used(name) for name in PROPERTIES}
    return {name: array for name, array in (sim._physics.fields | used).items() if array is not None}


@pytest.fixture
def written(monkeypatch) -> list[int]:
    """To how many simulations parameters have been written, call by call."""
    calls, write = [], Physics.write

    def counted(self: Physics, ids: np.ndarray, values: np.ndarray) -> None:
        calls.append(len(ids))
        write(self, ids, values)

    monkeypatch.setattr(Physics, "write", counted)
    return calls


@pytest.mark.parametrize("split", ["train", "test", "ood"])
def test_a_task_does_not_depend_on_who_was_reset_before(split):
    alone = tasks(environment(split=split), [[2]] * 4, 2)
    together = tasks(environment(split=split), [range(ROBOTS)] * 4, 2)
    between = tasks(environment(split=split), [[0], [2], [1, 2, 5], [0, 3], [2], [4], [2]], 2)
    assert alone == together == between
    assert len(np.unique(alone, axis=0)) == 4


def test_nor_on_what_the_robots_have_done_before():
    env, idle = environment(), environment()
    for action in np.random.default_rng(0).uniform(-1, 1, (5, ROBOTS, 1)):
        env.step(action)
    assert tasks(env, [range(ROBOTS)] * 2, 3) == tasks(idle, [range(ROBOTS)] * 2, 3)


def test_parameters_are_written_for_all_that_need_it_at_once(written):
    env = environment()
    assert written == [ROBOTS]
    for robot in range(ROBOTS):
        env.reset(np.array([robot]))
    # The first of them finds nothing in stock, the others find what was drawn with it; the next finds nothing again.
    assert written == [ROBOTS, ROBOTS]
    env.reset(np.array([3]))
    assert written == [ROBOTS] * 3
    env.reset(np.array([3]))  # only its own next task is missing
    assert written == [ROBOTS] * 3 + [1]


@pytest.mark.parametrize("make", [everything, lambda: load_family("go2_velocity")])
def test_physics_from_stock_are_those_of_the_parameters(make):
    family = make()
    env = environment(family)
    for ids in ([1], [0, 4], [1], [5]):
        env.reset(np.array(ids))
    sim = BatchSim(family.plant, family.parameters, ROBOTS, threads=1)
    sim.set_parameters(ALL, env.sim.values)
    one, two = physics(env.sim), physics(sim)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    for robot in (1, 3):  # and what MuJoCo derives from them
        models = env.sim.get_model(robot), sim.get_model(robot)
        np.testing.assert_array_equal(models[0].dof_invweight0, models[1].dof_invweight0)
    np.testing.assert_array_equal(env.context, family.normalise(env.sim.values).astype(np.float32))


def test_what_a_draft_has_not_becomes_the_models_own():
    sim = BatchSim(PENDULUM.plant, PENDULUM.parameters, ROBOTS, threads=1)
    draft, values = sim.draft(), PENDULUM.sample("train", ROBOTS, 0)
    draft.write(ALL, values)
    sim.field("opt.gravity")[:] = 0.0
    sim.take(np.array([1, 4]), draft, values[[1, 4]])
    np.testing.assert_allclose(sim.field("opt.gravity")[:, 2], np.where(np.isin(ALL, [1, 4]), -9.81, 0.0))
    np.testing.assert_array_equal(sim.values[[1, 4]], values[[1, 4]])


def test_a_draft_is_nobodys_physics():
    sim = BatchSim(PENDULUM.plant, PENDULUM.parameters, ROBOTS, threads=1)
    sim.set_parameters(ALL, PENDULUM.sample("train", ROBOTS, 0))
    before = {name: array.copy() for name, array in physics(sim).items()}
    sim.draft().write(ALL, PENDULUM.sample("train", ROBOTS, 1))
    for name, array in physics(sim).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_given_task_takes_nothing_from_the_stock(written):
    env = environment()
    env.reset(np.array([0]))
    env.reset(np.array([1]), PENDULUM.sample("test", 1, 0))
    env.reset(np.array([2]))
    assert written == [ROBOTS, ROBOTS, 1]
