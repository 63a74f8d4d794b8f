"""`Tolerance`: dm_control's, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dm_control.utils import rewards

from robots import RobotError
from robots.tolerance import SIGMOIDS, Tolerance

EVERYWHERE = np.concatenate([np.linspace(-5, 5, 2001), [-1e12, 1e12, 0.2, 0.25, -0.1]])


@pytest.mark.parametrize("sigmoid", SIGMOIDS)
@pytest.mark.parametrize("bounds", [(0.0, 0.0), (-0.1, 0.25), (0.2, math.inf), (-math.inf, -1.0)])
@pytest.mark.parametrize(("margin", "left"), [(0.0, 0.1), (0.7, 0.1), (3.0, 0.9), (1e-3, 0.5)])
def test_it_is_that_of_dm_control(sigmoid, bounds, margin, left):
    ours = Tolerance(bounds, margin, sigmoid, left)(EVERYWHERE)
    theirs = rewards.tolerance(EVERYWHERE, bounds, margin, sigmoid, left)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    assert ((ours >= 0) & (ours <= 1)).all()
    assert (ours == 1).any()


@pytest.mark.parametrize("sigmoid", ["quadratic", "cosine"])
def test_some_end_at_zero(sigmoid):
    ours = Tolerance(margin=1.0, sigmoid=sigmoid, value_at_margin=0.0)(EVERYWHERE)
    theirs = rewards.tolerance(EVERYWHERE, margin=1.0, sigmoid=sigmoid, value_at_margin=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_what_is_no_number_is_not_tolerated(margin):
    assert np.isnan(Tolerance(margin=margin)(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bounds": (1.0, 0.0)}, "bounds: .1.0, 0.0.; the lower one is first"),
        ({"bounds": (math.nan, 0.0)}, "bounds: "),
        ({"margin": -0.1}, "margin: -0.1; valid: 0 or more"),
        ({"margin": math.inf}, "margin: inf"),
        ({"sigmoid": "step"}, "sigmoid: 'step'; valid: gaussian, long_tail, quadratic, cosine"),
        ({"value_at_margin": 0.0}, "value_at_margin: 0.0; valid with gaussian: above 0, below 1"),
        ({"value_at_margin": 1.0}, "value_at_margin: 1.0"),
        ({"value_at_margin": -0.1, "sigmoid": "cosine"}, "valid with cosine: from 0, below 1"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, words):
    with pytest.raises(RobotError, match=words):
        Tolerance(**fields)
