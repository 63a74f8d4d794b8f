"""Training runs: one folder each, with config, metrics, TensorBoard, and a checkpoint that resumes exactly.

config.json             learner, family, seed, iterations, hyperparameters, versions, commit
metrics.jsonl           one line per iteration
tensorboard/
checkpoint.safetensors  the newest good state, written atomically
result.json             steps, seconds, steps per second
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adapt import provenance
from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.errors import AdaptError, RunError
from adapt.files import write_json
from adapt.learners import DiscreteSetup, Learner, LearnerKind, Setup, Teacher, learner_kind
from adapt.learners.bounds import BoundLearner
from adapt.options import for_cores, learner_config, overlay
from adapt.parallel import cores
from adapt.ranges import check_ranges
from adapt.training_log import TrainingLog, stop_flag
from sim_tasks.discrete import DiscreteEnv
from sim_tasks.families import load_family
from sim_tasks.family import WHOLE_FAMILY, TaskFamily, TrainingTasks

CHECKPOINT_SECONDS = 30.0
"""Between checkpoints, at least."""

TEACHERS = ("oracle", "dr")
"""Learners that others can learn from."""
_RESUMED = ("learner", "family", "training", "seed", "iterations", "hyperparameters")
"""What a run must have in common with the request that goes on with it."""
_RECORDED = (*_RESUMED, "teacher", "commit")

Progress = Callable[[dict[str, Any]], None]
"""Called after every iteration with its metrics."""


@dataclass(frozen=True)
class TrainRequest:
    """What to train, where to, and for how long."""

    learner: str
    family: str
    out: Path
    seed: int = 0
    config: Any = None
    """The learner's configuration; None for its own on this family, see `adapt.options`."""
    iterations: int | None = None
    """None for as many as the configuration's `frames` need."""
    threads: int = 0
    """Of the simulation; 0 for all cores. Torch takes one."""
    teacher: Path | None = None
    """Run of one of `TEACHERS`, for learners that need one."""
    resume: bool = False
    training: TrainingTasks = WHOLE_FAMILY
    """Which tasks are trained on, where not the whole family."""


