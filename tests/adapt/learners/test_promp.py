"""ProMP's objectives against finite differences and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapt.inner_steps.low_variance_curvature import lvc_objective
from adapt.learners.promp import ProMPConfig, ProMPLearner, adapted_penalty
from adapt.learners.setup import Setup
from adapt.networks.task_policies import TaskPolicies
from sim_tasks.families import load_family
from tests.adapt.learners.made_episodes import made_episodes


@pytest.fixture
def learner() -> ProMPLearner:
    config = ProMPConfig(tasks=3, rollouts=2, hidden=(6,), inner_learning_rate=0.5, kl_penalty=0.3)
    learner = ProMPLearner(Setup(load_family("point_robot", episode_steps=5), config, 0, 1))
    learner.parameters = learner.parameters.detach().double().requires_grad_()
    return learner


def test_the_meta_gradient_is_the_derivative_of_the_meta_objective(learner):
    """Away from where the episodes were played, so that ratio, clipping and penalty count."""
    start = learner.parameters.detach().clone()
    before = made_episodes(learner.policies, start.repeat(3, 1), 5, 2, 2, seed=0)
    after = made_episodes(learner.policies, start.repeat(3, 1), 5, 2, 2, seed=1)
    with torch.no_grad():
        learner.parameters += 0.1 * torch.randn(len(start)).double()
    here = learner.parameters.detach().clone()
    learner._backward([before, after])
    assert learner.parameters.grad is not None
    gradient = learner.parameters.grad.clone()

    def loss_at(point: torch.Tensor) -> float:
        learner.replace_parameters(point)
        return learner._backward([before, after])[0]

    step = 1e-6
    differences = [
        (loss_at(here + step * axis) - loss_at(here - step * axis)) / (2 * step)
        for axis in torch.eye(len(here), dtype=torch.float64)
    ]
    np.testing.assert_allclose(gradient, differences, atol=1e-7)


def test_the_inner_objective_has_the_curvature_of_the_expected_return(learner):
    """One sample, mean b, deviation 1: r = exp(a b - b^2 / 2). At b = 0: r' = a, r'' = a^2 - 1; a = 2: 2 and 3.

    The logarithm's second derivative, as in MAML's objective, would be -1.
    """
    policies = TaskPolicies(1, 1, ())
    learner.policies = policies
    zeros = torch.zeros(1, policies.size, dtype=torch.float64)  # weight, bias, log standard deviation
    episodes = made_episodes(policies, zeros, 1, 1, 1, seed=0)
    episodes.weight[:], episodes.advantage[:], episodes.action[:] = 1.0, 1.0, 2.0
    episodes.log_prob[:] = episodes.policy.log_prob(episodes.action)
    parameters = zeros.clone().requires_grad_()
    objective, kl = lvc_objective(learner.policies, parameters, episodes)
    (gradient,) = torch.autograd.grad(objective.sum(), parameters, create_graph=True)
    assert gradient[0, 1].item() == pytest.approx(2.0)
    assert torch.autograd.grad(gradient[0, 1], parameters)[0][0, 1].item() == pytest.approx(3.0)
    assert kl.item() == 0.0


def test_clipped_gain():
    """Clip 0.3. r = 2: A = 1 gives 1.3, A = -1 gives -2. r = 0.5: A = 1 gives 0.5, A = -1 gives -0.7."""
    policies = TaskPolicies(1, 1, ())
    episodes = made_episodes(policies, torch.zeros(1, policies.size).double(), 4, 1, 1, seed=0)
    episodes.weight[:] = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    episodes.advantage[:] = torch.tensor([1.0, -1.0, 1.0, -1.0])
    log_prob = episodes.log_prob + torch.log(torch.tensor([2.0, 2.0, 0.5, 0.5]))
    assert episodes.clipped_gain(log_prob, 0.3).item() == pytest.approx(1.3 - 20 + 50 - 700)


def test_the_penalty_keeps_the_divergence_near_its_target():
    """Target 0.01: doubled above 0.015, halved below 0.00667."""
    kl = np.array([0.016, 0.014, 0.007, 0.006])
    np.testing.assert_allclose(adapted_penalty(np.full(4, 1.0), kl, 0.01), [2, 1, 1, 0.5])


def test_a_penalty_comes_back_after_a_long_quiet_time():
    penalty = np.ones(1)
    for kl in (0.0,) * 2_000 + (1.0,) * 20:
        penalty = adapted_penalty(penalty, np.full(1, kl), 0.01)
    assert penalty > 1


def test_a_constant_penalty_stays(learner):
    for adaptive, expected in ((False, 0.3), (True, 0.15)):
        config = ProMPConfig(
            tasks=3, rollouts=2, kl_penalty=0.3, adaptive_penalty=adaptive, learning_rate=1e-6
        )
        other = ProMPLearner(Setup(load_family("point_robot", episode_steps=5), config, 0, 1))
        other.collect()
        assert other.update()["kl_penalty"] == pytest.approx(expected)  # steps of 1e-6 hardly diverge
