"""Runs of discovery: one folder each, as trainings have (see `adapt.train`), whose result is a file of weights.

config.json             environments, agents, outer loop, rule, seed, versions, commit
metrics.jsonl           one line per outer step
checkpoint.safetensors  everything, to go on exactly
rule.npz                the rule's weights, for `load_disco`
result.json             outer steps, frames, seconds, peak memory of the largest process
"""

from __future__ import annotations

import dataclasses
import json
import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from adapt import provenance
from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.errors import AdaptError, RunError
from adapt.files import write_json
from adapt.meta.discovery import Discovery, OuterConfig
from adapt.meta.evolution import EndOfLife, Evolution, EvolutionConfig, workers
from adapt.meta.population import GroupConfig
from adapt.training_log import TrainingLog, stop_flag
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_weights import load_disco, weights_sha256
from adapt.update_rules.rule import Tensors
from adapt.update_rules.weights_file import save_weights

CHECKPOINT_SECONDS = 30.0
"""Between checkpoints, at least."""
_LOUD = ("conv1_d", "linear_4")
Progress = Callable[[dict[str, Any]], None]
"""Called after every outer step with its metrics."""


@dataclass(frozen=True)
class DiscoverRequest:
    """What to discover, in what, and where to."""

    groups: tuple[GroupConfig, ...]
    out: Path
    steps: int
    """Outer steps in all."""
    rule: Disco = field(default_factory=Disco)
    """Its sizes and settings, where it begins at random."""
    gain: float = 1.0
    """Of the first random weights of the layers that make the policy's target, see `beginning`."""
    begin: Path | None = None
    """Weights to begin with, such as Disco103's; their sizes then count."""
    outer: OuterConfig = field(default_factory=OuterConfig)
    evolution: EvolutionConfig | None = None
    """Instead of gradients."""
    workers: int = 1
    """Processes of an evolution."""
    seed: int = 0
    resume: bool = False


