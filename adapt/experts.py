"""What adaptation is worth: an adaptive policy's first episode, against learning the same held-out tasks from scratch.

For some held-out tasks, single-task learners (SB3's PPO and SAC, or any other) are trained on one of them alone; each
plays it afterwards, as the adaptive policy does that has never met it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt import provenance
from adapt.compare import training_rows
from adapt.errors import AdaptError, RunError
from adapt.evaluate import MIN_TASKS
from adapt.files import write_json
from adapt.learners import learner_kind
from adapt.parallel import cores
from adapt.results import brief
from adapt.runs import EvaluationRequest, evaluate_run
from adapt.train import read_run
from sim_tasks.families import load_family

NEWEST = 10
"""Iterations that a training return is averaged over before it counts as reached."""

Progress = Callable[[str, int, int], None]
"""Called with an expert's name, how many are done, and how many there are."""


@dataclass(frozen=True)
class ExpertsRequest:
    """Which experts are trained, and what they are held against.

    Raises:
        AdaptError: no learner or one that is not known or needs a teacher, no task, or fewer than one frame.
    """

    run: Path
    """Of the adaptive policy."""
    learners: Mapping[str, int | None]
    """Control steps of each; None: the learner's own number."""
    tasks: int = 4
    """Held-out tasks: the first so many of those that `adapt evaluate` plays."""
    seed: int = 0
    out: Path | None = None
    """Folder of the experts and of experts.json; None: `experts` in the run."""

    def __post_init__(self) -> None:
        if self.tasks < 1:
            raise AdaptError(f"tasks: {self.tasks}; at least 1")
        if not self.learners:
            raise AdaptError("learners: none given")
        for name, frames in self.learners.items():
            if learner_kind(name).needs_teacher:
                raise AdaptError(f"learners: {name} needs a teacher, which knows more than one task")
            if frames is not None and frames < 1:
                raise AdaptError(f"learners: {name} with {frames} control steps; at least 1")

    @property
    def folder(self) -> Path:
        return self.out or self.run / "experts"


def parse_learners(words: Sequence[str]) -> dict[str, int | None]:
    """`NAME` or `NAME:FRAMES` each, to control steps by name.

    Raises:
        AdaptError: what is behind the colon is not a number.
    """
    learners: dict[str, int | None] = {}
    for word in words:
        name, colon, frames = word.partition(":")
        try:
            learners[name] = int(frames) if colon else None
        except ValueError as error:
            raise AdaptError(
                f"learners: {word!r}; valid: NAME or NAME:FRAMES, such as sb3_ppo:300000"
            ) from error
    return learners


