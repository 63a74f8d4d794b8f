"""Each gate by hand: what passes, what does not, and what is written down of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from adapt.errors import AdaptError
from adapt.online.gates import GateSettings, Recorded, as_data, judge_proposal, limited_share, predicted_gain
from adapt.online.learning_settings import LearningSettings

START = np.zeros(2, np.float32)
"""Of a policy whose mean action is its first parameter, and its log standard deviation the second."""


def policy(observation: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ones = np.ones((len(observation), 1), np.float32)
    return parameters[0] * ones, parameters[1] * ones


def recorded(advantage: tuple[float, ...] = (1.0, -1.0), **arrays: Any) -> Recorded:
    """Actions 1 and -1 around a mean of 0, standard deviation 1."""
    column = np.array([[1.0], [-1.0]], np.float32)
    zero = np.zeros_like(column)
    parts = {"observation": zero, "action": column, "mean": zero, "log_std": zero, "sent": zero} | arrays
    return Recorded(**parts, advantage=np.array(advantage))


def judged(parameters: tuple[float, float], limit: float = 0.5, **settings: float) -> dict[str, Any]:
    gates = judge_proposal(
        policy, np.array(parameters, np.float32), recorded(), np.array([limit]), GateSettings(**settings)
    )
    return {gate.name: gate for gate in gates}


def test_a_small_step_towards_what_paid_passes():
    gates = judged((0.1, 0.0))
    assert list(gates) == [
        "finite parameters", "finite actions", "trust region", "spread", "predicted gain", "limited states",
    ]  # fmt: skip
    assert all(gate.passed for gate in gates.values())


def test_the_trust_region_is_the_root_mean_square_change_of_the_mean():
    assert judged((0.25, 0.0))["trust region"].value == pytest.approx(0.25)
    assert judged((0.25, 0.0))["trust region"].passed
    assert not judged((0.2501, 0.0))["trust region"].passed
    assert judged((0.2501, 0.0), trust_region=0.3)["trust region"].passed


def test_the_spread_may_grow_by_so_much_and_shrink():
    assert judged((0.0, float(np.log(1.49))))["spread"].passed
    assert not judged((0.0, float(np.log(1.51))))["spread"].passed
    assert judged((0.0, -3.0))["spread"].passed


def test_the_predicted_gain_is_that_of_importance_sampling():
    """Likelihood ratios of actions 1 and -1 for means m and 0: exp(m - m^2/2) and exp(-m - m^2/2)."""
    gain = judged((0.1, 0.0))["predicted gain"]
    assert gain.value == pytest.approx((np.exp(0.095) - np.exp(-0.105)) / 2, rel=1e-5)
    worse = judged((-0.1, 0.0))["predicted gain"]
    assert worse.value == pytest.approx(-(np.exp(0.095) - np.exp(-0.105)) / 2, rel=1e-5)
    assert not worse.passed
    same = judged((0.0, 0.0))["predicted gain"]
    assert same.value == 0.0
    assert same.passed


def test_no_single_step_decides_the_predicted_gain():
    """A ratio of exp(50) ends at 10."""
    far = recorded((1.0, 0.0), action=np.array([[10.0], [0.0]], np.float32))
    assert predicted_gain(np.full((2, 1), 10.0), np.zeros((2, 1)), far) == pytest.approx(9.0 / 2)


def test_the_gain_has_the_sign_of_the_derivative_of_the_objective():
    """Central differences of E[log pi A], at 50 random problems, for a step along them and against them."""
    rng, small = np.random.default_rng(0), 1e-4

    def objective(mean: np.ndarray, of: Recorded) -> float:
        scaled = (of.action - mean) / np.exp(of.log_std)
        return float((-0.5 * np.square(scaled).sum(axis=1) * of.advantage).mean())

    for _ in range(50):
        mean, log_std = rng.normal(0, 0.3, (40, 3)), rng.normal(-1, 0.2, (1, 3)).repeat(40, axis=0)
        action = mean + np.exp(log_std) * rng.normal(size=(40, 3))
        of = recorded(tuple(rng.normal(size=40)), action=action, mean=mean, log_std=log_std)
        direction = rng.normal(size=(1, 3))
        slope = (objective(mean + small * direction, of) - objective(mean - small * direction, of)) / (
            2 * small
        )
        forward = predicted_gain(mean + small * direction, log_std, of)
        assert forward / small == pytest.approx(slope, rel=0.05, abs=0.02)
        assert predicted_gain(mean - small * direction, log_std, of) * forward < 0


def test_limited_states_are_those_out_of_range_or_too_far_from_what_was_sent():
    sent, limit = np.zeros((4, 1)), np.array([0.5])
    assert limited_share(np.array([[0.0], [0.5], [0.51], [-0.6]]), sent, limit) == 0.5
    assert limited_share(np.array([[1.0], [1.01], [-1.2], [1.0]]), np.ones((4, 1)), np.array([3.0])) == 0.5
    assert limited_share(np.array([[0.0, 0.6]]), np.zeros((1, 2)), np.array([0.1, 1.0])) == 0.0
    assert limited_share(np.array([[0.2, 0.6]]), np.zeros((1, 2)), np.array([0.1, 1.0])) == 1.0


def test_no_more_states_may_be_limited_than_before_and_a_few():
    gate = judged((0.2, 0.0), limit=0.1)["limited states"]
    assert (gate.value, gate.limit, gate.passed) == (1.0, 0.02, False)
    assert judged((0.2, 0.0), limit=0.3)["limited states"].passed
    assert judged((0.2, 0.0), limit=0.1, interventions=1.0)["limited states"].passed


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_even_tried(bad):
    def never(*_: np.ndarray) -> Any:
        raise AssertionError("asked")

    gates = judge_proposal(never, np.array([bad, 0]), recorded(), np.ones(1), GateSettings())
    assert [(gate.name, gate.passed) for gate in gates] == [("finite parameters", False)]
    gates = judge_proposal(
        lambda *_: (np.array([[0.0], [bad]]), np.zeros((2, 1))), START, recorded(), np.ones(1), GateSettings()
    )
    assert [(gate.name, gate.passed) for gate in gates] == [
        ("finite parameters", True),
        ("finite actions", False),
    ]


@pytest.mark.parametrize("parameters", [(3e38, 0.0), (-3e38, 80.0), (0.0, 100.0), (0.0, 3e38)])
def test_figures_beyond_all_bounds_do_not_pass_and_are_json(parameters):
    gates = judge_proposal(policy, np.array(parameters, np.float32), recorded(), np.ones(1), GateSettings())
    assert not all(gate.passed for gate in gates)
    json.dumps(as_data(gates), allow_nan=False)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exploration": 1.1}, "exploration: 1.1; valid: 0 to 1"),
        ({"exploration": float("nan")}, "exploration: nan"),
        ({"attempts": 0}, "attempts: 0; valid: 1 to 1000"),
        ({"margin": -1.0}, "margin: -1.0"),
        ({"interventions": float("inf")}, "interventions: inf"),
        ({"gates": GateSettings(trust_region=float("nan"))}, "gates.trust_region: nan; valid: 0 to 2"),
        ({"gates": GateSettings(spread=0.9)}, "gates.spread: 0.9; valid: 1 to 10"),
        ({"gates": GateSettings(interventions=-0.1)}, "gates.interventions: -0.1; valid: 0 to 1"),
    ],
)
def test_settings_out_of_range_are_named(settings, words):
    with pytest.raises(AdaptError) as error:
        LearningSettings(**settings)
    assert str(error.value).startswith(words)
