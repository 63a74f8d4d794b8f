"""Which rule for which family: lifetimes of several rules, and controllers that choose among them.

A pull is one lifetime on a training task. Many controllers are judged, so lifetimes are lived once, side by side, and a
pull draws one of them. E families, A rules, L lifetimes of each rule in each family.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.console import say
from adapt.files import write_json
from adapt.networks.agent import AgentSizes
from adapt.provenance import commit, machine, versions
from adapt.results import spread
from adapt.tuning.comparison import default_rule
from adapt.tuning.controller import Controller, play
from adapt.tuning.lifetimes import live
from adapt.tuning.population import Population, Setting
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.adam import Adam
from adapt.update_rules.disco_weights import load_disco
from adapt.update_rules.lifetime import Learning
from adapt.update_rules.online_tuning import OnlineTuning
from adapt.update_rules.rule import Tensors, UpdateRule

_RANDOM_UPDATES = 100
"""Updates in which agents that do not learn are watched."""


@dataclass(frozen=True)
class Candidate:
    """A rule that a controller may choose."""

    rule: UpdateRule
    rate: float
    """Adam's learning rate."""
    meta_params: Tensors = field(default_factory=dict)
    sizes: AgentSizes | None = None
    """Of its agents' networks; None: the setting's."""
    online: Any = Learning
    """Makes the learning, see `Population`."""

    def live(self, setting: Setting, lifetimes: int, seed: int) -> np.ndarray:
        """Scores of lifetimes on training tasks, shape (L,)."""
        own = replace(setting, rate=self.rate, sizes=self.sizes or setting.sizes)
        population = Population(own, self.rule, self.meta_params, lifetimes, seed, online=self.online)
        return live(population).scores


@dataclass(frozen=True)
class ChoiceRequest:
    """What `adapt choose` was asked; see there."""

    envs: tuple[str, ...]
    disco: Path | None
    lifetimes: int
    pulls: int
    controllers: int
    updates: int
    seed: int
    out: Path | None


def candidates(disco: Path | None) -> dict[str, Candidate]:
    """The rules that there are to choose from: an actor-critic that learns carefully and one that learns fast and
    explores, one that tunes itself, and where there are weights, the discovered one.

    Raises:
        AdaptError: the weights cannot be read.
    """
    tuning = default_rule()
    fast = replace(tuning.reference, entropy_weight=0.05, discount=0.95)
    found = {
        "actor_critic": Candidate(tuning.reference, 3e-3),
        "actor_critic_fast": Candidate(fast, 1e-2),
        "self_tuning": Candidate(
            tuning,
            3e-3,
            tuning.initial_meta_params(torch.Generator()),
            online=partial(OnlineTuning, tuner=Adam(0.01)),
        ),
    }
    if disco is not None:
        rule, meta_params = load_disco(disco)
        found["disco"] = Candidate(rule, 1e-2, meta_params, AgentSizes((32, 32), model=32, head=32))
    return found


def report_choice(request: ChoiceRequest) -> tuple[Path, dict[str, Any]]:
    """Lives all lifetimes, has controllers choose, and writes both to a file; the file, and what is in it."""
    torch.set_num_threads(1)
    begun, rules = time.monotonic(), candidates(request.disco)
    scores, random = {}, {}
    for env in request.envs:
        setting = Setting.of(env, request.updates)
        random[env] = random_score(setting, request.lifetimes, request.seed)
        rows = []
        for name, candidate in rules.items():
            rows.append(candidate.live(setting, request.lifetimes, request.seed))
            say(f"{env}: {name} {rows[-1].mean():.4g} (random {random[env]:.4g})")
        scores[env] = np.array(rows)
    result = controlled(scores, random, list(rules), request.pulls, request.controllers, request.seed)
    told = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(request).items()}
    told |= {"versions": versions(), "commit": commit(), "machine": machine()}
    told |= {"wall_seconds": time.monotonic() - begun, "random": random}
    told["scores"] = {e: dict(zip(rules, every.tolist(), strict=True)) for e, every in scores.items()}
    path = request.out or Path("runs/tuning") / f"choice-{request.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, told | result)
    return path, told | result


def table_lines(result: dict[str, Any]) -> Iterator[str]:
    """For the terminal: returns, 0 of agents that do not learn, 1 of the family's best rule."""
    yield f"best single rule: {result['single_rule']}"
    for env, family in {**result["families"], "mean": result["mean"]}.items():
        kept = ""
        if "final_choice" in family:
            kept = ", ".join(f"{name} {count}" for name, count in family["final_choice"].items() if count)
        yield (
            f"  {env:<14} kept {family['kept']:.3f}  while choosing {family['choosing']:.3f}  "
            f"single {family['single']:.3f}  best {family['best']:.3f}  uniform {family['uniform']:.3f}  {kept}"
        )
    for key in ("kept", "choosing"):
        yield f"  {key} - single {spread(result[f'{key}_above_single'], 3)}"


