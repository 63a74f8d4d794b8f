"""Adaptation by gradients on simulated robots, one by one, by the code that adapts on a real one.

n robots, E episodes of T control steps each, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from adapt import provenance
from adapt.bundle import PolicyBundle, load_bundle
from adapt.errors import RunError
from adapt.files import write_json
from adapt.online.controller import AdaptiveController
from adapt.online.gradient import GradientAdapter
from adapt.online.learning import OnRobotLearning
from adapt.online.learning_settings import LearningSettings
from adapt.online.proposal import Proposal
from adapt.proposer import Proposer
from adapt.statistics import bootstrap, mean
from adapt.train import read_run, trained_family
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

ENDS = 5
"""Episodes at either end that the first and the last return are the means of."""
_STREAM = 23

Progress = Callable[[str, int, int], None]
"""Is told what is done, how many of them are, and how many there are."""


@dataclass(frozen=True)
class RehearsalRequest:
    """What is played."""

    robots: int = 16
    """Held-out tasks, n."""
    minutes: float = 5.0
    """Of each robot's time."""
    seed: int = 0
    """Of tasks, starts, noise and exploration."""
    exploration: float = 1.0
    """As the node's parameter."""
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Parameters that all robots have alike, in SI units: `{"encoder_offset": 0.0}`."""
    out: Path | None = None
    """File of the result; None: rehearsal.json in the run."""

    def __post_init__(self) -> None:
        if self.robots < 2:
            raise RunError(f"robots: {self.robots}; valid: 2 or more")
        if not 0.0 < self.minutes <= 600.0:
            raise RunError(f"minutes: {self.minutes}; valid: above 0, up to 600")


def rehearse(run: Path, request: RehearsalRequest, progress: Progress) -> tuple[Path, dict[str, Any]]:
    """Has a run's bundle adapt on simulated robots, and writes how it went.

    Returns:
        The file of the result, and its content.

    Raises:
        RunError: not a run, it has no bundle yet, or one that does not adapt by gradients; or the time is too short.
        TaskError: a fixed parameter is not one of the family's.
    """
    bundle, family = _opened(run)
    episodes = int(60 * request.minutes / family.episode_seconds)
    if episodes < 2 * ENDS:
        least = 2 * ENDS * family.episode_seconds / 60
        raise RunError(f"minutes: {request.minutes}; valid: {least:g} or more, {2 * ENDS} episodes")
    tasks = family.sample("test", request.robots, request.seed)
    for name, value in request.fixed.items():
        tasks[:, family.parameter_index(name)] = value
    robots = []
    for index in range(request.robots):
        robots.append(_robot(bundle, family, tasks[index : index + 1], episodes, request, index))
        progress(f"robot {index}", index + 1, request.robots)
    result = {
        "run": str(run),
        "family": family.name,
        "seed": request.seed,
        "minutes": request.minutes,
        "exploration": request.exploration,
        "fixed": dict(request.fixed),
        "adapter": bundle.manifest["adapter"],
        "true": _summary([each["true"] for each in robots]),
        "measured": _summary([each["measured"] for each in robots]),
        "robots": robots,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    path = request.out or run / "rehearsal.json"
    write_json(path, result, indent=1)
    return path, result


def report_lines(result: Mapping[str, Any]) -> list[str]:
    """A rehearsal as a table of text."""
    lines = [f"return of {ENDS} episodes, mean [95 % interval] of {len(result['robots'])} robots"]
    for kind in ("measured", "true"):
        row = result[kind]
        parts = (f"{what} {row[what]['mean']:.1f} [{row[what]['interval'][0]:.1f}, {row[what]['interval'][1]:.1f}]"
                 for what in ("first", "last", "gain"))  # fmt: skip
        lines.append(f"{kind:>9}  {'  '.join(parts)}")
    counts = {
        what: sum(each[what] for each in result["robots"]) for what in ("kept", "rejected", "rolled_back")
    }
    lines.append(f"proposals  kept {counts['kept']}, rejected {counts['rejected']}, "
                 f"rolled back {counts['rolled_back']}")  # fmt: skip
    return lines


class _AtOnce:
    """Computes proposals in this process: a simulation has the time to wait."""

    def __init__(self, bundle: PolicyBundle, settings: LearningSettings):
        self._propose = Proposer(bundle, settings.gates)
        self._answer: Proposal | None = None

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._answer = self._propose(arrays)

    def poll(self) -> Proposal | None:
        answer, self._answer = self._answer, None
        return answer

    def close(self) -> None:
        """There is no process."""


def _robot(
    bundle: PolicyBundle,
    family: TaskFamily,
    task: np.ndarray,
    episodes: int,
    request: RehearsalRequest,
    index: int,
) -> dict[str, Any]:
    """One robot's course: true and measured return of each episode, and what became of the proposals."""
    env = TrialVecEnv(
        family, 1, request.seed + index, stream=_STREAM, split="test", episodes=episodes, threads=1, changes=False
    )  # fmt: skip
    env.reset(np.arange(1), task)
    adapter, settings = GradientAdapter(bundle, seed=index), LearningSettings(request.exploration)
    events: list[dict[str, Any]] = []
    learning = OnRobotLearning(bundle, adapter, settings, events.append, _AtOnce(bundle, settings))
    controller = AdaptiveController(
        family.robot, family.observation, adapter, reward=bundle.reward, learning=learning
    )
    controller.reset(position=env.frame.position)
    true, measured = np.zeros((2, episodes * family.episode_steps))
    for step in range(len(true)):
        decided = controller.step(env.frame, goal=env.goal)
        assert decided.reward is not None
        transition = env.apply(decided.command)
        true[step], measured[step] = transition.reward[0], np.nan_to_num(transition.heard_reward[0])
        if env.episode_step[0] == 0 and not transition.done[0]:
            controller.begin_episode(position=env.frame.position)
    return {
        "true": true.reshape(episodes, -1).sum(axis=1).round(2).tolist(),
        "measured": measured.reshape(episodes, -1).sum(axis=1).round(2).tolist(),
        "kept": learning.kept,
        "rejected": learning.rejected,
        "rolled_back": learning.rolled_back,
        "events": events,
    }


def _summary(courses: list[list[float]]) -> dict[str, Any]:
    """Of returns of n robots' episodes, shape (n, E): at first, at last, and the difference."""
    returns = np.array(courses)
    first, last = returns[:, :ENDS].mean(axis=1), returns[:, -ENDS:].mean(axis=1)
    return {
        name: {"mean": float(values.mean()), "interval": bootstrap(mean, values)}
        for name, values in (("first", first), ("last", last), ("gain", last - first))
    }


def _opened(run: Path) -> tuple[PolicyBundle, TaskFamily]:
    config = read_run(run)
    if not (run / "bundle").is_dir():
        raise RunError(f"{run}: has no bundle yet: adapt export {run}")
    bundle = load_bundle(run / "bundle")
    kind = bundle.manifest["adapter"]["kind"]
    if kind != "gradient":
        raise RunError(
            f"{run}: its policy adapts by {kind!r}; expected 'gradient' (maml, promp, reptile or learned_step)"
        )
    return bundle, trained_family(config)
