"""Runs side by side, from what training and evaluation have written: config.json, metrics.jsonl, evaluation.json."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adapt.errors import RunError
from adapt.results import brief, percent, spread
from adapt.train import read_run

MEASURES = {"return": "Return of training episodes", "reward": "Mean reward per control step"}
"""What is drawn of `metrics.jsonl`; not every learner reports returns."""
CURVE_POINTS = 200
_SPARKS = "▁▂▃▄▅▆▇█"
_SPARK_POINTS = 12
_SAME = ("seed", "n_tasks", "episodes", "split", "task")
"""What evaluations have to have in common to be compared."""


def compare(runs: Sequence[Path]) -> dict[str, Any]:
    """What there is to know of runs on one family.

    Returns:
        `family`; `runs`, each with `run`, `learner`, `seed`, `frames`, `minutes`, `curves`, and `stages`, `cvar5`,
        `success` and `score` of those that were evaluated; `notes`, what a reader has to know besides.

    Raises:
        RunError: no runs, a folder that is none, runs on several families, or files that cannot be read.
    """
    if not runs:
        raise RunError("compare: no runs given")
    rows = [_row(run) for run in runs]
    families = sorted({row["family"] for row in rows})
    if len(families) > 1:
        raise RunError(
            f"compare: runs on {', '.join(families)}; returns of several families cannot be compared"
        )
    return {"family": families[0], "runs": rows, "notes": [*_unfinished(rows), *_unlike(rows)]}


def table_lines(result: dict[str, Any]) -> Iterator[str]:
    """The comparison as a table for the terminal, and its notes."""
    header = (
        "run",
        "learner",
        "seed",
        "frames",
        "minutes",
        "return",
        "CVaR5%",
        "on target",
        "score",
        "training",
    )
    rows = [header, *(_cells(row) for row in result["runs"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from result["notes"]


def stages_in_words(stages: Sequence[dict[str, Any]]) -> str:
    """Returns of a run's episodes, or after its gradient steps: `120.1 / 131.0 (episode 1, episode 2)`."""
    if not stages:
        return "not evaluated"
    names = [stage["name"] for stage in stages]
    kind = "episode" if names[0].startswith("episode") else "gradient steps"
    numbers = "1" if len(names) == 1 else f"1-{len(names)}"
    shown = f"{kind} {numbers}" if kind == "episode" else f"0-{len(names) - 1} {kind}"
    return f"{' / '.join(brief(stage['mean']) for stage in stages)} ({shown})"


def _row(run: Path) -> dict[str, Any]:
    config, metrics = read_run(run), training_rows(run)
    result = _evaluation(run)
    row = {
        "run": str(run),
        "learner": config["learner"],
        "family": config["family"],
        "seed": config["seed"],
        "frames": metrics[-1]["steps"] if metrics else 0,
        "minutes": metrics[-1]["seconds"] / 60 if metrics else 0.0,
        "curves": {name: _curve(metrics, name) for name in MEASURES},
        "stages": [],
        "cvar5": None,
        "success": None,
        "score": None,
        "evaluated": None,
    }
    if result is None:
        return row
    learner = result["policies"]["learner"]
    stages = [
        {key: stage[key] for key in ("name", "mean", "interval", "cvar5")} for stage in learner["stages"]
    ]
    return row | {
        "stages": stages,
        "cvar5": stages[-1]["cvar5"],
        "success": learner.get("success"),
        "score": result["score"],
        "evaluated": {"frames": result["runs"]["learner"][0]["steps"]} | {n: result.get(n) for n in _SAME},
    }


def training_rows(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a last line that was cut short is left out."""
    path = run / "metrics.jsonl"
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _curve(metrics: list[dict[str, Any]], name: str) -> dict[str, list[float]]:
    """A metric against control steps: means over stretches, so that no more than `CURVE_POINTS` remain."""
    rows = [row for row in metrics if name in row]
    size = max(1, math.ceil(len(rows) / CURVE_POINTS))
    stretches = [rows[first : first + size] for first in range(0, len(rows), size)]
    return {
        "frames": [stretch[-1]["steps"] for stretch in stretches],
        "values": [sum(row[name] for row in stretch) / len(stretch) for stretch in stretches],
    }


def _evaluation(run: Path) -> dict[str, Any] | None:
    """The run's evaluation; None where there is none.

    Raises:
        RunError: it cannot be read, or is of another kind.
    """
    path = run / "evaluation.json"
    if not path.is_file():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    if not isinstance(result, dict) or "runs" not in result:
        raise RunError(f"{path}: not an evaluation of this release; evaluate again: {_command(run)}")
    return result


def _command(run: Path | str) -> str:
    return shlex.join(["adapt", "evaluate", str(run)])


def _unfinished(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        if row["evaluated"] is None:
            yield f"not evaluated yet: {_command(row['run'])}"
        elif row["evaluated"]["frames"] != row["frames"]:
            yield (
                f"{row['run']}: evaluated after {row['evaluated']['frames']:,} frames, trained for "
                f"{row['frames']:,}: {_command(row['run'])}"
            )
        elif row["score"] is None:
            yield f"{row['run']}: no score: it was evaluated without both bounds"


def _unlike(rows: list[dict[str, Any]]) -> Iterator[str]:
    evaluated = [row["evaluated"] for row in rows if row["evaluated"]]
    for name in _SAME:
        values = sorted({str(each[name]) for each in evaluated})
        if len(values) > 1:
            yield f"not on the same trials: {name} of the evaluations is {', '.join(values)}"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["run"],
        row["learner"],
        str(row["seed"]),
        f"{row['frames']:,}",
        f"{row['minutes']:.1f}",
        stages_in_words(row["stages"]),
        "" if row["cvar5"] is None else brief(row["cvar5"]),
        "" if row["success"] is None else percent(row["success"]),
        "" if row["score"] is None else spread(row["score"], 3),
        _spark(row["curves"]),
    )


def _spark(curves: dict[str, dict[str, list[float]]]) -> str:
    """A learning curve in a few characters, each at the height of its own run."""
    values = next((curve["values"] for curve in curves.values() if curve["values"]), [])
    size = math.ceil(len(values) / _SPARK_POINTS) or 1
    means = [sum(part) / len(part) for part in (values[i : i + size] for i in range(0, len(values), size))]
    if not means:
        return ""
    low, span = min(means), max(means) - min(means)
    return "".join(_SPARKS[round((len(_SPARKS) - 1) * (m - low) / span) if span else 0] for m in means)
