"""Batched suite tasks against dm_control itself, step by step, on the same physics, states and actions."""

import mujoco
import numpy as np
import pytest
from dm_control.rl.control import flatten_observation
from mujoco.batch import Batch

from sim_tasks.errors import TaskError
from sim_tasks.suite.catalogue import BATCHED, batched_task, control_steps, load_environment, task_model
from sim_tasks.suite.task import forward_unactuated

INTEGRATION = int(mujoco.mjtState.mjSTATE_INTEGRATION)
VELOCITY = int(mujoco.mjtStage.mjSTAGE_VEL)
ROWS, STEPS = 2, 250


class Twin:
    """dm_control's environment, and a batch whose simulations start from its state."""

    def __init__(self, name: str):
        self.environment = load_environment(name)
        self.physics = self.environment.physics
        self.substeps, _ = control_steps(self.environment)
        model = task_model(self.environment)
        self.task = batched_task(name, model)
        self.batch = Batch(model, ROWS, 1)
        self.fields = {field: self.batch.bind(field) for field in self.task.fields}

    def copy_state(self) -> None:
        physics = self.physics
        state = np.empty(mujoco.mj_stateSize(physics.model.ptr, INTEGRATION))
        mujoco.mj_getState(physics.model.ptr, physics.data.ptr, state, INTEGRATION)
        self.batch.state[:] = state
        for field in self.task.model_fields:
            self.batch.expand(field)[:] = getattr(physics.model, field)
        forward_unactuated(self.batch, np.arange(ROWS))
        self.batch.state[:] = state

    def step(self, action: np.ndarray) -> None:
        self.batch.ctrl = action
        self.batch.step(nstep=self.substeps, stage=VELOCITY)


def assert_all_rows(rows: np.ndarray, expected: np.ndarray | float) -> None:
    np.testing.assert_allclose(rows, np.broadcast_to(expected, rows.shape), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", BATCHED)
def test_equals_dm_control_step_by_step(name):
    twin = Twin(name)
    first = twin.environment.reset()
    twin.copy_state()
    assert_all_rows(
        twin.task.observation(twin.fields), flatten_observation(first.observation)["observations"]
    )
    spec, rng = twin.environment.action_spec(), np.random.default_rng(1)
    for _ in range(STEPS):
        action = rng.uniform(spec.minimum, spec.maximum)
        expected = twin.environment.step(action)
        twin.step(action)
        observation = flatten_observation(expected.observation)["observations"]
        assert_all_rows(twin.task.observation(twin.fields), observation)
        assert_all_rows(twin.task.reward(twin.fields), expected.reward)


def rewarded_pose(name: str, physics) -> None:
    """A state where the task pays, which random actions hardly reach."""
    if name == "finger/spin":
        physics.named.data.qvel["hinge"] = -20.0
    elif name.startswith("finger"):
        target = physics.named.model.site_pos["target", ["x", "z"]] - np.array([0.2, 0.4])
        physics.named.data.qpos["hinge"] = -np.arctan2(target[0], target[1])
    elif name.startswith("cartpole"):
        physics.data.qpos[:] = 0.0
        physics.data.qpos[0] = 0.1
    elif name.startswith("quadruped"):
        physics.named.data.qpos["root"] = 0.0, 0.0, 1.0, 1.0, 0.05, 0.0, 0.0
        physics.named.data.qvel["root"][0] = 1.0
    elif name.startswith("walker"):
        physics.data.qpos[:] = 0.0
        physics.named.data.qvel["rootx"] = 0.7
    else:
        physics.named.data.qvel["rootx"] = 4.0


@pytest.mark.parametrize("name", BATCHED)
def test_equals_dm_control_where_the_task_pays(name):
    twin = Twin(name)
    rewarded_pose(name, twin.physics)
    twin.physics.forward()
    twin.copy_state()
    assert twin.environment.task.get_reward(twin.physics) > 0.1
    assert_all_rows(twin.task.reward(twin.fields), twin.environment.task.get_reward(twin.physics))


def test_unknown_task_is_named_with_the_batched_ones():
    with pytest.raises(TaskError, match="hopper/hop is not batched; batched: cheetah/run"):
        batched_task("hopper/hop", mujoco.MjModel.from_xml_string("<mujoco/>"))
