"""Whether rules that were discovered in more environments teach better where none of them was discovered.

Rewards are put on one scale, environment by environment: 0 is what agents have under the rules' first, random weights,
1 what they have under a hand-written actor-critic at the best of its rates. D discoveries, M agents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt import provenance
from adapt.errors import AdaptError
from adapt.files import write_json
from adapt.meta.comparison import by_hand, group_of, placed_in
from adapt.meta.judge import last
from adapt.meta.lifetimes import rewards_of_lives, rewards_under
from adapt.meta.run import beginning, load_rule, outer_steps_of, read_run
from adapt.statistics import bootstrap, mean


def scaling(
    runs: Sequence[Path],
    environments: Sequence[str],
    agents: int,
    updates: int,
    rates: tuple[float, ...],
    seed: int,
    out: Path,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Judges runs that differ in their environments and seeds alone, in environments' held-out tasks.

    Args:
        runs: of discovery, from random weights.
        environments: names; that no run was in any of them is up to the caller.
        agents: so many lives under each rule, M.
        updates: length of a life.
        rates: of the hand-written rule's agents.
        seed: of agents and tasks.
        out: JSON file.
        progress: told of every environment that is done.

    Returns:
        `sizes`, by number of training environments: `score` with its 95 % `interval` over discoveries and agents,
        `runs`, each discovery's score, and `environments`, the scores in each.
        `gain`, per doubling of their number, least squares over the sizes, with `interval`. `rewards`: of the last
        quarter of every life, by environment and rule.

    Raises:
        AdaptError: runs that differ in more, or that begin with other weights than random ones; an environment in which
            the hand-written rule learns nothing, so that there is no scale.
    """
    torch.set_num_threads(1)
    configs = [read_run(run) for run in runs]
    _check(runs, configs)
    rules = [load_rule(run) for run in runs]
    rule = rules[0][0]
    seeds = sorted({config["seed"] for config in configs})
    first = [beginning(rule, None, each, configs[0]["gain"])[1] for each in seeds]
    group = group_of(configs[0]["groups"][0], agents, updates)
    rewards: dict[str, dict[str, Any]] = {}
    scores = []
    for done, name in enumerate(environments, 1):
        lives = placed_in(group, name)
        found, _ = rewards_under(lives, rule, [params for _, params in rules] + first, seed)
        hand = [
            last(rewards_of_lives(replace(lives, rate=rate), by_hand(rule), {}, seed)[0]) for rate in rates
        ]
        ends = np.array([last(each) for each in found])
        best = max(hand, key=lambda values: values.mean())
        zero, one = ends[len(runs) :].mean(), best.mean()
        if not one > zero:
            raise AdaptError(
                f"{name}: the hand-written rule has {one:.3g}, random weights {zero:.3g}: no scale"
            )
        scores.append((ends[: len(runs)] - zero) / (one - zero))
        rewards[name] = {
            **{run.name: values.tolist() for run, values in zip(runs, ends, strict=False)},
            **{f"random weights {s}": v.tolist() for s, v in zip(seeds, ends[len(runs) :], strict=True)},
            "actor_critic": best.tolist(),
        }
        if progress is not None:
            progress(name, done, len(environments))
    result = {
        **summary(runs, [environments_of(config) for config in configs], environments, scores),
        "rewards": rewards,
        "configs": {run.name: config for run, config in zip(runs, configs, strict=True)},
        **{"agents": agents, "updates": updates, "seed": seed, "rates": list(rates)},
        **{"versions": provenance.versions(), "commit": provenance.commit(), "machine": provenance.machine()},
    }
    write_json(out, result, indent=1)
    return result


def environments_of(config: dict[str, Any]) -> int:
    """In how many environments a run discovered; every world of a grid is one."""
    count = 0
    for group in config["groups"]:
        for name in group["environments"]:
            worlds = group["options"].get("worlds", 0)
            if name.startswith("grid:") and not worlds:
                raise AdaptError(
                    f"{name}: a new world for every life; give `adapt discover` a number of --worlds"
                )
            count += max(1, worlds)
    return count


def summary(
    runs: Sequence[Path],
    counts: list[int],
    names: Sequence[str],
    scores: list[np.ndarray],
) -> dict[str, Any]:
    """Of scores, shape (D, M) in each environment, by the number of training environments."""
    each = np.mean(scores, axis=0)
    by_size = defaultdict(list)
    for index, count in enumerate(counts):
        by_size[count].append(index)
    sizes = {}
    for count, places in sorted(by_size.items()):
        sizes[str(count)] = {
            **_interval(each[places]),
            "runs": {runs[place].name: float(each[place].mean()) for place in places},
            "environments": {
                name: _interval(score[places]) for name, score in zip(names, scores, strict=True)
            },
        }
    doublings = np.log2(sorted(by_size))
    samples = [each[places] for _, places in sorted(by_size.items())]

    def slope(*drawn: np.ndarray) -> np.ndarray:
        means = np.stack([mean(values) for values in drawn])
        centred = doublings - doublings.mean()
        return np.tensordot(centred, means, axes=1) / max(float(centred @ centred), 1e-12)

    gain = {
        "mean": float(slope(*(sample.ravel() for sample in samples))),
        "interval": bootstrap(slope, *samples),
    }
    return {"sizes": sizes, "gain": gain}


def _interval(scores: np.ndarray) -> dict[str, Any]:
    return {"score": float(scores.mean()), "interval": bootstrap(mean, scores)}


def _check(runs: Sequence[Path], configs: Sequence[dict[str, Any]]) -> None:
    if not runs:
        raise AdaptError("--rule: none; folders of runs of `adapt discover` are needed")

    def rest(run: Path, config: dict[str, Any]) -> dict[str, Any]:
        alike = {name: config[name] for name in ("rule", "gain", "outer", "evolution")}
        groups = [{**group, "environments": 0, "options": 0} for group in config["groups"]]
        return {**alike, "groups": groups, "outer_steps": outer_steps_of(run)}

    first = rest(runs[0], configs[0])
    for run, config in zip(runs, configs, strict=True):
        if config["begin"]:
            raise AdaptError(f"{run}: begins with {config['begin']}; valid: random weights")
        for name, value in rest(run, config).items():
            if value != first[name]:
                raise AdaptError(f"{run}: {name} {value}; {runs[0]}: {first[name]}; valid: the same")
