"""One suite over every registered family: reproducible, in spec, and every parameter really does something."""

from __future__ import annotations

import numpy as np
import pytest

from robots import RobotSpec, load_robot, robot_names
from robots.action import ActionLayout
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.families import family_names, load_family
from sim_tasks.family import Motion, TaskFamily
from sim_tasks.randomisation import CELLS, OOD_MARGIN, TEST_EVERY, Sensing
from sim_tasks.trial_env import TrialVecEnv

SPLITS = ("train", "test", "ood")
FAMILIES = {name: load_family(name) for name in family_names()}
PAIRS = [(name, p.name) for name, family in FAMILIES.items() for p in family.parameters]


@pytest.fixture(params=FAMILIES, scope="module")
def family(request) -> TaskFamily:
    return FAMILIES[request.param]


def units(family: TaskFamily, values: np.ndarray) -> np.ndarray:
    """Where values lie in their ranges, 0 to 1, in the coordinate in which they are uniform. Shape (n, P)."""
    out = np.empty_like(values)
    for column, parameter in enumerate(family.parameters):
        low, high = parameter.to_natural(family.bounds[:, column])
        out[:, column] = (parameter.to_natural(values[:, column]) - low) / (high - low)
    return out


def random_actions(family: TaskFamily, steps: int, robots: int, seed: int = 0) -> np.ndarray:
    size = ActionLayout(family.robot).size
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (steps, robots, size))