def train(request: TrainRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Trains, or goes on with a run that was stopped; returns `result.json`'s content.

    Raises:
        AdaptError: unknown learner or family, a run that is in the way or cannot be resumed, a missing teacher.
        RunError: a loss stopped being finite; the last good checkpoint stays.
    """
    kind = learner_kind(request.learner)
    hyperparameters = request.config or learner_config(request.learner, request.family)
    hyperparameters = for_cores(hyperparameters, request.learner, request.family, cores())
    check_ranges(hyperparameters)
    if kind.pin is not None:
        hyperparameters = kind.pin(hyperparameters)
    threads = request.threads or cores()
    torch.set_num_threads(1)  # networks this small gain nothing from a second thread, and lose all under load
    teacher = _load_teacher(request) if kind.needs_teacher else None
    learner = _built(kind, request.family, request.training, hyperparameters, request.seed, threads, teacher)
    iterations = _iterations(request, hyperparameters, learner)
    config = _config(request, hyperparameters, iterations)
    done, seconds, steps = _prepare(request, config), 0.0, 0
    checkpoint = request.out / "checkpoint.safetensors"
    if done:
        state = load_checkpoint(checkpoint)
        _restore(learner, state["learner"], request.out)
        done, seconds, steps = state["iteration"], state["seconds"], state["steps"]
    saved = time.monotonic()
    with TrainingLog(request.out, done) as log, stop_flag() as stopped:
        for iteration in range(done, iterations):
            begin = time.monotonic()
            learner.set_progress(iteration / iterations)
            steps += learner.collect()
            metrics = learner.update()
            seconds += time.monotonic() - begin
            _check_finite(metrics, checkpoint)
            row = {"iteration": iteration + 1, "iterations": iterations, "steps": steps, "seconds": seconds}
            log.write(row | metrics)
            if progress is not None:
                progress(row | metrics)
            last = iteration + 1 == iterations
            if last or stopped() or time.monotonic() - saved >= CHECKPOINT_SECONDS:
                _save(checkpoint, learner, iteration + 1, seconds, steps)
                saved = time.monotonic()
            if stopped() and not last:
                raise RunError(
                    f"stopped after iteration {iteration + 1} of {iterations}; go on with: "
                    f"adapt train {request.learner} {request.family} --out {request.out} --resume"
                )
    result = {
        "steps": steps,
        "seconds": seconds,
        "steps_per_s": steps / seconds,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "diverged": _diverged(learner.env),
        "seed": request.seed,
        "commit": config["commit"],
        "versions": config["versions"],
    }
    write_json(request.out / "result.json", result, indent=2)
    return result


def read_run(run: Path) -> dict[str, Any]:
    """A run's `config.json`.

    Raises:
        RunError: the folder is not a training run.
    """
    path = run / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: not a training run (no readable config.json)") from error
    if isinstance(config, dict):
        config.setdefault("training", dataclasses.asdict(WHOLE_FAMILY))
    missing = [name for name in _RECORDED if not isinstance(config, dict) or name not in config]
    if missing:
        raise RunError(f"{run}: not a training run (config.json lacks {', '.join(missing)})")
    return config


def trained_family(config: dict[str, Any]) -> TaskFamily:
    """The family that a run was trained on, with its training tasks; of `read_run`'s configuration."""
    return dataclasses.replace(load_family(config["family"]), training=TrainingTasks(**config["training"]))


def load_learner(run: Path, threads: int = 0) -> Learner:
    """Builds a run's learner and restores its newest checkpoint.

    Args:
        run: its folder.
        threads: of the simulation; 0 for all cores.

    Raises:
        RunError: the run or its checkpoint cannot be read.
    """
    config = read_run(run)
    kind = learner_kind(config["learner"])
    state = load_checkpoint(run / "checkpoint.safetensors")["learner"]
    teacher = _read_teacher(run / config["teacher"]) if kind.needs_teacher else None
    hyperparameters = overlay(kind.config, config["hyperparameters"], str(run / "config.json"))
    training = TrainingTasks(**config["training"])
    learner = _built(kind, config["family"], training, hyperparameters, config["seed"], threads, teacher)
    _restore(learner, state, run)
    return learner


def _built(
    kind: LearnerKind,
    family: str,
    training: TrainingTasks,
    hyperparameters: Any,
    seed: int,
    threads: int,
    teacher: Teacher | None,
) -> Learner:
    if not kind.discrete:
        tasks = dataclasses.replace(load_family(family), training=training)
        return kind.build(Setup(tasks, hyperparameters, seed, threads, teacher))
    if training != WHOLE_FAMILY:
        raise AdaptError(f"{family}: part of its tasks; learners of discrete actions train on all, or on one")
    return kind.build(DiscreteSetup(family, hyperparameters, seed, threads))


def _diverged(env: Any) -> int:
    """Of simulations; 0 where nothing is simulated that could."""
    trials = getattr(env, "sim", None) if isinstance(env, DiscreteEnv) else env
    return trials.sim.diverged if trials is not None else 0


def _iterations(request: TrainRequest, hyperparameters: Any, learner: Learner) -> int:
    for name, value in (("frames", hyperparameters.frames), ("iterations", request.iterations)):
        if value is not None and value < 1:
            raise AdaptError(f"{name}: expected at least 1, got {value}")
    return request.iterations or -(-hyperparameters.frames // learner.iteration_steps)


def _restore(learner: Learner, state: dict[str, Any], run: Path) -> None:
    """Gives a learner its checkpoint, unless code, family or robot have become others since it was written."""
    try:
        learner.restore(state)
    except (KeyError, ValueError, RuntimeError) as error:
        raise RunError(
            f"{run}: its checkpoint does not fit the present code, family or robot: {' '.join(str(error).split())}; "
            "go back to those it was trained with, or train again into another --out"
        ) from error


def _load_teacher(request: TrainRequest) -> Teacher:
    if request.teacher is None:
        raise AdaptError(
            f"{request.learner}: needs --teacher, the folder of a run of {' or '.join(TEACHERS)}"
        )
    config = read_run(request.teacher)
    if config["learner"] not in TEACHERS or config["family"] != request.family:
        raise AdaptError(
            f"--teacher {request.teacher}: a run of {config['learner']} on {config['family']}; "
            f"expected {' or '.join(TEACHERS)} on {request.family}"
        )
    return _read_teacher(request.teacher)


def _read_teacher(run: Path) -> Teacher:
    learner = load_learner(run)
    assert isinstance(learner, BoundLearner)
    return learner.policy, learner.critic


def _config(request: TrainRequest, hyperparameters: Any, iterations: int) -> dict[str, Any]:
    return {
        "learner": request.learner,
        "family": request.family,
        "training": dataclasses.asdict(request.training),
        "seed": request.seed,
        "iterations": iterations,
        "hyperparameters": dataclasses.asdict(hyperparameters),
        "teacher": os.path.relpath(request.teacher, request.out) if request.teacher else None,
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
    }


def _prepare(request: TrainRequest, config: dict[str, Any]) -> bool:
    """Makes the run's folder; returns whether there is a checkpoint to go on from."""
    path = request.out / "config.json"
    exists = (request.out / "checkpoint.safetensors").is_file()
    if exists and not request.resume:
        raise RunError(f"{request.out}: holds a run already; add --resume, or choose another --out")
    if exists:
        recorded = read_run(request.out)
        for field in _RESUMED:
            if json.dumps(recorded[field]) != json.dumps(config[field]):
                raise RunError(f"{path}: {field} was {recorded[field]!r}, now {config[field]!r}")
        return True
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{request.out}: cannot be made a folder: {error.strerror}") from error
    write_json(path, config, indent=2)
    return False


def _save(path: Path, learner: Learner, iteration: int, seconds: float, steps: int) -> None:
    state = {"learner": learner.state(), "iteration": iteration, "seconds": seconds, "steps": steps}
    save_checkpoint(path, state)


def _check_finite(metrics: dict[str, float], checkpoint: Path) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            kept = f"the last good state is in {checkpoint}" if checkpoint.is_file() else "no checkpoint yet"
            raise RunError(f"{name} is {value}: training stopped; {kept}")
