"""What tuning itself is worth against random search: both are judged on held-out tasks, at equal frames a lifetime.

Two readings of a fair comparison: a rule that tunes itself has one lifetime and has seen no training task; or it may
spend on the training tasks what the search's trials spent together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt import statistics
from adapt.console import say
from adapt.files import folder_name, write_json
from adapt.provenance import commit, machine, versions
from adapt.results import spread
from adapt.tuning.lifetimes import Lifetimes, live
from adapt.tuning.population import Population, Setting
from adapt.tuning.search import lifetimes, search
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.adam import Adam
from adapt.update_rules.hyperparameters import RATE
from adapt.update_rules.online_tuning import OnlineTuning
from adapt.update_rules.rule import Tensors
from adapt.update_rules.self_tuning import SelfTuning, carried

_HELD_OUT = 1
"""Added to the seed where tasks are held out."""


@dataclass(frozen=True)
class Budget:
    """Of a comparison."""

    trials: int = 64
    """Of the random search."""
    tasks: int = 4
    """Training tasks, on which each trial has one lifetime."""
    held_out: int = 32
    """Tasks that candidates are compared on, with one lifetime each."""
    generations: int = 4
    """In which eta is carried on, of as many frames together as the search; 0: it is not carried."""


def default_rule() -> SelfTuning:
    """The hand-written rule as it is where nobody has tuned it, and how eta is judged."""
    reference = ActorCritic(bins=51, largest=20.0, discount=0.99, entropy_weight=0.01, normalise=True)
    return SelfTuning(reference, reference)


def report_tuning(
    env: str, updates: int, tuner_rate: float, budget: Budget, seed: int, out: Path | None
) -> tuple[Path, dict[str, Any]]:
    """`compare`, written to a file with what a reader needs to believe it; the file, and what is in it."""
    torch.set_num_threads(1)
    setting, rule, begun = Setting.of(env, updates), default_rule(), time.monotonic()
    result = compare(setting, rule, Adam(tuner_rate), budget, seed)
    told = {"env": env, "seed": seed, "frames_of_a_lifetime": setting.frames, "tuner_rate": tuner_rate}
    told |= {"budget": asdict(budget), "setting": asdict(setting), "rule": asdict(rule)}
    told |= {"versions": versions(), "commit": commit(), "machine": machine()}
    result = told | {"wall_seconds": time.monotonic() - begun} | result
    path = out or Path("runs/tuning") / f"{folder_name(env)}-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    return path, result


def table_lines(result: dict[str, Any]) -> Iterator[str]:
    """For the terminal."""
    budget = result["budget"]
    yield (
        f"{result['env']}: {budget['held_out']} held-out tasks, lifetimes of "
        f"{result['frames_of_a_lifetime']:,} frames; "
        f"random search: {budget['trials']} trials, {result['search']['frames']:,} frames"
    )
    for name, candidate in result["candidates"].items():
        yield f"  {name:<22} return {spread(candidate)}"
    for names, apart in result["differences"].items():
        yield f"  {names:<36} {spread(apart)}"


def compare(setting: Setting, rule: SelfTuning, tuner: Adam, budget: Budget, seed: int) -> dict[str, Any]:
    """Candidates by name, with `scores` on held-out tasks, and differences of means with 95 % intervals over them.

    `default`: the reference, written by hand. `searched`: the best of random search's trials of it. `self_tuning`: one
    lifetime from the default on. At the search's frames: `self_tuning_searched`, from the best start of as many random
    ones on; `self_tuning_carried`, from where eta was carried to by generations of lifetimes; `searched_tuned`, from
    the best trial on, which is its own judge too.
    """
    start = rule.initial_meta_params(torch.Generator())
    find = partial(search, setting, rule, budget.tasks, budget.trials, seed)
    say(f"{setting.env}: random search, {budget.trials} trials of {budget.tasks} x {setting.frames:,} frames")
    found = find()
    say("the same, each trial tuning itself")
    found_tuned = find(tuner=tuner)
    judged = partial(lifetimes, setting, rule, split="test", tasks=budget.held_out, seed=seed + _HELD_OUT)
    say(f"{budget.held_out} held-out tasks")
    candidates = {
        "default": judged(meta_params=start),
        "searched": judged(meta_params=start, values=[found["best"]]),
        "self_tuning": judged(meta_params=start, tuner=tuner),
        "self_tuning_searched": judged(meta_params=start, values=[found_tuned["best"]], tuner=tuner),
    }
    own, own_setting = as_found(setting, rule, found["best"])
    candidates["searched_tuned"] = lifetimes(
        own_setting,
        own,
        own.initial_meta_params(torch.Generator()),
        budget.held_out,
        seed + _HELD_OUT,
        split="test",
        tuner=tuner,
    )
    if budget.generations:
        say(f"self-tuning carried on, {budget.generations} generations of as many frames together")
        carried_to = carry(setting, rule, start, budget, seed, tuner)
        candidates["self_tuning_carried"] = judged(meta_params=carried_to, tuner=tuner)
    return {
        "search": found,
        "search_self_tuning": found_tuned,
        "candidates": {name: summary(lived) for name, lived in candidates.items()},
        "differences": {
            f"{one} - {other}": difference(candidates[one].scores, candidates[other].scores)
            for one, other in (
                ("self_tuning", "default"),
                ("self_tuning", "searched"),
                ("self_tuning_searched", "searched"),
                ("searched_tuned", "searched"),
                ("self_tuning_carried", "searched"),
            )
            if one in candidates
        },
    }


def as_found(setting: Setting, rule: SelfTuning, values: dict[str, float]) -> tuple[SelfTuning, Setting]:
    """The rule whose reference and judge are a trial of the search, and its setting: with the default as their judge,
    discount and trace leave a trial's values for the default's."""
    reference = replace(rule.reference, **{name: value for name, value in values.items() if name != RATE})
    own = replace(rule, reference=reference, judge=reference)
    return own, replace(setting, rate=setting.rate * values[RATE])


def carry(
    setting: Setting, rule: SelfTuning, meta_params: Tensors, budget: Budget, seed: int, tuner: Adam
) -> Tensors:
    """Where eta is after generations of lifetimes on training tasks, each from where the one before led on the mean."""
    agents = budget.trials * budget.tasks // budget.generations
    for generation in range(budget.generations):
        own = seed * budget.generations + generation
        online = partial(OnlineTuning, tuner=tuner)
        population = Population(setting, rule, meta_params, agents, own, online=online)
        live(population)
        meta_params = carried(meta_params, population.life.meta_state)
    return meta_params


def summary(lived: Lifetimes) -> dict[str, Any]:
    """As JSON has it: scores, their mean with its interval, curves and hyperparameters over agents."""
    return {
        "mean": float(lived.scores.mean()),
        "interval": statistics.bootstrap(statistics.mean, lived.scores),
        "scores": lived.scores.tolist(),
        "curve": [None if np.isnan(part).all() else float(np.nanmean(part)) for part in lived.curve],
        "hyperparameters": {
            name: np.quantile(values, (0.1, 0.5, 0.9), axis=1).T.tolist()
            for name, values in lived.hyperparameters.items()
        },
    }


def difference(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Of the means over the same tasks, with a 95 % interval."""
    apart = one - other
    return {"mean": float(apart.mean()), "interval": statistics.bootstrap(statistics.mean, apart)}
