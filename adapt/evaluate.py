"""The one protocol that every learner is evaluated by: held-out tasks, the same for all, beside the two bounds.

Score = (learner - DR) / (oracle - DR), all three on the same tasks, starts and sensor noise. n tasks, S seeds (runs
of the learner), K episodes of H control steps per trial, T = K H, G gradient steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from adapt.errors import AdaptError
from adapt.statistics import Statistic, bootstrap, bootstrap_curve, cvar, mean, score
from adapt.trials import MakeAdapter, Trials, play
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

MIN_TASKS = 256
SPLITS = ("test", "ood")


class GradientLearner(Protocol):
    """A learner that adapts by gradient steps between episodes."""

    @property
    def steps(self) -> int:
        """Gradient steps that a task is given."""
        ...

    def adaptation_curve(self, tasks: np.ndarray, steps: int, seed: int, split: str = "test") -> np.ndarray:
        """Mean returns after 0 to `steps` gradient steps on tasks, shape (n, P). Shape (steps + 1, n)."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """Trials on held-out tasks: the same tasks, starts and noise for every policy.

    Raises:
        AdaptError: too few tasks, fewer than one episode, or the training split.
    """

    family: TaskFamily
    tasks: int = 512
    """n, at least `MIN_TASKS`."""
    seed: int = 0
    """Of tasks, starts and noise."""
    split: str = "test"
    """`test` or `ood`."""
    episodes: int = 1
    """K."""
    task: int | None = None
    """All n trials on this one task, see `TrainingTasks.task`, from other starts; None: on n tasks."""

    def __post_init__(self) -> None:
        if self.tasks < MIN_TASKS:
            raise AdaptError(f"tasks: {self.tasks}; at least {MIN_TASKS} are needed for an honest interval")
        if self.split not in SPLITS:
            raise AdaptError(
                f"split: {self.split!r}; valid: {', '.join(SPLITS)} (training tasks are not held out)"
            )
        if self.episodes < 1:
            raise AdaptError(f"episodes: {self.episodes}; a trial has at least one")
        if self.task is not None and self.task < 0:
            raise AdaptError(f"task: {self.task}; valid: 0 or more")
        if self.task is not None and self.split != "test":
            raise AdaptError(
                f"task: {self.task} with split: {self.split!r}; one task alone is of the split test"
            )

    @cached_property
    def values(self) -> np.ndarray:
        """The tasks in SI units. Shape (n, P)."""
        if self.task is not None:
            return np.repeat(self.family.sample("test", 1, seed=0, first=self.task), self.tasks, axis=0)
        return self.family.sample(self.split, self.tasks, self.seed)

    @cached_property
    def env(self) -> TrialVecEnv:
        """On which all policies play, one after the other."""
        return TrialVecEnv(
            self.family, self.tasks, self.seed, split=self.split, episodes=self.episodes, changes=False
        )

    def play(self, make: MakeAdapter) -> Trials:
        """What a policy does on the tasks."""
        torch.set_num_threads(1)
        return play(self.env, make, self.values, self.seed)

    def adapt(self, learner: GradientLearner) -> np.ndarray:
        """Mean return of each task after 0, 1, ... G gradient steps. Shape (G + 1, n)."""
        torch.set_num_threads(1)
        return learner.adaptation_curve(self.values, learner.steps, self.seed, self.split)


def default_episodes(family: TaskFamily) -> int:
    """K: 1 on robots, whose first seconds are what counts; 2 on benchmarks' bodies, as is usual in the literature."""
    return 1 if family.on_robot else 2


def summary(held_out: HeldOut, played: Mapping[str, Sequence[Trials | np.ndarray]]) -> dict[str, Any]:
    """An evaluation as plain data.

    Args:
        held_out: what was played.
        played: of `learner`, and of `dr` and `oracle` where there are any, each run's trials; a gradient learner's
            adaptation curves, shape (G + 1, n), in place of them.
    """
    family = held_out.family
    policies = {
        name: _adapted([run for run in runs if isinstance(run, np.ndarray)])
        if isinstance(runs[0], np.ndarray)
        else _acted([run for run in runs if isinstance(run, Trials)])
        for name, runs in played.items()
    }
    first = played["learner"][0]
    error = first.belief_error if isinstance(first, Trials) else None
    steps = held_out.episodes * family.episode_steps
    return {
        "family": family.name,
        "split": held_out.split,
        "task": held_out.task,
        "held_out": family.disjoint,
        "seed": held_out.seed,
        "period": family.period,
        "episodes": held_out.episodes,
        "episode_steps": family.episode_steps,
        "n_tasks": held_out.tasks,
        "tasks": {
            "names": [parameter.name for parameter in family.parameters],
            "units": [parameter.unit for parameter in family.parameters],
            "values": held_out.values.tolist(),
        },
        "diverged": held_out.env.sim.diverged,
        "policies": policies,
        **_against_bounds(played),
        "belief": {
            "names": list(family.belief_names),
            "units": list(family.belief_units),
            "time": [t * family.period for t in range(steps)],
            "rmse": [] if error is None else [[_finite(x) for x in row] for row in error.round(4).tolist()],
        },
    }


