"""From finished training runs to bundles and evaluations."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt import provenance
from adapt.bundle import PolicyBundle, load_bundle
from adapt.checkpoint import load_checkpoint
from adapt.errors import AdaptError, RunError
from adapt.evaluate import HeldOut, default_episodes, summary
from adapt.export import add_evaluation, export_learner, make_bundle
from adapt.files import common_folder, write_json
from adapt.learners import learner_kind
from adapt.learners.bounds import BoundLearner
from adapt.online.kinds import make_adapter
from adapt.results import evaluation_lines
from adapt.train import load_learner, read_run
from adapt.trials import OracleAdapter, Trials
from sim_tasks.families import load_family

BOUNDS = ("dr", "oracle")
Played = Trials | np.ndarray
"""A run's trials, or a gradient learner's adaptation curves."""


@dataclass(frozen=True)
class EvaluationRequest:
    """How runs are evaluated."""

    dr: Path | None = None
    """Run of the lower bound; None: the folder `dr` beside each run, where there is one."""
    oracle: Path | None = None
    """As `dr`, of the upper bound."""
    tasks: int = 512
    """Held-out tasks."""
    seed: int = 0
    """Of tasks, starts and noise."""
    split: str = "test"
    """`test` or `ood`."""
    episodes: int | None = None
    """Per trial; None: see `default_episodes`."""
    task: int | None = None
    """One held-out task alone, from as many starts; None: an expert's own, and otherwise as many tasks."""
    out: Path | None = None
    """File of the result; None: `evaluation.json` in the run, `evaluation_ood.json` of the split `ood`, and
    `evaluation_task3.json` of task 3."""
    bounds: bool = True
    """Whether DR and oracle play too."""


def export_run(run: Path, out: Path | None = None) -> PolicyBundle:
    """Exports a run's policy; the bundle is checked against the learner, and says how it scored if it was evaluated.

    Raises:
        RunError: not a run, or its learner cannot be deployed; says why.
        TaskError: its family is about a benchmark's body.
    """
    config = read_run(run)
    if learner_kind(config["learner"]).discrete:
        raise RunError(
            f"{run}: {config['learner']} chooses among discrete actions, which no bundle has: a robot is driven by "
            "continuous ones"
        )
    learner, training = load_learner(run), _training(run, config)
    evaluation = _evaluation(run, training["steps"])
    try:
        return export_learner(out or run / "bundle", learner, training, config["commit"], evaluation)
    except AdaptError as error:
        raise RunError(f"{run}: {error}") from error


def evaluate_run(run: Path, request: EvaluationRequest | None = None, quiet: bool = False) -> dict[str, Any]:
    """Evaluates a run and writes the result; see `evaluate_runs`."""
    return evaluate_runs([run], request, quiet)[1]


