"""Random search of a hand-written rule's hyperparameters, all of whose trials train at once as one population."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import optuna
import torch

from adapt.tuning.lifetimes import Lifetimes, live, told
from adapt.tuning.population import Population, Setting
from adapt.update_rules.adam import Adam
from adapt.update_rules.hyperparameters import RATE
from adapt.update_rules.lifetime import Learning
from adapt.update_rules.online_tuning import OnlineTuning
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


def search(
    setting: Setting, rule: SelfTuning, tasks: int, trials: int = 64, seed: int = 0, tuner: Adam | None = None
) -> dict[str, Any]:
    """Trials, each a lifetime on every one of the training tasks, and the best by the mean of their scores.

    Args:
        setting: of all trials.
        rule: whose hyperparameters are told.
        tasks: training tasks, the same for all trials.
        trials: how many.
        seed: of what is drawn, and of the tasks.
        tuner: None: a trial's hyperparameters stay, so the rule is its reference, written by hand. Otherwise they are
            where its lifetimes start.
    """
    study, asked, values = draw(trials, seed)
    meta_params = rule.initial_meta_params(torch.Generator())
    lived = lifetimes(setting, rule, meta_params, tasks, seed, values=values, tuner=tuner)
    scores = lived.scores.reshape(trials, tasks)
    for trial, score in zip(asked, scores.mean(axis=1), strict=True):
        study.tell(trial, float(score))
    best = study.best_trial.number
    return {
        "best": values[best],
        "best_score": study.best_value,
        "trials": [v | {"score": float(s.mean())} for v, s in zip(values, scores, strict=True)],
        "frames": trials * tasks * setting.frames,
    }


def lifetimes(
    setting: Setting,
    rule: SelfTuning,
    meta_params: Tensors,
    tasks: int,
    seed: int,
    *,
    split: str = "train",
    values: list[dict[str, float]] | None = None,
    tuner: Adam | None = None,
    tuned: tuple[str, ...] | None = None,
) -> Lifetimes:
    """Of one agent in every task for each of the `values`, as `search` has them."""
    online: Any = Learning
    if tuner is not None:
        online = partial(OnlineTuning, tuner=tuner, **({} if tuned is None else {"tuned": tuned}))
    copies = len(values) if values else 1
    population = Population(
        setting, rule, meta_params, tasks, seed, copies=copies, split=split, online=online
    )
    if values:
        every = {name: np.repeat([each[name] for each in values], tasks) for name in values[0]}
        population.life = told(population.life, meta_params, every)
    return live(population)
