"""The door to dm_env: its own conformance tests, discounts, and a physics that a viewer can follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from absl.testing import absltest
from dm_env import specs, test_utils

from sim_tasks.doors.dm_environment import AdaptEnvironment
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv

PENDULUM = replace(load_family("pendulum_swingup"), episode_seconds=0.4)
"""Episodes of 20 control steps of 20 ms."""
CHEETAH = load_family("half_cheetah_vel", episode_steps=15)


class TestPendulum(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self) -> AdaptEnvironment:  # pyright: ignore[reportIncompatibleMethodOverride]
        return AdaptEnvironment(PENDULUM, seed=0)

    def make_action_sequence(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return [self.make_action() for _ in range(45)]  # two episodes of 20 steps, and more


class TestCheetah(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self) -> AdaptEnvironment:  # pyright: ignore[reportIncompatibleMethodOverride]
        return AdaptEnvironment(CHEETAH, seed=0)


def test_specs():
    pendulum, cheetah = AdaptEnvironment(PENDULUM), AdaptEnvironment(CHEETAH)
    bounded = specs.BoundedArray((3,), np.float32, [-10] * 3, [10] * 3, "observation")
    assert pendulum.observation_spec() == bounded
    assert cheetah.observation_spec() == specs.Array((17,), np.float32, "observation")
    assert cheetah.action_spec() == specs.BoundedArray((6,), np.float32, -1, 1, "action")
    assert (pendulum.control_timestep(), cheetah.control_timestep()) == (0.02, pytest.approx(0.05))


def test_an_episode_is_exactly_the_familys():
    env, trial = AdaptEnvironment(PENDULUM, seed=4), TrialVecEnv(PENDULUM, 1, 4, threads=1)
    np.testing.assert_array_equal(env.reset().observation, trial.observation[0])
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 1)):
        step, expected = env.step(action), trial.step(action[None])
        assert step.reward == expected.reward[0]
        np.testing.assert_array_equal(step.observation, trial.observation[0])
        assert list(env.task.values()) == trial.sim.values[0].tolist()


def test_time_running_out_keeps_the_discount_and_a_terminal_state_takes_it():
    env = AdaptEnvironment(PENDULUM, seed=0)
    env.reset()
    discounts = [env.step(np.zeros(1)).discount for _ in range(20)]
    assert discounts == [1.0] * 20
    assert env.step(np.zeros(1)).first()
    ending = AdaptEnvironment(replace(PENDULUM, terminal=lambda motion: motion.velocity[:, 0] > -99), seed=0)
    ending.reset()
    last = ending.step(np.zeros(1))
    assert last.last()
    assert last.discount == 0.0


def test_a_diverging_simulation_terminates():
    env = AdaptEnvironment(PENDULUM, seed=0)
    env.reset()
    env._trials.env.sim.push(np.array([0]), np.array([[np.inf]]))
    last = env.step(np.zeros(1))
    assert last.last()
    assert (last.reward, last.discount) == (0.0, 0.0)
    assert np.isfinite(last.observation).all()


def test_the_physics_shows_the_simulation_and_its_task():
    env = AdaptEnvironment(PENDULUM, seed=0, changes=False)
    env.reset()
    pointer = env.physics.data.ptr
    for _ in range(2):
        for _ in range(3):
            env.step(np.ones(1))
        sim = env._trials.env.sim
        np.testing.assert_array_equal(env.physics.data.qpos, sim.qpos[0])
        np.testing.assert_array_equal(env.physics.data.qvel, sim.qvel[0])
        assert env.physics.data.time == pytest.approx(0.06)
        # The payload's own mass, and from where it hangs the place of its centre: r sin(q) to the side.
        payload = env.physics.model.body("payload")
        assert payload.mass[0] == pytest.approx(env.task["payload_mass"])
        lever = env.physics.named.data.xipos["payload"]
        pivot = env.physics.data.xanchor[0]
        assert np.linalg.norm(lever - pivot) == pytest.approx(env.task["payload_distance"], abs=1e-6)
        assert env.physics.data.ptr is pointer  # a viewer that holds it need not load anew
        env.reset()


def test_a_force_of_the_viewers_mouse_moves_the_simulation():
    still, pulled = (AdaptEnvironment(CHEETAH, seed=0) for _ in range(2))
    for env in (still, pulled):
        env.reset()
    pulled.physics.named.data.xfrc_applied["torso"][0] = 200.0  # [N], forwards
    for env in (still, pulled):
        for _ in range(5):
            env.step(np.zeros(6))
    # About 14 kg for 0.25 s: 200 / 14 * 0.25 = 3.6 m/s, less what the feet's friction takes.
    assert pulled.physics.data.qvel[0] - still.physics.data.qvel[0] > 1.0


def test_the_runtime_of_dm_controls_viewer_runs_it():
    """What `dm_control.viewer` does with an environment beside drawing it, which needs a screen."""
    from dm_control.viewer import runtime

    env = AdaptEnvironment(PENDULUM, seed=0)
    running = runtime.Runtime(env)
    reloads: list[None] = []
    running.on_physics_changed += lambda: reloads.append(None)
    for _ in range(10):
        running.tick(0.1, paused=False)
    assert running.get_time() > 0.1
    assert isinstance(running.last_action, np.ndarray)
    assert running.last_action.shape == (1,)
    assert not reloads


def test_wrong_use_is_named():
    env = AdaptEnvironment(PENDULUM, seed=0)
    env.reset()
    with pytest.raises(TaskError, match=r"action of shape \(2,\); expected \(1,\)"):
        env.step(np.zeros(2))
    assert np.isfinite(env.step(np.full(1, np.nan)).observation).all()
    assert env.invalid_actions == 1
    with pytest.raises(TaskError, match="unknown split 'val'"):
        AdaptEnvironment(PENDULUM, split="val")
