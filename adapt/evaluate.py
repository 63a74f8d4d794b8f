"""Evaluation on held-out tasks, through the controller that the robot runs, beside the two bounds.

Score = (learner - DR) / (oracle - DR), all three on the same tasks, starts and sensor noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.bundle import load_bundle
from adapt.errors import AdaptError
from adapt.learners.bounds import BoundLearner
from adapt.networks.policy import GaussianPolicy
from adapt.online.adapters import make_adapter
from adapt.online.controller import AdaptiveController
from adapt.types import OnlineAdapter
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom
from sim_tasks.trial_env import TrialVecEnv

BOOTSTRAP = 2000
CVAR = 0.05
"""Share of worst tasks that CVaR averages over."""
MIN_TASKS = 256

Progress = Callable[[str, int, int], None]
"""Called with the policy's name, steps done and steps in all."""


class OracleAdapter:
    """An oracle behind the interface of every adapter: it reads the task off the simulation."""

    def __init__(self, policy: GaussianPolicy, env: TrialVecEnv):
        self._policy = policy
        self._env = env

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Nothing to forget."""

    @torch.no_grad()
    def act(
        self,
        observation: np.ndarray,
        previous_action: np.ndarray,
        previous_reward: np.ndarray,
        new_episode: np.ndarray,
        listen: np.ndarray,
    ) -> np.ndarray:
        inputs = np.concatenate([observation, previous_action, self._env.context], axis=1)
        return self._policy(torch.from_numpy(inputs)).clamp(-1.0, 1.0).numpy()

    def belief(self) -> None:
        return None


@dataclass(frozen=True)
class Trials:
    """What one policy did on n tasks over T steps."""

    rewards: np.ndarray
    """Shape (T, n)."""
    belief_error: np.ndarray | None
    """Root mean square error of the belief in prior standard deviations. Shape (T, Q)."""
    success: np.ndarray
    """Whether the robot was where it should be, in the last second throughout. Shape (n,), bool."""
    interventions: dict[str, int]
    """How often the safety filter stepped in, by reason."""

    @property
    def returns(self) -> np.ndarray:
        return self.rewards.sum(axis=0)


def play(
    env: TrialVecEnv, make: Callable[[TrialVecEnv], OnlineAdapter], tasks: np.ndarray, seed: int
) -> Trials:
    """One trial on each task, shape (n, P), under the controller; `make` builds the adapter for n robots."""
    family = env.family
    env.random = RowRandom([seed, 11], env.robots)
    env.reset(np.arange(env.robots), tasks)
    controller = AdaptiveController(family.robot, family.observation, make(env), env.robots)
    controller.reset(position=env.frame.position)
    rewards = np.zeros((env.trial_steps, env.robots))
    errors = np.full((env.trial_steps, len(family.belief_names)), np.nan)
    success = np.full(env.robots, family.success is not None)
    last_second = env.trial_steps - round(1.0 / family.period)
    going, fallen = np.ones(env.robots, dtype=bool), np.zeros(env.robots, dtype=bool)
    for t in range(env.trial_steps):
        step = controller.step(env.frame, goal=env.goal)
        if step.belief is not None:
            errors[t] = np.sqrt(np.square(step.belief.mean - env.context).mean(axis=0))
        transition = env.apply(step.command)
        rewards[t] = np.where(going, transition.reward, 0.0)
        fallen |= going & transition.done & transition.terminated
        going &= ~transition.done
        if t >= last_second and family.success is not None:
            success &= family.success(env.motion)
    success &= ~fallen
    counts = {reason.name.lower(): n for reason, n in controller.safety.counts.items() if n and reason.name}
    return Trials(rewards, None if np.isnan(errors).all() else errors, success, counts)


def evaluate(
    family_name: str,
    learner: Path,
    dr: Path,
    oracle: BoundLearner,
    *,
    tasks: int = 512,
    seed: int = 0,
    split: str = "test",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluates two bundles and an oracle on the same held-out tasks.

    Args:
        family_name: the task family.
        learner: bundle that adapts.
        dr: bundle of the non-adaptive baseline.
        oracle: learner whose policy is told the task.
        tasks: number of held-out tasks, at least `MIN_TASKS`.
        seed: of tasks, starts and noise.
        split: `test` or `ood`.
        progress: called when a policy begins and when it ends.

    Returns:
        Plain data, as `evaluation.json` holds it.

    Raises:
        AdaptError: too few tasks, or the training split.
    """
    if tasks < MIN_TASKS:
        raise AdaptError(f"tasks: {tasks}; at least {MIN_TASKS} are needed for an honest interval")
    if split not in ("test", "ood"):
        raise AdaptError(f"split: {split!r}; valid: test, ood (training tasks are not held out)")
    torch.set_num_threads(1)
    family = load_family(family_name)
    env = TrialVecEnv(family, tasks, seed, split=split, changes=False)
    drawn = family.sample(split, tasks, seed)
    makers: dict[str, Callable[[TrialVecEnv], OnlineAdapter]] = {
        "dr": lambda env: make_adapter(load_bundle(dr, family.robot), env.robots),
        "learner": lambda env: make_adapter(load_bundle(learner, family.robot), env.robots),
        "oracle": lambda env: OracleAdapter(oracle.policy, env),
    }
    trials = {}
    for index, (name, make) in enumerate(makers.items()):
        if progress is not None:
            progress(name, index, len(makers))
        trials[name] = play(env, make, drawn, seed)
    return _summary(family, trials, tasks, seed, split, env.sim.diverged)


