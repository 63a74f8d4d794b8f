"""`TaskFamily`: what it refuses, and what it says about its parameters, worked out on a block on a rail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robots import load_robot
from robots.observation import ObservationTerm
from sim_tasks.errors import TaskError
from sim_tasks.family import Change, TaskFamily, TrainingTasks
from sim_tasks.goal import Goal
from sim_tasks.plant import robot_plant
from sim_tasks.ports import RobotInterface
from sim_tasks.randomisation import CELLS, BodyMass, Parameter, Readout, TaskVariable
from sim_tasks.row_random import RowRandom
from tests.sim_tasks.slider import PARAMETERS, slider

MASS, BONUS = PARAMETERS
INVERSE = Readout("lightness", "1/kg", lambda values: 1 / values["mass"])
SIDES = Parameter.choice("side", "1", TaskVariable(), (-1.0, 1.0), source="made up")


def test_two_parameters_of_one_name_are_refused():
    with pytest.raises(TaskError, match="slider: two parameters of one name: mass"):
        slider(parameters=(MASS, BONUS, MASS))
    with pytest.raises(TaskError, match="slider: two parameters of one name: bonus"):
        slider(readouts=(replace(INVERSE, name="bonus"),))


def test_a_range_that_is_not_physical_is_refused():
    heavy = Parameter("mass", "kg", BodyMass("block"), -1.0, 2.0, source="made up")
    with pytest.raises(TaskError, match=r"mass: draws from -1\.75 to 2\.75 kg .* valid: 1e-06 to inf"):
        slider(parameters=(heavy,))


def test_a_change_of_an_unknown_parameter_is_refused():
    with pytest.raises(TaskError, match="slider: unknown parameter 'colour'; valid: mass, bonus"):
        slider(change=Change("colour", probability=0.5))


def test_names_units_and_columns():
    family = slider(readouts=(INVERSE,))
    assert family.belief_names == ("mass", "bonus", "lightness")
    assert family.belief_units == ("kg", "1", "1/kg")
    assert [family.parameter_index(name) for name in ("mass", "bonus")] == [0, 1]
    assert family.log_scaled.tolist() == [True, False, True]
    assert family.bounds.tolist() == [[0.5, 0.0], [2.0, 1.0]]
    with pytest.raises(TaskError, match="unknown parameter 'lightness'; valid: mass, bonus"):
        family.parameter_index("lightness")


def test_bounds_are_in_si_units_whatever_the_operation():
    # The block has 1 kg: x0.8 to x1.5, and 1 - 0.2 to 1 + 0.5.
    scaled = Parameter("mass", "kg", BodyMass("block"), 0.8, 1.5, "scale", source="made up")
    added = Parameter("mass", "kg", BodyMass("block"), -0.2, 0.5, "add", source="made up")
    for parameter in (scaled, added):
        np.testing.assert_allclose(slider(parameters=(parameter,)).bounds, [[0.8], [1.5]], rtol=1e-12)


def test_steps_and_sizes():
    family = slider()
    assert (family.period, family.episode_steps) == (0.1, 5)
    assert (family.observation_size, family.action_size) == (2, 1)
    goal = Goal(("speed",), ("m/s",), lambda rng, n: rng.uniform(0, 1, (n, 1)))
    assert slider(goal=goal).observation_size == 3


def test_readouts_stand_beside_the_parameters():
    named = slider(readouts=(INVERSE,)).named(np.array([[0.5, 0.25], [2.0, 0.75]]))
    assert {name: column.tolist() for name, column in named.items()} == {
        "mass": [0.5, 2.0],
        "bonus": [0.25, 0.75],
        "lightness": [2.0, 0.5],
    }


def test_belief_coordinates():
    family = slider(readouts=(INVERSE,))
    mean, std = family.normaliser
    # ln m is uniform in +-ln 2: mean 0, deviation 2 ln 2 / sqrt(12) = 0.4001, and ln (1 / m) = -ln m; the bonus is
    # uniform in 0 to 1: mean 0.5, deviation 1 / sqrt(12) = 0.2887. 8192 draws: standard errors 0.0044 and 0.0032.
    np.testing.assert_allclose(mean, [0.0, 0.5, 0.0], atol=0.02)
    np.testing.assert_allclose(std, [0.4001, 0.2887, 0.4001], atol=0.01)
    normal = family.normalise(np.array([[2.0, 1.0]]))
    expected = [(np.log(2) - mean[0]) / std[0], (1 - mean[1]) / std[1], (-np.log(2) - mean[2]) / std[2]]
    np.testing.assert_allclose(normal, [expected], rtol=1e-12)


def test_tasks_are_numbered():
    family = slider()
    tasks = family.sample("test", 10, seed=1)
    np.testing.assert_array_equal(family.sample("test", 3, seed=1, first=4), tasks[4:7])
    np.testing.assert_array_equal(family.draw(RowRandom([1, 1], 10).all, 10, "test"), tasks)
    assert (family.sample("train", 10, seed=1) != tasks).all()


def test_a_choice_alone_leaves_nothing_to_hold_out():
    assert slider().disjoint
    assert slider(parameters=(SIDES, BONUS)).disjoint
    family = slider(parameters=(SIDES,))
    assert not family.disjoint
    for split in ("train", "test"):
        assert set(family.sample(split, 50, seed=0)[:, 0]) == {-1.0, 1.0}
    with pytest.raises(TaskError, match="no out-of-distribution tasks: none of side has any"):
        family.sample("ood", 5, seed=0)


def test_a_benchmarks_body_is_no_robot():
    family = slider()
    assert not family.on_robot
    for what in ("robot", "observation"):
        with pytest.raises(TaskError, match="slider is about a benchmark's body, which is no robot"):
            getattr(family, what)


def test_a_family_on_a_robot_has_its_layout():
    robot = load_robot("pendulum")
    terms = (ObservationTerm("position", history=3), ObservationTerm("velocity"))
    family = slider(plant=robot_plant(robot), interface=RobotInterface(robot, terms), parameters=(BONUS,))
    assert family.on_robot
    assert family.robot is robot
    assert family.observation.terms == terms
    assert (family.observation_size, family.action_size) == (4, 1)


def places(family: TaskFamily, values: np.ndarray) -> np.ndarray:
    """Where values, shape (n, P), lie in their distributions, [0, 1)."""
    columns = zip(family.parameters, values.T, family.bounds.T, strict=True)
    return np.stack([parameter.to_unit(column, *ends) for parameter, column, ends in columns], axis=1)


def test_a_narrow_training_keeps_to_the_middle_and_leaves_all_else_as_it_was():
    family = slider()
    narrow = replace(family, training=TrainingTasks(width=0.25))
    unit = places(family, narrow.sample("train", 4000, seed=1))
    # The middle quarter of each distribution; the key's ends are those of whole blocks of 1/128.
    assert unit.min() >= 0.375
    assert unit.max() <= 0.625
    assert unit.min() < 0.38
    assert unit.max() > 0.62
    for split in ("test", "ood"):
        np.testing.assert_array_equal(narrow.sample(split, 50, seed=1), family.sample(split, 50, seed=1))
    np.testing.assert_array_equal(narrow.normaliser, family.normaliser)


@pytest.mark.parametrize("width", [1.0, 0.5, 0.001])
def test_a_narrow_training_meets_no_held_out_cell(width):
    family = replace(slider(), training=TrainingTasks(width=width))
    train, test = (
        {int(cell) for cell in places(family, family.sample(split, 3000, seed=0))[:, 0] * CELLS}
        for split in ("train", "test")
    )
    assert train
    assert not train & test


def test_an_expert_trains_on_one_held_out_task():
    family = slider()
    expert = replace(family, training=TrainingTasks(task=3))
    drawn = expert.sample("train", 5, seed=9)
    np.testing.assert_array_equal(drawn, np.repeat(family.sample("test", 4, seed=0)[3:], 5, axis=0))
    np.testing.assert_array_equal(expert.normaliser, family.normaliser)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"width": 0.0}, "width: 0.0; valid: above 0, up to 1"),
        ({"width": 1.5}, "width: 1.5"),
        ({"task": -1}, "task: -1; valid: 0 or more"),
        ({"task": 1, "width": 0.5}, "choose one"),
    ],
)
def test_training_tasks_that_cannot_be_are_refused(training, words):
    with pytest.raises(TaskError, match=words):
        TrainingTasks(**training)
