"""Where hyperparameters start, learned over whole lifetimes: evolution strategies on eta, without a short horizon.

A lifetime or two tell little of one choice of hyperparameters. Random search keeps the luckiest of its trials; here
each lifetime is one of a pair that says which way is better, and eta is moved by all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.errors import AdaptError
from adapt.meta.evolution import Evolution, EvolutionConfig
from adapt.tuning.lifetimes import lifetimes
from adapt.tuning.population import Setting
from adapt.update_rules.rule import Tensors
from adapt.update_rules.self_tuning import SelfTuning, values

EVOLUTION = EvolutionConfig(pairs=8, spread=0.7, rate=2.1, plain=True, together=8)
"""Settled on training tasks of `point_robot`; spread and rate in units of x, see `hyperparameters`."""


@dataclass(frozen=True)
class Scores:
    """Fitness: as of a trial of the search, the mean score of a lifetime in each of some training tasks."""

    setting: Setting
    rule: SelfTuning
    tasks: int = 1

    def __call__(self, rules: Sequence[Tensors], seed: int) -> np.ndarray:
        """Of several starts of eta in the tasks that the seed draws."""
        return lifetimes(self.setting, self.rule, rules, self.tasks, seed).scores.mean(axis=1)


def meta_train(
    setting: Setting, rule: SelfTuning, trials: int, seed: int, config: EvolutionConfig = EVOLUTION
) -> tuple[Tensors, dict[str, Any]]:
    """Meta-parameters from the reference's on, and how they came about, as JSON has it.

    Args:
        setting: of all lifetimes.
        rule: whose meta-parameters are learned.
        trials: lifetimes in all, at most.
        seed: of tasks and of what is drawn.
        config: of the strategy.

    Raises:
        AdaptError: fewer trials than a step takes.
    """
    steps = trials // (2 * config.pairs)
    if not steps:
        raise AdaptError(
            f"{trials} lifetimes; valid: {2 * config.pairs} or more, of one step of meta-training"
        )
    start = rule.initial_meta_params(torch.Generator())
    evolution = Evolution(config, start, Scores(setting, rule), seed)
    rows = [evolution.step() | values(evolution.meta_params) for _ in range(steps)]
    frames = 2 * config.pairs * steps * setting.frames
    return evolution.meta_params, {"steps": rows, "frames": frames}
