"""The task-batched policy: the same as one policy after the other, and as torch's own distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from adapt.networks.task_policies import Gaussian, TaskPolicies

POLICIES = TaskPolicies(3, 2, (8, 5))


def parameters(tasks: int) -> torch.Tensor:
    return 0.5 * torch.randn(tasks, POLICIES.size, dtype=torch.float64)


def torch_normal(policy: Gaussian) -> Independent:
    return Independent(Normal(policy.mean, torch.exp(policy.log_std).expand_as(policy.mean)), 1)


def test_size():
    """3 x 8 + 8 + 8 x 5 + 5 + 5 x 2 + 2, and two standard deviations: 91."""
    assert POLICIES.size == 91


def test_a_network_worked_out_by_hand():
    """tanh(0.5 x 1 + 0.1) x 2 - 1 = 2 x 0.5370496 - 1 = 0.0740991; standard deviation e^0.25."""
    policy = TaskPolicies(1, 1, (1,)).distribution(
        torch.tensor([[0.5, 0.1, 2.0, -1.0, 0.25]]), torch.ones(1, 1, 1)
    )
    assert policy.mean.item() == pytest.approx(0.0740991, abs=1e-6)
    assert policy.log_std.item() == 0.25


def test_a_batch_of_tasks_is_a_loop_over_tasks():
    theta, inputs = parameters(4), torch.randn(4, 7, 3, dtype=torch.float64)
    action = torch.randn(4, 7, 2, dtype=torch.float64)
    theta.requires_grad_()
    together = POLICIES.distribution(theta, inputs).log_prob(action)
    (gradient,) = torch.autograd.grad(together.sum(), theta)
    for task in range(4):
        own = theta[task : task + 1].detach().requires_grad_()
        alone = POLICIES.distribution(own, inputs[task : task + 1]).log_prob(action[task : task + 1])
        torch.testing.assert_close(together[task : task + 1], alone)
        torch.testing.assert_close(gradient[task : task + 1], torch.autograd.grad(alone.sum(), own)[0])


def test_density_and_divergence_are_those_of_torch():
    inputs, action = torch.randn(2, 6, 3, dtype=torch.float64), torch.randn(2, 6, 2, dtype=torch.float64)
    one, other = (POLICIES.distribution(parameters(2), inputs) for _ in range(2))
    torch.testing.assert_close(one.log_prob(action), torch_normal(one).log_prob(action))
    torch.testing.assert_close(one.kl(other), kl_divergence(torch_normal(one), torch_normal(other)))


def test_samples_have_the_policys_mean_and_deviation():
    """20,000 samples: standard errors 0.0035 of the mean and 0.0025 of the deviation; allowed are six."""
    policy = Gaussian(torch.full((1, 20_000, 1), 2.0), torch.full((1, 1, 1), math.log(0.5)))
    sample = policy.sample(torch.Generator().manual_seed(0))
    assert sample.mean().item() == pytest.approx(2.0, abs=0.021)
    assert sample.std().item() == pytest.approx(0.5, abs=0.015)


def test_the_standard_deviation_has_a_floor():
    theta = torch.zeros(1, POLICIES.size)
    theta[:, -2:] = torch.tensor([-50.0, -1.0])
    log_std = POLICIES.distribution(theta, torch.zeros(1, 1, 3)).log_std.squeeze()
    torch.testing.assert_close(torch.exp(log_std), torch.tensor([1e-6, math.exp(-1.0)]))


def test_initial_parameters():
    """Glorot: first layer uniform within sqrt(6 / 11) = 0.739; then zero biases; standard deviation 0.7."""
    theta = POLICIES.initial(0.7)
    first = theta[:24]
    assert 0.5 < first.abs().max() <= math.sqrt(6 / 11)
    assert (theta[24:32] == 0).all()
    torch.testing.assert_close(theta[-2:], torch.full((2,), math.log(0.7)))
