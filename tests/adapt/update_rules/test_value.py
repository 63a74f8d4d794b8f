"""Values against the papers' formulae, written out term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from adapt.update_rules.value import (
    expected,
    retrace,
    signed_hyperbolic,
    signed_log,
    signed_parabolic,
    two_hot,
    value_loss,
    vtrace,
)

T, B = 7, 3


@pytest.fixture
def made() -> dict[str, torch.Tensor]:
    """A rollout with ends of episodes in it, in double precision."""
    g = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    ends = (torch.rand(T, B, generator=g) < 0.2).double()
    return {
        "q": draw(T, B),
        "v": draw(T + 1, B),
        "reward": draw(T, B),
        "discount": 0.9 * (1 - ends),
        "rho": draw(T, B).exp(),
    }


def test_a_value_is_what_it_was_after_the_transform_and_back():
    values = torch.tensor([-1e4, -500.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 500.0, 1e4], dtype=torch.float64)
    torch.testing.assert_close(signed_parabolic(signed_hyperbolic(values)), values, rtol=1e-6, atol=1e-6)
    # sqrt(3 + 1) - 1 + 0.001 x 3, and odd.
    assert signed_hyperbolic(torch.tensor(3.0)).item() == pytest.approx(1.003)
    assert signed_hyperbolic(torch.tensor(-3.0)).item() == pytest.approx(-1.003)
    assert signed_log(torch.tensor(-(math.e - 1))).item() == pytest.approx(-1.0)


def test_two_bins_share_a_value_so_that_their_mean_is_its_transform():
    values = torch.tensor([-40.0, -3.0, 0.0, 0.2, 3.0, 77.7])
    shares, bins = two_hot(values, 101, 10.0), torch.linspace(-10, 10, 101)
    assert ((shares > 0).sum(dim=-1) <= 2).all()
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(6))
    torch.testing.assert_close(shares @ bins, signed_hyperbolic(values), rtol=1e-4, atol=1e-4)
    assert two_hot(torch.tensor([1e6, -1e6]), 101, 10.0).argmax(dim=-1).tolist() == [100, 0]


def test_a_head_that_is_sure_says_its_value_back():
    values = torch.tensor([-40.0, 0.0, 3.0, 77.7])
    logits = two_hot(values, 601, 300.0).clamp(min=1e-30).log()
    torch.testing.assert_close(expected(logits, 300.0), values, rtol=1e-3, atol=1e-3)


def test_a_value_moves_towards_its_target():
    logits = torch.zeros(601, requires_grad=True)
    for _ in range(1000):
        error = (2.5 - expected(logits, 300.0)).detach()
        (gradient,) = torch.autograd.grad(value_loss(logits, error, 300.0), logits)
        logits = (logits - 2.0 * gradient).detach().requires_grad_()
    assert expected(logits, 300.0).item() == pytest.approx(2.5, abs=0.1)


def test_retrace_is_the_sum_that_its_paper_has(made):
    """Munos et al. 2016, equations 3 and 4: Q plus the errors of all s, times discounts and traces until then."""
    q, v, reward, discount = (made[name].numpy() for name in ("q", "v", "reward", "discount"))
    trace = 0.95 * np.minimum(1.0, made["rho"].numpy())
    wanted = np.zeros((T, B))
    for b in range(B):
        for t in range(T):
            wanted[t, b], share = q[t, b], 1.0
            for s in range(t, T):
                if s > t:
                    share *= discount[s - 1, b] * trace[s, b]
                wanted[t, b] += share * (reward[s, b] + discount[s, b] * v[s + 1, b] - q[s, b])
    found = retrace(made["q"], made["v"], made["reward"], made["discount"], torch.from_numpy(trace))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_vtrace_is_the_sum_that_its_paper_has(made):
    """Espeholt et al. 2018, equation 1, with both cuts at 1 and c = lambda min(1, rho)."""
    v, reward, discount, lam = *(made[name].numpy() for name in ("v", "reward", "discount")), 0.8
    cut = np.minimum(1.0, made["rho"].numpy())
    wanted, advantage = np.zeros((T, B)), np.zeros((T, B))
    for b in range(B):
        for s in range(T):
            wanted[s, b], share = v[s, b], 1.0
            for t in range(s, T):
                if t > s:
                    share *= discount[t - 1, b] * lam * cut[t - 1, b]
                wanted[s, b] += share * cut[t, b] * (reward[t, b] + discount[t, b] * v[t + 1, b] - v[t, b])
        for t in range(T):
            ahead = lam * wanted[t + 1, b] + (1 - lam) * v[t + 1, b] if t + 1 < T else v[T, b]
            advantage[t, b] = cut[t, b] * (reward[t, b] + discount[t, b] * ahead - v[t, b])
    found = vtrace(made["v"], made["reward"], made["discount"], made["rho"], lam)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-12)
    np.testing.assert_allclose(found[1], advantage, rtol=1e-12)
