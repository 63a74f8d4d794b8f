"""Families out of suite tasks: `load_family("dm_control:cheetah/run")`."""

import mujoco
import numpy as np
import pytest
from dm_control.rl.control import flatten_observation

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.suite.catalogue import BATCHED, load_environment, task_names
from sim_tasks.suite.family import PREFIX
from sim_tasks.suite.sim import SerialSim, SuiteSim
from sim_tasks.trial_env import TrialVecEnv

SERIAL = ("reacher/easy", "point_mass/easy", "pendulum/swingup", "hopper/hop")
INTEGRATION = int(mujoco.mjtState.mjSTATE_INTEGRATION)


def environment_of(name: str, robots: int, seed: int = 0, **options) -> TrialVecEnv:
    return TrialVecEnv(load_family(PREFIX + name), robots, seed, threads=1, **options)


def twin_of(env: TrialVecEnv, name: str, row: int):
    """dm_control's environment in the state of one simulation."""
    twin = load_environment(name)
    model = env.sim.get_model(row)
    state = np.empty(mujoco.mj_stateSize(model, INTEGRATION))
    mujoco.mj_getState(model, env.sim.get_data(row), state, INTEGRATION)
    twin.physics.model.site_pos[:] = model.site_pos
    twin.physics.set_state(state, INTEGRATION)
    twin.physics.after_reset()
    twin.physics.set_state(state, INTEGRATION)
    return twin


@pytest.mark.parametrize("name", BATCHED)
def test_a_batched_family_equals_dm_control_on_unchanged_physics(name):
    env = environment_of(name, 2)
    ids = np.arange(2)
    env.reset(ids, np.ones((2, len(env.family.parameters))))
    twin = twin_of(env, name, 1)
    spec, rng = twin.action_spec(), np.random.default_rng(2)
    for _ in range(100):
        unit = rng.uniform(-1, 1, (2, env.family.action_size))
        expected = twin.step(spec.minimum + (unit[1] + 1) / 2 * (spec.maximum - spec.minimum))
        paid = env.step(unit).reward
        observation = flatten_observation(expected.observation)["observations"]
        np.testing.assert_allclose(env.observation[1], observation, rtol=1e-6, atol=1e-6)
        assert paid[1] == pytest.approx(expected.reward, abs=1e-6)


@pytest.mark.parametrize("name", task_names())
def test_every_suite_task_loads_and_steps(name):
    family = load_family(PREFIX + name)
    env = TrialVecEnv(family, 1, 0, threads=1)
    assert isinstance(env.sim, SuiteSim if name in BATCHED else SerialSim)
    assert family.batched == (name in BATCHED)
    assert family.episode_steps == 1000  # dm_control's limit for all its tasks but lqr, which have none
    transition = env.step(np.ones((1, family.action_size)))
    assert env.observation.shape == (1, family.observation_size)
    assert np.isfinite(env.observation).all()
    assert transition.reward[0] <= 1.0
    assert transition.reward[0] >= 0.0 or name.startswith("lqr")  # a cost below 1
    assert env.sim.diverged == 0


@pytest.mark.parametrize("name", [*BATCHED, *SERIAL])
def test_every_parameter_changes_the_motion(name):
    family = load_family(PREFIX + name)
    count = len(family.parameters)
    env = TrialVecEnv(family, 1 + count, 0, threads=1)
    values = np.ones((1 + count, count))
    values[np.arange(1, 1 + count), np.arange(count)] = family.bounds[1]
    ids = np.arange(1 + count)
    env.reset(ids, values)
    rng, changed = np.random.default_rng(0), np.zeros(count, bool)
    for _ in range(4):  # a finger may miss the spinner once
        env.sim.begin(ids, family.start, env.random.all)
        same = [np.tile(array[:1], (1 + count, 1)) for array in (env.sim.qpos, env.sim.qvel)]
        env.sim.reset(ids, *same)
        for action in rng.uniform(-1, 1, (100, 1, family.action_size)):
            env.sim.step(env.port.command(np.tile(action, (1 + count, 1))))
        changed |= np.any(env.sim.qpos[1:] != env.sim.qpos[0], axis=1)
    unchanged = [p.name for p, moved in zip(family.parameters, changed, strict=True) if not moved]
    assert not unchanged
    assert env.sim.diverged == 0


