"""Evaluation of runs of learners with discrete actions: episodes that training has not seen, beside a random player.

n environments, K episodes in each, S runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from adapt import provenance
from adapt.errors import AdaptError
from adapt.evaluate import SPLITS, returns_summary
from adapt.files import common_folder, write_json
from adapt.learners import DiscreteSetup
from adapt.learners.environments import EnvironmentConfig, environment
from adapt.learners.setup import DiscreteLearner
from adapt.results import interval, percent, spread
from adapt.runs import alike, run_facts
from adapt.train import load_learner
from sim_tasks.discrete import DiscreteEnv, is_atari, is_robot
from sim_tasks.discrete.atari_scores import human_normalised
from sim_tasks.discrete.binned import Binned

Act = Callable[[np.ndarray], np.ndarray]
"""Actions, shape (n, J), in states, shape (n, ...)."""


@dataclass(frozen=True)
class DiscreteRequest:
    """How runs are evaluated."""

    envs: int = 512
    """Environments, n: of robots as many held-out ones."""
    episodes: int = 1
    """In each, K."""
    seed: int = 0
    """Of tasks, starts and actions."""
    split: str = "test"
    """`test`, or of robots `ood`."""
    out: Path | None = None
    """File of the result; None: `evaluation.json` in the run, `evaluation_ood.json` of the split `ood`."""
    threads: int = 0
    """Of simulations and emulators; 0: one per core."""


def evaluate_discrete(
    runs: Sequence[Path], request: DiscreteRequest, quiet: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Evaluates runs of one learner in one environment, which differ in their seeds, and writes the result.

    Agents act as they learn, by drawing. An agent that has lived in one task only plays on in that one, in
    environments that its training did not have.

    Returns:
        The file of the result, and its content. `policies` has the run's and `random`, uniform actions.

    Raises:
        RunError: a run is missing, of another kind than the first, or cannot be read.
        AdaptError: no environments, no episodes, fewer than no threads, or the training split.
    """
    from adapt.console import say

    _check(request)
    torch.set_num_threads(1)  # as in training
    configs = alike(runs)
    own_task = False
    played: dict[str, list[Played]] = {"learner": [], "random": []}
    for run in runs:
        if not quiet:
            say(f"{run} plays")
        learner = cast("DiscreteLearner", load_learner(run, request.threads))
        place = _Place(configs[run], learner.config, request)
        played["learner"].append(place.play(_policy(learner, request.seed)))
        own_task = place.own_task
        if own_task or not played["random"]:
            played["random"].append(place.play(_uniform(learner.env, request.seed)))
    result = _result(runs, configs, request, played, own_task)
    name = "evaluation" if request.split == "test" else f"evaluation_{request.split}"
    path = request.out or (
        runs[0] / f"{name}.json"
        if len(runs) == 1
        else common_folder(runs) / f"{name}_{result['learner']}.json"
    )
    write_json(path, result)
    for line in () if quiet else discrete_lines(result):
        say(line)
    return path, result


def discrete_lines(result: dict[str, Any]) -> Iterator[str]:
    """An evaluation in words."""
    where = "new episodes of its own task" if result["own_task"] else f"held out ({result['split']})"
    seeds = len(result["runs"]["learner"])
    yield (
        f"{result['learner']} on {result['family']}: {result['n_tasks']} environments, "
        f"{result['episodes']} episode{'s' * (result['episodes'] > 1)} each, {where}"
        f"{f', {seeds} runs' if seeds > 1 else ''}"
    )
    for name, policy in result["policies"].items():
        normalised = policy.get("human_normalised")
        scaled = f"  human-normalised {spread(normalised, 3)}" if normalised else ""
        if policy.get("success") is not None:
            scaled = f"  on target for {percent(policy['success'])} of the last second"
        yield (
            f"{name:>8}  return {spread(policy)}  CVaR5% {policy['cvar5']:.3g} "
            f"{interval(policy['cvar5_interval'])}{scaled}"
        )


class Played(NamedTuple):
    """What an agent did in n environments."""

    returns: np.ndarray
    """Mean over its episodes. Shape (n,)."""
    success: np.ndarray | None
    """Likewise the share of an episode's last second in which the robot was where it should be, 0 if it ended early.
    Shape (n,); None where the environment does not say."""