def stage_returns(runs: Sequence[Trials | np.ndarray]) -> np.ndarray:
    """Returns of each run, stage by stage: of episodes, or after gradient steps. Shape (S, K or G + 1, n)."""
    return np.stack([run if isinstance(run, np.ndarray) else run.episode_returns for run in runs])


def _against_bounds(played: Mapping[str, Sequence[Trials | np.ndarray]]) -> dict[str, Any]:
    """Scores where both bounds were played: of the whole, and of each stage."""
    if not {"dr", "oracle"} <= played.keys():
        return {"score": None, "stage_scores": [], "oracle_over_dr": None, "bounds_apart": None}
    learner, dr, oracle = (stage_returns(played[name]) for name in ("learner", "dr", "oracle"))
    if isinstance(played["learner"][0], np.ndarray):  # each stage against one episode of the bounds
        bounds = [(dr[:, 0], oracle[:, 0])] * learner.shape[1]
        whole = (learner[:, -1], *bounds[0])
    else:
        bounds = [(dr[:, k], oracle[:, k]) for k in range(dr.shape[1])]
        whole = tuple(returns.sum(axis=1) for returns in (learner, dr, oracle))
    stages = [(learner[:, k], *bounds[k]) for k in range(len(bounds))]
    low, _ = bootstrap(lambda o, d: mean(o) - mean(d), whole[2], whole[1])
    return {
        "score": _score(*whole),
        "stage_scores": [_score(*stage) for stage in stages],
        "oracle_over_dr": _estimate(lambda o, d: mean(o) / mean(d) - 1, whole[2], whole[1])
        if whole[1].mean() > 0
        else None,
        "bounds_apart": low > 0,
    }


def _score(*returns: np.ndarray) -> dict[str, Any] | None:
    """None where DR and oracle do not differ at all."""
    return _estimate(score, *returns) if returns[1].mean() != returns[2].mean() else None


def _estimate(statistic: Statistic, *samples: np.ndarray) -> dict[str, Any]:
    value = statistic(*(sample.ravel() for sample in samples))
    return {"mean": float(value), "interval": bootstrap(statistic, *samples)}


def _acted(runs: list[Trials]) -> dict[str, Any]:
    """A policy's trials over all its runs."""
    rewards = np.stack([run.rewards for run in runs])
    low, high = bootstrap_curve(rewards)
    succeeded = [run.success for run in runs if run.success is not None]
    reasons = sorted({reason for run in runs for reason in run.interventions})
    return returns_summary(np.stack([run.returns for run in runs])) | {
        "success": None if not succeeded else float(np.mean(succeeded)),
        "curve": rewards.mean(axis=(0, 2)).round(5).tolist(),
        "curve_low": low.round(5).tolist(),
        "curve_high": high.round(5).tolist(),
        "interventions": {
            reason: sum(run.interventions.get(reason, 0) for run in runs) for reason in reasons
        },
        "stages": [
            {"name": f"episode {k + 1}"} | returns_summary(each)
            for k, each in enumerate(stage_returns(runs).swapaxes(0, 1))
        ],
    }


def _adapted(runs: list[np.ndarray]) -> dict[str, Any]:
    """A gradient learner's returns over all its runs; as a whole, those after the last step count."""
    stages = np.stack(runs).swapaxes(0, 1)
    return returns_summary(stages[-1]) | {
        "stages": [
            {"name": f"{k} gradient step{'s' * (k != 1)}"} | returns_summary(each)
            for k, each in enumerate(stages)
        ]
    }


def returns_summary(returns: np.ndarray) -> dict[str, Any]:
    """Of returns, shape (S, n), which are written run by run."""
    return {
        "mean": float(returns.mean()),
        "interval": bootstrap(mean, returns),
        "cvar5": float(cvar(returns.ravel())),
        "cvar5_interval": bootstrap(cvar, returns),
        "returns": returns.round(3).ravel().tolist(),
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
