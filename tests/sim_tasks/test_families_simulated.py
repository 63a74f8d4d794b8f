"""One suite over every registered family, second part: what its simulations do, and what each parameter does."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.randomisation import SPLITS, Sensing, TaskVariable
from tests.sim_tasks.playing import eventful, play, random_actions, same
from tests.sim_tasks.registered import FAMILIES, LOADABLE, at, can_leave, environment

PROBED = 15
"""Of so many parameters of a family the effect is looked at."""
MOVED, SENSED = 1e-2, 1e-3
"""Least effect of a parameter of a robot, in [rad] or [rad/s] and in observation units."""
SEEN = 1e-5
"""Least effect of a parameter of a benchmark's body."""


@pytest.fixture(params=FAMILIES, scope="module")
def family(request) -> TaskFamily:
    return FAMILIES[request.param]


def test_each_parameter_really_changes_physics_sensors_or_reward(family):
    """Pairs of simulations side by side that differ in one parameter alone: same start, commands and noise."""
    count = len(family.parameters)
    probed = np.unique(np.linspace(0, count - 1, min(count, PROBED)).round().astype(int))
    unit = np.full((2 * len(probed), count), 0.5)
    unit[np.arange(len(unit)), np.repeat(probed, 2)] = np.tile([0.05, 0.9], len(probed))
    motion, observation, reward = watch(family, at(family, unit))
    for pair, column in enumerate(probed):
        parameter = family.parameters[column]
        moved, seen, paid = (
            np.abs(track[:, 2 * pair] - track[:, 2 * pair + 1]).max()
            for track in (motion, observation, reward)
        )
        if isinstance(parameter.target, TaskVariable):
            assert (moved, seen) == (0.0, 0.0), f"{parameter.name} is seen"
            assert paid > SENSED, parameter.name
        elif isinstance(parameter.target, Sensing):
            assert (moved, paid) == (0.0, 0.0), f"{parameter.name} moves the robot"
            assert seen > SENSED, parameter.name
        else:
            assert moved > (MOVED if family.on_robot else SEEN), parameter.name
            assert seen > (SENSED if family.on_robot else SEEN), parameter.name


