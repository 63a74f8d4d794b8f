"""Which task an episode is about: drawn from a split, or chosen by number, by name, or in the family's order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim_tasks.doors.gymnasium_env import AdaptEnv
from sim_tasks.doors.vector_env import AdaptVectorEnv
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family

FAMILY = replace(load_family("pendulum_swingup"), episode_seconds=0.1)
"""Episodes of 5 control steps of 20 ms."""
MASS = FAMILY.parameter_index("payload_mass")


def values(info: dict) -> list[float]:
    return list(info["task"].values())


def held_out(mass: float) -> bool:
    """Of the 1024 cells of the first parameter's log range every eighth belongs to the test tasks."""
    low, high = np.log(FAMILY.bounds[:, MASS])
    return np.floor((np.log(mass) - low) / (high - low) * 1024 + 1e-6) % 8 == 7


def test_every_reset_draws_another_task_of_the_split():
    env = AdaptEnv(FAMILY)
    tasks = [
        env.reset(seed=0)[1]["task"]["payload_mass"],
        *(env.reset()[1]["task"]["payload_mass"] for _ in range(5)),
    ]
    assert len(set(tasks)) == 6
    assert not any(map(held_out, tasks))


def test_a_split_is_for_one_reset_and_its_stream_goes_on():
    env = AdaptEnv(FAMILY)
    env.reset(seed=0)
    tests = []
    for _ in range(3):
        _, info = env.reset(options={"split": "test"})
        assert info["split"] == "test"
        tests.append(info["task"]["payload_mass"])
        assert env.reset()[1]["split"] == "train"
    assert len(set(tests)) == 3
    assert all(map(held_out, tests))
    # and the same again from the same seed
    assert env.reset(seed=0, options={"split": "test"})[1]["task"]["payload_mass"] == tests[0]


def test_a_split_can_be_the_environments_own():
    env = AdaptEnv(FAMILY, split="ood")
    task = np.array(values(env.reset(seed=0)[1]))
    low, high = FAMILY.bounds
    assert ((task < low) | (task > high)).sum() == 1


def test_a_task_by_number_is_the_same_everywhere():
    expected = FAMILY.sample("test", 1, seed=0, first=17)[0].tolist()
    for seed in (1, 2):
        assert values(AdaptEnv(FAMILY, split="test").reset(seed=seed, options={"task": 17})[1]) == expected


def test_a_task_by_name_fixes_what_it_names_and_draws_the_rest():
    env = AdaptEnv(FAMILY)
    drawn = env.reset(seed=4)[1]["task"]
    fixed = env.reset(seed=4, options={"task": {"payload_mass": 0.5, "encoder_offset": 0.0}})[1]["task"]
    assert fixed == drawn | {"payload_mass": 0.5, "encoder_offset": 0.0}
    assert env.reset()[1]["task"]["payload_mass"] != 0.5


def test_a_task_in_the_familys_order():
    task = FAMILY.bounds.mean(axis=0)
    env = AdaptEnv(FAMILY, task=task)
    for _ in range(2):
        assert values(env.reset()[1]) == task.tolist()
    assert values(AdaptEnv(FAMILY).reset(options={"task": task.tolist()})[1]) == task.tolist()


def test_tasks_of_a_vector_hold_until_its_next_reset():
    env = AdaptVectorEnv(FAMILY, 3, threads=1, changes=False)
    tasks = FAMILY.sample("test", 3, seed=9)
    env.reset(seed=0, options={"task": tasks})
    for _ in range(7):  # an episode and two steps of the next
        env.step(np.zeros((3, 1)))
        np.testing.assert_array_equal(np.stack(list(env.tasks.values()), axis=1), tasks)
    env.reset(options={"task": [{"payload_mass": mass} for mass in (0.4, 0.5, 0.6)]})
    assert env.tasks["payload_mass"].tolist() == [0.4, 0.5, 0.6]
    env.reset()
    assert not set(env.tasks["payload_mass"]) & {0.4, 0.5, 0.6}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slpit": "test"}, "unknown option slpit; valid: split, task"),
        ({"split": "val"}, "unknown split 'val'; valid: train, test, ood"),
        ({"task": {"mass": 1.0}}, "unknown parameter 'mass'; valid: payload_mass, "),
        ({"task": {"gravity_stiffness": 1.0}}, "unknown parameter 'gravity_stiffness'"),
        ({"task": {"payload_mass": "heavy"}}, r"payload_mass: 'heavy' is no number in \[kg\]"),
        ({"task": {"payload_mass": -0.1}}, "payload_mass: -0.1 kg; valid: "),
        ({"task": {"payload_mass": np.nan}}, "payload_mass: nan kg; valid: "),
        ({"task": np.ones(3)}, r"task of shape \(3,\); expected \(9,\), values of payload_mass, "),
        ({"task": "heavy"}, "task 'heavy': valid: a number, names with values"),
        ({"task": -1}, "task number -1; valid: 0 and above"),
        ({"task": np.ones((2, 9))}, r"task: 2 tasks for 1 simulation\(s\)"),
    ],
)
def test_a_task_that_cannot_be_is_named(options, said):
    env = AdaptEnv(FAMILY)
    with pytest.raises(TaskError, match=said):
        env.reset(seed=0, options=options)
    with pytest.raises(TaskError, match="step before reset"):
        env.step(np.zeros(1))
    assert np.isfinite(env.reset(seed=0)[0]).all()