def random_score(setting: Setting, lifetimes: int, seed: int) -> float:
    """Mean return of agents that know nothing yet and learn nothing."""
    still = replace(setting, updates=max(_RANDOM_UPDATES, setting.updates // 4))
    return float(Candidate(ActorCritic(bins=3, largest=1.0), 0.0).live(still, lifetimes, seed).mean())


def controlled(
    scores: Mapping[str, np.ndarray],
    random: Mapping[str, float],
    names: list[str],
    pulls: int,
    controllers: int,
    seed: int,
) -> dict[str, Any]:
    """Controllers in every family, against the best single rule and against the oracle that knows each family's best.

    A controller's pulls draw from one half of the lifetimes, and the other half judges it: halves of its own.

    Args:
        scores: of lifetimes by family, shapes (A, L), L of 2 or more.
        random: of agents that do not learn, by family.
        names: of the rules.
        pulls: of a controller in a family.
        controllers: how many there are in each.
        seed: of the draws.

    Returns:
        By family and over all: returns between the random agents', 0, and those of the family's best rule, 1. Which
        rule is best, and best alone, is known in hindsight, from all lifetimes.
    """
    rng = np.random.default_rng(seed)
    normal = {
        family: (every - random[family]) / (every.mean(axis=1).max() - random[family])
        for family, every in scores.items()
    }
    means = {family: every.mean(axis=1) for family, every in normal.items()}
    single = int(np.argmax(np.mean(list(means.values()), axis=0)))
    played = {family: _play(every, single, pulls, controllers, rng) for family, every in normal.items()}
    together = {key: np.mean([each[key] for each in played.values()], axis=0) for key in _JUDGED}
    return {
        "single_rule": names[single],
        "families": {family: _family(each, means[family], names) for family, each in played.items()},
        "mean": {key: float(value.mean()) for key, value in together.items()},
        "kept_above_single": _spread(together["kept"] - together["single"]),
        "choosing_above_single": _spread(together["choosing"] - together["single"]),
    }


_JUDGED = ("kept", "choosing", "single", "best", "uniform")
"""What a controller keeps in the end, what it pulls on the mean, and what it is held against."""


def _play(
    normal: np.ndarray, single: int, pulls: int, controllers: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Controllers in one family, normalised scores (A, L): `_JUDGED` and `final` (controllers,), regrets (controllers,
    pulls), of a controller and of the best single rule."""
    arms, lifetimes = normal.shape
    best, rows = int(normal.mean(axis=1).argmax()), []
    for _ in range(controllers):
        order = rng.permutation(lifetimes)
        heard, judge = normal[:, order[: lifetimes // 2]], normal[:, order[lifetimes // 2 :]].mean(axis=1)
        controller = Controller(arms)
        chosen = play(controller, lambda arm, heard=heard: float(rng.choice(heard[arm])), pulls)
        final = controller.best()
        rows.append(
            {
                "final": final,
                "kept": judge[final],
                "choosing": judge[chosen].mean(),
                "single": judge[single],
                "best": judge[best],
                "uniform": judge.mean(),
                "regret": np.cumsum(judge[best] - judge[chosen]),
                "regret_of_single": np.arange(1, pulls + 1) * (judge[best] - judge[single]),
            }
        )
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _family(played: dict[str, np.ndarray], means: np.ndarray, names: list[str]) -> dict[str, Any]:
    """As JSON has it; `means` of all lifetimes, (A,)."""
    counts = np.bincount(played["final"], minlength=len(names))
    return {
        "best_rule": names[int(means.argmax())],
        "means": dict(zip(names, means.tolist(), strict=True)),
        "final_choice": dict(zip(names, counts.tolist(), strict=True)),
        **{key: float(played[key].mean()) for key in _JUDGED},
        "regret": played["regret"].mean(axis=0).tolist(),
        "regret_interval": np.percentile(played["regret"], [2.5, 97.5], axis=0).tolist(),
        "regret_of_single": played["regret_of_single"].mean(axis=0).tolist(),
    }


def _spread(values: np.ndarray) -> dict[str, Any]:
    """Mean, and where 95 % of controllers lie."""
    return {"mean": float(values.mean()), "interval": np.percentile(values, [2.5, 97.5]).tolist()}