def hold_against_experts(request: ExpertsRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Trains the experts, as many side by side as there are cores, and evaluates all; writes experts.json.

    Experts that are already in the folder are not trained again; those that were stopped go on.

    Returns:
        `tasks`, each with the parameters' `values`, the `adaptive` policy's return in each episode, and of every
        expert its `returns` in each episode after training, `frames`, and `frames_to_reach`: control steps after
        which the return of its training episodes first was the adaptive policy's in its first one; None if never.

    Raises:
        RunError: the run is none, an expert's training failed, or one that is there was trained otherwise than is
            asked for.
    """
    config = read_run(request.run)
    if config["training"]["task"] is not None:
        raise RunError(
            f"{request.run}: an expert itself; give the run of a policy that was trained on a family"
        )
    family = load_family(config["family"])
    _train(request, config["family"], progress)
    values = family.sample("test", request.tasks, seed=0)
    tasks = []
    for task in range(request.tasks):
        adaptive = _stages(request.run, task)
        experts = {name: _expert(_folder(request, name, task), adaptive[0]) for name in request.learners}
        named = zip((p.name for p in family.parameters), values[task].tolist(), strict=True)
        tasks.append({"task": task, "values": dict(named), "adaptive": adaptive, "experts": experts})
    result = {
        "run": str(request.run),
        "learner": config["learner"],
        "family": config["family"],
        "seed": request.seed,
        "episode_steps": family.episode_steps,
        "trials": MIN_TASKS,
        "tasks": tasks,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    write_json(request.folder / "experts.json", result, indent=1)
    return result


def table_lines(result: dict[str, Any]) -> Iterator[str]:
    """The comparison in words, a line for each task and learner."""
    yield (
        f"{result['learner']} on {result['family']}: first episode, {result['episode_steps']} control steps, on tasks "
        f"it has never met; experts from scratch on each of them alone"
    )
    for row in result["tasks"]:
        yield f"task {row['task']}: {result['learner']} {brief(row['adaptive'][0])}"
        for name, expert in row["experts"].items():
            reached = expert["frames_to_reach"]
            when = "not reached" if reached is None else f"reached after {reached:,} control steps"
            yield f"  {name:<12} {when} of {expert['frames']:,}; then {brief(expert['returns'][0])}"


def frames_to_reach(frames: Sequence[int], returns: Sequence[float], goal: float) -> int | None:
    """Control steps after which the mean of the newest `NEWEST` returns first is the goal; None if never."""
    for end in range(1, len(returns) + 1):
        newest = returns[max(0, end - NEWEST) : end]
        if len(newest) >= min(NEWEST, len(returns)) and float(np.mean(newest)) >= goal:
            return frames[end - 1]
    return None


def _folder(request: ExpertsRequest, learner: str, task: int) -> Path:
    return request.folder / learner / str(task)


def _stages(run: Path, task: int) -> list[float]:
    """Mean returns of a run on one task, episode by episode."""
    out = run / f"evaluation_task{task}.json"
    request = EvaluationRequest(bounds=False, tasks=MIN_TASKS, task=task, out=out)
    result = evaluate_run(run, request, quiet=True)
    return [stage["mean"] for stage in result["policies"]["learner"]["stages"]]


def _expert(run: Path, goal: float) -> dict[str, Any]:
    rows = training_rows(run)
    ended = [row for row in rows if "return" in row]
    frames, returns = [row["steps"] for row in ended], [row["return"] for row in ended]
    return {
        "returns": _stages(run, read_run(run)["training"]["task"]),
        "frames": rows[-1]["steps"],
        "frames_to_reach": frames_to_reach(frames, returns, goal),
    }


def _train(request: ExpertsRequest, family: str, progress: Progress | None) -> None:
    """A process for each expert, one per core at a time."""
    missing = [
        (name, task)
        for name in request.learners
        for task in range(request.tasks)
        if not (_folder(request, name, task) / "result.json").is_file()
    ]
    for name in request.learners:
        for task in range(request.tasks):
            _check_as_asked(request, _folder(request, name, task), name)
    done, running = 0, {}
    waiting = list(missing)
    try:
        while waiting or running:
            while waiting and len(running) < cores():
                expert = waiting.pop(0)
                running[expert] = _start(request, family, *expert)
            expert = next(iter(running))
            process = running[expert]
            _, complaint = process.communicate()
            del running[expert]
            if process.returncode:
                raise RunError(f"training {expert[0]} on task {expert[1]} failed:\n{complaint.strip()}")
            done += 1
            if progress is not None:
                progress(f"{expert[0]} on task {expert[1]}", done, len(missing))
    finally:
        for process in running.values():
            process.terminate()  # it finishes its iteration and saves
            process.communicate()


def _check_as_asked(request: ExpertsRequest, run: Path, learner: str) -> None:
    """Refuses an expert that is there already, but with another seed or number of control steps."""
    if not (run / "checkpoint.safetensors").is_file():
        return
    config, frames = read_run(run), request.learners[learner]
    there = (config["seed"], config["hyperparameters"]["frames"])
    asked = (request.seed, there[1] if frames is None else frames)
    if there != asked:
        raise RunError(
            f"{run}: an expert with seed {there[0]} and {there[1]:,} control steps is there, "
            f"asked for: seed {asked[0]} and {asked[1]:,}; choose another --out"
        )


def _start(request: ExpertsRequest, family: str, learner: str, task: int) -> subprocess.Popen[str]:
    out = _folder(request, learner, task)
    command = [sys.executable, "-m", "adapt.cli", "train", learner, family, "--json", "--threads", "1"]
    command += ["--out", str(out), "--seed", str(request.seed), "--task", str(task)]
    if (out / "checkpoint.safetensors").is_file():
        command += ["--resume"]
    elif (frames := request.learners[learner]) is not None:
        command += ["--frames", str(frames)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