class _LastSecond:
    """Watches whether robots are where they should be."""

    def __init__(self, env: Binned):
        self._env = env
        self._recent = np.zeros((max(1, round(1 / env.period)), env.envs), bool)
        self._steps = np.zeros(env.envs, np.int64)

    def after_step(self) -> np.ndarray:
        """Of episodes that end with this step, their share of the last second on target; of others 0. Shape (N,)."""
        self._steps += 1
        self._recent = np.roll(self._recent, -1, axis=0)
        self._recent[-1] = self._env.success
        whole = self._env.last & (self._steps >= self._env.episode_steps)
        share = np.where(whole, self._recent.mean(axis=0), 0.0)
        self._steps[self._env.last] = -1  # the step after an end only begins an episode
        return share


class _Place:
    """Where an agent is evaluated."""

    def __init__(self, config: dict[str, Any], settings: EnvironmentConfig, request: DiscreteRequest):
        self._name, self._settings, self._request = config["family"], settings, request
        kind = self._name.partition(":")[0]
        self.own_task = settings.one_task if is_robot(self._name) else kind in ("grid", "point")
        """Whether the agent has lived in one task among many."""
        self.before = settings.envs if self.own_task else 0
        """Environments that training had too, whose episodes do not count."""
        self._seed = config["seed"] if self.own_task else request.seed

    def play(self, act: Act) -> Played:
        """The first K episodes in each environment."""
        env = self._environment()
        last_second = _LastSecond(env) if isinstance(env, Binned) and env.success is not None else None
        kept: list[list[tuple[float, float]]] = [[] for _ in range(env.envs)]
        while min(len(each) for each in kept) < self._request.episodes:
            env.step(act(env.observation))
            on_target = last_second.after_step() if last_second else np.zeros(env.envs)
            for number, value in zip(*env.ended(), strict=True):
                kept[number].append((value, on_target[number]))
        counted = kept[self.before :]
        means = np.array([np.mean(each[: self._request.episodes], axis=0) for each in counted])
        return Played(means[:, 0], means[:, 1] if last_second else None)

    def _environment(self) -> DiscreteEnv:
        setup = DiscreteSetup(self._name, self._settings, self._seed, self._request.threads)
        split = "train" if self.own_task else self._request.split
        return environment(setup, self._request.envs + self.before, split)


def _policy(learner: DiscreteLearner, seed: int) -> Act:
    generator = torch.Generator().manual_seed(seed)
    return lambda states: learner.act(states, generator)[1]


def _uniform(env: DiscreteEnv, seed: int) -> Act:
    rng, joints, actions = np.random.default_rng(seed), env.joints, env.actions
    return lambda states: rng.integers(actions, size=(len(states), joints))


def _check(request: DiscreteRequest) -> None:
    for name in ("envs", "episodes"):
        if getattr(request, name) < 1:
            shown = "tasks" if name == "envs" else name
            raise AdaptError(f"{shown}: {getattr(request, name)}; valid: 1 or more")
    if request.threads < 0:
        raise AdaptError(f"threads: {request.threads}; valid: 0, one per core, or more")
    if request.split not in SPLITS:
        raise AdaptError(f"split: {request.split!r}; valid: {', '.join(SPLITS)}")


def _result(
    runs: Sequence[Path],
    configs: dict[Path, dict[str, Any]],
    request: DiscreteRequest,
    played: dict[str, list[Played]],
    own_task: bool,
) -> dict[str, Any]:
    first = configs[runs[0]]
    name = first["family"]
    policies: dict[str, dict[str, Any]] = {}
    for who, each in played.items():
        summary = returns_summary(np.stack([one.returns for one in each]))
        shares = [one.success for one in each if one.success is not None]
        policies[who] = summary | {
            "stages": [{"name": "episode 1"} | summary],
            "success": float(np.mean(shares)) if shares else None,
        }
        if is_atari(name):
            game = name.removeprefix("atari:")
            ends = [human_normalised(game, end) for end in summary["interval"]]
            policies[who]["human_normalised"] = {
                "mean": human_normalised(game, summary["mean"]),
                "interval": ends,
            }
    return {
        "learner": first["learner"],
        "family": name,
        "split": request.split,
        "own_task": own_task,
        "task": None,
        "seed": request.seed,
        "n_tasks": request.envs,
        "episodes": request.episodes,
        "policies": policies,
        "score": None,
        "runs": {"learner": [run_facts(run) for run in runs]},
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
