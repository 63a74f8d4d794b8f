"""One suite over every registered family, first part: what is declared, and what is drawn from it."""

from __future__ import annotations

import numpy as np
import pytest

from robots import load_robot, robot_names
from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, family_protocols, load_family
from sim_tasks.family import TaskFamily
from sim_tasks.randomisation import CELLS, OOD_MARGIN, SPLITS, TEST_EVERY
from sim_tasks.randomisation.splits import key_column
from tests.sim_tasks.registered import FAMILIES, LOADABLE, can_leave, continuous, environment, units


@pytest.fixture(params=FAMILIES, scope="module")
def family(request) -> TaskFamily:
    return FAMILIES[request.param]


def test_an_unknown_family_names_the_valid_ones():
    with pytest.raises(TaskError) as caught:
        load_family("pendulum_swingdown")
    assert "unknown family 'pendulum_swingdown'; valid: " in str(caught.value)
    assert all(name in str(caught.value) for name in family_names())


def test_each_family_goes_by_its_own_name_in_every_protocol():
    assert "pendulum_swingup" in family_names()
    for name in family_names():
        assert FAMILIES[name].name == name
        for protocol in family_protocols(name):
            assert load_family(f"{name}@{protocol}").name in (name, f"{name}@{protocol}")


def test_the_robot_is_a_registered_one(family):
    if family.on_robot:
        assert family.robot.name in robot_names()
        assert family.plant.period == pytest.approx(load_robot(family.robot.name).period)
        return
    with pytest.raises(TaskError, match="no robot that can be deployed"):
        _ = family.robot
    with pytest.raises(TaskError, match="only families on robots have frames"):
        _ = environment(family, 1).frame


def test_names_units_and_sources_are_complete(family):
    count = len(family.parameters) + len(family.readouts)
    assert len(set(family.belief_names)) == len(family.belief_names) == len(family.belief_units) == count > 0
    assert all(family.belief_units)
    assert all(parameter.source for parameter in family.parameters), "a range without its reason"
    assert [family.parameter_index(p.name) for p in family.parameters] == list(range(len(family.parameters)))
    assert family.change is None or family.parameter_index(family.change.parameter) >= 0
    assert family.goal is None or len(family.goal.names) == len(family.goal.units) == family.goal.size
    assert family.about or family.name == "everything"


def test_an_unknown_parameter_or_split_names_the_valid_ones(family):
    with pytest.raises(TaskError, match=f"unknown parameter 'colour'; valid: {family.parameters[0].name}"):
        family.parameter_index("colour")
    with pytest.raises(TaskError, match="unknown split 'validation'; valid: train, test, ood"):
        family.sample("validation", 4, seed=0)


@pytest.mark.parametrize("name", LOADABLE)
def test_samples_are_reproducible_and_follow_the_seed(name):
    family, again = FAMILIES[name], load_family(name)
    for split in SPLITS if any(map(can_leave, family.parameters)) else SPLITS[:2]:
        first = family.sample(split, 40, seed=3)
        np.testing.assert_array_equal(first, again.sample(split, 40, seed=3))
        np.testing.assert_array_equal(first[7:12], family.sample(split, 5, seed=3, first=7))
        other = family.sample(split, 40, seed=4)
        assert (first != other)[:, continuous(family)].all()
        assert (first != other).any()


def test_train_and_held_out_tasks_are_disjoint(family):
    # Along the key parameter the held-out tasks own every eighth of 1024 cells.
    key = key_column(family.parameters)
    assert family.disjoint is (key is not None)
    if key is None:
        return
    cell = {
        s: np.floor(units(family, family.sample(s, 2000, seed=0))[:, key] * CELLS + 1e-6) for s in SPLITS[:2]
    }
    assert not (cell["train"] % TEST_EVERY == TEST_EVERY - 1).any()
    assert (cell["test"] % TEST_EVERY == TEST_EVERY - 1).all()


