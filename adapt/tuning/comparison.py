"""Hyperparameters by meta-training against the best of a random search of the hand-written rule, at the same frames.

Both spend as many frames on training tasks, both several times over, each time with other tasks and luck. On held-out
tasks then fresh agents live one lifetime each, the same tasks for all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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
from adapt.tuning.lifetimes import Lifetimes, lifetimes, live
from adapt.tuning.meta_training import EVOLUTION, meta_train
from adapt.tuning.population import Population, Setting
from adapt.tuning.search import at, search
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.adam import Adam
from adapt.update_rules.online_tuning import OnlineTuning
from adapt.update_rules.rule import Tensors
from adapt.update_rules.self_tuning import SelfTuning, own_judge, values
from adapt.update_rules.weights_file import digest, save_weights

_HELD_OUT = 100_000
"""Added to the seed where tasks are held out."""
_DIFFERENCES = (
    ("meta_trained", "searched", False),
    ("meta_trained", "default", False),
    ("searched", "default", False),
    ("meta_trained_moving", "meta_trained", True),
    ("self_tuning", "default", False),
    ("self_tuning", "searched", False),
)
"""Of two candidates, and whether each training of the one belongs to one of the other."""


@dataclass(frozen=True)
class Budget:
    """Of a comparison."""

    trials: int = 64
    """Of a random search."""
    tasks: int = 2
    """Training tasks, on which each trial has one lifetime; meta-training has trials x tasks lifetimes too."""
    repeats: int = 3
    """Searches, and meta-trainings."""
    held_out: int = 32
    """Tasks that candidates are compared on, with one lifetime each."""


def default_rule() -> SelfTuning:
    """The hand-written rule as it is where nobody has tuned it, and how eta is judged."""
    reference = ActorCritic(bins=51, largest=20.0, discount=0.99, entropy_weight=0.01, normalise=True)
    return SelfTuning(reference, reference)


def report_tuning(
    env: str, updates: int, tuner_rate: float, budget: Budget, seed: int, out: Path | None
) -> tuple[Path, dict[str, Any]]:
    """`compare`, written to a file with what a reader needs to believe it, and beside it what meta-training found, for
    `adapt train self_tuning --weights`; the file, and what is in it."""
    torch.set_num_threads(1)
    setting, rule, begun = Setting.of(env, updates), default_rule(), time.monotonic()
    path = out or Path("runs/tuning") / f"{folder_name(env)}-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    result, found = compare(setting, rule, Adam(tuner_rate), budget, seed)
    for each, meta_params in zip(result["meta_training"], found, strict=True):
        weights = path.with_name(f"{path.stem}-{each['seed']}.npz")
        save_weights(weights, meta_params)
        each |= {"weights": weights.name, "sha256": digest(weights.read_bytes())}
    told = {"env": env, "seed": seed, "frames_of_a_lifetime": setting.frames, "tuner_rate": tuner_rate}
    told |= {"budget": asdict(budget), "setting": asdict(setting), "rule": asdict(rule)}
    told |= {"evolution": asdict(EVOLUTION)}
    told |= {"versions": versions(), "commit": commit(), "machine": machine()}
    result = told | {"wall_seconds": time.monotonic() - begun} | result
    write_json(path, result)
    return path, result


def table_lines(result: dict[str, Any]) -> Iterator[str]:
    """For the terminal."""
    budget = result["budget"]
    yield (
        f"{result['env']}: {budget['held_out']} held-out tasks, lifetimes of "
        f"{result['frames_of_a_lifetime']:,} frames; {budget['repeats']} searches of {budget['trials']} trials, "
        f"{result['search'][0]['frames']:,} frames each, and as many meta-trainings"
    )
    for name, candidate in result["candidates"].items():
        yield f"  {name:<22} return {spread(candidate)}"
    for names, apart in result["differences"].items():
        yield f"  {names:<36} {spread(apart)}"


def compare(
    setting: Setting, rule: SelfTuning, tuner: Adam, budget: Budget, seed: int
) -> tuple[dict[str, Any], list[Tensors]]:
    """Candidates by name, with `scores` on held-out tasks, and differences of means with 95 % intervals over tasks and
    over searches and meta-trainings; and the meta-parameters that were found.

    `default`: the reference, written by hand. `searched`: the best of random search's trials of it. `meta_trained`:
    the reference with hyperparameters by `meta_train`; they stay. `meta_trained_moving`: they go on moving in the
    lifetime, and are the judge's too. `self_tuning`: one lifetime from the default on.
    """
    seeds = range(seed * budget.repeats, (seed + 1) * budget.repeats)
    searches, trainings, starts = [], [], []
    for own in seeds:
        say(
            f"{setting.env}: random search, {budget.trials} trials of {budget.tasks} x {setting.frames:,} frames"
        )
        searches.append({"seed": own} | search(setting, rule, budget.tasks, budget.trials, own))
        say("meta-training, of as many frames")
        found, how = meta_train(setting, rule, budget.trials * budget.tasks, own)
        starts.append(found)
        trainings.append({"seed": own, "found": values(found)} | how)
    say(f"{budget.held_out} held-out tasks")
    where = {"tasks": budget.held_out, "seed": seed + _HELD_OUT}
    still = [at(rule, {}), *(at(rule, each["best"]) for each in searches), *starts]
    parts = _split(lifetimes(setting, rule, still, split="test", **where), budget.repeats)
    moving = partial(tuned, setting, tuner=tuner, **where)
    parts["self_tuning"] = moving(rule, at(rule, {}))
    parts["meta_trained_moving"] = _together([moving(own_judge(rule, each), each) for each in starts])
    return {
        "search": searches,
        "meta_training": trainings,
        "candidates": {name: summary(lived) for name, lived in parts.items()},
        "differences": {
            f"{one} - {other}": difference(parts[one].scores, parts[other].scores, paired)
            for one, other, paired in _DIFFERENCES
        },
    }, starts


def tuned(
    setting: Setting, rule: SelfTuning, meta_params: Tensors, tasks: int, seed: int, tuner: Adam
) -> Lifetimes:
    """Lifetimes on held-out tasks in which eta moves."""
    online = partial(OnlineTuning, tuner=tuner)
    return live(Population(setting, rule, meta_params, tasks, seed, split="test", online=online))


def summary(lived: Lifetimes) -> dict[str, Any]:
    """As JSON has it: scores, (n,) or (S, n), their mean with its interval, curves and hyperparameters over agents."""
    curve = lived.curve.reshape(len(lived.curve), -1)
    return {
        "mean": float(lived.scores.mean()),
        "interval": statistics.bootstrap(statistics.mean, lived.scores),
        "scores": lived.scores.tolist(),
        "curve": [None if np.isnan(part).all() else float(np.nanmean(part)) for part in curve],
        "hyperparameters": {
            name: np.quantile(every.reshape(len(every), -1), (0.1, 0.5, 0.9), axis=1).T.tolist()
            for name, every in lived.hyperparameters.items()
        },
    }


def difference(one: np.ndarray, other: np.ndarray, paired: bool) -> dict[str, Any]:
    """Of the means over the same tasks, (n,) or (S, n) each, with a 95 % interval; `paired` where both are of the same
    meta-trainings."""
    samples = (one - other,) if paired else (one, -other)
    apart = statistics.bootstrap(
        lambda *parts: np.sum([statistics.mean(part) for part in parts], axis=0), *samples
    )
    return {"mean": float(one.mean() - other.mean()), "interval": apart}


def _split(lived: Lifetimes, repeats: int) -> dict[str, Lifetimes]:
    """Of the default, searches and meta-trainings, which lived side by side."""
    cuts = {"default": 0, "searched": slice(1, repeats + 1), "meta_trained": slice(repeats + 1, None)}
    return {
        name: Lifetimes(
            lived.scores[cut],
            lived.curve[:, cut],
            {key: value[:, cut] for key, value in lived.hyperparameters.items()},
        )
        for name, cut in cuts.items()
    }


def _together(lived: list[Lifetimes]) -> Lifetimes:
    names = lived[0].hyperparameters
    return Lifetimes(
        np.stack([each.scores for each in lived]),
        np.stack([each.curve for each in lived], axis=1),
        {name: np.stack([each.hyperparameters[name] for each in lived], axis=1) for name in names},
    )
