"""What the inner steps of a gradient meta-learner lead to on held-out tasks, step by step.

n tasks, G inner steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt import provenance
from adapt.errors import RunError
from adapt.files import write_json
from adapt.learners.gradient_meta import GradientMetaLearner
from adapt.statistics import bootstrap, mean
from adapt.train import load_learner


@dataclass(frozen=True)
class CourseRequest:
    """What is played."""

    robots: int = 32
    """Held-out tasks, n."""
    steps: int = 8
    """Inner steps, G."""
    seed: int = 0
    """Of tasks, starts and exploration."""
    plain: tuple[float, ...] = ()
    """Learning rates of plain policy gradients from the same parameters."""
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Parameters that all tasks have alike, in SI units."""
    out: Path | None = None
    """File of the result; None: course.json in the run."""

    def __post_init__(self) -> None:
        if self.robots < 2:
            raise RunError(f"robots: {self.robots}; valid: 2 or more")
        if self.seed < 0:
            raise RunError(f"seed: {self.seed}; valid: 0 or more")
        if not 0 <= self.steps <= 1000:
            raise RunError(f"steps: {self.steps}; valid: 0 to 1000")
        if not all(0.0 < rate < np.inf for rate in self.plain):
            raise RunError(f"plain: {', '.join(map(str, self.plain))}; valid: learning rates above 0")


def take_course(run: Path, request: CourseRequest) -> tuple[Path, dict[str, Any]]:
    """Adapts a run's policy to held-out tasks, and writes the return after every step.

    Returns:
        The file of the result, and its content.

    Raises:
        RunError: not a run, or its learner does not adapt by gradients.
        TaskError: a fixed parameter is not one of the family's.
    """
    learner = load_learner(run)
    if not isinstance(learner, GradientMetaLearner):
        raise RunError(f"{run}: its policy does not adapt by gradients; expected a run of maml, promp, reptile "
                       "or learned_step")  # fmt: skip
    torch.set_num_threads(1)
    family, made = learner.env.family, learner.adaptation()[0]
    tasks = family.sample("test", request.robots, request.seed)
    for name, value in request.fixed.items():
        tasks[:, family.parameter_index(name)] = value
    curves = {"own": learner.adaptation_curve(tasks, request.steps, request.seed)}
    for rate in request.plain:
        curves[f"plain {rate:g}"] = learner.adaptation_curve(
            tasks, request.steps, request.seed, plain_rate=rate
        )
    result = {
        "run": str(run),
        "family": family.name,
        "seed": request.seed,
        "fixed": dict(request.fixed),
        "step_seconds": made["rollouts"] * family.episode_seconds,
        "rule": made["rule"],
        "courses": {name: _summary(curve) for name, curve in curves.items()},
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    path = request.out or run / "course.json"
    write_json(path, result, indent=1)
    return path, result


def report_lines(result: Mapping[str, Any]) -> list[str]:
    """A course as a table of text."""
    first = next(iter(result["courses"].values()))
    lines = [f"return, mean [95 % interval] of {len(first['returns'][0])} robots; "
             f"a step takes {result['step_seconds']:g} s of a robot's time"]  # fmt: skip
    for name, course in result["courses"].items():
        cells = (f"{m:.1f} [{low:.1f}, {high:.1f}]"
                 for m, (low, high) in zip(course["mean"], course["interval"], strict=True))  # fmt: skip
        lines.append(f"{name:>12}  {'  '.join(cells)}")
    return lines


def _summary(curve: np.ndarray) -> dict[str, Any]:
    """Of mean returns of each task after 0 to G steps, shape (G + 1, n)."""
    return {
        "mean": curve.mean(axis=1).tolist(),
        "interval": [bootstrap(mean, row) for row in curve],
        "returns": curve.round(3).tolist(),
    }
