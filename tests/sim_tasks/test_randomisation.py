"""Randomised parameters: splits that never meet, ranges that hold, and each target writes its own place alone."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.plant import robot_plant
from sim_tasks.randomisation import (
    CELLS,
    OOD_MARGIN,
    TEST_EVERY,
    ActionDelay,
    BodyDistance,
    BodyMass,
    JointField,
    MotorGain,
    Parameter,
    Sensing,
    Target,
    unit_draws,
)
from sim_tasks.row_random import RowRandom
from tests.robots.two_joints import two_joints

MASS = BodyMass("lower")
TARGETS: dict[str, tuple[Target, float]] = {
    # By name, with the default that stands in the arm's MJCF.
    "mass": (MASS, 0.3),
    "distance": (BodyDistance("lower"), 0.2),
    "damping": (JointField("elbow", "dof_damping"), 0.2),
    "friction": (JointField("shoulder", "dof_frictionloss"), 0.05),
    "armature": (JointField("elbow", "dof_armature"), 0.01),
    "gain": (MotorGain("elbow"), 1.0),
    "delay": (ActionDelay("shoulder"), 0.01),
    "offset": (Sensing(1, "position_offset"), 0.0),
}
FIELDS = (
    "body_mass",
    "body_inertia",
    "body_pos",
    "dof_damping",
    "dof_frictionloss",
    "dof_armature",
    "actuator_gainprm",
    "actuator_delay",
)


def three(**changes: Any) -> list[Parameter]:
    return [Parameter(name, "kg", MASS, 1.0, 2.0, **changes) for name in ("one", "two", "three")]


def draws(
    split: str, count: int = 4000, seed: int = 0, parameters: list[Parameter] | None = None
) -> np.ndarray:
    return unit_draws(RowRandom([seed], count).all, count, parameters or three(), split)


def cells(values: np.ndarray) -> set[int]:
    inside = values[(values[:, 0] >= 0) & (values[:, 0] < 1), 0]
    return set(np.floor(inside * CELLS).astype(int))


@pytest.fixture
def model(tmp_path) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(two_joints(tmp_path).model))


def simulation(tmp_path, *targets: Target, robots: int = 3) -> BatchSim:
    parameters = [Parameter(f"p{i}", "1", t, 0.01, 0.02, ood="none") for i, t in enumerate(targets)]
    return BatchSim(robot_plant(two_joints(tmp_path)), parameters, robots, threads=1)


def test_splits_meet_in_no_cell():
    train, test, ood = (cells(draws(split)) for split in ("train", "test", "ood"))
    # Of 1024 cells every eighth, 128 in all, is held out; 4000 draws leave out next to none of them.
    assert not train & test
    assert test == ood == set(range(TEST_EVERY - 1, CELLS, TEST_EVERY))
    assert len(train) > 0.9 * (CELLS - 128)


@pytest.mark.parametrize("split", ["train", "test"])
def test_draws_fill_the_unit_interval_evenly(split):
    values = draws(split)
    assert values.min() >= 0.0
    assert values.max() < 1.0
    # Uniform: mean 1/2 with a standard error of 0.289 / sqrt(4000) = 0.0046, std 0.289; four errors allowed.
    np.testing.assert_allclose(values.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(values.std(axis=0), 0.2887, atol=0.01)


def test_draws_are_reproducible_and_seeds_differ():
    np.testing.assert_array_equal(draws("test", 50, seed=1), draws("test", 50, seed=1))
    assert (draws("test", 50, seed=1) != draws("test", 50, seed=2)).all()


def test_an_unknown_split_names_the_valid_ones():
    with pytest.raises(TaskError, match="unknown split 'val'; valid: train, test, ood"):
        draws("val")


def test_out_of_distribution_is_outside_in_one_parameter_and_on_the_sides_that_exist():
    parameters = three()
    parameters[1] = Parameter("two", "kg", MASS, 1.0, 2.0, ood="high")
    parameters.append(Parameter("four", "kg", MASS, 1.0, 2.0, ood="low"))
    parameters.append(Parameter("five", "kg", MASS, 1.0, 2.0, ood="none"))
    moved = draws("ood", parameters=parameters)
    outside = (moved < 0) | (moved > 1)
    assert (outside.sum(axis=1) == 1).all()
    assert moved.min() >= -OOD_MARGIN
    assert moved.max() <= 1 + OOD_MARGIN
    assert (moved < 0).any(axis=0).tolist() == [True, False, True, True, False]
    assert (moved > 1).any(axis=0).tolist() == [True, True, True, False, False]
    # Four may be outside, a quarter each: 1000 of 4000 with a standard deviation of 27.
    np.testing.assert_allclose(outside.sum(axis=0)[:4], 1000, atol=4 * 27)


def test_a_family_that_has_nothing_out_of_distribution_says_so():
    with pytest.raises(TaskError, match="no out-of-distribution tasks: none of one, two, three has any"):
        draws("ood", parameters=three(ood="none"))


def test_choices_leave_the_key_to_the_first_continuous_parameter():
    choice = Parameter.choice("which", "index", MASS, (1.0, 2.0, 3.0))
    parameters = [choice, *three()]
    held_out = {split: cells(draws(split, parameters=parameters)[:, 1:]) for split in ("train", "test")}
    assert not held_out["train"] & held_out["test"]
    values = choice.from_unit(draws("train", parameters=parameters)[:, 0], *choice.bounds(None))  # pyright: ignore
    # A third each: 1333 of 4000, standard deviation 30.
    assert set(values) == {1.0, 2.0, 3.0}
    np.testing.assert_allclose([(values == value).sum() for value in (1.0, 2.0, 3.0)], 1333, atol=4 * 30)


@pytest.mark.parametrize(
    ("operation", "low", "high", "bounds"),
    [
        # The default mass is 0.3 kg.
        ("abs", 0.5, 2.0, (0.5, 2.0)),
        ("scale", 0.5, 2.0, (0.15, 0.6)),
        ("add", -0.1, 0.2, (0.2, 0.5)),
    ],
)
def test_bounds_start_from_the_models_default(model, operation, low, high, bounds):
    assert Parameter("m", "kg", MASS, low, high, operation).bounds(model) == pytest.approx(bounds, abs=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "distribution"),
    [(1.0, 1.0, "uniform"), (2.0, 1.0, "uniform"), (0.0, 1.0, "log_uniform"), (np.nan, 1.0, "uniform")],
)
def test_a_range_that_is_none_is_refused(low, high, distribution):
    with pytest.raises(TaskError, match=f"mass: not a {distribution} range: "):
        Parameter("mass", "kg", MASS, low, high, distribution=distribution)


DISTRIBUTIONS = {
    # Distribution, and the values at 0, 1/2 and 1 between 1 and 100.
    "uniform": (1.0, 50.5, 100.0),
    "log_uniform": (1.0, 10.0, 100.0),
    "gaussian": (1.0, 50.5, 100.0),
    # Half of the disk's area: sqrt((1 + 100^2) / 2).
    "disk": (1.0, np.sqrt(5000.5), 100.0),
}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_distributions_begin_end_and_have_their_middle(distribution):
    parameter = Parameter("m", "kg", MASS, 1.0, 100.0, distribution=distribution)
    unit = np.array([0.0, 0.5, 1.0])
    values = parameter.from_unit(unit, 1.0, 100.0)
    np.testing.assert_allclose(values, DISTRIBUTIONS[distribution], rtol=1e-12)
    beyond = np.array([-0.2, 0.1, 0.7, 1.2]) if distribution != "disk" else np.array([0.1, 0.7, 1.2])
    back = parameter.to_unit(parameter.from_unit(beyond, 1.0, 100.0), 1.0, 100.0)
    np.testing.assert_allclose(back, beyond, atol=1e-9)


def test_a_gaussian_is_one_cut_off_at_two_standard_deviations():
    parameter = Parameter("m", "kg", MASS, 6.0, 14.0, distribution="gaussian")
    values = parameter.from_unit((np.arange(100_000) + 0.5) / 100_000, 6.0, 14.0)
    # Mean 10, standard deviation 2 before the cut; after it 2 sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)) = 1.7593,
    # phi(2) = 0.053991, Phi(2) = 0.977250.
    assert values.mean() == pytest.approx(10.0, abs=1e-6)
    assert values.std() == pytest.approx(1.7593, rel=1e-3)
    assert (values >= 6.0).all()
    assert (values <= 14.0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operation": "multiply"}, "mass: 'multiply'; valid: abs, scale, add"),
        ({"distribution": "normal"}, "mass: 'normal'; valid: uniform, log_uniform, gaussian, disk, choice"),
        ({"choices": (1.0,)}, "`choices` belong to the distribution `choice`"),
    ],
)
def test_words_that_are_none_are_refused(changes, message):
    with pytest.raises(TaskError, match=message):
        Parameter("mass", "kg", MASS, 1.0, 2.0, **changes)


def test_a_range_that_reaches_beyond_validity_out_of_distribution_is_refused(model):
    # 0 - 25 % of 1: -0.25 kg.
    with pytest.raises(TaskError, match=r"mass: draws from -0\.25 to 1\.25 kg .*; valid: 1e-06 to inf"):
        Parameter("mass", "kg", MASS, 0.0, 1.0).check(model)
    Parameter("mass", "kg", MASS, 0.1, 1.0, ood="high").check(model)


@pytest.mark.parametrize("name", TARGETS)
def test_targets_know_the_models_default(model, name):
    target, default = TARGETS[name]
    assert target.default(model) == pytest.approx(default, abs=1e-12)


def snapshot(sim: BatchSim) -> dict[str, np.ndarray]:
    sensing = {
        name: sim.property(name).copy() for name in ("position_offset", "position_noise", "velocity_noise")
    }
    return {name: sim.field(name).copy() for name in FIELDS} | sensing


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("mass", {"body_mass": 1, "body_inertia": 3}),
        ("distance", {"body_pos": 1}),
        ("damping", {"dof_damping": 1}),
        ("friction", {"dof_frictionloss": 1}),
        ("armature", {"dof_armature": 1}),
        ("gain", {"actuator_gainprm": 1}),
        ("delay", {"actuator_delay": 1}),
        ("offset", {"position_offset": 1}),
    ],
)
def test_a_target_writes_its_own_numbers_of_its_own_robot(tmp_path, name, changed):
    target, default = TARGETS[name]
    sim = simulation(tmp_path, target)
    before = snapshot(sim)
    sim.set_parameters(np.array([1]), np.array([[default + 0.015]]))
    after = snapshot(sim)
    differences = {key: np.argwhere(after[key] != before[key]) for key in before}
    assert {key: len(places) for key, places in differences.items() if len(places)} == changed
    assert all((places[:, 0] == 1).all() for places in differences.values())


def test_a_mass_takes_its_inertia_along(tmp_path):
    sim = simulation(tmp_path, MASS)
    sim.set_parameters(np.arange(3), np.array([[0.3], [0.6], [0.15]]))
    lower = sim.model.body("lower").id
    assert sim.field("body_mass")[:, lower].tolist() == [0.3, 0.6, 0.15]
    # diaginertia 1e-3, 1e-3, 1e-4 times 1, 2 and 1/2.
    expected = np.outer([1.0, 2.0, 0.5], sim.model.body("lower").inertia)
    np.testing.assert_allclose(sim.field("body_inertia")[:, lower], expected, rtol=1e-12)
    assert sorted(expected[1]) == pytest.approx([2e-4, 2e-3, 2e-3])


def test_a_distance_keeps_the_direction(tmp_path):
    sim = simulation(tmp_path, BodyDistance("lower"))
    sim.set_parameters(np.array([2]), np.array([[0.35]]))
    assert sim.field("body_pos")[2, sim.model.body("lower").id].tolist() == [0.0, 0.0, -0.35]


def test_the_elbows_motor_is_found_although_motors_stand_in_another_order(tmp_path):
    sim = simulation(tmp_path, MotorGain("elbow"), ActionDelay("shoulder"), robots=1)
    sim.set_parameters(np.array([0]), np.array([[2.0, 0.03]]))
    # The MJCF lists the elbow's motor first.
    assert sim.field("actuator_gainprm")[0, :, 0].tolist() == [2.0, 1.0]
    assert sim.field("actuator_delay")[0].tolist() == [0.01, 0.03]


@pytest.mark.parametrize("name", TARGETS)
def test_a_second_draw_starts_from_the_default_too(tmp_path, name):
    target, default = TARGETS[name]
    once, twice = simulation(tmp_path, target), simulation(tmp_path, target)
    values = np.array([[default + 0.005], [default + 0.01], [default]])
    twice.set_parameters(np.arange(3), values[::-1] + 0.005)
    for sim in (once, twice, twice):
        sim.set_parameters(np.arange(3), values)
    one, two = snapshot(once), snapshot(twice)
    for key in one:
        np.testing.assert_array_equal(one[key], two[key])


def test_values_start_as_the_models_defaults(tmp_path):
    sim = simulation(tmp_path, *(target for target, _ in TARGETS.values()))
    defaults: list[Any] = [default for _, default in TARGETS.values()]
    np.testing.assert_allclose(sim.values, np.tile(defaults, (3, 1)), atol=1e-12)
