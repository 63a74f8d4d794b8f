"""What went wrong in the originals must not go wrong here: over every literature family and protocol."""

from __future__ import annotations

import copy
import inspect
import pickle
import random

import numpy as np
import pytest

from sim_tasks import families
from sim_tasks.errors import TaskError
from sim_tasks.families import family_protocols, load_family
from sim_tasks.families.protocols import PROTOCOLS
from sim_tasks.randomisation import CELLS, TEST_EVERY
from sim_tasks.trial_env import TrialVecEnv

BUILT = {
    name: load_family(name)
    for base, protocols in PROTOCOLS.items()
    for name in (base, *(f"{base}@{protocol}" for protocol in protocols))
}
PLAIN = {name: family for name, family in BUILT.items() if "@" not in name}


@pytest.fixture(params=PLAIN, scope="module")
def family(request):
    return PLAIN[request.param]


@pytest.fixture(params=BUILT, scope="module")
def protocol(request):
    return BUILT[request.param]


def actions(family, steps: int, robots: int) -> np.ndarray:
    return np.random.default_rng(4).uniform(-1, 1, (steps, robots, family.action_size))


def run(env: TrialVecEnv, sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rewards, shape (T, N), and the last observation, of trials that are begun anew where they end."""
    rewards = []
    for action in sequence:
        paid = env.step(action)
        rewards.append(paid.reward)
        env.reset(np.flatnonzero(paid.done))
    return np.array(rewards), env.observation.copy()


def test_every_protocol_is_registered():
    for name, protocols in PROTOCOLS.items():
        assert family_protocols(name) == tuple(protocols)


def test_every_family_cites_its_source(family):
    assert "Source: " in (inspect.getdoc(getattr(families, family.name)) or "")
    assert "(" in family.about
    assert all(parameter.source for parameter in family.parameters)


def test_pickled_and_copied_families_keep_their_tasks(protocol):
    for twin in (pickle.loads(pickle.dumps(protocol)), copy.deepcopy(protocol)):
        np.testing.assert_array_equal(twin.sample("test", 5, seed=1), protocol.sample("test", 5, seed=1))
        one, two = (TrialVecEnv(f, 2, seed=5, threads=1) for f in (protocol, twin))
        sequence = actions(protocol, 4, 2)
        np.testing.assert_array_equal(run(one, sequence)[0], run(two, sequence)[0])


def test_an_environment_cannot_be_pickled_without_its_task(family):
    with pytest.raises(TaskError, match="cannot be copied or pickled"):
        pickle.dumps(TrialVecEnv(family, 1, seed=0, threads=1))


def test_a_restored_environment_keeps_its_tasks(family):
    env = TrialVecEnv(family, 3, seed=0, episodes=2, threads=1)
    run(env, actions(family, 7, 3))
    state = copy.deepcopy(env.state())
    expected = run(env, actions(family, 12, 3))
    other = TrialVecEnv(family, 3, seed=99, episodes=2, threads=1)
    other.restore(state)
    np.testing.assert_array_equal(other.sim.values, np.asarray(state["sim"]["values"]))
    for one, two in zip(expected, run(other, actions(family, 12, 3)), strict=True):
        np.testing.assert_array_equal(one, two)


def test_alone_and_in_company_on_one_thread_and_two(family):
    sequence = actions(family, 25, 9)
    rewards, seen = run(TrialVecEnv(family, 9, seed=3, threads=2), sequence)
    alone, own = run(TrialVecEnv(family, 1, seed=3, threads=1), sequence[:, :1])
    np.testing.assert_array_equal(alone[:, 0], rewards[:, 0])
    np.testing.assert_array_equal(own[0], seen[0])


def test_nobody_elses_random_numbers_are_used(family):
    def trace(seed: int) -> np.ndarray:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the generator that must not matter
        before = random.getstate(), repr(np.random.get_state())  # noqa: NPY002
        rewards, _ = run(TrialVecEnv(family, 2, seed=0, threads=1), actions(family, 5, 2))
        assert (random.getstate(), repr(np.random.get_state())) == before  # noqa: NPY002
        return rewards

    np.testing.assert_array_equal(trace(1), trace(2))


def test_simulations_differ_and_so_do_seeds(family):
    def draws(seed: int, split: str = "train") -> np.ndarray:
        return TrialVecEnv(family, 4, seed=seed, split=split, threads=1).motion.qpos.copy()

    one, other = draws(0), draws(1)
    if family.name != "point_robot":  # which starts in the middle
        assert (one != other).any(axis=1).all()
        assert len(np.unique(one[:, -1])) == 4
        assert (one != draws(0, "test")).any(axis=1).all()


def test_no_training_task_is_ever_evaluated_on(protocol):
    if not protocol.disjoint:
        assert {p.distribution for p in protocol.parameters} == {"choice"}
        return
    cells = {}
    for split in ("train", "test"):
        values = protocol.sample(split, 2000, seed=0)[:, 0]
        units = protocol.parameters[0].to_unit(values, *protocol.bounds[:, 0])
        cells[split] = set(np.floor(units * CELLS + 1e-6).astype(int))
    assert not cells["train"] & cells["test"]
    assert {cell % TEST_EVERY for cell in cells["test"]} == {TEST_EVERY - 1}


@pytest.mark.parametrize("name", [n for n in BUILT if "sparse" not in n and "rand_params" not in n])
def test_the_task_changes_what_is_paid(name):
    """Two tasks at either end of a parameter's range, same start, same actions: the physics or the reward differ."""
    family = BUILT[name]
    for column, parameter in enumerate(family.parameters):
        if parameter.name == "head_length":  # it is felt only where the head touches the floor
            continue
        values = np.tile(family.bounds.mean(axis=0), (2, 1))
        low, high = family.bounds[:, column]
        values[:, column] = low, low + 0.7 * (high - low)
        env = TrialVecEnv(family, 2, seed=0, threads=1)
        env.reset(np.arange(2), values)
        env.sim.reset(np.arange(2), env.motion.qpos[[0, 0]], env.motion.qvel[[0, 0]])
        rewards = [env.step(np.repeat(action, 2, axis=0)).reward for action in actions(family, 20, 1)]
        assert np.abs(np.diff(rewards, axis=1)).max() > 1e-3, parameter.name


def test_an_episode_has_the_length_that_is_asked_for(protocol):
    env = TrialVecEnv(load_family(protocol.name, episode_steps=3), 2, seed=0, threads=1)
    ends = [env.step(action).truncated.tolist() for action in actions(protocol, 3, 2)]
    assert ends == [[False, False], [False, False], [True, True]]
