"""Trust region policy optimisation (Schulman et al. 2015, arXiv:1502.05477): one step, on any flat parameter vector.

The natural gradient by conjugate gradients (appendix C), then a backtracking line search on loss and KL divergence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from adapt.ranges import ranged

_RESIDUAL = 1e-10
"""Squared residual at which conjugate gradients stop; rllab."""

Product = Callable[[torch.Tensor], torch.Tensor]
"""Of a symmetric matrix with a vector."""


@dataclass(frozen=True)
class TRPOConfig:
    """Hyperparameters; the defaults are those of MAML's code."""

    max_kl: float = 0.01
    """Largest mean KL divergence of a step."""
    cg_iterations: int = 10
    damping: float = 1e-5
    """Added to the curvature's diagonal."""
    backtrack: float = ranged(0.8, 0.0, 1.0)
    """Factor by which the line search shortens a step."""
    max_backtracks: int = 15


@dataclass(frozen=True)
class Step:
    """What came of a step."""

    parameters: torch.Tensor
    """The new ones, or the old if no step was found. Shape (P,)."""
    loss: float
    """Change of the loss."""
    kl: float
    """From the old policy to the new."""
    backtracks: int
    """How often the step was shortened; `max_backtracks` if none was found."""


def hessian(losses: torch.Tensor, parameters: torch.Tensor) -> Product:
    """Products of the tasks' Hessians with vectors; losses (B,), parameters and vectors (B, P)."""
    (gradient,) = torch.autograd.grad(losses.sum(), parameters, create_graph=True)

    def product(vector: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(gradient, parameters, vector, retain_graph=True)[0]

    return product


def conjugate_gradients(product: Product, right: torch.Tensor, iterations: int) -> torch.Tensor:
    """Solves A x = b for a positive definite A that is known by its products (Hestenes and Stiefel 1952).

    Args:
        product: from x, shape (P,), to A x.
        right: b, shape (P,).
        iterations: at most so many products.
    """
    solution = torch.zeros_like(right)
    residual, direction = right.clone(), right.clone()
    square = residual @ residual
    for _ in range(iterations):
        if square < _RESIDUAL:
            break
        image = product(direction)
        length = square / (direction @ image)
        solution = solution + length * direction
        residual = residual - length * image
        previous, square = square, residual @ residual
        direction = residual + (square / previous) * direction
    return solution


def trust_region_step(
    parameters: torch.Tensor,
    gradient: torch.Tensor,
    curvature: Product,
    evaluate: Callable[[torch.Tensor], tuple[float, float]],
    config: TRPOConfig,
) -> Step:
    """The step that lowers the loss most within a KL divergence of `max_kl`.

    Args:
        parameters: shape (P,).
        gradient: of the loss, shape (P,).
        curvature: product of the KL divergence's Hessian with a vector, shape (P,).
        evaluate: loss and KL divergence from the old policy, of parameters.
        config: hyperparameters.
    """

    def damped(vector: torch.Tensor) -> torch.Tensor:
        return curvature(vector) + config.damping * vector

    direction = conjugate_gradients(damped, gradient, config.cg_iterations)
    steepness = float(direction @ damped(direction))
    if not steepness > 0:
        return Step(parameters, 0.0, 0.0, config.max_backtracks)
    full = (2 * config.max_kl / steepness) ** 0.5 * direction
    return _line_search(parameters, full, evaluate, config)


def _line_search(
    parameters: torch.Tensor,
    full: torch.Tensor,
    evaluate: Callable[[torch.Tensor], tuple[float, float]],
    config: TRPOConfig,
) -> Step:
    """The longest of the shortened steps that lowers the loss and stays within the trust region."""
    before, _ = evaluate(parameters)
    for backtracks in range(config.max_backtracks):
        candidate = parameters - config.backtrack**backtracks * full
        loss, kl = evaluate(candidate)
        if loss < before and kl <= config.max_kl:
            return Step(candidate, loss - before, kl, backtracks)
    return Step(parameters, 0.0, 0.0, config.max_backtracks)
