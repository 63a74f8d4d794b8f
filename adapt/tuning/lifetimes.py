"""Lifetimes of agents under several choices of hyperparameters, and what came of them. M agents, U updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapt.errors import AdaptError
from adapt.meta.copies import Individual, with_own
from adapt.tuning.population import Population, Setting
from adapt.update_rules.hyperparameters import RANGES
from adapt.update_rules.rule import Tensors
from adapt.update_rules.self_tuning import SelfTuning

LAST = 5
"""The last one of so many parts of a lifetime is judged."""
_PARTS = 20
"""Points of a curve."""


@dataclass(frozen=True)
class Lifetimes:
    """Of M agents; of R rules in n tasks, M stands for (R, n)."""

    scores: np.ndarray
    """Mean return of the episodes that ended in the last fifth of the updates. Shape (M,)."""
    curve: np.ndarray
    """Mean return in each twentieth of the updates. Shape (20, M)."""
    hyperparameters: dict[str, np.ndarray]
    """In the middle of each twentieth, by name. Shapes (20, M)."""


def lifetimes(
    setting: Setting,
    rule: SelfTuning,
    rules: Sequence[Tensors],
    tasks: int,
    seed: int,
    *,
    split: str = "train",
) -> Lifetimes:
    """Of one agent in every task under each of R meta-parameters, which stay: the same tasks, first parameters and luck
    for all. Shapes (..., R, tasks)."""
    population = Population(setting, Individual(rule), {}, tasks, seed, copies=len(rules), split=split)
    population.life = with_own(population.life, rules, tasks)
    lived = live(population)

    def apart(values: np.ndarray) -> np.ndarray:
        return values.reshape(*values.shape[:-1], len(rules), tasks)

    moved = {name: apart(values) for name, values in lived.hyperparameters.items()}
    return Lifetimes(apart(lived.scores), apart(lived.curve), moved)


def live(population: Population) -> Lifetimes:
    """All of the population's updates.

    Raises:
        AdaptError: no episode of an agent ended in the last fifth.
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


def _mean(returns: np.ndarray, missing: bool = False) -> np.ndarray:
    """Of what is there, along the first axis."""
    there = ~np.isnan(returns)
    count = there.sum(axis=0)
    if not missing and not count.all():
        raise AdaptError(
            f"updates: no episode of agent {np.flatnonzero(count == 0)[0]} ended in the last fifth of its "
            "lifetime; take longer lifetimes"
        )
    total = np.where(there, returns, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
