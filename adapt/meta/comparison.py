"""Discovered rules beside their first weights and a hand-written rule, in several environments; as a JSON file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from adapt import provenance
from adapt.errors import AdaptError
from adapt.files import write_json
from adapt.meta.blind import Blind
from adapt.meta.judge import Contestant, judge
from adapt.meta.population import GroupConfig
from adapt.meta.run import beginning, load_rule, read_run
from adapt.networks.agent import AgentSizes
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.disco import Disco
from sim_tasks.discrete import is_robot

RANDOM, FIRST, BY_HAND = "random weights", "first weights", "actor_critic"
_ENTROPY = 0.02
"""Of the actor-critic: with the authors' 0.2, for much larger rewards, short lives end undecided."""


def compare_rules(
    runs: Sequence[Path],
    environments: Sequence[str],
    agents: int,
    updates: int,
    rates: tuple[float, ...],
    seed: int,
    out: Path,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Judges rules in environments' held-out tasks; what is found is also written.

    Args:
        runs: of discovery. Their agents' optimisers and networks are to be alike.
        environments: names.
        agents: so many lives.
        updates: length of a life.
        rates: of the hand-written rule's agents.
        seed: of agents and tasks.
        out: JSON file.
        progress: told of every environment that is done.

    Raises:
        AdaptError: no runs, runs of one name, or agents that differ.
    """
    if not runs:
        raise AdaptError("--rule: none; the folder of a run of `adapt discover` is needed")
    names = [run.name for run in runs]
    if taken := [
        run for run in runs if names.count(run.name) > 1 or run.name in (RANDOM, FIRST, BY_HAND, "")
    ]:
        raise AdaptError(
            f"--rule: {', '.join(map(str, taken))}; valid: folders whose last names differ, and are not "
            f"{RANDOM}, {FIRST} or {BY_HAND}: they name the rules in the result"
        )
    torch.set_num_threads(1)
    configs = [read_run(run) for run in runs]
    kinds = [{**config["groups"][0], "environments": 0, "agents": 0, "options": 0} for config in configs]
    if others := [run for run, kind in zip(runs, kinds, strict=True) if kind != kinds[0]]:
        raise AdaptError(f"{others[0]}: its agents differ from those of {runs[0]}")
    group = group_of(configs[0]["groups"][0], agents, updates)
    contestants = _contestants(runs, configs, group.rate, rates)
    found = {}
    for done, name in enumerate(environments, 1):
        found[name] = judge(placed_in(group, name), contestants, seed)
        if progress is not None:
            progress(name, done, len(environments))
    result = {
        "environments": found,
        "runs": {str(run): config for run, config in zip(runs, configs, strict=True)},
        "agents": agents,
        "updates": updates,
        "seed": seed,
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
    }
    write_json(out, result, indent=1)
    return result


def group_of(recorded: dict[str, Any], agents: int, updates: int) -> GroupConfig:
    """Agents such as those of a run's group, who live once, on held-out tasks; `placed_in` says where."""
    sizes = AgentSizes(**recorded["sizes"] | {"dense": tuple(recorded["sizes"]["dense"])})
    kept = {name: recorded[name] for name in ("trajectories", "steps", "rate", "floor")}
    return GroupConfig(("catch",), agents, lifetime=updates, sizes=sizes, split="test", **kept)


def placed_in(group: GroupConfig, name: str) -> GroupConfig:
    """The same agents in an environment."""
    options = {"bins": 5, "threads": 1, "standard": True} if is_robot(name.partition("+")[0]) else {}
    return replace(group, environments=(name,), options=options)


def by_hand(rule: Disco) -> ActorCritic:
    """The hand-written rule, for agents whose values are those that a discovered rule asks for."""
    values = {name: getattr(rule, name) for name in ("bins", "largest", "discount")}
    return ActorCritic(**values, entropy_weight=_ENTROPY, normalise=True)


def _contestants(
    runs: Sequence[Path], configs: Sequence[dict[str, Any]], rate: float, rates: tuple[float, ...]
) -> dict[str, Contestant]:
    """The runs' rules by the names of their folders, each also without rewards; the first weights of the first; and
    the hand-written rule."""
    rules = [load_rule(run) for run in runs]
    found = {run.name: Contestant(*made, (rate,)) for run, made in zip(runs, rules, strict=True)}
    for run, (rule, meta_params) in zip(runs, rules, strict=True):
        found[f"{run.name}, blind"] = Contestant(Blind.of(rule), meta_params, (rate,))
    rule, config = rules[0][0], configs[0]
    begin = Path(config["begin"]) if config["begin"] else None
    first = beginning(rule, begin, config["seed"], config["gain"], config.get("begin_sha256"))
    found[FIRST if config["begin"] else RANDOM] = Contestant(*first, (rate,))
    return found | {BY_HAND: Contestant(by_hand(rule), {}, rates)}
