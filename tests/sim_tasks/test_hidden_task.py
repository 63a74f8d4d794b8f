"""`HiddenTask`: held out, reproducible, and a change that is large enough to matter and stays in range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily
from sim_tasks.hidden_task import CHANGE, TASKS, HiddenChange, hidden_task
from sim_tasks.motion import Motion

FAMILIES = {name: load_family(name) for name in family_names()}
CHANGING = [name for name, family in FAMILIES.items() if family.change is not None]


@pytest.fixture(params=FAMILIES, scope="module")
def family(request) -> TaskFamily:
    return FAMILIES[request.param]


@pytest.fixture(params=CHANGING, scope="module")
def changing(request) -> TaskFamily:
    """A family whose physics change in mid-run."""
    return FAMILIES[request.param]


def change_of(family: TaskFamily, index: int, seed: int = 0, time: float = 1.0) -> HiddenChange:
    change = hidden_task(family, index, seed, time).change
    assert change is not None
    return change


def test_a_task_is_the_same_every_time(family):
    one, two = (hidden_task(family, 5, seed=1) for _ in range(2))
    assert one.name == two.name == f"{family.name} 1/5"
    assert one.seed == two.seed
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.start, two.start)


def test_a_change_is_the_same_every_time(changing):
    one, two = (change_of(changing, 5, seed=1) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.knock, two.knock)


def test_a_family_without_changes_says_so(family):
    if family.change is None:
        with pytest.raises(TaskError, match=f"{family.name}: nothing changes in mid-run in this family"):
            hidden_task(family, 0, seed=0, change_time=1.0)


def test_tasks_are_the_familys_test_tasks_in_order(family):
    held_out = family.sample("test", TASKS, seed=2)
    values = [hidden_task(family, index, seed=2).values for index in range(TASKS)]
    np.testing.assert_array_equal(values, held_out)


def test_no_two_tasks_are_alike(family):
    tasks = [hidden_task(family, index, seed) for index in (0, 1, TASKS - 1) for seed in (0, 1)]
    assert len({task.values.tobytes() for task in tasks}) == 6 or not family.disjoint
    assert len({task.start.tobytes() for task in tasks}) == 6 or family.name == "point_robot"  # always at 0
    assert len({task.seed for task in tasks}) == 6


def test_a_start_is_one_of_the_familys(family):
    starts = np.array([hidden_task(family, index, seed=0).start for index in range(TASKS)])
    assert starts.shape == (TASKS, family.model.nq)
    if family.on_robot:
        low, high = family.robot.position_limits
        joints = starts[:, family.plant.qpos]
        assert ((joints > low) & (joints < high)).all()


def test_nobody_starts_where_a_swing_up_ends():
    family = FAMILIES["pendulum_swingup"]
    starts = np.array([hidden_task(family, index, seed=0).start for index in range(TASKS)])
    assert family.success is not None
    assert not family.success(Motion(starts, np.zeros_like(starts), np.zeros_like(starts))).any()


@pytest.mark.parametrize("index", [-1, TASKS, 10**6])
def test_an_index_out_of_range_names_the_range(family, index):
    with pytest.raises(TaskError, match=rf"task {index}: valid: 0 to 63"):
        hidden_task(family, index, seed=0)


@pytest.mark.parametrize("time", [0.0, -1.0, np.nan])
def test_a_change_needs_a_time_ahead(family, time):
    with pytest.raises(TaskError, match=r"change time .*: expected more than 0 s"):
        hidden_task(family, 0, seed=0, change_time=time)


def test_a_change_leaves_the_beginning_as_it_was(changing):
    still, task = hidden_task(changing, 7, seed=3), hidden_task(changing, 7, seed=3, change_time=2.5)
    assert still.change is None
    assert task.change is not None
    assert task.change.time == 2.5
    np.testing.assert_array_equal(still.values, task.values)
    np.testing.assert_array_equal(still.start, task.start)


def test_a_change_is_of_one_parameter_by_enough_and_in_range(changing):
    column = changing.parameter_index(changing.change.parameter)
    low, high = changing.bounds[:, column]
    grown = 0
    for index in range(TASKS):
        task = hidden_task(changing, index, seed=0, change_time=1.0)
        assert task.change is not None
        before, after = task.values[column], task.change.values[column]
        assert np.flatnonzero(task.change.values != task.values).tolist() == [column]
        assert low <= after <= high
        assert after > CHANGE * before or after < before / CHANGE
        # A payload is added wherever the range leaves room for it.
        assert after > before or CHANGE * before > 0.95 * high
        grown += after > before
    assert 0 < grown < TASKS


def test_a_range_too_narrow_for_a_change_is_used_to_its_end():
    family = FAMILIES["pendulum_swingup"]
    payload, *others = family.parameters
    narrow = replace(family, parameters=(replace(payload, low=0.95, high=1.05), *others))
    low, high = narrow.bounds[:, 0]
    for index in range(8):
        before = hidden_task(narrow, index, seed=0).values[0]
        after = change_of(narrow, index).values[0]
        # 256 candidates: the farthest is within a few per cent of that end of the range that is farther.
        farther = high if high - before > before - low else low
        assert abs(after - farther) < 0.05 * (high - low)


def test_a_knock_has_the_familys_size_and_either_sign(changing):
    knocks = np.array([change_of(changing, index).knock for index in range(TASKS)])
    assert knocks.shape == (TASKS, changing.model.nv)
    knock = changing.change.knock
    joints = np.arange(changing.model.nv)[changing.plant.qvel]
    assert set(np.unique(knocks[:, joints])) == {-knock, knock}
    assert (np.delete(knocks, joints, axis=1) == 0).all()
