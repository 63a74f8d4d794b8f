"""Random search of a hand-written rule's hyperparameters, all of whose trials train at once as one population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
import torch

from adapt.tuning.lifetimes import lifetimes
from adapt.tuning.population import Setting
from adapt.update_rules.hyperparameters import RANGES, RATE
from adapt.update_rules.rule import Tensors
from adapt.update_rules.self_tuning import SelfTuning


@dataclass(frozen=True)
class Searched:
    """Ends of what is searched, of a learning rate relative to the setting's."""

    low: float
    high: float
    logarithmic: bool = True
    complement: bool = False
    """Whether 1 minus the hyperparameter is drawn between them."""

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """A value of a trial."""
        drawn = trial.suggest_float(name, self.low, self.high, log=self.logarithmic)
        return 1 - drawn if self.complement else drawn


SEARCHED = {
    RATE: Searched(1 / 30, 10.0),
    "discount": Searched(1e-3, 0.1, complement=True),
    "trace": Searched(0.5, 0.999, logarithmic=False),
    "value_weight": Searched(0.1, 2.0),
    "entropy_weight": Searched(1e-3, 0.3),
}
"""As one would by hand; the policy's weight, which the others are relative to, is 1."""


def draw(trials: int, seed: int) -> tuple[optuna.Study, list[optuna.Trial], list[dict[str, float]]]:
    """A study in memory, and what its trials try."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed))
    asked = [study.ask() for _ in range(trials)]
    values = [{name: ends.suggest(trial, name) for name, ends in SEARCHED.items()} for trial in asked]
    return study, asked, values


def search(setting: Setting, rule: SelfTuning, tasks: int, trials: int = 64, seed: int = 0) -> dict[str, Any]:
    """Trials, each a lifetime on every one of the training tasks, and the best by the mean of their scores.

    Args:
        setting: of all trials.
        rule: whose reference's hyperparameters are drawn, and stay.
        tasks: training tasks, the same for all trials.
        trials: how many.
        seed: of what is drawn, and of the tasks.
    """
    study, asked, values = draw(trials, seed)
    found = lifetimes(setting, rule, [at(rule, each) for each in values], tasks, seed).scores.mean(axis=1)
    for trial, score in zip(asked, found, strict=True):
        study.tell(trial, float(score))
    best = study.best_trial.number
    return {
        "best": values[best],
        "best_score": study.best_value,
        "trials": [each | {"score": float(score)} for each, score in zip(values, found, strict=True)],
        "frames": trials * tasks * setting.frames,
    }


def at(rule: SelfTuning, values: Mapping[str, float]) -> Tensors:
    """Meta-parameters with which eta starts at some values; all others are the reference's.

    Raises:
        ValueError: one lies out of its range.
    """
    start = rule.initial_meta_params(torch.Generator())
    dtype = torch.get_default_dtype()
    return start | {name: torch.tensor(RANGES[name].x(value), dtype=dtype) for name, value in values.items()}
