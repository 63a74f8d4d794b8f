"""Commands of who looks closely at a policy before it moves a robot: experts, familiarity, course, rehearse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from adapt.commands.common import Positional, print_report


@dataclass
class Experts:
    """Hold an adaptive policy against learning the same held-out tasks from scratch, one expert for each.

    Writes experts.json. Experts that are there already are not trained again; those that were stopped go on.
    """

    run_folder: Annotated[Positional[Path], tyro.conf.arg(name="run")]
    """Folder of the run of the adaptive policy."""
    learners: tuple[str, ...] = ("sb3_ppo", "sb3_sac")
    """What learns from scratch, NAME or NAME:FRAMES with its control steps."""
    tasks: int = 4
    """Held-out tasks, each with an expert of every learner."""
    seed: int = 0
    """Of the experts' training."""
    out: Path | None = None
    """Folder of the experts and of experts.json. Default: experts in the run."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import StepProgress
        from adapt.experts import ExpertsRequest, hold_against_experts, parse_learners, table_lines

        request = ExpertsRequest(
            self.run_folder, parse_learners(self.learners), self.tasks, self.seed, self.out
        )
        with StepProgress("experts") as progress:
            result = hold_against_experts(request, progress)
        if not self.json:
            print_report(table_lines(result), request.folder / "experts.json")
        return result


@dataclass
class Familiarity:
    """How well a run's bundle tells robots outside its family: false alarms inside, what it notices outside, and when.

    Writes familiarity.json into the run.
    """

    run_folder: Annotated[Positional[Path], tyro.conf.arg(name="run")]
    """Folder of a run with a bundle whose policy forecasts (`adapt export`)."""
    trials: int = 1024
    """Inside the family, on held-out tasks."""
    outside: int = 256
    """Trials of each way of being outside."""
    seed: int = 1
    """Of tasks, starts and noise; the calibration's is 0."""
    distances: tuple[float, ...] = (0.25, 0.5, 1.0)
    """How far beyond its range a parameter lies, in ranges; of what is spread in ratio, on a logarithmic scale."""
    out: Path | None = None
    """Where the JSON goes. Default: familiarity.json in the run."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import StepProgress
        from adapt.familiarity_report import FamiliarityRequest, report_familiarity, report_lines

        request = FamiliarityRequest(self.trials, self.outside, self.seed, self.distances, self.out)
        with StepProgress("familiarity") as progress:
            path, result = report_familiarity(self.run_folder, request, progress)
        if not self.json:
            print_report(report_lines(result), path)
        return result


@dataclass
class Course:
    """What inner steps lead to on held-out tasks: the return after each, and how much robot time it has taken.

    Many simulations at a time, without the gates and trials of a robot's. Writes course.json into the run.
    """

    run_folder: Annotated[Positional[Path], tyro.conf.arg(name="run")]
    """Folder of a run of maml, promp, reptile or learned_step."""
    robots: int = 32
    """Held-out tasks."""
    steps: int = 8
    """Inner steps."""
    seed: int = 0
    """Of tasks, starts and exploration."""
    plain: tuple[float, ...] = ()
    """Besides, plain policy gradients from the same parameters, with these learning rates."""
    fix: tuple[str, ...] = ()
    """Parameters that all robots have alike, NAME=VALUE in SI units."""
    out: Path | None = None
    """Where the JSON goes. Default: course.json in the run."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.course import CourseRequest, report_lines, take_course

        fixed = dict(map(_setting, self.fix))
        request = CourseRequest(self.robots, self.steps, self.seed, self.plain, fixed, self.out)
        path, result = take_course(self.run_folder, request)
        if not self.json:
            print_report(report_lines(result), path)
        return result


@dataclass
class Rehearse:
    """Have a bundle that adapts by gradients do so on simulated robots: the return that they measure, and the true one.

    Writes rehearsal.json into the run: returns of every episode, and every event of the audit log.
    """

    run_folder: Annotated[Positional[Path], tyro.conf.arg(name="run")]
    """Folder of a run of maml, promp, reptile or learned_step with a bundle (`adapt export`)."""
    robots: int = 16
    """Held-out tasks."""
    minutes: float = 5.0
    """Of each robot's time, in min."""
    seed: int = 0
    """Of tasks, starts, noise and exploration."""
    exploration: float = 1.0
    """In the policy's standard deviations, 0 to 1."""
    fix: tuple[str, ...] = ()
    """Parameters that all robots have alike, NAME=VALUE in SI units."""
    out: Path | None = None
    """Where the JSON goes. Default: rehearsal.json in the run."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import StepProgress
        from adapt.rehearsal import RehearsalRequest, rehearse, report_lines

        fixed = dict(map(_setting, self.fix))
        request = RehearsalRequest(self.robots, self.minutes, self.seed, self.exploration, fixed, self.out)
        with StepProgress("rehearsal") as progress:
            path, result = rehearse(self.run_folder, request, progress)
        if not self.json:
            print_report(report_lines(result), path)
        return result


def _setting(text: str) -> tuple[str, float]:
    """`NAME=VALUE`.

    Raises:
        AdaptError: it is none.
    """
    from adapt.errors import AdaptError

    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError as error:
        raise AdaptError(f"--fix {text}: expected NAME=VALUE, such as encoder_offset=0") from error
    if not math.isfinite(number):
        raise AdaptError(f"--fix {text}: expected a finite number")
    return name, number
