"""`Task`: printed, saved and rebuilt to the last bit; what is not one of the family's is refused by name."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily
from sim_tasks.task import Task, load_task, make_task
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.playing import play, random_actions, same
from tests.sim_tasks.slider import slider

NAMES = (*family_names(), "double_pendulum_swingup@pendubot", "dm_control:cartpole/swingup")
FAMILY = slider()
TASK = Task("slider", "test", 3, 7, {"mass": 0.1 + 0.2, "bonus": 1e-17}, {"mass": "kg", "bonus": "1"})


@pytest.fixture(params=NAMES, scope="module")
def family(request) -> TaskFamily:
    return load_family(request.param)


def test_a_task_is_that_row_of_the_familys_sample(family):
    task = make_task(family, "test", seed=4, index=2)
    np.testing.assert_array_equal(task.row(family), family.sample("test", 5, seed=4)[2])
    assert (task.family, task.split, task.seed, task.index) == (family.name, "test", 4, 2)
    assert list(task.values) == [parameter.name for parameter in family.parameters]


def test_a_saved_task_is_the_same_task_and_does_the_same(family, tmp_path):
    task = make_task(family, "train", seed=1, index=3)
    task.save(tmp_path / "task.json")
    loaded = load_task(tmp_path / "task.json")
    assert loaded == task
    runs = []
    for made, of in ((task, family), (loaded, load_family(family.name))):
        env = TrialVecEnv(of, 2, seed=0, threads=1, changes=False)
        env.reset(np.array([1]), made.row(of)[None])
        runs.append(play(env, random_actions(family, 10, 2)))
    same(*runs)
    np.testing.assert_array_equal(runs[0]["values"][0, 1], task.row(family))


def test_it_prints_with_units():
    assert str(TASK) == "slider: test task 7 of seed 3\n  mass   0.3 kg\n  bonus  1e-17"


def test_floats_survive_exactly(tmp_path):
    TASK.save(tmp_path / "task.json")
    loaded = load_task(tmp_path / "task.json", FAMILY)
    assert loaded == TASK
    assert loaded.values["mass"] == 0.30000000000000004
    assert json.loads((tmp_path / "task.json").read_text())["parameters"]["mass"] == {
        "value": 0.30000000000000004,
        "unit": "kg",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["task.json"], "something was left behind"


def test_a_copy_is_the_same_task():
    for copied in (copy.deepcopy(TASK), pickle.loads(pickle.dumps(TASK))):
        assert copied == TASK
        np.testing.assert_array_equal(copied.row(FAMILY), [0.30000000000000004, 1e-17])


def test_a_task_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "task.json"
    TASK.save(path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(TASK, values={"mass": np.nan, "bonus": 0.0}).save(path)
    assert load_task(path, FAMILY) == TASK


def saved(path: Path, **changes: Any) -> Path:
    """The task's file with some keys changed; None: left out."""
    TASK.save(path)
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
    return path


MASS, BONUS = {"value": 1.0, "unit": "kg"}, {"value": 0.5, "unit": "1"}


@pytest.mark.parametrize(("changes", "message"), [
    ({"parameters": {"mass": MASS}}, "slider: parameters: missing bonus; valid: mass, bonus"),
    ({"parameters": {"mass": MASS, "bonus": BONUS, "colour": BONUS}},
     "slider: parameters: unknown colour; valid: mass, bonus"),
    ({"parameters": {"mass": MASS | {"unit": "g"}, "bonus": BONUS}}, "mass: unit 'g'; valid: 'kg'"),
    ({"parameters": {"mass": MASS | {"value": -1.0}, "bonus": BONUS}}, "mass: -1 kg; valid: "),
    ({"parameters": {"mass": MASS | {"value": "1"}, "bonus": BONUS}}, "mass: '1'; expected a finite number"),
    ({"parameters": {"mass": MASS | {"value": True}, "bonus": BONUS}}, "mass: True; expected a finite number"),
    ({"parameters": {"mass": MASS | {"value": np.nan}, "bonus": BONUS}}, "mass: nan; expected a finite number"),
    ({"parameters": {"mass": {"value": 1.0}, "bonus": BONUS}}, "mass: missing unit; valid: unit, value"),
    ({"parameters": {"mass": 1.0, "bonus": BONUS}}, "mass: 1.0; expected a mapping of unit, value"),
    ({"parameters": [1.0, 0.5]}, "parameters: [1.0, 0.5]; expected a mapping"),
    ({"family": "pendulum"}, "a task of family 'pendulum'; valid here: 'slider'"),
    ({"split": "validation"}, "unknown split 'validation'; valid: train, test, ood"),
    ({"seed": None}, "task: missing seed; valid: family, index, parameters, seed, split"),
    ({"seed": "3"}, "seed: '3'; expected int"),
    ({"index": 7.0}, "index: 7.0; expected int"),
    ({"colour": "red"}, "task: unknown colour; valid: family, index, parameters, seed, split"),
])  # fmt: skip
def test_a_file_that_is_not_such_a_task_is_refused(tmp_path, changes, message):
    path = saved(tmp_path / "task.json", **changes)
    with pytest.raises(TaskError) as caught:
        load_task(path, FAMILY)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "\xff"])
def test_a_file_that_is_no_task_at_all_is_refused(tmp_path, text):
    path = tmp_path / "task.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(TaskError, match=r"task\.json: "):
        load_task(path, FAMILY)
    with pytest.raises(TaskError, match=r"nowhere\.json"):
        load_task(tmp_path / "nowhere.json", FAMILY)


@pytest.mark.parametrize("name", ["slider", "evil.py:family", "os:system", "evil.py:family@paper"])
def test_a_file_does_not_make_anything_be_imported(tmp_path, name):
    path = saved(tmp_path / "task.json", family=name)
    with pytest.raises(TaskError, match=f"family '{name}' is not registered; valid: pendulum_swingup, "):
        load_task(path)


def test_a_task_of_another_family_has_no_row_here():
    with pytest.raises(TaskError, match="a task of family 'slider'; valid here: 'pendulum_swingup'"):
        TASK.row(load_family("pendulum_swingup"))


@pytest.mark.parametrize(("arguments", "message"), [
    (("validation", 0, 0), "unknown split 'validation'; valid: train, test, ood"),
    (("test", -1, 0), "seed: -1; valid: 0 and more"),
    (("test", 0, -1), "index: -1; valid: 0 and more"),
])  # fmt: skip
def test_there_is_no_such_task(arguments, message):
    with pytest.raises(TaskError, match=message):
        make_task(FAMILY, *arguments)
