"""`HiddenTask`: held out, reproducible, and a change that is large enough to matter and stays in range."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily
from sim_tasks.hidden_task import CHANGE, TASKS, hidden_task

FAMILIES = {name: load_family(name) for name in family_names()}


@pytest.fixture(params=FAMILIES, scope="module")
def family(request) -> TaskFamily:
    return FAMILIES[request.param]


def test_a_task_is_the_same_every_time(family):
    one, two = (hidden_task(family, 5, seed=1, change_time=3.0) for _ in range(2))
    assert one.name == two.name == f"{family.name} 1/5"
    assert one.seed == two.seed
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.start, two.start)
    assert one.change is not None
    assert two.change is not None
    np.testing.assert_array_equal(one.change.values, two.change.values)
    np.testing.assert_array_equal(one.change.knock, two.change.knock)


def test_tasks_are_the_familys_test_tasks_in_order(family):
    held_out = family.sample("test", TASKS, seed=2)
    values = [hidden_task(family, index, seed=2).values for index in range(TASKS)]
    np.testing.assert_array_equal(values, held_out)


def test_no_two_tasks_are_alike(family):
    tasks = [hidden_task(family, index, seed) for index in (0, 1, TASKS - 1) for seed in (0, 1)]
    assert len({task.values.tobytes() for task in tasks}) == 6
    assert len({task.start.tobytes() for task in tasks}) == 6
    assert len({task.seed for task in tasks}) == 6


def test_a_start_is_one_of_the_familys(family):
    starts = np.array([hidden_task(family, index, seed=0).start for index in range(TASKS)])
    assert starts.shape == (TASKS, len(family.robot.joints))
    low, high = family.robot.position_limits
    assert ((starts > low) & (starts < high)).all()
    assert not family.success(starts).any()


@pytest.mark.parametrize("index", [-1, TASKS, 10**6])
def test_an_index_out_of_range_names_the_range(family, index):
    with pytest.raises(TaskError, match=rf"task {index}: valid: 0 to 63"):
        hidden_task(family, index, seed=0)


@pytest.mark.parametrize("time", [0.0, -1.0, np.nan])
def test_a_change_needs_a_time_ahead(family, time):
    with pytest.raises(TaskError, match=r"change time .*: expected more than 0 s"):
        hidden_task(family, 0, seed=0, change_time=time)


def test_a_change_leaves_the_beginning_as_it_was(family):
    still, changing = hidden_task(family, 7, seed=3), hidden_task(family, 7, seed=3, change_time=2.5)
    assert still.change is None
    assert changing.change is not None
    assert changing.change.time == 2.5
    np.testing.assert_array_equal(still.values, changing.values)
    np.testing.assert_array_equal(still.start, changing.start)


def test_a_change_is_of_one_parameter_by_enough_and_in_range(family):
    column = family.parameter_index(family.change.parameter)
    low, high = family.bounds[:, column]
    grown = 0
    for index in range(TASKS):
        task = hidden_task(family, index, seed=0, change_time=1.0)
        assert task.change is not None
        before, after = task.values[column], task.change.values[column]
        assert np.flatnonzero(task.change.values != task.values).tolist() == [column]
        assert low <= after <= high
        assert after > CHANGE * before or after < before / CHANGE
        # A payload is added wherever the range leaves room for it.
        assert after > before or CHANGE * before > 0.95 * high
        grown += after > before
    assert 0 < grown < TASKS


def test_a_knock_has_the_familys_size_and_either_sign(family):
    knocks = []
    for index in range(TASKS):
        change = hidden_task(family, index, seed=0, change_time=1.0).change
        assert change is not None
        knocks.append(change.knock)
    assert np.shape(knocks) == (TASKS, len(family.robot.joints))
    assert set(np.unique(knocks)) == {-family.change.knock, family.change.knock}