@pytest.mark.parametrize("name", ["cheetah/run", "hopper/hop"])
def test_factors_multiply_what_their_names_say(name):
    # mass 1.4, damping 0.5, strength 1.25, friction 0.75 on the second of two
    env = environment_of(name, 2)
    assert [p.name for p in env.family.parameters] == ["mass", "damping", "strength", "friction"]
    env.reset(np.arange(2), np.array([[1.0, 1.0, 1.0, 1.0], [1.4, 0.5, 1.25, 0.75]]))
    plain, changed = env.sim.get_model(0), env.sim.get_model(1)
    moving = plain.body_treeid >= 0
    np.testing.assert_allclose(changed.body_mass[moving], 1.4 * plain.body_mass[moving])
    np.testing.assert_allclose(changed.body_inertia[moving], 1.4 * plain.body_inertia[moving])
    np.testing.assert_allclose(changed.body_subtreemass[1], 1.4 * plain.body_subtreemass[1])  # by mj_setConst
    np.testing.assert_allclose(changed.dof_damping, 0.5 * plain.dof_damping)
    np.testing.assert_allclose(changed.actuator_gainprm, 1.25 * plain.actuator_gainprm)
    np.testing.assert_allclose(changed.geom_friction[:, 0], 0.75 * plain.geom_friction[:, 0])
    np.testing.assert_allclose(changed.geom_friction[:, 1:], plain.geom_friction[:, 1:])


def test_a_servo_keeps_its_zero_when_it_gets_stronger():
    # quadruped: force = 1000 a - 1000 x becomes 1250 a - 1250 x
    env = environment_of("quadruped/walk", 1)
    values = np.array([[1.25 if p.name == "strength" else 1.0 for p in env.family.parameters]])
    env.reset(np.arange(1), values)
    model = env.sim.get_model(0)
    assert np.all(model.actuator_gainprm[:, 0] == 1250.0)
    assert np.all(model.actuator_biasprm[:, 1] == -1250.0)


@pytest.mark.parametrize("name", ["finger/turn_easy", "quadruped/run", "reacher/easy", "point_mass/hard"])
def test_a_saved_state_goes_on_exactly(name):
    env, other = environment_of(name, 3, seed=1), environment_of(name, 3, seed=2)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 3, env.family.action_size))
    for action in actions:
        env.step(action)
    other.restore(env.state())
    for action in actions:
        first, second = env.step(action), other.step(action)
        assert np.array_equal(first.reward, second.reward)
        assert np.array_equal(env.observation, other.observation)


@pytest.mark.parametrize("name", [*BATCHED, *SERIAL])
def test_a_simulation_does_the_same_alone(name):
    many, alone = environment_of(name, 5), environment_of(name, 1)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 5, many.family.action_size))
    for action in actions:
        together, single = many.step(action), alone.step(action[:1])
        assert np.array_equal(many.observation[:1], alone.observation)
        assert np.array_equal(together.reward[:1], single.reward)


@pytest.mark.parametrize("name", ["cheetah/run", "hopper/hop"])
def test_a_diverging_simulation_is_counted_and_ends(name):
    env = environment_of(name, 3)
    env.sim.qvel[1] = np.inf
    transition = env.step(np.zeros((3, env.family.action_size)))
    assert transition.terminated.tolist() == [False, True, False]
    assert env.sim.diverged == 1
    assert np.isfinite(env.observation).all()


def test_names_that_do_not_exist_are_answered_with_those_that_do():
    with pytest.raises(TaskError, match=r"unknown domain 'chetah' of dm_control; valid: acrobot, .*cheetah"):
        load_family("dm_control:chetah/run")
    with pytest.raises(TaskError, match="unknown task 'jog' of dm_control's walker; valid: stand, walk, run"):
        load_family("dm_control:walker/jog")
    with pytest.raises(TaskError, match="cheetah/run takes no options, got horizon"):
        load_family("dm_control:cheetah/run", horizon=3)
    with pytest.raises(TaskError, match=r"unknown family 'cheeta'.*dm_control:domain/task"):
        load_family("cheeta")


def test_families_start_where_the_suite_does_without_a_simulation_too():
    from sim_tasks.row_random import RowRandom

    for name in ("cartpole/balance", "pendulum/swingup"):
        family = load_family(PREFIX + name)
        qpos, qvel = family.start(RowRandom([0], 4).all, 4)
        assert qpos.shape == (4, family.model.nq)
        assert qvel.shape == (4, family.model.nv)
        assert len(np.unique(qpos, axis=0)) == 4
