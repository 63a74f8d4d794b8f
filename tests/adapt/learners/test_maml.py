"""MAML's meta-gradient and curvature against finite differences, in double precision."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adapt.inner_steps import episodes as episodes_module
from adapt.inner_steps.episodes import Episodes, groups
from adapt.inner_steps.policy_gradient import PolicyGradient
from adapt.learners.maml import (
    MAMLConfig,
    MAMLLearner,
    adapted_curvature,
    meta_gradient,
    meta_outcome,
)
from adapt.learners.setup import Setup
from adapt.networks.task_policies import TaskPolicies
from sim_tasks.families import load_family
from tests.adapt.learners.made_episodes import made_episodes

POLICIES = TaskPolicies(3, 2, (6,))
TASKS, RATE = 3, 0.5


@pytest.fixture(params=[1, 2], ids=["one inner step", "two"])
def phases(request: pytest.FixtureRequest) -> list[Episodes]:
    torch.manual_seed(0)
    parameters = POLICIES.initial(0.6).double().repeat(TASKS, 1)
    played = []
    for number in range(request.param + 1):
        played.append(made_episodes(POLICIES, parameters, 5, 4, 3, seed=number))
        parameters = PolicyGradient().moved(POLICIES, played[-1], RATE)
    return played


def outcome(phases: list[Episodes], start: torch.Tensor) -> torch.Tensor:
    """Surrogate loss and divergence summed over tasks."""
    return meta_outcome(POLICIES, start, phases, RATE).sum(dim=1)


def start_of(phases: list[Episodes]) -> torch.Tensor:
    return phases[0].parameters[0]


def differences(phases: list[Episodes]) -> torch.Tensor:
    """Central differences of the surrogate loss in every parameter."""
    start, step = start_of(phases), 1e-5
    return torch.stack(
        [
            (outcome(phases, start + step * axis) - outcome(phases, start - step * axis))[0] / (2 * step)
            for axis in torch.eye(POLICIES.size, dtype=torch.float64)
        ]
    )


def test_the_second_order_meta_gradient_is_the_derivative_of_the_adapted_loss(phases):
    _, gradient = meta_gradient(POLICIES, phases, RATE, second_order=True)
    torch.testing.assert_close(gradient, differences(phases), atol=1e-8, rtol=1e-6)


def test_the_first_order_meta_gradient_is_that_at_the_adapted_parameters(phases):
    _, gradient = meta_gradient(POLICIES, phases, RATE, second_order=False)
    _, there = meta_gradient(POLICIES, phases[-1:], RATE, second_order=True)
    torch.testing.assert_close(gradient, there)
    second = differences(phases)
    assert (gradient - second).norm() > 0.05 * second.norm()


def test_the_curvature_is_that_of_the_divergence_of_the_adapted_policies(phases):
    """v F v by second differences of the divergence, which is zero, and least, at the start parameters."""
    product = adapted_curvature(POLICIES, phases, RATE, second_order=True)
    start, step = start_of(phases), 1e-4
    assert outcome(phases, start)[1].item() == pytest.approx(0.0, abs=1e-12)
    for seed in range(3):
        direction = torch.randn(POLICIES.size, generator=torch.Generator().manual_seed(seed)).double()
        ends = [outcome(phases, start + sign * step * direction)[1] for sign in (-1, 1)]
        expected = float(sum(ends)) / step**2
        assert float(direction @ product(direction)) == pytest.approx(expected, rel=1e-4)


def test_the_first_order_curvature_is_the_fisher_matrix_of_the_adapted_policies(phases):
    vector = torch.ones(POLICIES.size, dtype=torch.float64)
    first = adapted_curvature(POLICIES, phases, RATE, second_order=False)(vector)
    torch.testing.assert_close(first, adapted_curvature(POLICIES, phases[-1:], RATE, True)(vector))
    assert not torch.allclose(first, adapted_curvature(POLICIES, phases, RATE, True)(vector), rtol=0.01)


def test_tasks_in_groups_give_what_all_at_once_give(phases, monkeypatch):
    monkeypatch.setattr(episodes_module, "_GROUP_SAMPLES", 2 * 20)
    parts = list(groups(phases))
    assert [len(part[0].parameters) for part in parts] == [2, 1]
    loss, gradient = meta_gradient(POLICIES, phases, RATE, True)
    each = [meta_gradient(POLICIES, part, RATE, True) for part in parts]
    assert sum(part[0] for part in each) == pytest.approx(loss)
    torch.testing.assert_close(each[0][1] + each[1][1], gradient)


def test_thinned_episodes_are_whole_control_steps():
    """Five steps of four episodes, every second: steps 0, 2 and 4, samples 0-3, 8-11, 16-19."""
    episodes = made_episodes(POLICIES, torch.zeros(TASKS, POLICIES.size).double(), 5, 4, 3, seed=0)
    thin = episodes.thinned(2)
    kept = [*range(4), *range(8, 12), *range(16, 20)]
    assert torch.equal(thin.action, episodes.action[:, kept])
    assert torch.equal(thin.policy.mean, episodes.policy.mean[:, kept])
    # Of the first task's twenty samples the last does not count: eleven of twelve are left.
    torch.testing.assert_close(thin.weight[0], torch.tensor([1 / 11] * 11 + [0.0], dtype=torch.float64))


def test_a_meta_step_stays_within_the_trust_region_and_lowers_the_loss():
    config = MAMLConfig(
        tasks=4, rollouts=4, hidden=(8,), trpo=dataclasses.replace(MAMLConfig().trpo, max_kl=0.02)
    )
    learner = MAMLLearner(Setup(load_family("point_robot", episode_steps=10), config, 0, 1))
    before = learner.parameters.clone()
    learner.collect()
    metrics = learner.update()
    assert 0.002 < metrics["kl"] <= 0.02  # fifteen shortenings would be 0.02 x 0.64^14 = 4e-5
    assert metrics["improvement"] > 0
    assert not torch.equal(before, learner.parameters)
