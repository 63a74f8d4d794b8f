"""Trials: the same robots for everybody, memory from episode to episode, rewards a step later."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from adapt.export import make_bundle
from adapt.networks.policy import GaussianPolicy
from adapt.networks.steps import PhysicalUnits
from adapt.online.adapters import MemoryAdapter
from adapt.online.kinds import make_adapter
from adapt.trials import OracleAdapter, Trials, physical_to_normal, play
from adapt.types import Belief
from sim_tasks.families import load_family
from sim_tasks.motion import Motion
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.scripted import Counter, Scripted
from tests.small_bundle import perturb


def test_returns_are_summed_over_time():
    trials = Trials(np.array([[1.0, 2.0], [3.0, 4.0]]), None, np.ones(2, bool), {})
    assert trials.returns.tolist() == [4.0, 6.0]
    assert trials.episode_returns.tolist() == [[4.0, 6.0]]
    two = Trials(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 9.0]]), None, None, {}, episodes=2)
    assert two.episode_returns.tolist() == [[4.0, 6.0], [12.0, 15.0]]


def few(family, robots: int = 6, split: str = "test") -> tuple[TrialVecEnv, np.ndarray]:
    env = TrialVecEnv(family, robots, 0, split=split, threads=1, changes=False)
    return env, family.sample(split, robots, 3)


def test_a_trial_repeats_itself_whatever_the_simulations_did_before(family, belief_bundle):
    env, tasks = few(family)
    first = play(env, lambda env: make_adapter(belief_bundle, env.robots), tasks, seed=5)
    other = play(env, lambda env: make_adapter(belief_bundle, env.robots), tasks, seed=6)
    again = play(env, lambda env: make_adapter(belief_bundle, env.robots), tasks, seed=5)
    np.testing.assert_array_equal(first.rewards, again.rewards)
    np.testing.assert_array_equal(first.belief_error, again.belief_error)
    assert (first.rewards != other.rewards).any()


def test_a_trial_is_played_on_the_given_tasks(family, belief_bundle):
    env, tasks = few(family)
    play(env, lambda env: make_adapter(belief_bundle, env.robots), tasks, seed=5)
    np.testing.assert_array_equal(env.sim.values, tasks)
    np.testing.assert_allclose(env.context, family.normalise(tasks), rtol=1e-5)


def test_the_oracle_adapter_sees_the_task(family):
    env, tasks = few(family)
    env.reset(np.arange(env.robots), tasks)
    policy = GaussianPolicy(3, 1, env.context.shape[1], (4,))
    told: list[torch.Tensor] = []
    policy.body.register_forward_hook(lambda _, inputs, __: told.append(inputs[0]))
    perturb(policy, size=0.5)
    adapter = OracleAdapter(policy, env)
    seen, zero = np.zeros((env.robots, 3), np.float32), np.zeros((env.robots, 1), np.float32)
    listen = np.ones(env.robots, bool)
    action = adapter.act(seen, zero, zero, zero, listen)
    np.testing.assert_array_equal(told[0][:, 4:].numpy(), env.context)
    np.testing.assert_allclose(env.context, family.normalise(tasks), rtol=1e-5)
    assert len(np.unique(action)) > 1, "the same readings, other robots"
    assert (np.abs(action) <= 1).all()
    env.reset(np.arange(env.robots), tasks[::-1].copy())
    np.testing.assert_allclose(adapter.act(seen, zero, zero, zero, listen), action[::-1], atol=1e-6)
    assert adapter.belief() is None


def test_a_belief_that_is_right_has_no_error(family):
    env, tasks = few(family)

    class Told:
        """Does nothing, and believes the truth but for an error of 2 in the first quantity."""

        def reset(self, ids: np.ndarray | slice = slice(None)) -> None: ...

        def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
            return np.zeros_like(previous_action)

        def belief(self) -> Belief:
            normal = env.context.astype(float)
            normal[:, 0] += 2.0
            # The inverse of a family's normalisation, for a spread of nothing.
            mean, scale = family.normaliser
            natural = mean + scale * normal
            physical = np.where(family.log_scaled, np.exp(np.where(family.log_scaled, natural, 0.0)), natural)
            return Belief(normal, normal, physical, np.zeros_like(physical))

    error = play(env, lambda env: Told(), tasks, seed=0).belief_error
    assert error is not None
    np.testing.assert_allclose(error[:, 0], 2.0, rtol=1e-5)
    np.testing.assert_allclose(error[:, 1:], 0.0, atol=1e-5)


def test_success_is_the_share_of_the_last_second_on_target(family):
    """Robots that a made-up family calls a success in some of the last 50 steps; before those it is no matter."""
    steps, last = iter(range(1000)), family.episode_steps - 50

    def success(motion: Motion) -> np.ndarray:
        step = next(steps) - 1  # it is asked once as the environment begins
        return np.array([step >= last, step >= last + 49, step < last])

    env = TrialVecEnv(
        dataclasses.replace(family, success=success), 3, 0, split="test", threads=1, changes=False
    )
    policy = GaussianPolicy(3, 1, env.context.shape[1], (4,))
    trials = play(env, lambda env: OracleAdapter(policy, env), family.sample("test", 3, 0), seed=0)
    assert trials.success is not None
    assert trials.success.tolist() == [1.0, 0.02, 0.0]
    assert next(steps) == family.episode_steps + 1


def test_interventions_are_counted_by_reason(family):
    env, tasks = few(family)
    policy = GaussianPolicy(3, 1, env.context.shape[1], (4,))
    with torch.no_grad():
        policy.body[-1].weight.zero_()  # type: ignore[operator]
    trials = play(env, lambda env: OracleAdapter(policy, env), tasks, seed=0)
    # Nothing is asked for, so nothing is limited. A soft start of 0.2 s is ten steps of 0.02 s: ten times 0.1 is,
    # in floating point, a little less than 1.
    assert trials.interventions == {"soft_start": 10 * env.robots}


class Listener:
    """Pushes as it is told, and notes what it hears."""

    def __init__(self, env: TrialVecEnv, action: Callable[[int], float] = lambda step: 0.1):
        self.env, self.action = env, action
        self.rewards: list[np.ndarray] = []
        self.fresh: list[np.ndarray] = []
        self.resets = 0

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        self.resets += 1

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        assert previous_reward.dtype == new_episode.dtype == np.float32
        self.rewards.append(previous_reward[:, 0].copy())
        self.fresh.append(new_episode[:, 0].copy())
        return np.full_like(previous_action, self.action(len(self.rewards)))

    def belief(self) -> None:
        return None


def listened(env: TrialVecEnv, split: str = "test") -> tuple[Listener, Trials]:
    listener = Listener(env)
    return listener, play(env, lambda env: listener, env.family.sample(split, env.robots, 3), seed=5)


def cheetah(**changes: object) -> TrialVecEnv:
    family = dataclasses.replace(load_family("half_cheetah_vel"), **changes)  # type: ignore[arg-type]
    return TrialVecEnv(family, 3, 0, split="test", episodes=2, threads=1, changes=False)


def test_the_reward_is_heard_one_step_later_and_over_the_episode_boundary():
    listener, trials = listened(cheetah())
    assert trials.rewards.shape == (400, 3)
    assert (trials.rewards != 0).all()
    assert not listener.rewards[0].any(), "no step before the first"
    np.testing.assert_array_equal(listener.rewards[1:], trials.rewards[:-1].astype(np.float32))
    assert [t for t, flags in enumerate(listener.fresh) if flags.all()] == [0, 200]
    assert not np.delete(np.array(listener.fresh), [0, 200], axis=0).any()
    assert listener.resets == 1, "at the beginning of the trial alone"


def test_a_reward_that_cannot_be_measured_is_not_heard(family):
    unmeasured = dataclasses.replace(family, measured_reward=None)
    env = TrialVecEnv(unmeasured, 3, 0, split="test", episodes=2, threads=1, changes=False)
    listener, trials = listened(env)
    assert trials.rewards.all()
    assert not np.array(listener.rewards).any()
    assert [t for t, flags in enumerate(listener.fresh) if flags.all()] == [0, 300]


def test_a_robot_hears_the_reward_that_it_measures_and_is_scored_by_the_true_one(family):
    """Over the episode boundary too."""
    env = TrialVecEnv(family, 3, 0, split="test", episodes=2, threads=1, changes=False)
    heard = []
    apply = env.apply

    def noting(command):
        transition = apply(command)
        heard.append(transition.heard_reward)
        return transition

    env.apply = noting  # type: ignore[method-assign]
    listener, trials = listened(env)
    assert not listener.rewards[0].any()
    np.testing.assert_array_equal(listener.rewards[1:], heard[:-1])
    rewards = np.array(heard)
    assert (rewards[299] != rewards[300]).all()
    assert np.abs(rewards - trials.rewards).mean() > 0.05 * trials.rewards.mean(), "not the true one"
    assert np.corrcoef(rewards.ravel(), trials.rewards.ravel())[0, 1] > 0.5, "but much like it"


def test_memory_is_kept_over_the_episode_boundary_and_cleared_between_trials():
    """A scripted policy counts its steps and adds up rewards: its memory after a trial is known."""
    env = cheetah()
    learner = Scripted(env, Counter(env.observation.shape[1], env.previous_action.shape[1]))
    adapter = make_adapter(make_bundle(learner, {}, ""), env.robots)
    assert isinstance(adapter, MemoryAdapter)
    tasks = env.family.sample("test", env.robots, 3)
    first = play(env, lambda env: adapter, tasks, seed=5)
    heard = first.rewards[:-1].sum(axis=0)  # the last reward comes after the last step
    np.testing.assert_allclose(adapter._hidden[:, 0], 400)
    np.testing.assert_allclose(adapter._hidden[:, 1], heard, rtol=1e-4)
    again = play(env, lambda env: adapter, tasks, seed=5)
    np.testing.assert_array_equal(again.rewards, first.rewards)
    np.testing.assert_allclose(adapter._hidden[:, 0], 400)


def test_an_episode_that_ends_early_keeps_its_place_in_time():
    """Robot 0 falls at once, always: its two episodes are one step each, at 0 and 200; then nothing counts."""
    env = cheetah(terminal=lambda motion: np.arange(3) == 0)
    listener, trials = listened(env)
    assert np.flatnonzero(trials.rewards[:, 0]).tolist() == [0, 200]
    assert (trials.rewards[:, 1:] != 0).all()
    assert listener.fresh[1].tolist() == [1, 0, 0]
    np.testing.assert_allclose(listener.rewards[1][0], trials.rewards[0, 0], rtol=1e-6)
    np.testing.assert_allclose(listener.rewards[2][0], trials.rewards[200, 0], rtol=1e-6)
    np.testing.assert_allclose(trials.episode_returns[1, 0], trials.rewards[200, 0])


def test_both_episodes_are_on_the_same_task_and_from_other_starts():
    env = cheetah()
    starts: list[np.ndarray] = []
    listener = Listener(env)
    act = listener.act

    def noting(observation, *rest):
        starts.append(observation.copy())
        return act(observation, *rest)

    listener.act = noting  # type: ignore[method-assign]
    tasks = env.family.sample("test", env.robots, 3)
    play(env, lambda env: listener, tasks, seed=5)
    assert (starts[0] != starts[200]).any()
    assert np.abs(starts[200]).max() < 0.6, "the noise of a start, not the state of a running cheetah"
    np.testing.assert_array_equal(env.sim.values, tasks)


def test_a_belief_in_physical_units_is_brought_back(family):
    """Through `PhysicalUnits` and back."""
    mean = torch.randn(5, len(family.belief_names), generator=torch.Generator().manual_seed(0))
    physical, std = PhysicalUnits(family)(mean, torch.full_like(mean, 0.3))
    belief = Belief(mean.numpy(), mean.numpy(), physical.numpy(), std.numpy())
    np.testing.assert_allclose(physical_to_normal(family, belief), mean.numpy(), atol=2e-4)
    nothing = np.full_like(mean.numpy(), np.nan)
    assert np.isnan(physical_to_normal(family, Belief(nothing, nothing, nothing, nothing))).all()