def evaluate_runs(
    runs: Sequence[Path], request: EvaluationRequest | None = None, quiet: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Evaluates runs of one learner, which differ in their seeds, on held-out tasks beside their bounds.

    Each run gets its own evaluation.json; several get a common one besides, whose intervals are over tasks and seeds.
    The bundles that have played say how they scored.

    Returns:
        The file of the result, and its content.

    Raises:
        RunError: a run is missing, of another kind than the first, or cannot be evaluated.
        AdaptError: too few tasks, or the training split.
    """
    from adapt.console import say

    request = request or EvaluationRequest()
    configs = alike(runs)
    family = load_family(configs[runs[0]]["family"])
    episodes = default_episodes(family) if request.episodes is None else request.episodes
    task = configs[runs[0]]["training"]["task"] if request.task is None else request.task
    held_out = HeldOut(family, request.tasks, request.seed, request.split, episodes, task)
    bounds = {run: _bounds(run, configs[run], request) for run in runs}
    played: dict[Path, Played] = {}
    for run in dict.fromkeys([*runs, *(bound for each in bounds.values() for bound in each.values())]):
        if not quiet:
            say(f"{run} plays")
        played[run.resolve()] = _play(run, held_out)
    name = "evaluation" if request.split == "test" else f"evaluation_{request.split}"
    name += "" if request.task is None else f"_task{request.task}"
    path = request.out or runs[0] / f"{name}.json"
    if len(runs) > 1:
        for run in runs:
            write_json(run / f"{name}.json", _result(held_out, request, [run], configs, bounds, played))
        learner = configs[runs[0]]["learner"]
        path = request.out or common_folder(runs) / f"{name}_{learner}.json"
    result = _result(held_out, request, runs, configs, bounds, played)
    write_json(path, result)
    for run in runs:
        _tell_bundle(run)
    for line in () if quiet else evaluation_lines(result):
        say(line)
    return path, result


def alike(runs: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """The configurations of runs of one learner on one family.

    Raises:
        RunError: no runs, one given twice, or of different kinds.
    """
    configs = {run: read_run(run) for run in runs}
    if not configs or len({run.resolve() for run in runs}) < len(runs):
        raise RunError(f"runs: {', '.join(map(str, runs)) or 'none'}; expected at least one, each once")
    first = configs[runs[0]]
    for run, config in configs.items():
        _expect(run, config, first["learner"], first["family"])
        if config["training"]["task"] != first["training"]["task"]:
            raise RunError(f"{run}: an expert of another task than {runs[0]}'s; evaluate experts one by one")
    return configs


def _expect(run: Path, config: Mapping[str, Any], learner: str, family: str) -> None:
    if (config["learner"], config["family"]) != (learner, family):
        raise RunError(
            f"{run}: a run of {config['learner']} on {config['family']}; expected {learner} on {family}"
        )


def _bounds(run: Path, config: Mapping[str, Any], request: EvaluationRequest) -> dict[str, Path]:
    """Folders of the bounds of a run, those that there are."""
    found = {}
    for name in BOUNDS if request.bounds else ():
        given = getattr(request, name)
        folder = given or run.parent / name
        if given or (folder / "config.json").is_file():
            _expect(folder, read_run(folder), name, config["family"])
            found[name] = folder
    return found


def _play(run: Path, held_out: HeldOut) -> Played:
    """What a run's learner does on held-out tasks, in the way in which it adapts."""
    config, learner = read_run(run), load_learner(run)
    adapts = getattr(learner, "adaptation_curve", None)
    if adapts is not None:
        return held_out.adapt(learner)  # type: ignore[arg-type]
    if isinstance(learner, BoundLearner) and learner.policy.context_size:
        policy = learner.policy
        return held_out.play(lambda env: OracleAdapter(policy, env))
    if held_out.family.on_robot:
        bundle = export_run(run)
    else:
        try:
            bundle = make_bundle(learner, _training(run, config), config["commit"])
        except AdaptError as error:
            raise RunError(f"{run}: {error}") from error
    return held_out.play(lambda env: make_adapter(bundle, env.robots))


def _result(
    held_out: HeldOut,
    request: EvaluationRequest,
    runs: Sequence[Path],
    configs: Mapping[Path, dict[str, Any]],
    bounds: Mapping[Path, dict[str, Path]],
    played: Mapping[Path, Played],
) -> dict[str, Any]:
    """The evaluation of one run, or of several together."""
    groups = {"learner": list(runs)}
    for name in BOUNDS:
        folders = dict.fromkeys(bounds[run][name] for run in runs if name in bounds[run])
        if folders and all(name in bounds[run] for run in runs):
            groups[name] = list(folders)
    result = summary(held_out, {n: [played[run.resolve()] for run in group] for n, group in groups.items()})
    missing = {
        _training_command(name, run, configs[run]): name
        for run in runs
        for name in BOUNDS
        if request.bounds and name not in bounds[run]
    }
    return result | {
        "family": configs[runs[0]]["family"],
        "learner": configs[runs[0]]["learner"],
        "missing": [{"bound": bound, "command": command} for command, bound in missing.items()],
        "runs": {name: [run_facts(run) for run in group] for name, group in groups.items()},
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }


def run_facts(run: Path) -> dict[str, Any]:
    """Where a run's figures come from."""
    config = read_run(run)
    names = ("learner", "seed", "training", "iterations", "hyperparameters", "commit")
    return {"run": str(run)} | {name: config[name] for name in names} | _spent(run)


def _training_command(bound: str, run: Path, config: Mapping[str, Any]) -> str:
    out = str(run.parent / bound)
    return shlex.join(
        ["adapt", "train", bound, config["family"], "--seed", str(config["seed"]), "--out", out]
    )


def _training(run: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a bundle's manifest says of the training."""
    return {name: config[name] for name in ("learner", "seed", "iterations")} | _spent(run)


def _evaluation(run: Path, steps: int) -> dict[str, Any] | None:
    """What a bundle's manifest says of a run's evaluation.

    None if there is none, none of that form, or none of the policy as it is now, after `steps` steps of training.
    """
    try:
        result = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
        evaluated, learner = result["runs"]["learner"], result["policies"]["learner"]
        if [each["steps"] for each in evaluated] != [steps] or not learner["stages"]:
            return None
        return {
            "split": result["split"],
            "tasks": result["n_tasks"],
            "episodes": result["episodes"],
            "return": {name: learner[name] for name in ("mean", "interval")},
            "score": result["score"] and {name: result["score"][name] for name in ("mean", "interval")},
        }
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _tell_bundle(run: Path) -> None:
    """Puts a run's evaluation into its bundle, which was exported before it could be evaluated."""
    if (run / "bundle" / "manifest.json").is_file():
        add_evaluation(load_bundle(run / "bundle"), _evaluation(run, _spent(run)["steps"]))


def _spent(run: Path) -> dict[str, Any]:
    """Control steps and seconds of the training so far."""
    checkpoint = load_checkpoint(run / "checkpoint.safetensors")
    return {name: checkpoint[name] for name in ("steps", "seconds")}