def watch(family: TaskFamily, values: np.ndarray, steps: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """True and measured motion of one robot, shape (T, 2, 1, J) each; always the same start, commands and noise."""
    sim, joints = BatchSim(family.robot, family.parameters, 1, threads=1), len(family.robot.joints)
    sim.set_parameters(np.array([0]), values[None])
    sim.reset(np.array([0]), np.full((1, joints), 0.5), np.full((1, joints), 1.0))
    true, sensed, noise = [], [], np.random.default_rng(7)
    for action in random_actions(family, steps, 1):
        sim.step(ActionLayout(family.robot).to_command(action))
        frame = sim.sense(noise)
        true.append([sim.position, sim.velocity])
        sensed.append([frame.position, frame.velocity])
    return np.array(true), np.array(sensed)


def test_an_unknown_family_names_the_valid_ones():
    with pytest.raises(TaskError) as caught:
        load_family("pendulum_swingdown")
    assert "unknown family 'pendulum_swingdown'; valid: " in str(caught.value)
    assert all(name in str(caught.value) for name in family_names())


def test_there_is_a_family_and_each_has_its_own_name():
    assert "pendulum_swingup" in family_names()
    assert [FAMILIES[name].name for name in family_names()] == list(family_names())


def test_the_robot_is_a_registered_one(family):
    assert isinstance(family.robot, RobotSpec)
    assert family.robot.name in robot_names()
    assert family.robot == load_robot(family.robot.name)


def test_names_and_units_are_complete(family):
    count = len(family.parameters) + len(family.readouts)
    assert len(set(family.belief_names)) == len(family.belief_names) == len(family.belief_units) == count
    assert all(family.belief_units)
    assert all(parameter.source for parameter in family.parameters), "a range without its reason"
    assert family.change.parameter in [parameter.name for parameter in family.parameters]
    assert [family.parameter_index(p.name) for p in family.parameters] == list(range(len(family.parameters)))


def test_an_unknown_parameter_names_the_valid_ones(family):
    with pytest.raises(TaskError, match=f"unknown parameter 'colour'; valid: {family.parameters[0].name}"):
        family.parameter_index("colour")


def test_an_unknown_split_is_refused(family):
    with pytest.raises(TaskError, match="unknown split 'validation'; valid: train, test, ood"):
        family.sample("validation", 4, seed=0)


@pytest.mark.parametrize("split", SPLITS)
def test_samples_are_reproducible_and_follow_the_seed(family, split):
    first = family.sample(split, 40, seed=3)
    np.testing.assert_array_equal(first, load_family(family.name).sample(split, 40, seed=3))
    assert (first != family.sample(split, 40, seed=4)).all()


def test_train_and_held_out_tasks_are_disjoint(family):
    # Along the first parameter the held-out tasks own every eighth of 1024 cells.
    cell = {s: np.floor(units(family, family.sample(s, 3000, seed=0))[:, 0] * CELLS + 1e-6) for s in SPLITS}
    assert not (cell["train"] % TEST_EVERY == TEST_EVERY - 1).any()
    assert (cell["test"] % TEST_EVERY == TEST_EVERY - 1).all()
    inside = cell["ood"][(cell["ood"] >= 0) & (cell["ood"] < CELLS)]
    assert (inside % TEST_EVERY == TEST_EVERY - 1).all()
    assert len(inside) < 3000


@pytest.mark.parametrize("split", ["train", "test"])
def test_values_stay_in_their_ranges_and_fill_them(family, split):
    values = family.sample(split, 3000, seed=0)
    low, high = family.bounds
    assert (values >= low).all()
    assert (values <= high).all()
    # Uniform in the natural coordinate: 3000 draws leave under 0.5 % free at either end (chance e^-15).
    place = units(family, values)
    assert (place.min(axis=0) < 0.01).all()
    assert (place.max(axis=0) > 0.99).all()
    np.testing.assert_allclose(place.mean(axis=0), 0.5, atol=0.025)


def test_out_of_distribution_is_outside_in_exactly_one_parameter(family):
    place = units(family, family.sample("ood", 3000, seed=0))
    outside = (place < 0) | (place > 1)
    assert (outside.sum(axis=1) == 1).all()
    assert outside.any(axis=0).all()
    assert place.min() >= -OOD_MARGIN - 1e-9
    assert place.max() <= 1 + OOD_MARGIN + 1e-9


@pytest.mark.parametrize("split", SPLITS)
def test_every_task_is_physical(family, split):
    values = family.sample(split, 20000, seed=1)
    for name, value in family.named(values).items():
        assert np.isfinite(value).all(), name
    for column, parameter in enumerate(family.parameters):
        if family.bounds[0, column] >= 0:
            assert (values[:, column] >= 0).all(), f"{parameter.name} becomes negative"
    assert np.isfinite(family.normalise(values)).all()


def test_the_belief_coordinates_have_zero_mean_and_unit_variance(family):
    normal = family.normalise(family.sample("train", 8192, seed=5))
    # Other draws than those it was made of; the standard error is 1 / sqrt(8192) = 0.011.
    np.testing.assert_allclose(normal.mean(axis=0), 0.0, atol=0.06)
    np.testing.assert_allclose(normal.std(axis=0), 1.0, atol=0.04)
    mean, std = family.normaliser
    values = family.sample("test", 10, seed=0)
    raw = np.stack(list(family.named(values).values()), axis=1)
    logs = family.log_scaled
    back = mean + std * family.normalise(values)
    np.testing.assert_allclose(back[:, logs], np.log(raw[:, logs]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(back[:, ~logs], raw[:, ~logs], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "parameter"), PAIRS)
def test_each_parameter_really_changes_the_physics_or_the_sensors(name, parameter):
    family = FAMILIES[name]
    column = family.parameter_index(parameter)
    low, high = np.tile(family.bounds.mean(axis=0), (2, 1))
    low[column], high[column] = family.bounds[:, column]
    (true_low, sensed_low), (true_high, sensed_high) = watch(family, low), watch(family, high)
    moved = np.abs(true_low - true_high).max()
    if isinstance(family.parameters[column].target, Sensing):
        assert moved == 0.0
    else:
        assert moved > 0.01  # rad or rad/s
    assert np.abs(sensed_low - sensed_high).max() > 0.001


def test_the_readouts_are_positive_and_follow_the_parameters(family):
    values = family.sample("train", 200, seed=0)
    named = family.named(values)
    for readout in family.readouts:
        assert (named[readout.name] > 0).all()
        assert np.ptp(np.log(named[readout.name])) > 0.1, f"{readout.name} says nothing"


def test_setting_a_task_twice_is_setting_it_once(family):
    values = family.sample("train", 2, seed=0)
    sim = BatchSim(family.robot, family.parameters, 4, threads=1)
    sim.set_parameters(np.arange(4), family.sample("train", 4, seed=9))
    for ids in (np.array([0, 1]), np.array([2, 3]), np.array([2, 3])):
        sim.set_parameters(ids, values)
    joints = len(family.robot.joints)
    sim.reset(np.arange(4), np.zeros((4, joints)), np.zeros((4, joints)))
    for action in random_actions(family, 50, 2):
        sim.step(np.tile(ActionLayout(family.robot).to_command(action), (2, 1)))
    np.testing.assert_array_equal(sim.position[:2], sim.position[2:])
    assert (sim.position[0] != sim.position[1]).any()


@pytest.mark.parametrize("kind", ["start", "training_start"])
def test_starts_are_inside_the_limits_and_differ(family, kind):
    position, velocity = getattr(family, kind)(np.random.default_rng(0), 500)
    assert position.shape == velocity.shape == (500, len(family.robot.joints))
    low, high = family.robot.position_limits
    assert ((position > low) & (position < high)).all()
    assert (np.abs(velocity) < family.robot.velocity_limit).all()
    assert len(np.unique(position)) > 400


def test_nobody_starts_in_success(family):
    position, _ = family.start(np.random.default_rng(0), 2000)
    success = family.success(position)
    assert success.shape == (2000,)
    assert success.dtype == bool
    assert not success.any()


def test_factors_and_rewards_lie_between_zero_and_one(family):
    rng, joints = np.random.default_rng(0), len(family.robot.joints)
    motion = Motion(
        rng.uniform(-10, 10, (5000, joints)),
        rng.normal(0, 10, (5000, joints)),
        rng.uniform(-1, 1, (5000, ActionLayout(family.robot).size)),
    )
    product = np.ones(5000)
    for name, factor in family.factors.items():
        value = np.asarray(factor(motion))
        assert value.shape == (5000,), name
        assert value.min() >= 0.0
        assert value.max() <= 1.0
        assert np.ptp(value) > 0.01, f"{name} never changes"
        product = product * value
    np.testing.assert_allclose(family.rewards(motion), product, rtol=1e-12)


def test_an_episode_is_whole_control_steps(family):
    assert family.episode_steps * family.robot.period == pytest.approx(family.episode_seconds, abs=1e-9)


@pytest.mark.parametrize("split", SPLITS)
def test_an_episode_stays_in_spec(family, split):
    env = TrialVecEnv(family, 16, seed=0, split=split, threads=1)
    seen = set()
    for action in random_actions(family, min(family.episode_steps, 200), 16):
        outcome = env.step(action)
        assert env.observation.dtype == np.float32
        assert np.isfinite(env.observation).all()
        assert np.isfinite(env.context).all()
        assert (np.abs(env.previous_action) <= 1 + 1e-6).all()
        assert ((outcome.reward >= 0) & (outcome.reward <= 1)).all()
        seen.add(float(env.observation[0, 0]))
    assert env.observation.shape == (16, family.observation.size)
    assert env.sim.diverged == 0
    assert len(seen) > 50


def test_a_family_is_not_changed_by_being_simulated(family):
    before = family.sample("test", 20, seed=0), family.bounds.copy(), family.model.body_mass.copy()
    env = TrialVecEnv(family, 8, seed=0, threads=1)
    for action in random_actions(family, 20, 8):
        env.step(action)
    after = family.sample("test", 20, seed=0), family.bounds, family.model.body_mass
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)
