"""Robots by split and by value."""

from __future__ import annotations

import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.hidden_task import hidden_task


def test_a_task_out_of_the_family_has_a_parameter_beyond_its_range():
    family = load_family("pendulum_swingup")
    low, high = family.bounds
    for index in range(8):
        values = hidden_task(family, index, 3, split="ood").values
        assert ((values < low) | (values > high)).any()
    with pytest.raises(TaskError, match="train, test, ood"):
        hidden_task(family, 0, 0, split="other")


def test_named_values_take_the_place_of_the_model_s_own():
    family = load_family("pendulum_swingup")
    task = hidden_task(family, 0, 0, values={"payload_mass": 1.0})
    named = {parameter.name: value for parameter, value in zip(family.parameters, task.values, strict=True)}
    assert named["payload_mass"] == 1.0
    assert named["motor_gain"] == 1.0  # of the model
    assert named["encoder_offset"] == 0.0
    assert (task.start == hidden_task(family, 0, 0).start).all()  # where it starts is drawn all the same


@pytest.mark.parametrize(
    ("values", "message"),
    [({"mass": 1.0}, "unknown parameter 'mass'"), ({"payload_mass": -1.0}, "payload_mass -1.0: valid: ")],
)
def test_values_that_cannot_be_are_refused(values, message):
    with pytest.raises(TaskError, match=message):
        hidden_task(load_family("pendulum_swingup"), 0, 0, values=values)
