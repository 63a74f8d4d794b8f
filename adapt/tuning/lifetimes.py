"""What came of a population's lifetimes, and hyperparameters told to it. M agents, U updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from adapt.tuning.population import Population
from adapt.update_rules.hyperparameters import RANGES
from adapt.update_rules.lifetime import Life
from adapt.update_rules.rule import Tensors
from adapt.update_rules.self_tuning import ETA

LAST = 5
"""The last one of so many parts of a lifetime is judged."""
_PARTS = 20
"""Points of a curve."""


@dataclass(frozen=True)
class Lifetimes:
    """Of M agents."""

    scores: np.ndarray
    """Mean return of the episodes that ended in the last fifth of the updates. Shape (M,)."""
    curve: np.ndarray
    """Mean return in each twentieth of the updates. Shape (20, M)."""
    hyperparameters: dict[str, np.ndarray]
    """In the middle of each twentieth, by name. Shapes (20, M)."""


def live(population: Population) -> Lifetimes:
    """All of the population's updates.

    Raises:
        ValueError: no episode of an agent ended in the last fifth.
    """
    updates = population.setting.updates
    shown = (np.arange(_PARTS) + 0.5) * updates // _PARTS
    returns, kept = [], []
    for update, (ended, learned) in enumerate(population.live()):
        returns.append(ended)
        if update in shown:
            kept.append({n: v.numpy().copy() for n, v in learned.items() if n.partition("/")[0] in RANGES})
    every = np.array(returns)
    return Lifetimes(
        scores=_mean(every[updates - updates // LAST :]),
        curve=np.array([_mean(part, missing=True) for part in np.array_split(every, _PARTS)]),
        hyperparameters={name: np.array([each[name] for each in kept]) for name in kept[0]},
    )


def told(life: Life, meta_params: Tensors, values: Mapping[str, np.ndarray]) -> Life:
    """A beginning life of M agents by a `SelfTuning` rule, each with hyperparameters of its own, shapes (M,) by name;
    `rate` is that of all tensors.

    Raises:
        ValueError: one lies out of its range.
    """
    state = dict(life.meta_state)
    for name, of_agents in values.items():
        x = torch.tensor([RANGES[name].x(float(value)) for value in of_agents])
        for key in state:
            if key.startswith(ETA) and key.removeprefix(ETA).partition("/")[0] == name:
                own = key.removeprefix(ETA)
                state[key] = (x - meta_params.get(own, meta_params[name])).to(state[key].dtype)
    return Life(life.params, life.moments, state)


def _mean(returns: np.ndarray, missing: bool = False) -> np.ndarray:
    """Of what is there, along the first axis."""
    there = ~np.isnan(returns)
    count = there.sum(axis=0)
    if not missing and not count.all():
        raise ValueError(f"no episode ended of agent {np.flatnonzero(count == 0)[0]}: take longer lifetimes")
    total = np.where(there, returns, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
