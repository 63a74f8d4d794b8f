"""Whether a bundle's graphs are the learner: both are told what the learner met in simulation, and give the same.

T control steps of N simulations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.learners.objectives import ACTION_HISTORY
from adapt.networks.gradient_step import GradientStep
from adapt.networks.steps import Signature
from adapt.online.adapters import MotionPredictor
from adapt.online.gradient import GradientAdapter
from adapt.online.kinds import make_adapter
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

SIMULATIONS = 4
CHECK_STEPS = 500
"""Control steps of each simulation."""
TOLERANCE = 1e-5
"""Largest difference that may leave training, in action and belief units; of what is beyond 1, relative to it. Of
physical quantities and their standard deviations: relative to them, or to the family's spread of what is around 0."""
_PHYSICAL = ("parameters", "parameter_std")
_STREAM = 19


@dataclass(frozen=True)
class Stretch:
    """What a learner's control step was given and what it gave, while it drove simulations of its own family."""

    given: Mapping[str, np.ndarray]
    """Of each of its inputs but the memory. Shape (T, N, size), float32."""
    gave: Mapping[str, np.ndarray]
    """Of each of its outputs but the memory. Shape (T, N, size), float32."""
    forgot: np.ndarray
    """Who began this step without memory. Shape (T, N), bool."""
    spread: np.ndarray
    """Of the physical quantities among all tasks, in their units; 0 of those that are always positive. Shape (Q,)."""


@torch.no_grad()
def record(step: nn.Module, family: TaskFamily) -> Stretch:
    """Drives training tasks of a family by a step, its memory carried from step to step.

    The simulations begin at different moments of their trials, so that episodes end on the way; in the middle one of
    them begins a new trial.
    """
    signature = Signature.of(step)
    env = TrialVecEnv(family, SIMULATIONS, seed=0, stream=_STREAM, episodes=2, threads=1)
    env.stagger()
    hidden = torch.zeros(SIMULATIONS, signature.memory)
    start = {"parameters": step.start.repeat(SIMULATIONS, 1)} if isinstance(step, GradientStep) else {}
    forgot = np.ones((CHECK_STEPS, SIMULATIONS), dtype=bool)
    given: list[dict[str, np.ndarray]] = []
    gave: list[dict[str, np.ndarray]] = []
    for t in range(CHECK_STEPS):
        inputs = {
            "observation": env.observation.copy(),
            "previous_action": env.previous_action.copy(),
            "previous_reward": env.previous_reward[:, None].copy(),
            "new_episode": env.new_episode[:, None],
        }
        tensors = (
            {name: torch.from_numpy(array) for name, array in inputs.items()} | {"hidden": hidden} | start
        )
        outputs = step(*(tensors[name] for name in signature.inputs))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        named = dict(zip(signature.outputs, outputs, strict=True))
        hidden = named.pop("next_hidden", hidden)
        given.append(inputs)
        gave.append({name: tensor.numpy() for name, tensor in named.items()})
        transition = env.step(gave[-1]["action"])
        over = transition.done | ((np.arange(SIMULATIONS) == 0) & (t == CHECK_STEPS // 2))
        env.reset(np.flatnonzero(over))
        hidden = torch.where(torch.from_numpy(over)[:, None], 0.0, hidden)
        if t + 1 < CHECK_STEPS:
            forgot[t + 1] = over
    spread = np.where(family.log_scaled, 0.0, family.normaliser[1])
    return Stretch(_stacked(given), _stacked(gave), forgot, spread)


def check_step(bundle: PolicyBundle, stretch: Stretch) -> None:
    """Compares every output of every step with that of the bundle's adapter, which carries its own memory.

    Raises:
        AdaptError: they differ by more than the tolerance; names the output.
    """
    adapter, listen = make_adapter(bundle, SIMULATIONS), np.ones(SIMULATIONS, dtype=bool)
    got: list[dict[str, np.ndarray]] = []
    for t, forgot in enumerate(stretch.forgot):
        adapter.reset(np.flatnonzero(forgot))
        given = {name: array[t] for name, array in stretch.given.items()}
        said = {"action": adapter.act(**given, listen=listen)}
        if isinstance(adapter, GradientAdapter) and adapter.newest is not None:
            said |= {"log_std": adapter.newest.log_std, "inputs": adapter.newest.inputs}
        belief = adapter.belief()
        if belief is not None:
            said["belief"] = np.concatenate([belief.mean, belief.log_std], axis=1)
            said |= {name: getattr(belief, name) for name in _PHYSICAL}
        got.append(said)
    for name, array in _stacked(got).items():
        least = stretch.spread if name in _PHYSICAL else 1.0
        _compare(name, array, stretch.gave[name], least)


@torch.no_grad()
def check_forecast(bundle: PolicyBundle, forecast: nn.Module, stretch: Stretch) -> None:
    """Compares the graph of the forecast with the learner's on the same stretch.

    Raises:
        AdaptError: they differ by more than the tolerance.
    """
    seen, sent, belief = (
        stretch.given["observation"],
        stretch.given["previous_action"],
        stretch.gave["belief"],
    )
    steps = len(seen) - ACTION_HISTORY
    sent = [sent[ACTION_HISTORY - lag :][:steps] for lag in range(ACTION_HISTORY)]
    rows = [seen[ACTION_HISTORY:], seen[ACTION_HISTORY - 1 : -1], np.concatenate(sent, axis=-1)]
    inputs = [array.reshape(-1, array.shape[-1]) for array in (*rows, belief[ACTION_HISTORY:])]
    wanted = forecast(*(torch.from_numpy(array) for array in inputs)).numpy()
    got = MotionPredictor(bundle)(*inputs[:3], *np.split(inputs[3], 2, axis=1))
    _compare("next_observation", got, wanted, 1.0)


def _stacked(steps: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([each[name] for each in steps]) for name in steps[0]}


def _compare(name: str, got: np.ndarray, wanted: np.ndarray, least: np.ndarray | float) -> None:
    """Refuses what differs, relative to what is wanted and at least to `least`; NaN differs from everything."""
    with np.errstate(all="ignore"):
        difference = np.abs(got - wanted) / np.maximum(least, np.abs(wanted))
    worst = float(np.where(got == wanted, 0.0, difference).max())  # infinities of the same sign are alike
    if not worst <= TOLERANCE:
        raise AdaptError(
            f"export: the graph differs from the learner by {worst:.2g} in {name}, allowed {TOLERANCE:.0e}"
        )
