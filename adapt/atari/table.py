"""The table of all cells: scores by game with intervals, on the scale from random (0) to human (1), and over all games.

S seeds, n episodes of each, G games, B bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt.atari.cells import read_cells
from adapt.files import write_json
from adapt.results import brief, spread
from adapt.statistics import BOOTSTRAP, bootstrap, mean
from sim_tasks.discrete.atari_scores import human_normalised

PUBLISHED = {
    "Disco57": 13.86,
    "Disco103": 13.6,
    "MuZero": 12.4,
    "MEME": 11.3,
    "Dreamer": 9.6,
    "STACX": 5.5,
    "IMPALA": 2.7,
    "DQN": 1.3,
}
"""NOT ours: interquartile means of human-normalised scores over 57 games after 200 million frames of each, as Oh et al.
2025 (Nature) have them; Disco103's is approximate."""
PUBLISHED_FRAMES = 200_000_000


def table(out: Path) -> dict[str, Any]:
    """Reads all cells of a folder and writes its `table.json`.

    Returns:
        `frames`, `episodes`; `rows`, each with `game`, `learner`, `seeds`, `score`, `human_normalised` and
        `above_random` (mean and interval each), `train_cpu_s` of a cell, and of `random` alike; `overall`, each with
        `learner`, `games`, `mean` and `iqm`; `published`, which is of others.

    Raises:
        AdaptError: see `read_cells`.
    """
    cells = read_cells(out)
    games = sorted({cell["game"] for cell in cells})
    learners = sorted({cell["learner"] for cell in cells})
    rows, samples = [], {}
    for game in games:
        here = [cell for cell in cells if cell["game"] == game]
        random = np.array([here[0]["random_scores"]])
        for learner in ("random", *learners):
            own = [cell for cell in here if cell["learner"] == learner]
            if not own and learner != "random":
                continue
            scores = np.array([cell["scores"] for cell in own]) if own else random
            rows.append(_row(game, learner, scores, random) | {"train_cpu_s": _cost(own)})
            samples.setdefault(learner, {})[game] = human_normalised_scores(game, scores)
    result = {
        "frames": cells[0]["frames"],
        "episodes": cells[0]["episodes"],
        "rows": rows,
        "overall": [overall(learner, by_game) for learner, by_game in samples.items()],
        "published": {"iqm": PUBLISHED, "games": 57, "frames": PUBLISHED_FRAMES, "ours": False},
    }
    write_json(out / "table.json", result, indent=2)
    return result


def human_normalised_scores(game: str, scores: np.ndarray) -> np.ndarray:
    """Scores of any shape on the scale from random (0) to human (1)."""
    zero, one = human_normalised(game, 0.0), human_normalised(game, 1.0)
    return zero + (one - zero) * scores


def overall(learner: str, by_game: dict[str, np.ndarray]) -> dict[str, Any]:
    """Mean and interquartile mean over all games' runs (Agarwal et al. 2021, arXiv:2108.13264), stratified by game.

    Args:
        learner: its name.
        by_game: human-normalised scores, shape (S, n) of each game.
    """
    rng = np.random.default_rng(0)
    runs = np.concatenate([scores.mean(axis=1) for scores in by_game.values()])
    drawn = np.concatenate([_drawn_runs(scores, rng) for scores in by_game.values()], axis=1)
    statistics = {"mean": mean, "iqm": interquartile_mean}
    return {"learner": learner, "games": sorted(by_game)} | {
        name: {"mean": float(of(runs)), "interval": np.percentile(of(drawn), [2.5, 97.5]).tolist()}
        for name, of in statistics.items()
    }


def interquartile_mean(runs: np.ndarray) -> np.ndarray:
    """Mean of the middle half, along the last axis; a run that is partly in it counts in part."""
    ordered, count = np.sort(runs, axis=-1), runs.shape[-1]
    edges = np.arange(count + 1) / count
    inside = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    return ordered @ (inside / inside.sum())


def table_lines(result: dict[str, Any]) -> Iterator[str]:
    """The table in Markdown."""
    yield f"{result['frames']:,} frames of each game in training, {result['episodes']} episodes of each run afterwards."
    yield ""
    yield from _markdown(
        ("game", "learner", "seeds", "score", "human-normalised", "above random", "CPU s a run"),
        [
            (
                row["game"],
                row["learner"],
                str(row["seeds"]),
                spread(row["score"]),
                spread(row["human_normalised"], 3),
                "" if row["above_random"] is None else spread(row["above_random"]),
                "" if row["train_cpu_s"] is None else brief(row["train_cpu_s"], 0),
            )
            for row in result["rows"]
        ],
    )
    yield ""
    yield from _markdown(
        ("over all games", "games", "mean, human-normalised", "interquartile mean"),
        [
            (each["learner"], str(len(each["games"])), spread(each["mean"], 3), spread(each["iqm"], 3))
            for each in result["overall"]
        ],
    )
    yield ""
    theirs = ", ".join(f"{name} {value}" for name, value in PUBLISHED.items())
    yield (
        "Not ours, as Oh et al. (2025) publish them: interquartile means over 57 games after "
        f"{PUBLISHED_FRAMES // 1_000_000} M frames of each: {theirs}."
    )


def _row(game: str, learner: str, scores: np.ndarray, random: np.ndarray) -> dict[str, Any]:
    """Of scores, shape (S, n), beside a random player's, shape (1, n)."""
    normalised = human_normalised_scores(game, scores)
    row = {
        "game": game,
        "learner": learner,
        "seeds": len(scores),
        "score": _estimate(scores),
        "human_normalised": _estimate(normalised),
        "above_random": None,
    }
    if learner != "random":
        row["above_random"] = {
            "mean": float(scores.mean() - random.mean()),
            "interval": bootstrap(lambda ours, theirs: mean(ours) - mean(theirs), scores, random),
        }
    return row


def _estimate(scores: np.ndarray) -> dict[str, Any]:
    return {"mean": float(scores.mean()), "interval": bootstrap(mean, scores)}


def _cost(cells: Sequence[dict[str, Any]]) -> float | None:
    """Mean seconds of a core that a training took, of those that were not stopped."""
    known = [cell["train_cpu_s"] for cell in cells if cell["train_cpu_s"] is not None]
    return float(np.mean(known)) if known else None


def _drawn_runs(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of runs drawn with replacement, each over drawn episodes: of (S, n), shape (B, S)."""
    seeds, count = scores.shape
    run = rng.integers(seeds, size=(BOOTSTRAP, seeds, 1))
    episode = rng.integers(count, size=(BOOTSTRAP, seeds, count))
    return scores[run, episode].mean(axis=-1)


def _markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
