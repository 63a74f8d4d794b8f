"""The trust region step on functions whose natural gradient is known."""

from __future__ import annotations

import math

import pytest
import torch

from adapt.learners.trpo import TRPOConfig, conjugate_gradients, trust_region_step

F = torch.diag(torch.tensor([1.0, 4.0], dtype=torch.float64))
SLOPE = torch.tensor([2.0, 4.0], dtype=torch.float64)
ORIGIN = torch.zeros(2, dtype=torch.float64)


def curvature(vector: torch.Tensor) -> torch.Tensor:
    return F @ vector


def linear(point: torch.Tensor) -> tuple[float, float]:
    """Loss 2 x + 4 y; divergence (x^2 + 4 y^2) / 2."""
    return float(SLOPE @ point), float(0.5 * point @ F @ point)


def test_conjugate_gradients_solve_in_as_many_steps_as_there_are_unknowns():
    """4 x + y = 1, x + 3 y = 2: x = 1/11, y = 7/11."""
    matrix = torch.tensor([[4.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    right = torch.tensor([1.0, 2.0], dtype=torch.float64)
    solution = conjugate_gradients(lambda x: matrix @ x, right, 2)
    torch.testing.assert_close(solution, torch.tensor([1 / 11, 7 / 11], dtype=torch.float64))
    one = conjugate_gradients(lambda x: matrix @ x, right, 1)  # b (b.b) / (b.A b) = b 5 / 20
    torch.testing.assert_close(one, right / 4)


def test_the_step_is_the_natural_gradient_at_the_edge_of_the_trust_region():
    """F^-1 g = (2, 1), g F^-1 g = 8; length sqrt(2 x 0.01 / 8) = 0.05: step -(0.1, 0.05), loss -0.4.

    Damping of 1e-5 makes it shorter by less than 1e-5, so that the divergence stays below 0.01.
    """
    step = trust_region_step(ORIGIN, SLOPE, curvature, linear, TRPOConfig())
    expected = torch.tensor([-0.1, -0.05], dtype=torch.float64)
    torch.testing.assert_close(step.parameters, expected, atol=2e-6, rtol=0)
    assert step.backtracks == 0
    assert 0.0099 < step.kl <= 0.01
    assert step.loss == pytest.approx(-0.4, abs=1e-5)


def test_a_step_that_leaves_the_trust_region_is_shortened():
    """Divergence twice as large as its Hessian says: 0.02 x 0.64^k <= 0.01 first for k = 2, with 0.008192."""
    step = trust_region_step(
        ORIGIN, SLOPE, curvature, lambda p: (linear(p)[0], 2 * linear(p)[1]), TRPOConfig()
    )
    assert step.backtracks == 2
    assert step.kl == pytest.approx(0.008192, rel=1e-4)


def test_a_step_that_does_not_lower_the_loss_is_shortened():
    """Loss x^2 at 0.1, gradient 0.2, F = 1: full step sqrt(2 x 0.08) = 0.4, to -0.3.

    0.1 - 0.4 x 0.8^k: -0.22, -0.156, -0.1048, then -0.06384: lower than 0.1^2 for k = 4.
    """

    def bowl(point: torch.Tensor) -> tuple[float, float]:
        return float(point.square().sum()), float(0.5 * (point - start).square().sum())

    start = torch.tensor([0.1], dtype=torch.float64)
    step = trust_region_step(start, 2 * start, lambda v: v, bowl, TRPOConfig(max_kl=0.08, damping=0.0))
    assert step.backtracks == 4
    assert step.parameters.item() == pytest.approx(-0.06384)
    assert step.loss == pytest.approx(0.06384**2 - 0.01)


def test_where_no_step_helps_nothing_changes():
    for gradient, loss in ((SLOPE, 1.0), (ORIGIN, 1.0), (SLOPE, math.nan)):
        step = trust_region_step(ORIGIN, gradient, curvature, lambda _, loss=loss: (loss, 0.0), TRPOConfig())
        assert step.parameters is ORIGIN
        assert step.backtracks == TRPOConfig().max_backtracks
