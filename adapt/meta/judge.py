"""Rules beside each other: fresh agents learn by each of them, in environments that no rule was discovered in.

Of every rule all agents have the same first parameters, tasks and luck. Rules that have no learning rate of their own
are given several, and the best counts, judged by these very lives: what was tuned by hand has that advantage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adapt.meta.lifetimes import rewards_of_lives
from adapt.meta.population import GroupConfig
from adapt.statistics import bootstrap, bootstrap_curve, mean
from adapt.update_rules.rule import Tensors, UpdateRule

POINTS = 20
"""Of a curve: each the mean over as many updates."""
LAST = 0.25
"""Part of a life whose mean reward is the result."""


@dataclass(frozen=True)
class Contestant:
    """A rule, its meta-parameters, and the agents' learning rates to try."""

    rule: UpdateRule
    meta_params: Tensors
    rates: tuple[float, ...]


def judge(group: GroupConfig, contestants: Mapping[str, Contestant], seed: int) -> dict[str, dict[str, Any]]:
    """Mean reward per control step over the lives of M agents, by name of the rule.

    Returns:
        For each: `rate`, the best; `curve` with `low` and `high`, 95 % intervals over agents, at `updates`; `last`, the
        mean over the last quarter of the life, with `interval`; `agents`, that of each; `rates`, that of each rate;
        `beyond`, of `last`, by how much it is more than another rule's, by that rule's name, see `difference`.
    """
    results: dict[str, dict[str, Any]] = {}
    for name, contestant in contestants.items():
        lives = {}
        for rate in contestant.rates:
            config = replace(group, rate=rate)
            lives[rate] = rewards_of_lives(config, contestant.rule, contestant.meta_params, seed)[0]
        best = max(lives, key=lambda rate: last(lives[rate]).mean())
        found = {f"{rate:g}": float(last(rewards).mean()) for rate, rewards in lives.items()}
        results[name] = {"rate": best, **_summary(lives[best]), "rates": found}
    for name, result in results.items():
        result["beyond"] = {
            other: difference(result, theirs) for other, theirs in results.items() if other != name
        }
    return results


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Of two rules' results on the same agents: mean of the pairs' differences with its 95 % interval."""
    pairs = np.array(one["agents"]) - np.array(other["agents"])
    return {"mean": float(pairs.mean()), "interval": bootstrap(mean, pairs)}


def last(rewards: np.ndarray) -> np.ndarray:
    """Mean over the last part of lives, (lifetime, M): what an agent is judged by. Shape (M,)."""
    return rewards[-max(1, round(LAST * len(rewards))) :].mean(axis=0)


def _summary(rewards: np.ndarray) -> dict[str, Any]:
    parts: Sequence[np.ndarray] = np.array_split(rewards, min(POINTS, len(rewards)))
    points = np.array([part.mean(axis=0) for part in parts])
    low, high = bootstrap_curve(points[None])
    ends = np.cumsum([len(part) for part in parts])
    result = last(rewards)
    return {
        "updates": ends.tolist(),
        "curve": points.mean(axis=1).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "last": float(result.mean()),
        "interval": bootstrap(mean, result),
        "agents": result.tolist(),
    }
