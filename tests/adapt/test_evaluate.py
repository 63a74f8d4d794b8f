"""Evaluation: its statistics by hand, held-out tasks only, the same robots for everybody."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.evaluate import MIN_TASKS, OracleAdapter, Trials, bootstrap, cvar, evaluate, play, score
from adapt.networks.policy import GaussianPolicy
from adapt.online.adapters import make_adapter
from adapt.types import Belief
from sim_tasks.trial_env import TrialVecEnv
from tests.small_bundle import FAMILY, perturb


def test_score_worked_out_by_hand():
    # Means: learner 6, DR 2, oracle 10: half of the way.
    arrays = np.array([4.0, 8.0]), np.array([1.0, 3.0]), np.array([10.0, 10.0])
    assert score(*arrays) == 0.5
    assert score(arrays[1], arrays[1], arrays[2]) == 0.0
    assert score(arrays[2], arrays[1], arrays[2]) == 1.0
    assert score(arrays[1] - 4, arrays[1], arrays[2]) == -0.5


def test_cvar_worked_out_by_hand():
    returns = np.random.default_rng(0).permutation(np.arange(100.0))
    assert cvar(returns) == 2.0  # mean of the five worst, 0 to 4
    assert cvar(returns, 0.5) == 24.5
    assert cvar(np.array([3.0, 1.0, 2.0])) == 1.0  # at least one


def test_bootstrap_worked_out_by_hand():
    # Two samples, 0 and 1: a resampled mean is 0, 0.5 or 1 with probability 1/4, 1/2, 1/4.
    assert bootstrap(lambda x: float(x.mean()), np.array([0.0, 1.0])) == [0.0, 1.0]
    assert bootstrap(lambda x: float(x.mean()), np.full(9, 3.0)) == [3.0, 3.0]


def test_bootstrap_has_the_width_of_the_normal_interval():
    sample = np.random.default_rng(0).normal(5.0, 2.0, 400)
    low, high = bootstrap(lambda x: float(x.mean()), sample)
    # 1.96 standard errors of 2 / sqrt(400) = 0.1 to either side.
    assert low < sample.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 0.1, rel=0.15)


def test_bootstrap_draws_the_samples_as_pairs():
    """A difference that is the same for every task has no spread, however much the tasks differ."""
    tasks = 100 * np.random.default_rng(0).random(50)
    low, high = bootstrap(lambda a, b: float((a - b).mean()), tasks + 1, tasks)
    assert (low, high) == (pytest.approx(1.0), pytest.approx(1.0))
    assert bootstrap(lambda x: float(x.mean()), tasks) == bootstrap(lambda x: float(x.mean()), tasks)


def test_returns_are_summed_over_time():
    trials = Trials(np.array([[1.0, 2.0], [3.0, 4.0]]), None, np.ones(2, bool), {})
    assert trials.returns.tolist() == [4.0, 6.0]


@pytest.mark.parametrize("tasks", [0, 1, MIN_TASKS - 1])
def test_too_few_tasks_are_refused(belief_bundle, oracle, tasks):
    with pytest.raises(AdaptError, match=f"tasks: {tasks}; at least 256"):
        evaluate(FAMILY, belief_bundle.path, belief_bundle.path, oracle, tasks=tasks)


@pytest.mark.parametrize("split", ["train", "all"])
def test_only_held_out_tasks_are_evaluated(belief_bundle, oracle, split):
    with pytest.raises(AdaptError, match=f"split: '{split}'; valid: test, ood"):
        evaluate(FAMILY, belief_bundle.path, belief_bundle.path, oracle, split=split)


def test_the_same_bundle_twice_gives_the_same_numbers(evaluated):
    policies = evaluated["policies"]
    assert policies["learner"] == policies["dr"]
    assert policies["oracle"]["returns"] != policies["dr"]["returns"]
    assert evaluated["score"] == {"mean": 0.0, "interval": [0.0, 0.0]}


def test_what_an_evaluation_says(evaluated, family):
    assert (evaluated["family"], evaluated["split"], evaluated["seed"]) == (FAMILY, "test", 1)
    assert (evaluated["n_tasks"], evaluated["period"]) == (MIN_TASKS, 0.02)
    for policy in evaluated["policies"].values():
        assert len(policy["returns"]) == MIN_TASKS
        assert policy["mean"] == pytest.approx(np.mean(policy["returns"]), abs=1e-3)
        assert policy["cvar5"] == pytest.approx(cvar(np.array(policy["returns"])), abs=1e-3)
        assert policy["cvar5"] <= policy["mean"]
        low, high = policy["interval"]
        assert low <= policy["mean"] <= high
        assert len(policy["curve"]) == family.episode_steps
        assert sum(policy["curve"]) == pytest.approx(policy["mean"], abs=0.01)
        assert 0 <= policy["success"] <= 1
    belief = evaluated["belief"]
    assert belief["names"] == list(family.belief_names)
    assert np.shape(belief["rmse"]) == (family.episode_steps, len(family.belief_names))
    assert belief["time"][:2] == [0.0, 0.02]
    ratio = evaluated["policies"]["oracle"]["mean"] / evaluated["policies"]["dr"]["mean"] - 1
    assert evaluated["oracle_over_dr"]["mean"] == pytest.approx(ratio)


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
            mean = env.context.copy()
            mean[:, 0] += 2.0
            return Belief(mean, mean, mean, mean)

    error = play(env, lambda env: Told(), tasks, seed=0).belief_error
    assert error is not None
    np.testing.assert_allclose(error[:, 0], 2.0, rtol=1e-5)
    assert not error[:, 1:].any()


def test_success_is_upright_throughout_the_last_second(family):
    """Robots that a made-up family calls a success except in one step: only before the last second it is no matter."""
    counted = copy.copy(family)
    steps = iter(range(1000))

    def success(position: np.ndarray) -> np.ndarray:
        # Asked in the last 50 steps alone; robot 1 fails in the first of them, robot 2 in the last.
        step = next(steps)
        return np.array([True, step != 0, step != 49])

    env = TrialVecEnv(family, 3, 0, split="test", threads=1, changes=False)
    object.__setattr__(counted, "success", success)
    env.family = counted
    policy = GaussianPolicy(3, 1, env.context.shape[1], (4,))
    trials = play(env, lambda env: OracleAdapter(policy, env), family.sample("test", 3, 0), seed=0)
    assert trials.success.tolist() == [True, False, False]
    assert next(steps) == 50


def test_interventions_are_counted_by_reason(family):
    env, tasks = few(family)
    policy = GaussianPolicy(3, 1, env.context.shape[1], (4,))
    with torch.no_grad():
        policy.body[-1].weight.zero_()  # type: ignore[operator]
    trials = play(env, lambda env: OracleAdapter(policy, env), tasks, seed=0)
    # Nothing is asked for, so nothing is limited. A soft start of 0.2 s is ten steps of 0.02 s: ten times 0.1 is,
    # in floating point, a little less than 1.
    assert trials.interventions == {"soft_start": 10 * env.robots}