def watch(family: TaskFamily, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True motion, observations and rewards, shape (T, N, ...) each, of tasks that all meet with the same.

    Commands pass by the safety filter: it would let what the sensors say act on the motion.
    """
    steps, rows = min(family.episode_steps, 200), len(values)
    env = environment(eventful(family, steps), rows)
    keys = env.random.state()["keys"]
    env.random.restore({"keys": np.repeat(keys[:1], rows), "counters": np.zeros(rows, np.int64)})
    env.reset(np.arange(rows), values)
    motion, observation, reward = [], [], []
    for action in random_actions(family, steps, 1)[np.arange(steps) // 10 * 10]:  # held for long, to move far
        command = env.port.command(np.repeat(action, rows, axis=0))
        if family.on_robot:
            command = np.tile(env.port.action.to_command(action), (rows, 1))  # type: ignore[attr-defined]
        reward.append(env.apply(command).reward)
        motion.append(np.concatenate([env.sim.qpos, env.sim.qvel], axis=1))
        observation.append(env.observation.copy())
    return np.array(motion), np.array(observation), np.array(reward)


def test_setting_a_task_twice_is_setting_it_once(family):
    values = family.sample("train", 2, seed=0)
    sim = family.simulate(family.plant, family.parameters, 4, 1)
    sim.set_parameters(np.arange(4), family.sample("train", 4, seed=9))
    for ids in (np.array([0, 1]), np.array([2, 3]), np.array([2, 3])):
        sim.set_parameters(ids, values)
    qpos, qvel = np.tile(family.model.qpos0, (4, 1)), np.zeros((4, family.model.nv))
    sim.reset(np.arange(4), qpos, qvel)
    low, high = family.plant.control_range
    for action in random_actions(family, 20, 2):
        drive = np.zeros((2, len(low)))
        drive[:, : action.shape[1]] = np.clip(action, -1, 1)
        sim.step(np.tile((low + high) / 2 + drive * (high - low) / 2, (2, 1)))
    np.testing.assert_array_equal(sim.qpos[:2], sim.qpos[2:])
    np.testing.assert_array_equal(sim.qvel[:2], sim.qvel[2:])


@pytest.mark.parametrize("split", ["train", "test"])
def test_starts_differ_and_are_neither_success_nor_end(family, split):
    env = environment(family, 100 if family.batched else 10, split=split)
    assert np.isfinite(env.sim.qpos).all()
    assert len(np.unique(env.sim.qpos, axis=0)) == env.robots or family.name == "point_robot"
    if family.on_robot:
        low, high = family.robot.position_limits
        assert ((env.sim.position > low) & (env.sim.position < high)).all()
        assert (np.abs(env.sim.velocity) < family.robot.velocity_limit).all()
    assert family.terminal is None or not family.terminal(env.motion).any()
    if family.success is not None and split == "test":
        success = family.success(env.motion)
        assert success.shape == (env.robots,)
        assert success.dtype == bool
        assert success.mean() < (1 / 3 if family.goal else 1e-9)  # a goal may be to stand still


@pytest.mark.parametrize("split", SPLITS)
def test_an_episode_stays_in_spec(family, split):
    if split == "ood" and not any(map(can_leave, family.parameters)):
        return
    robots, steps = 8, min(family.episode_steps, 60)
    env = environment(replace(family, episode_seconds=steps * family.period), robots, split=split)
    seen = play(env, random_actions(family, steps, robots))
    assert seen["observation"].shape == (steps, robots, family.observation_size)
    assert seen["previous_action"].shape == (steps, robots, family.action_size)
    assert {seen[name].dtype for name in ("observation", "context", "previous_action")} == {np.dtype("f4")}
    assert all(np.isfinite(value).all() for value in seen.values())
    assert env.sim.diverged == 0
    assert (seen["done"] == (seen["terminated"] | seen["truncated"])).all()
    assert not (seen["terminated"] & seen["truncated"]).any()
    assert family.terminal is not None or not seen["terminated"].any()
    assert seen["done"].any()
    assert len(np.unique(seen["observation"][:, 0], axis=0)) > steps // 2
    if not family.on_robot:
        assert (np.abs(seen["previous_action"]) <= 1).all()


def test_rewards_are_made_of_their_terms(family):
    env = environment(family, 8)
    shares = {name: [] for name in family.reward.terms}
    for action in random_actions(family, 20, 8):
        transition = env.step(action)
        values = {name: np.asarray(term(env.motion)) for name, term in family.reward.terms.items()}
        if family.goal is None and not transition.done.any():
            total = (np.prod if family.reward.combine == "product" else np.sum)(list(values.values()), axis=0)
            np.testing.assert_allclose(transition.reward, total, rtol=1e-12, atol=1e-12)
        for name, value in values.items():
            assert value.shape == (8,), name
            shares[name].append(value)
    for name, value in shares.items():
        if family.reward.combine == "product":
            assert np.min(value) >= 0.0, name
            assert np.max(value) <= 1.0, name
            assert np.ptp(value) > 0, f"{name} never changes"


@pytest.mark.parametrize("steps", [3, 17])
def test_a_trial_goes_on_bit_by_bit_from_a_saved_state(family, steps):
    short = eventful(family, 12)
    env = environment(short, episodes=2)
    play(env, random_actions(family, steps, 3))
    saved, plan = env.state(), random_actions(family, 30, 3, seed=1)
    expected = play(env, plan)
    env.restore(saved)
    same(play(env, plan), expected)
    fresh = environment(short, seed=77, episodes=2)
    fresh.restore(saved)
    same(play(fresh, plan), expected)


def test_a_copy_keeps_its_tasks_or_fails_loudly(family):
    plan = random_actions(family, 5, 3)
    expected = play(environment(family), plan)
    same(play(environment(copy.deepcopy(family)), plan), expected)
    try:
        packed = pickle.dumps(family)
    except (pickle.PicklingError, AttributeError, TypeError):
        packed = None
    if packed is not None:
        same(play(environment(pickle.loads(packed)), plan), expected)
    env = environment(family, 1)
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises((TaskError, pickle.PicklingError, AttributeError, TypeError)):
            duplicate(env.sim)
    for duplicate in (copy.deepcopy, pickle.dumps):
        with pytest.raises((TaskError, pickle.PicklingError, AttributeError, TypeError)):
            duplicate(env)


def test_families_in_one_process_do_not_disturb_each_other():
    """Alone, and all of them side by side, step by step, with numpy's global generator stirred in between."""
    alone = {
        name: play(environment(family), random_actions(family, 8, 3)) for name, family in FAMILIES.items()
    }
    together = {name: environment(load_family(name)) for name in LOADABLE}
    parts: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in LOADABLE}
    for step in range(8):
        for name, env in together.items():
            np.random.seed(step)  # noqa: NPY002
            parts[name].append(play(env, random_actions(FAMILIES[name], 8, 3)[step : step + 1]))
    for name in LOADABLE:
        joined = {key: np.concatenate([part[key] for part in parts[name]]) for key in alone[name]}
        same(joined, alone[name])


def test_a_family_is_not_changed_by_being_simulated(family):
    def everything_of() -> list[np.ndarray]:
        model = family.model
        fields = (
            model.body_mass,
            model.geom_friction,
            model.actuator_gainprm,
            model.dof_damping,
            model.qpos0,
        )
        return [family.sample("test", 20, seed=0), family.bounds.copy(), *(field.copy() for field in fields)]

    before, generator = everything_of(), np.random.get_state()[1].copy()  # type: ignore  # noqa: NPY002
    play(environment(family), random_actions(family, 20, 3))
    for one, two in zip(before, everything_of(), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(np.random.get_state()[1], generator)  # type: ignore  # noqa: NPY002