def discover(request: DiscoverRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Discovers, or goes on with a run that was stopped; returns `result.json`'s content.

    Raises:
        AdaptError: weights that cannot be read, settings that are not possible, a run that is in the way.
        RunError: an outer loss stopped being finite, or a signal asked to stop; the last good checkpoint stays.
    """
    if request.steps < 1:
        raise AdaptError(f"steps: {request.steps}; valid: 1 or more")
    if request.seed < 0:
        raise AdaptError(f"seed: {request.seed}; valid: 0 or more")
    torch.set_num_threads(1)
    rule, meta_params = beginning(request.rule, request.begin, request.seed, request.gain)
    loop: Discovery | Evolution
    if request.evolution is None:
        loop = Discovery(request.outer, rule, meta_params, request.groups, request.seed)
    else:
        fitness = EndOfLife(rule, request.groups)
        loop = Evolution(request.evolution, meta_params, fitness, request.seed)
    config = _config(request, rule)
    checkpoint, seconds = request.out / "checkpoint.safetensors", 0.0
    if _prepare(request, config):
        state = load_checkpoint(checkpoint)
        loop.restore(state["loop"])
        seconds = state["seconds"]
    frames = loop.frames
    saved = time.monotonic()
    pool = workers(request.workers if request.evolution else 1)
    with TrainingLog(request.out, loop.done) as log, stop_flag() as stopped, pool as executor:
        while loop.done < request.steps:
            begin = time.monotonic()
            metrics = loop.step() if isinstance(loop, Discovery) else loop.step(executor)
            seconds += time.monotonic() - begin
            _check_finite(metrics, loop.meta_params, checkpoint)
            row = {"iteration": loop.done, "iterations": request.steps, "steps": frames * loop.done}
            row |= {"seconds": seconds} | metrics
            log.write(row)
            if progress is not None:
                progress(row)
            last = loop.done == request.steps
            if last or stopped() or time.monotonic() - saved >= CHECKPOINT_SECONDS:
                # The checkpoint last: a run that it says is done has its rule.
                save_weights(request.out / "rule.npz", loop.meta_params)
                save_checkpoint(checkpoint, {"loop": loop.state(), "seconds": seconds})
                saved = time.monotonic()
            if stopped() and not last:
                raise RunError(
                    f"stopped after outer step {loop.done} of {request.steps}; the same command with --resume goes on"
                )
    result = {
        "outer_steps": loop.done,
        "steps": frames * loop.done,
        "seconds": seconds,
        "peak_memory_mib": max(
            resource.getrusage(who).ru_maxrss / 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ),
        **{name: config[name] for name in ("seed", "commit", "versions")},
    }
    write_json(request.out / "result.json", result, indent=2)
    return result


def beginning(
    rule: Disco, weights: Path | None, seed: int, gain: float = 1.0, sha256: str | None = None
) -> tuple[Disco, Tensors]:
    """A rule and its first meta-parameters: random ones, or those of a file with their sizes.

    A small network that begins as the authors' large one says almost the same of all actions, whatever it sees: its
    policy targets are uniform. `gain` multiplies the first weights on the way to them.

    Raises:
        AdaptError: the file cannot be read, or has another hash than `sha256`.
    """
    if weights is None:
        first = rule.initial_meta_params(torch.Generator().manual_seed(seed))
        loud = {name: value * gain for name, value in first.items() if any(part in name for part in _LOUD)}
        return rule, first | loud
    loaded, meta_params = load_disco(weights, sha256)
    return dataclasses.replace(rule, sizes=loaded.sizes), meta_params


def load_rule(run: Path) -> tuple[Disco, Tensors]:
    """The rule that a run discovered, with the settings that it was discovered with.

    Raises:
        RunError, AdaptError: the folder is no such run.
    """
    settings = read_run(run)["rule"]
    loaded, meta_params = load_disco(run / "rule.npz")
    return dataclasses.replace(loaded, **{n: v for n, v in settings.items() if n != "sizes"}), meta_params


def _config(request: DiscoverRequest, rule: Disco) -> dict[str, Any]:
    return {
        "groups": [dataclasses.asdict(group) for group in request.groups],
        "rule": dataclasses.asdict(rule),
        "gain": request.gain,
        "begin": str(request.begin) if request.begin else None,
        "begin_sha256": weights_sha256(request.begin) if request.begin else None,
        "outer": dataclasses.asdict(request.outer),
        "evolution": dataclasses.asdict(request.evolution) if request.evolution else None,
        "seed": request.seed,
        "outer_steps": request.steps,
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
    }


def _prepare(request: DiscoverRequest, config: dict[str, Any]) -> bool:
    """Makes the run's folder; returns whether there is a checkpoint to go on from."""
    if (request.out / "checkpoint.safetensors").is_file():
        if not request.resume:
            raise RunError(f"{request.out}: holds a run already; add --resume, or choose another --out")
        recorded = read_run(request.out)
        for name in ("groups", "rule", "gain", "begin", "outer", "evolution", "seed"):
            if json.dumps(recorded.get(name)) != json.dumps(config[name]):
                raise RunError(f"{request.out}: {name} was {recorded.get(name)!r}, now {config[name]!r}")
        return True
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{request.out}: cannot be made a folder: {error.strerror}") from error
    write_json(request.out / "config.json", config, indent=2)
    return False


def read_run(run: Path) -> dict[str, Any]:
    """A run's `config.json`.

    Raises:
        RunError: the folder is no run of discovery.
    """
    try:
        return json.loads((run / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: not a run of discovery (no readable config.json)") from error


def outer_steps_of(run: Path) -> int:
    """Of a run that has come to its end.

    Raises:
        RunError: it has not.
    """
    try:
        return json.loads((run / "result.json").read_text(encoding="utf-8"))["outer_steps"]
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: has no result.json: discovery has not ended there") from error


def _check_finite(metrics: dict[str, float], meta_params: Tensors, checkpoint: Path) -> None:
    bad = [f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)]
    bad += [f"{name} is not finite" for name, value in meta_params.items() if not value.isfinite().all()]
    if bad:
        kept = f"the last good state is in {checkpoint}" if checkpoint.is_file() else "no checkpoint yet"
        raise RunError(f"{bad[0]}: discovery stopped; {kept}")
