"""How a policy's familiarity does: false alarms inside the family, and what it notices outside, by the bundle it has.

n trials, T control steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt import provenance
from adapt.bundle import PolicyBundle, load_bundle
from adapt.calibration import interval, trial_steps, watch
from adapt.errors import RunError
from adapt.files import write_json
from adapt.online.familiarity import Familiarity
from adapt.outside import DISTANCES, Outside, outside_cases
from adapt.train import read_run
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily

Progress = Callable[[str, int, int], None]
"""Is told what is done, how many of them are, and how many there are."""


@dataclass(frozen=True)
class FamiliarityRequest:
    """What is played."""

    trials: int = 1024
    """Inside the family, on held-out tasks."""
    outside: int = 256
    """Of each way of being outside."""
    seed: int = 1
    """Of tasks, starts and noise: another than the calibration's, so that it is checked on what it has not seen."""
    distances: tuple[float, ...] = DISTANCES
    """How far beyond their range parameters lie, in ranges."""
    out: Path | None = None
    """File of the result; None: familiarity.json in the run."""

    def __post_init__(self) -> None:
        for name, value in (("trials", self.trials), ("outside", self.outside)):
            if value < 1:
                raise RunError(f"{name}: {value}; valid: 1 or more")
        for distance in self.distances:
            if not 0.0 < distance <= 10.0:
                raise RunError(f"distances: {distance}; valid: above 0, up to 10")


def report_familiarity(
    run: Path, request: FamiliarityRequest | None = None, progress: Progress | None = None
) -> tuple[Path, dict[str, Any]]:
    """Plays a run's bundle inside and outside its family and writes the result.

    Returns:
        The file of the result, and its content.

    Raises:
        RunError: not a run, or it has no bundle yet.
        AdaptError: its bundle has no calibration: its policy makes no forecast, or it is from before there was any.
    """
    request = request or FamiliarityRequest()
    bundle, family = _opened(run)
    result = {"run": str(run)} | judge_bundle(bundle, family, request, progress)
    path = request.out or run / "familiarity.json"
    write_json(path, result, indent=2)
    return path, result


def judge_bundle(
    bundle: PolicyBundle, family: TaskFamily, request: FamiliarityRequest, progress: Progress | None = None
) -> dict[str, Any]:
    """The result as plain data: the share of trials that were noticed `inside`, and of each way of being `outside`."""
    Familiarity(bundle)  # raises before anything is played
    cases, rows = _cases(family, request), []
    for done, case in enumerate(cases):
        rows.append(_played(bundle, family, case, request.seed))
        if progress is not None:
            progress(case.name, done + 1, len(cases))
    return {
        "family": family.name,
        "seconds": trial_steps(family) * family.period,
        "seed": request.seed,
        "calibration": bundle.manifest["familiarity"],
        "inside": rows[0],
        "outside": rows[1:],
        "commit": provenance.commit(),
        "machine": provenance.machine(),
    }


def report_lines(result: dict[str, Any]) -> list[str]:
    """A result in words."""
    row = result["inside"]
    low, high = row["interval"]
    lines = [
        f"{row['name']}: {row['noticed']} false alarms in {row['trials']} trials of {result['seconds']:g} s, "
        f"{row['share']:.2%} (95 % interval {low:.2%} to {high:.2%})"
    ]
    width = max(len(row["name"]) for row in result["outside"])
    for row in result["outside"]:
        delay = "" if row["delay"] is None else f", after {row['delay']:.1f} s (median)"
        lines.append(f"{row['name']:{width}}  noticed in {row['share']:4.0%} of {row['trials']}{delay}")
    return lines


def _cases(family: TaskFamily, request: FamiliarityRequest) -> list[Outside]:
    """Inside the family; then the split `ood`, where there is one; then one parameter or fault at a time."""
    inside = Outside("inside the family", family.sample("test", request.trials, request.seed))
    try:
        ood = [Outside("split ood", family.sample("ood", request.outside, request.seed))]
    except TaskError:  # none of its parameters has values out of distribution
        ood = []
    tasks = family.sample("test", request.outside, request.seed)
    return [inside, *ood, *outside_cases(family, tasks, request.distances)]


def _played(bundle: PolicyBundle, family: TaskFamily, case: Outside, seed: int) -> dict[str, Any]:
    """In how many trials somebody is found unfamiliar after the onset, and how long after it."""
    trials = len(case.values)
    judge = Familiarity(bundle, trials)
    first, onset = np.full(trials, np.nan), round(case.onset / family.period)
    for step, playing in enumerate(watch(bundle, family, case.values, seed, judge, outside=case)):
        noticed = judge.unfamiliar & playing & np.isnan(first) & (step >= onset)
        first[noticed] = step
    found = np.isfinite(first)
    delay = float(np.median(first[found]) - onset) * family.period if found.any() else None
    hits = int(found.sum())
    return {
        "name": case.name,
        "trials": trials,
        "noticed": hits,
        "share": hits / trials,
        "interval": interval(hits, trials),
        "delay": delay,
    }


def _opened(run: Path) -> tuple[PolicyBundle, TaskFamily]:
    """A run's bundle and the whole family that it is for."""
    config = read_run(run)
    if not (run / "bundle" / "manifest.json").is_file():
        raise RunError(f"{run}: no bundle yet; make it: adapt export {run}")
    return load_bundle(run / "bundle"), load_family(config["family"])
