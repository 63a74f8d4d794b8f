"""Cells of the table: one learner, one game, one seed. Trained and evaluated once; what was stopped goes on.

OUT/GAME/LEARNER/SEED/  a training run, with evaluation.json, and when all is done:
    cell.json           settings, scores of the evaluation's episodes and of a random player's, cost
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt import provenance
from adapt.discrete_evaluation import DiscreteRequest, evaluate_discrete
from adapt.errors import AdaptError
from adapt.files import write_json
from adapt.learners import LEARNERS, learner_kind
from adapt.options import learner_config
from adapt.train import Progress, TrainRequest, train
from sim_tasks.discrete.atari import FRAME_SKIP, rom_of
from sim_tasks.discrete.atari_scores import human_normalised

CELL = "cell.json"
_SETTINGS = ("frames", "episodes", "hyperparameters")
"""What a cell that is there must have in common with the request, so that it need not be run."""
_CELL = ("game", "learner", "seed", "scores", "random_scores", *_SETTINGS)


@dataclass(frozen=True)
class AtariRequest:
    """Which cells there are to be."""

    games: tuple[str, ...] = ("Pong", "Breakout", "Freeway", "Boxing", "MsPacman")
    learners: tuple[str, ...] = ("disco", "actor_critic", "sb3_discrete_ppo")
    seeds: tuple[int, ...] = (0,)
    frames: int = 98_304
    """Of the emulator in training, four for each decision: 24 updates of SB3's PPO with the Zoo's settings."""
    episodes: int = 10
    """Of the evaluation, each with an emulator of its own."""
    out: Path = Path("runs/atari")
    threads: int = 0
    """Of the emulators; 0: one per core."""


def run_cells(request: AtariRequest, progress: Callable[[str], Progress] | None = None) -> list[Path]:
    """Runs the cells that are not done, seed after seed; returns their files, also of those that were.

    Args:
        request: which cells.
        progress: of a cell by its name, what is called after every iteration of its training.

    Raises:
        AdaptError: unknown learners, learners of robots' continuous actions, numbers below 1; a cell that is there was
            run with other settings.
        TaskError: an unknown game, or one without a human's score.
        RunError: a training was stopped; the same request goes on with it.
    """
    _check(request)
    files = []
    for seed, game, learner in itertools.product(request.seeds, request.games, request.learners):
        name = f"{learner} on {game}, seed {seed}"
        files.append(_run(request, game, learner, seed, progress and progress(name)))
    return files


def read_cells(out: Path) -> list[dict[str, Any]]:
    """All cells of a folder, by game, learner and seed.

    Raises:
        AdaptError: there are none, one cannot be read, they differ in frames or episodes, or seeds of a learner in a
            game in hyperparameters.
    """
    cells = [_read(path) for path in sorted(out.glob(f"*/*/*/{CELL}"))]
    if not cells:
        raise AdaptError(f"{out}: no cells; `adapt atari run --out {out}` makes them")
    for name in ("frames", "episodes"):
        values = sorted({cell[name] for cell in cells})
        if len(values) > 1:
            raise AdaptError(f"{out}: cells with {' and '.join(map(str, values))} {name}; a table has one")
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in cells:
        other = first.setdefault((cell["game"], cell["learner"]), cell)
        if cell["hyperparameters"] != other["hyperparameters"]:
            raise AdaptError(
                f"{out}: {cell['learner']} on {cell['game']} with other hyperparameters in seed {cell['seed']} than in "
                f"seed {other['seed']}; a mean over seeds needs the same"
            )
    return sorted(cells, key=lambda cell: (cell["game"], cell["learner"], cell["seed"]))


def _run(request: AtariRequest, game: str, learner: str, seed: int, progress: Progress | None) -> Path:
    folder = request.out / game / learner / str(seed)
    path, environment = folder / CELL, f"atari:{game}"
    kind = learner_kind(learner)
    config = dataclasses.replace(
        learner_config(learner, environment), frames=-(-request.frames // FRAME_SKIP)
    )
    config = kind.pin(config) if kind.pin else config
    settings = {
        "frames": request.frames,
        "episodes": request.episodes,
        "hyperparameters": json.loads(json.dumps(dataclasses.asdict(config))),
    }
    if path.is_file():
        _check_alike(path, settings)
        return path
    resumed = (folder / "checkpoint.safetensors").is_file()
    begin = time.process_time()
    trained = train(
        TrainRequest(learner, environment, folder, seed, config, None, request.threads, resume=True),
        progress,
    )
    middle = time.process_time()
    asked = DiscreteRequest(envs=request.episodes, threads=request.threads)
    _, evaluation = evaluate_discrete([folder], asked, quiet=True)
    end = time.process_time()
    scores, random = (evaluation["policies"][name]["returns"] for name in ("learner", "random"))
    write_json(
        path,
        {
            "game": game,
            "learner": learner,
            "seed": seed,
            **settings,
            "decisions": trained["steps"],
            "scores": scores,
            "random_scores": random,
            "human_normalised": human_normalised(game, sum(scores) / len(scores)),
            "train_cpu_s": None if resumed else middle - begin,
            "evaluate_cpu_s": end - middle,
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
        },
        indent=2,
    )
    return path


def _check(request: AtariRequest) -> None:
    for name in ("frames", "episodes"):
        if getattr(request, name) < 1:
            raise AdaptError(f"{name}: {getattr(request, name)}; valid: 1 or more")
    for learner in request.learners:
        if not learner_kind(learner).discrete:
            valid = ", ".join(name for name, kind in LEARNERS.items() if kind.discrete)
            raise AdaptError(f"{learner}: has no discrete actions; valid: {valid}")
    for game in request.games:
        rom_of(game)
        human_normalised(game, 0.0)


def _check_alike(path: Path, settings: dict[str, Any]) -> None:
    there = _read(path)
    for name in _SETTINGS:
        if there[name] != settings[name]:
            raise AdaptError(
                f"{path}: run with other {name}: {there[name]}, now {settings[name]}; choose another --out"
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        cell = json.loads(path.read_text(encoding="utf-8"))
        missing = [name for name in _CELL if name not in cell]
    except (OSError, ValueError, TypeError) as error:
        raise AdaptError(f"{path}: cannot be read: {error}") from error
    if missing:
        raise AdaptError(f"{path}: lacks {', '.join(missing)}")
    return cell
