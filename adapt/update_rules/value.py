"""Values of discrete-action agents: a categorical head's scalar, and returns from off-policy rollouts.

T steps, B trajectories, K bins. Values of rewards of any size fit one head by the signed hyperbolic transform h(x) =
sign(x) (sqrt(|x| + 1) - 1) + eps x (Pohlen et al. 2018, arXiv:1805.11593); between two bins a scalar is two
probabilities (MuZero, arXiv:1911.08265, appendix F).
"""

from __future__ import annotations

import torch

_EPSILON = 1e-3
"""Of the transform; rlax's default."""
_CACHED = 65_536
"""Numbers in double precision that are worked on at a time: 512 KiB."""


def signed_hyperbolic(x: torch.Tensor) -> torch.Tensor:
    """h(x), elementwise."""
    return x.sign() * (torch.sqrt(x.abs() + 1) - 1) + _EPSILON * x


def signed_parabolic(x: torch.Tensor) -> torch.Tensor:
    """The inverse of h, elementwise.

    In float32 a last bit of x moves a value of 500 by 1e-3; the constants are rounded as XLA rounds them in the
    authors' code, which moves all values alike.
    """
    halved = 0.5 * (1 / torch.tensor(_EPSILON, dtype=x.dtype))
    root = torch.sqrt(1 + 4 * _EPSILON * (x.abs() + (_EPSILON + 1))) * halved - 1 / (2 * _EPSILON)
    return x.sign() * (root * root - 1)


def signed_log(x: torch.Tensor) -> torch.Tensor:
    """sign(x) log(|x| + 1), elementwise."""
    return x.sign() * torch.log1p(x.abs())


def expected(logits: torch.Tensor, largest: float) -> torch.Tensor:
    """A categorical head's scalar: logits (..., K) of bins from -largest to largest; shape (...,).

    Summed in double precision, see `signed_parabolic`; a few rows at a time, so that what is twice as large stays in a
    processor's cache. Five times as fast as all at once.
    """
    bins = torch.linspace(-largest, largest, logits.shape[-1], dtype=torch.float64)
    sums = []
    for rows in logits.reshape(-1, len(bins)).split(max(1, _CACHED // len(bins))):
        weights = (rows - rows.amax(dim=-1, keepdim=True)).exp().double()
        sums.append((weights @ bins) / weights.sum(dim=-1))
    return signed_parabolic(torch.cat(sums).view(logits.shape[:-1]).to(logits.dtype))


def two_hot(value: torch.Tensor, bins: int, largest: float) -> torch.Tensor:
    """Probabilities whose mean is h(value): value (...,), result (..., K)."""
    position = (signed_hyperbolic(value).clamp(-largest, largest) + largest) / (2 * largest) * (bins - 1)
    return (1 - (position.unsqueeze(-1) - torch.arange(bins, dtype=value.dtype)).abs()).clamp(min=0)


def cross_entropy(logits: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """Of logits against target probabilities, both (..., K); shape (...,)."""
    return -(probabilities * logits.log_softmax(dim=-1)).sum(dim=-1)


def value_loss(logits: torch.Tensor, error: torch.Tensor, largest: float) -> torch.Tensor:
    """Moves a head's scalar by an error: logits (..., K), error (...,), result (...,).

    Gradients pass into the error; the scalar that it is added to is as it is.
    """
    target = expected(logits, largest).detach() + error
    return cross_entropy(logits, two_hot(target, logits.shape[-1], largest))


def log_prob(logits: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """Of actions (...,) by logits (..., A); shape (...,)."""
    return logits.log_softmax(dim=-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """Of categorical distributions by logits (..., A), in [nat]; shape (...,)."""
    return cross_entropy(logits, logits.softmax(dim=-1))


def divergence(target: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """KL(target || logits) of categorical distributions, both as logits (..., K), in [nat]; shape (...,)."""
    wanted = target.log_softmax(dim=-1)
    return (wanted.exp() * (wanted - logits.log_softmax(dim=-1))).sum(dim=-1)


def retrace(
    q: torch.Tensor, v: torch.Tensor, reward: torch.Tensor, discount: torch.Tensor, trace: torch.Tensor
) -> torch.Tensor:
    """Returns of the actions taken, G_t = r_t + d_t (v_{t+1} + c_{t+1} (G_{t+1} - q_{t+1})) (arXiv:1606.02647).

    Args:
        q: values of the actions taken. Shape (T, B).
        v: values of the states. Shape (T + 1, B).
        reward: shape (T, B).
        discount: of what follows each step, 0 at the end of an episode. Shape (T, B).
        trace: c_t = lambda min(1, rho_t). Shape (T, B).

    Returns:
        Shape (T, B).
    """
    running = reward[-1] + discount[-1] * v[-1]
    returns = [running]
    for t in reversed(range(len(reward) - 1)):
        following = v[t + 1] + trace[t + 1] * (running - q[t + 1])
        running = reward[t] + discount[t] * following
        returns.append(running)
    return torch.stack(returns[::-1])


def vtrace(
    v: torch.Tensor,
    reward: torch.Tensor,
    discount: torch.Tensor,
    rho: torch.Tensor,
    trace: torch.Tensor | float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """V-trace (arXiv:1802.01561, equation 1): targets of values, and advantages for a policy gradient.

    Args:
        v: values of the states. Shape (T + 1, B).
        reward: shape (T, B).
        discount: shape (T, B).
        rho: importance weights of the actions, cut at 1 here. Shape (T, B).
        trace: lambda.

    Returns:
        Value targets and advantages, (T, B) each. As in rlax, an advantage looks ahead to lambda times the next
        target plus 1 - lambda times the next value.
    """
    cut = rho.clamp(max=1.0)
    delta = cut * (reward + discount * v[1:] - v[:-1])
    running = torch.zeros_like(delta[0])
    errors = []
    for t in reversed(range(len(delta))):
        running = delta[t] + discount[t] * trace * cut[t] * running
        errors.append(running)
    target = torch.stack(errors[::-1]) + v[:-1]
    following = torch.cat([trace * target[1:] + (1 - trace) * v[1:-1], v[-1:]])
    return target, cut * (reward + discount * following - v[:-1])