@pytest.mark.parametrize("split", ["train", "test"])
def test_values_stay_in_their_ranges_and_fill_them(family, split):
    values = family.sample(split, 3000, seed=0)
    low, high = family.bounds
    assert (values >= low).all()
    assert (values <= high).all()
    place = units(family, values)
    # 3000 uniform draws leave under 1 % free at either end (chance e^-30) and have a mean of 0.5 +- 0.0053.
    smooth = continuous(family)
    assert (place[:, smooth].min(axis=0) < 0.01).all()
    assert (place[:, smooth].max(axis=0) > 0.99).all()
    np.testing.assert_allclose(place[:, smooth].mean(axis=0), 0.5, atol=0.03)
    for column in np.flatnonzero(~smooth):  # each choice as often as it is named, within five deviations
        choices = family.parameters[column].choices
        for choice in set(choices):
            share = choices.count(choice) / len(choices)
            spread = 5 * np.sqrt(share * (1 - share) / 3000)
            assert np.mean(values[:, column] == choice) == pytest.approx(share, abs=spread), choice


def test_out_of_distribution_is_outside_in_exactly_one_parameter(family):
    able = np.array([can_leave(parameter) for parameter in family.parameters])
    if not able.any():
        with pytest.raises(TaskError, match=f"none of {family.parameters[0].name}"):
            family.sample("ood", 4, seed=0)
        return
    place = units(family, family.sample("ood", 3000, seed=0))
    outside = (place < -1e-9) | (place > 1 + 1e-9)
    assert (outside.sum(axis=1) == 1).all()
    assert (outside.any(axis=0) == able).all()
    assert place.min() >= -OOD_MARGIN - 1e-9
    assert place.max() <= 1 + OOD_MARGIN + 1e-9
    key = key_column(family.parameters)
    inside = np.floor(place[:, key] * CELLS + 1e-6)[~outside[:, key]]
    assert (inside % TEST_EVERY == TEST_EVERY - 1).all(), "seen in training"


def test_every_task_is_physical(family):
    able = any(map(can_leave, family.parameters))
    for split in SPLITS if able else SPLITS[:2]:
        values = family.sample(split, 5000, seed=1)
        for column, parameter in enumerate(family.parameters):
            low, high = parameter.valid(family.model)
            assert ((values[:, column] >= low) & (values[:, column] <= high)).all(), parameter.name
        assert all(np.isfinite(value).all() for value in family.named(values).values())
        assert np.isfinite(family.normalise(values)).all()


def test_the_belief_coordinates_have_zero_mean_and_unit_variance(family):
    normal = family.normalise(family.sample("train", 8192, seed=5))
    # Other draws than those it was made of; the standard error is 1 / sqrt(8192) = 0.011, that of the standard
    # deviation sqrt((kurtosis - 1) / 4 / 8192): 0.03 of a fault that one task in forty has. Both draws have it.
    np.testing.assert_allclose(normal.mean(axis=0), 0.0, atol=0.06)
    error = np.sqrt(2 * np.maximum((normal**4).mean(axis=0) - 1, 0) / 4 / 8192)
    assert (np.abs(normal.std(axis=0) - 1) < np.maximum(0.05, 4 * error)).all()
    mean, std = family.normaliser
    values = family.sample("test", 10, seed=0)
    raw = np.stack(list(family.named(values).values()), axis=1)
    logs = family.log_scaled
    back = mean + std * family.normalise(values)
    np.testing.assert_allclose(back[:, logs], np.log(raw[:, logs]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(back[:, ~logs], raw[:, ~logs], rtol=1e-9, atol=1e-12)


def test_the_readouts_are_positive_and_follow_the_parameters(family):
    named = family.named(family.sample("train", 200, seed=0))
    for readout in family.readouts:
        assert (named[readout.name] > 0).all()
        assert np.ptp(np.log(named[readout.name])) > 0.1, f"{readout.name} says nothing"


def test_an_episode_is_whole_control_steps(family):
    assert family.episode_steps * family.period == pytest.approx(family.episode_seconds, abs=1e-9)
