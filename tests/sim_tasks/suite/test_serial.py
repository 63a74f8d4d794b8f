"""Suite tasks that are stepped one simulation at a time: dm_control's own, behind the calls of a batch."""

import mujoco
import numpy as np
import pytest
from dm_control.rl.control import flatten_observation
from mujoco.batch import SimulationError

from sim_tasks.errors import TaskError
from sim_tasks.suite.catalogue import control_steps, load_environment, task_model
from sim_tasks.suite.serial import OBSERVATION, REWARD, TERMINATED, SerialBatch

TASKS = ("reacher/easy", "point_mass/easy", "pendulum/swingup", "hopper/hop", "acrobot/swingup")
SEEDS = np.array([3, 11])


def serial(name: str):
    environment = load_environment(name)
    return environment, SerialBatch(environment, task_model(environment), 2), control_steps(environment)[0]


@pytest.mark.parametrize("name", TASKS)
def test_each_simulation_is_dm_controls_environment(name):
    environment, batch, substeps = serial(name)
    spec = environment.action_spec()
    ctrl, observation, reward = batch.bind("ctrl"), batch.bind(OBSERVATION), batch.bind(REWARD)
    batch.begin(np.arange(2), SEEDS)
    actions = np.random.default_rng(1).uniform(spec.minimum, spec.maximum, (50, *spec.shape))
    seen, paid = [observation.copy()], []
    for action in actions:
        ctrl[:] = action
        batch.step(nstep=substeps)
        seen.append(observation.copy())
        paid.append(reward.copy())
    for row, seed in enumerate(SEEDS):
        environment.task.random.seed(seed)
        first = environment.reset()
        assert np.array_equal(flatten_observation(first.observation)["observations"], seen[0][row])
        for action, after, rewards in zip(actions, seen[1:], paid, strict=True):
            step = environment.step(action)
            assert np.array_equal(flatten_observation(step.observation)["observations"], after[row])
            assert step.reward == rewards[row]


def test_a_state_written_from_outside_is_gone_on_from():
    _, batch, substeps = serial("hopper/hop")
    batch.begin(np.arange(2), SEEDS)
    batch.state[1] = batch.state[0]
    batch.step(nstep=substeps)
    assert np.array_equal(batch.state[0], batch.state[1])
    assert np.array_equal(batch.bind(OBSERVATION)[0], batch.bind(OBSERVATION)[1])


def test_twice_the_mass_is_half_as_easy_to_accelerate():
    """Pendulum hanging at rest: gravity has no lever and damping no speed, so only motor and inertia count.

    One step of implicit-in-velocity Euler: (I + h b) v = h g, with motor torque g at full control.
    """
    _, batch, _ = serial("pendulum/swingup")
    batch.begin(np.arange(2), SEEDS)
    for field in ("body_mass", "body_inertia"):
        batch.expand(field)[1] *= 2.0
    batch.set_const()
    batch.reset()
    batch.bind("qpos")[:] = np.pi
    batch.bind("ctrl")[:] = 1.0
    batch.step()
    model = batch.model
    inertia, damping, step = model.dof_M0[0], model.dof_damping[0], model.opt.timestep
    torque = model.actuator_gear[0, 0] * model.actuator_gainprm[0, 0]
    expected = [step * torque / (factor * inertia + step * damping) for factor in (1.0, 2.0)]
    np.testing.assert_allclose(batch.bind("qvel")[:, 0], expected, rtol=1e-6)
    assert batch.get_model(1).dof_M0[0] == pytest.approx(2 * inertia)
    assert batch.get_model(0).dof_M0[0] == pytest.approx(inertia)


def test_a_task_may_end_by_itself():
    # lqr ends where the state's norm is below 1e-6
    _, batch, _ = serial("lqr/lqr_2_1")
    batch.begin(np.arange(2), SEEDS)
    batch.bind("qpos")[1] = batch.bind("qvel")[1] = 0.0
    batch.step()
    assert batch.bind(TERMINATED).tolist() == [False, True]


def test_a_simulation_that_dm_control_refuses_is_named_and_the_others_run_on():
    _, batch, substeps = serial("hopper/hop")
    batch.begin(np.arange(2), SEEDS)
    before = batch.state[0].copy()
    batch.bind("qvel")[1] = np.nan
    with pytest.raises(SimulationError, match=r"simulation 1: .*mjWARN_BAD") as caught:
        batch.step(nstep=substeps)
    assert caught.value.ids.tolist() == [1]
    assert not np.array_equal(batch.state[0], before)


def test_a_start_draws_no_picture():
    # quadruped/escape uploads its terrain to the screen, if there is one
    _, batch, _ = serial("quadruped/escape")
    batch.begin(np.arange(2), SEEDS)
    terrain = [batch.get_model(row).hfield_data for row in range(2)]
    assert not np.array_equal(*terrain)


def test_bound_fields_follow_the_state():
    _, batch, substeps = serial("hopper/hop")
    xpos = batch.bind("xpos")
    batch.begin(np.arange(2), SEEDS)
    batch.step(nstep=substeps)
    data = batch.get_data(1)
    mujoco.mj_kinematics(batch.model, data)
    np.testing.assert_allclose(xpos[1], data.xpos, atol=1e-12)


def test_options_differ_between_simulations_if_they_are_arrays():
    # a pendulum held out sideways at rest, without motor: gravity alone can set it moving
    _, batch, _ = serial("pendulum/swingup")
    batch.reset()
    batch.bind("qpos")[:] = np.pi / 2
    batch.expand("opt.gravity")[1] = 0.0
    batch.set_const()
    batch.step()
    speed = batch.bind("qvel")[:, 0]
    assert speed[0] > 0.0
    assert speed[1] == 0.0
    with pytest.raises(TaskError, match=r"'opt\.timestep' is no array"):
        batch.expand("opt.timestep")
