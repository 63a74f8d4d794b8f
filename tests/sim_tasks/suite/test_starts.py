"""Starts of batched suite tasks: the same as dm_control's where it can be told what to draw, else its distribution."""

import mujoco
import numpy as np
import pytest
from dm_control.suite import quadruped as suite_quadruped
from mujoco.batch import Batch

from sim_tasks.row_random import RowRandom
from sim_tasks.suite.catalogue import BATCHED, batched_task, load_environment, task_model
from sim_tasks.suite.cheetah import Cheetah
from sim_tasks.suite.quadruped import Quadruped
from sim_tasks.suite.task import begin_episodes, random_joints

MANY = 64


def batch_of(name: str, count: int = MANY):
    environment = load_environment(name)
    model = task_model(environment)
    batch, task = Batch(model, count, 1), batched_task(name, model)
    return environment, batch, task, {field: batch.bind(field) for field in task.fields}


def test_cheetah_settles_as_in_dm_control():
    environment, batch, task, _ = batch_of("cheetah/run", 3)
    assert isinstance(task, Cheetah)
    environment.task.random.seed(5)
    environment.reset()
    model = batch.model
    low, high = model.jnt_range[model.jnt_limited == 1].T
    joints = np.random.RandomState(5).uniform(low, high)  # what the suite drew
    task.settle(batch, np.array([0, 2]), np.stack([joints, joints]))
    np.testing.assert_allclose(batch.qpos[[0, 2]] - environment.physics.data.qpos, 0, atol=1e-9)
    np.testing.assert_allclose(batch.qvel[[0, 2]] - environment.physics.data.qvel, 0, atol=1e-8)
    assert np.array_equal(batch.qpos[1], model.qpos0)
    assert not np.any(batch.time)


def test_quadruped_is_put_at_the_height_that_dm_control_finds():
    environment, batch, task, _ = batch_of("quadruped/walk", 8)
    assert isinstance(task, Quadruped)
    quaternions = np.random.default_rng(3).standard_normal((8, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    task.lift(batch, np.arange(8), quaternions)
    for row, quaternion in enumerate(quaternions):
        suite_quadruped._find_non_contacting_height(environment.physics, quaternion)
        assert np.array_equal(batch.qpos[row], environment.physics.data.qpos)


@pytest.mark.parametrize("name", ["finger/spin", "finger/turn_hard"])
def test_finger_starts_without_contact(name):
    _, batch, task, _ = batch_of(name)
    contacts = batch.bind("ncon")
    begin_episodes(batch, task, np.arange(MANY), np.random.default_rng(0))
    assert not contacts.any()


def test_finger_targets_lie_on_a_circle_and_differ():
    # capsule of the spinner: radius 0.04 m + half length 0.09 m, so targets are 0.13 m from the hinge
    _, batch, task, fields = batch_of("finger/turn_easy")
    begin_episodes(batch, task, np.arange(MANY), np.random.default_rng(0))
    target = task.observation(fields)[:, 9:11]
    np.testing.assert_allclose(np.linalg.norm(target, axis=1), 0.13, atol=1e-12)
    quadrants = np.unique(np.signbit(target), axis=0)
    assert len(quadrants) == 4


def test_walker_joints_fill_their_ranges():
    _, batch, _, _ = batch_of("walker/walk", 1)
    qpos = random_joints(batch.model, np.random.default_rng(0), (4000,))
    model = batch.model
    assert np.all(qpos[:, :2] == model.qpos0[:2])  # the slides of the root
    limited = model.jnt_limited == 1
    low, high = model.jnt_range[limited].T
    # a uniform draw has mean (low + high) / 2 and standard deviation (high - low) / sqrt(12)
    spread = (high - low) / np.sqrt(12)
    error = (qpos[:, limited].mean(axis=0) - (low + high) / 2) / (spread / np.sqrt(4000))
    assert np.all(np.abs(error) < 4)
    np.testing.assert_allclose(qpos[:, limited].std(axis=0), spread, rtol=0.05)
    assert np.pi - 0.05 < np.abs(qpos[:, 2]).max() <= np.pi


@pytest.mark.parametrize(("name", "upright"), [("cartpole/balance", True), ("cartpole/two_poles", False)])
def test_cartpole_starts_upright_or_hanging(name, upright):
    _, batch, task, fields = batch_of(name)
    begin_episodes(batch, task, np.arange(MANY), np.random.default_rng(0))
    cosine = fields["xmat"][:, 2, 8]
    # cos(0.034) = 0.99942; hanging with 0.01 rad of spread: cos(pi - 0.05) = -0.9988
    assert np.all(cosine >= 0.9994) if upright else np.all(cosine <= -0.9987)


@pytest.mark.parametrize("name", BATCHED)
def test_a_start_depends_on_its_own_row_alone(name):
    _, batch, task, fields = batch_of(name, 6)
    begin_episodes(batch, task, np.arange(6), RowRandom([1], 6).all)
    together = task.observation(fields).copy()
    alone = np.array([1, 4])
    begin_episodes(batch, task, alone, RowRandom([1], 6).rows(alone))
    assert np.array_equal(task.observation(fields), together)
    assert len(np.unique(together, axis=0)) == 6


def test_a_start_does_not_disturb_the_others():
    _, batch, task, _ = batch_of("quadruped/walk", 4)
    begin_episodes(batch, task, np.arange(4), np.random.default_rng(0))
    batch.step(nstep=4)
    before = batch.state[[0, 3]].copy()
    begin_episodes(batch, task, np.array([1, 2]), np.random.default_rng(1))
    assert np.array_equal(batch.state[[0, 3]], before)
    flags = batch.expand("opt.disableflags")
    assert not np.any(flags & int(mujoco.mjtDisableBit.mjDSBL_ACTUATION))
