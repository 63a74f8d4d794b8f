"""What a proposal has to pass before it may act: judged by the very graph that would act, on recorded states.

M recorded control steps, A action, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

Policy = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From observations, shape (M, O), and one robot's parameters, shape (P,), to mean and log std, shape (M, A) each."""
_LARGEST_RATIO = 10.0
"""Likelihood ratios end here, so that no single step decides."""


@dataclass(frozen=True)
class GateSettings:
    """What a proposal may do."""

    trust_region: float = 0.25
    """Largest root mean square change of the mean action on the recorded states, in half action ranges."""
    spread: float = 1.5
    """Largest factor by which the standard deviation of exploration may grow."""
    interventions: float = 0.02
    """By how much the share of recorded states may rise in which the safety filter would limit the mean action."""


@dataclass(frozen=True)
class Recorded:
    """Counted steps of a window."""

    observation: np.ndarray
    """Shape (M, O)."""
    action: np.ndarray
    """Shape (M, A)."""
    mean: np.ndarray
    """Shape (M, A)."""
    log_std: np.ndarray
    """Shape (M, A)."""
    sent: np.ndarray
    """The action of the control step before. Shape (M, A)."""
    advantage: np.ndarray
    """Shape (M,)."""


@dataclass(frozen=True)
class Gate:
    """One gate's figure, and whether it passes."""

    name: str
    value: float
    limit: float
    passed: bool


def judge_proposal(
    policy: Policy,
    parameters: np.ndarray,
    recorded: Recorded,
    step_limit: np.ndarray,
    settings: GateSettings,
) -> list[Gate]:
    """All gates that a proposal, shape (P,), has to pass.

    Args:
        policy: the bundle's own graph.
        parameters: of the proposal.
        recorded: what its predecessor did and met.
        step_limit: largest change of an action per control step, in half action ranges. Shape (A,).
        settings: how much may change.
    """
    finite = bool(np.isfinite(parameters).all())
    gates = [Gate("finite parameters", float(finite), 1.0, finite)]
    if not finite:
        return gates
    mean, log_std = policy(recorded.observation, parameters)
    finite = bool(np.isfinite(mean).all() and np.isfinite(log_std).all())
    gates.append(Gate("finite actions", float(finite), 1.0, finite))
    if not finite:
        return gates
    with np.errstate(over="ignore"):  # what is infinite does not pass
        change = float(np.sqrt(np.square(mean - recorded.mean, dtype=np.float64).mean()))
        spread = float(np.exp((log_std - recorded.log_std).max()))
    value = predicted_gain(mean, log_std, recorded)
    before = limited_share(recorded.mean, recorded.sent, step_limit)
    after = limited_share(mean, recorded.sent, step_limit)
    allowed = before + settings.interventions
    return [
        *gates,
        Gate("trust region", change, settings.trust_region, change <= settings.trust_region),
        Gate("spread", spread, settings.spread, spread <= settings.spread),
        Gate("predicted gain", value, 0.0, value >= 0.0),
        Gate("limited states", after, allowed, after <= allowed),
    ]


def predicted_gain(mean: np.ndarray, log_std: np.ndarray, recorded: Recorded) -> float:
    """E[(pi'(a | s) / pi(a | s) - 1) A], by importance sampling: what the proposal is predicted to gain."""
    with np.errstate(over="ignore", invalid="ignore"):
        before = _log_prob(recorded.action, recorded.mean, recorded.log_std)
        ratio = np.exp(_log_prob(recorded.action, mean, log_std) - before).clip(max=_LARGEST_RATIO)
    return float(((ratio - 1.0) * recorded.advantage).mean())


def limited_share(mean: np.ndarray, sent: np.ndarray, step_limit: np.ndarray) -> float:
    """Share of states in which a mean action, shape (M, A), is out of range or changes too fast after what was sent."""
    out = np.abs(mean) > 1.0
    fast = np.abs(mean.clip(-1.0, 1.0) - sent) > step_limit
    return float((out | fast).any(axis=1).mean())


def as_data(gates: list[Gate]) -> list[Mapping[str, float | str | bool | None]]:
    """For an audit log; a figure that is not finite is None: JSON has none."""
    return [asdict(gate) | {"value": gate.value if np.isfinite(gate.value) else None} for gate in gates]


def _log_prob(action: np.ndarray, mean: np.ndarray, log_std: np.ndarray) -> np.ndarray:
    """Of actions under diagonal Gaussians, without its constant. Shape (M,), double precision."""
    scaled = (action.astype(np.float64) - mean) * np.exp(-log_std.astype(np.float64))
    return -0.5 * np.square(scaled).sum(axis=1) - log_std.sum(axis=1, dtype=np.float64)
