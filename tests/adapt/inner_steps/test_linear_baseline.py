"""The linear-feature baseline and advantages, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapt.inner_steps.linear_baseline import (
    discounted,
    features,
    fit_predict,
    generalised_advantages,
    standardised,
)


def row(*values: float) -> torch.Tensor:
    """One task, one episode: (1, T, 1)."""
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1)


def test_features_are_those_of_the_paper():
    observation = torch.tensor([[[[2.0, -3.0]], [[20.0, 0.5]]]])  # (1, 2, 1, 2); 20 ends at 10
    expected = [[2, -3, 4, 9, 0, 0, 0, 1], [10, 0.5, 100, 0.25, 0.01, 1e-4, 1e-6, 1]]
    torch.testing.assert_close(features(observation)[0, :, 0], torch.tensor(expected))


def test_the_regularisation_shows():
    """One sample, o = 0, t = 0: the only feature is the 1. w = y / (1 + 1e-5) = 0.99999 y."""
    values = fit_predict(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1), 5.0), torch.ones(1, 1, 1))
    assert values.item() == pytest.approx(5.0 / (1 + 1e-5), abs=2e-6)


def test_what_is_linear_in_the_features_is_predicted():
    observation = torch.rand(2, 30, 4, 2) * 4 - 2
    time = (torch.arange(30) / 100).view(1, 30, 1)
    slope = torch.tensor([1.0, -2.0]).view(2, 1, 1)  # the tasks are fitted one by one
    returns = slope * observation[..., 0] + 3 * observation[..., 1].square() - 5 * time + 1
    values = fit_predict(observation, returns, torch.ones(2, 30, 4))
    torch.testing.assert_close(values, returns, atol=2e-3, rtol=0)


def test_steps_after_an_early_end_do_not_count_in_the_fit():
    """Two episodes of one step: returns 1, and 7 that does not count: the mean is 1, not 4."""
    returns = torch.tensor([[[1.0, 7.0]]])
    values = fit_predict(torch.zeros(1, 1, 2, 1), returns, torch.tensor([[[1.0, 0.0]]]))
    np.testing.assert_allclose(values[0, 0], [1, 1], atol=1e-4)


def test_discounted_returns():
    """3; 2 + 0.5 x 3 = 3.5; 1 + 0.5 x 3.5 = 2.75."""
    torch.testing.assert_close(discounted(row(1, 2, 3), 0.5), row(2.75, 3.5, 3))


def test_generalised_advantages():
    """gamma = lambda = 0.5. Deltas: 1 + 0.5 - 0.5 = 1; 2 + 0.75 - 1 = 1.75; 3 + 0 - 1.5 = 1.5.

    A = 1.5; 1.75 + 0.25 x 1.5 = 2.125; 1 + 0.25 x 2.125 = 1.53125.
    """
    advantages = generalised_advantages(row(1, 2, 3), row(0.5, 1, 1.5), row(1, 1, 1), 0.5, 0.5)
    torch.testing.assert_close(advantages, row(1.53125, 2.125, 1.5))


def test_an_early_end_is_the_end():
    """Over after two steps: deltas 1 and 2 + 0 - 1 = 1; A = 1, and 1 + 0.25 x 1 = 1.25."""
    advantages = generalised_advantages(row(1, 2, 3), row(0.5, 1, 1.5), row(1, 1, 0), 0.5, 0.5)
    torch.testing.assert_close(advantages, row(1.25, 1, 0))


def test_advantages_are_standardised_over_what_counts():
    """1 and 3 count: mean 2, deviation 1."""
    torch.testing.assert_close(standardised(row(1, 3, 100), row(1, 1, 0)), row(-1, 1, 0))
