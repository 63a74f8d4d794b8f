"""The functional Adam against torch's, and what it adds: cut updates and rates by parameter."""

from __future__ import annotations

import math

import torch

from adapt.update_rules.adam import Adam


def gradients_of(step: int) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(step)
    return {"a": torch.randn(3, 2, generator=g), "b": 1e-3 * torch.randn(4, generator=g)}


def test_it_is_torchs_where_no_update_is_cut():
    ours = {name: value.clone() for name, value in gradients_of(99).items()}
    theirs = {name: value.clone().requires_grad_() for name, value in ours.items()}
    adam, reference = Adam(1e-2, math.inf), torch.optim.Adam(theirs.values(), lr=1e-2)
    moments = adam.begin(ours)
    for step in range(20):
        gradients = gradients_of(step)
        ours, moments = adam.step(ours, gradients, moments)
        for name, value in theirs.items():
            value.grad = gradients[name].clone()
        reference.step()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value.detach(), rtol=1e-4, atol=1e-7)


def test_no_parameter_moves_further_than_the_largest_update():
    """A gradient after many of almost nothing is worth 0.1 / sqrt(0.001) = 3.2 of Adam's updates."""
    adam, params = Adam(1.0, 1.0), {"a": torch.zeros(1)}
    moments = adam.begin(params)
    for _ in range(2000):
        params, moments = adam.step(params, {"a": torch.zeros(1)}, moments)
    after, _ = adam.step(params, {"a": torch.ones(1)}, moments)
    assert (after["a"] - params["a"]).item() == -1.0
    free, _ = Adam(1.0, math.inf).step(params, {"a": torch.ones(1)}, moments)
    assert (free["a"] - params["a"]).item() < -2.0


def test_rates_are_factors_by_name():
    adam, params = Adam(0.5), {"a": torch.zeros(1), "b": torch.zeros(1)}
    ones = {"a": torch.ones(1), "b": torch.ones(1)}
    after, _ = adam.step(params, ones, adam.begin(params), {"a": 0.0, "b": torch.tensor(2.0)})
    assert after["a"].item() == 0.0
    torch.testing.assert_close(after["b"], torch.tensor([-1.0]))