def score(learner: np.ndarray, dr: np.ndarray, oracle: np.ndarray) -> float:
    """(learner - DR) / (oracle - DR) of mean returns, shape (n,) each."""
    return float((learner.mean() - dr.mean()) / (oracle.mean() - dr.mean()))


def cvar(returns: np.ndarray, share: float = CVAR) -> float:
    """Mean of the worst `share` of returns, shape (n,)."""
    count = max(1, round(share * len(returns)))
    return float(np.sort(returns)[:count].mean())


def bootstrap(statistic: Callable[..., float], *samples: np.ndarray, seed: int = 0) -> list[float]:
    """95 % percentile interval of a statistic of paired samples, shape (n,) each, resampled over n."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(samples[0]), (BOOTSTRAP, len(samples[0])))
    values = [statistic(*(sample[ids] for sample in samples)) for ids in draws]
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def _summary(
    family: TaskFamily, trials: dict[str, Trials], tasks: int, seed: int, split: str, diverged: int
) -> dict[str, Any]:
    returns = [trials[name].returns for name in ("learner", "dr", "oracle")]
    belief = trials["learner"].belief_error
    ratio = float(returns[2].mean() / returns[1].mean() - 1)
    return {
        "family": family.name,
        "split": split,
        "seed": seed,
        "period": family.period,
        "n_tasks": tasks,
        "diverged": diverged,
        "policies": {name: _policy_summary(trial) for name, trial in trials.items()},
        "score": {"mean": score(*returns), "interval": bootstrap(score, *returns)},
        "oracle_over_dr": {
            "mean": ratio,
            "interval": bootstrap(lambda o, d: float(o.mean() / d.mean() - 1), returns[2], returns[1]),
        },
        "belief": {
            "names": list(family.belief_names),
            "units": list(family.belief_units),
            "time": [t * family.period for t in range(len(trials["dr"].rewards))],
            "rmse": [] if belief is None else belief.round(4).tolist(),
        },
    }


def _policy_summary(trial: Trials) -> dict[str, Any]:
    curve = trial.rewards.mean(axis=1)
    half = 1.96 * trial.rewards.std(axis=1) / np.sqrt(trial.rewards.shape[1])
    return {
        "mean": float(trial.returns.mean()),
        "interval": bootstrap(lambda returns: float(returns.mean()), trial.returns),
        "cvar5": cvar(trial.returns),
        "success": float(trial.success.mean()),
        "curve": curve.round(5).tolist(),
        "curve_low": (curve - half).round(5).tolist(),
        "curve_high": (curve + half).round(5).tolist(),
        "returns": trial.returns.round(3).tolist(),
        "interventions": trial.interventions,
    }
