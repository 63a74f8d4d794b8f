"""The learned inner step: a plain policy gradient as it begins, and every number in it moves where it leads."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adapt.inner_steps.episodes import Episodes, Played, judge
from adapt.inner_steps.inner_step import Tensors
from adapt.inner_steps.learned_step import LearnedStep, _remembered, _weights
from adapt.inner_steps.policy_gradient import PolicyGradient
from adapt.networks.task_policies import TaskPolicies
from tests.adapt.learners.made_episodes import made_episodes

POLICIES = TaskPolicies(3, 2, (5,))
STEP = LearnedStep(steps=2, hidden=4, memory=3)
TASKS, T, R, RATE = 3, 6, 4, 0.3


def doubles(tensors: Tensors) -> Tensors:
    return {name: tensor.double() for name, tensor in tensors.items()}


def fresh(seed: int = 0, size: float = 0.0) -> Tensors:
    """Initial meta-parameters, with noise added to all of them."""
    torch.manual_seed(seed)
    made = doubles(STEP.initial_meta_params(POLICIES))
    return {name: tensor + size * torch.randn_like(tensor) for name, tensor in made.items()}


def unborn() -> Tensors:
    return doubles(STEP.initial_meta_state(TASKS))


def played(seed: int = 0) -> Episodes:
    torch.manual_seed(seed)
    parameters = torch.stack([POLICIES.initial(0.6) for _ in range(TASKS)]).double()
    return made_episodes(POLICIES, parameters, T, R, 3, seed)


def moved(episodes: Episodes, meta_params: Tensors, meta_state: Tensors | None = None) -> torch.Tensor:
    return STEP(POLICIES, episodes, RATE, meta_params, meta_state or unborn())[0]


def test_it_begins_as_the_plain_policy_gradient_to_the_last_bit():
    episodes, state = played(), unborn()
    for step in range(4):  # more than have rates of their own
        found, state = STEP(POLICIES, episodes, RATE, fresh(), state)
        assert torch.equal(found, PolicyGradient().moved(POLICIES, episodes, RATE))
        assert not torch.equal(found, episodes.parameters)
        assert (state["steps"] == step + 1).all()
        episodes = made_episodes(POLICIES, found, T, R, 3, step + 1)


@pytest.mark.parametrize("name", sorted(fresh()))
def test_every_meta_parameter_changes_the_step(name):
    """From others than the first, with which what is behind a zero has no effect."""
    episodes, others = played(), fresh(size=0.3)
    state = {name: tensor + 0.2 for name, tensor in unborn().items()} | {"steps": unborn()["steps"]}
    base = moved(episodes, others, state)
    assert not torch.allclose(base, moved(episodes, others | {name: others[name] + 0.1}, state), rtol=1e-6)


def test_rates_are_of_the_step_s_number_and_of_their_tensor():
    """+log 2 in the second row, of the first layer's 5 biases after its 15 weights: doubled in step 1 and later."""
    episodes, params = played(), fresh()
    params["log_rates"][1, 1] = 0.693147180559945
    plain = moved(episodes, fresh()) - episodes.parameters
    for number in (0, 1, 7):
        state = unborn() | {"steps": torch.full((TASKS, 1), float(number)).double()}
        ratio = (moved(episodes, params, state) - episodes.parameters) / plain
        expected = torch.ones(POLICIES.size).double()
        # 2 but for the bound of the rates, 100 tanh-wise: log 2 becomes 4.6 tanh(log 2 / 4.6) = 0.68795
        expected[15:20] = 1.98962 if number else 1.0
        torch.testing.assert_close(ratio, expected.expand_as(ratio), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("log_rate", "factor"), [(1e6, 100.0), (-1e6, 0.01)])
def test_rates_are_bounded(log_rate, factor):
    episodes, params = played(), fresh()
    params["log_rates"].fill_(log_rate)
    plain = moved(episodes, fresh()) - episodes.parameters
    torch.testing.assert_close(moved(episodes, params) - episodes.parameters, factor * plain)


def test_weights_are_of_what_came_after_in_the_same_episode_and_task():
    """A reward at step 3 of episode 1 of task 0 changes the weights of steps 0 to 3 of that episode, and no others."""
    episodes, params = played(), fresh(size=0.3)
    memory = _remembered(episodes, params, unborn())
    other = episodes.reward_z.clone()
    other[0, 3 * R + 1] += 1.0
    before = _weights(episodes, params, memory)
    after = _weights(dataclasses.replace(episodes, reward_z=other), params, memory)
    changed = (before != after).unflatten(1, (T, R))
    expected = torch.zeros(TASKS, T, R, dtype=torch.bool)
    expected[0, :4, 1] = True
    assert torch.equal(changed, expected)


def test_tasks_side_by_side_are_what_each_is_alone():
    episodes, params = played(), fresh(size=0.3)
    state = {name: torch.rand_like(tensor).round() for name, tensor in unborn().items()}
    together, next_state = STEP(POLICIES, episodes, RATE, params, state)
    for task in range(TASKS):
        one = slice(task, task + 1)
        alone, own = STEP(POLICIES, episodes.of(one), RATE, params, {n: s[one] for n, s in state.items()})
        torch.testing.assert_close(together[one], alone)
        for name, tensor in own.items():
            torch.testing.assert_close(next_state[name][one], tensor)


def test_what_it_remembers_changes_the_next_step():
    episodes, params = played(), fresh(size=0.3)
    _, remembered = STEP(POLICIES, episodes, RATE, params, unborn())
    assert not torch.allclose(remembered["memory"], unborn()["memory"])
    forgotten = unborn() | {"steps": remembered["steps"]}
    assert not torch.allclose(moved(episodes, params, remembered), moved(episodes, params, forgotten))


def test_samples_that_do_not_count_are_not_learned_from():
    """Of task 0 the last sample's weight is zero: its action may be anything."""
    episodes, params = played(), fresh(size=0.3)
    action = episodes.action.clone()
    action[0, -1] = 50.0
    found = moved(dataclasses.replace(episodes, action=action), params)
    torch.testing.assert_close(found, moved(episodes, params))


def test_nothing_has_a_graph_where_a_robot_learns():
    params = {name: tensor.requires_grad_() for name, tensor in fresh(size=0.3).items()}
    parameters, state = STEP(POLICIES, played(), RATE, params, unborn())
    assert not parameters.requires_grad
    assert not any(tensor.requires_grad for tensor in state.values())


def test_judged_rewards_have_their_scales_beside_them():
    """Rewards 1, 3 and one that does not count: mean 2, deviation 1; z -1, 1, 0."""
    size, rewards = (1, 3, 1), torch.tensor([1.0, 3.0, 0.0]).view(1, 3, 1)
    alive = torch.tensor([1.0, 1.0, 0.0]).view(1, 3, 1)
    zeros = torch.zeros(*size, 1)
    episodes = judge(
        Played(torch.zeros(1, 4), zeros, zeros, zeros, zeros, torch.zeros(1, 1, 1), rewards, alive), 1.0, 1.0
    )
    torch.testing.assert_close(episodes.reward_z, torch.tensor([[-1.0, 1.0, 0.0]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(episodes.scales[0, :2], torch.tensor([2.0, 1.0]))
    assert episodes.scales[0, 2] > 0
