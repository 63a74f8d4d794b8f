"""Reads a run's JSON files and checks that they say what the report needs, before anything is drawn."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import RunError

POLICIES = ("dr", "learner", "oracle")

_BELIEF = {"names": list, "units": list, "mean": list, "std": list}
_POLICY = {
    **dict.fromkeys(("curve", "curve_low", "curve_high", "returns", "interval"), list),
    **dict.fromkeys(("mean", "cvar5"), float),
}
_SHAPES: dict[str, dict[str, Any]] = {
    "summary.json": {
        "seed": int,
        "commit": str,
        "versions": dict,
        "config": dict,
        "train": {"steps": int, "seconds": float, "steps_per_s": float},
        "evaluate": {"score": float, "score_interval": list, "cvar5": float, "n_tasks": int},
    },
    "evaluation.json": {
        "family": str,
        "period": float,
        "n_tasks": int,
        "policies": dict.fromkeys(POLICIES, _POLICY),
        "belief": {"names": list, "units": list, "time": list, "rmse": list},
    },
    "ros.json": {
        "robots": [
            {
                "name": str,
                "truth": [{"time": float, "values": dict}],
                "upright_first": bool,
                "recovered": bool,
                "effort_limit": float,
                "reasons": dict,
                "belief": _BELIEF,
                **dict.fromkeys(("time", "angle", "measured", "requested", "certified"), list),
            }
        ],
        "latency_ms": list,
        "echo_latency_ms": list,
    },
    "replay.json": {
        "files": [
            {
                "name": str,
                "belief": _BELIEF,
                **dict.fromkeys(("seconds", "rate_hz", "prior_error", "adapted_error"), float),
                **dict.fromkeys(("time", "prior_error_curve", "adapted_error_curve"), list),
            }
        ],
        "error_unit": str,
    },
}
_KIND_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", list: "a list"}


@dataclass(frozen=True)
class RunData:
    """What a run has recorded; `ros` and `replay` are None where they were not run."""

    summary: dict[str, Any]
    evaluation: dict[str, Any]
    ros: dict[str, Any] | None
    replay: dict[str, Any] | None


def read_run(run: Path) -> RunData:
    """Reads the run's files.

    Raises:
        RunError: a file or field is missing or of another kind; names the file and the field.
    """
    ros, replay = _read(run / "ros.json", optional=True), _read(run / "replay.json", optional=True)
    for robot in ros["robots"] if ros else ():
        _check_series(run / "ros.json", robot, ("angle", "measured", "requested", "certified"))
    for file in replay["files"] if replay else ():
        _check_series(run / "replay.json", file, ("prior_error_curve", "adapted_error_curve"))
    return RunData(
        summary=_read(run / "summary.json") or {},
        evaluation=_read(run / "evaluation.json") or {},
        ros=ros if ros and ros["robots"] else None,
        replay=replay if replay and replay["files"] else None,
    )


def _read(path: Path, optional: bool = False) -> dict[str, Any] | None:
    if optional and not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise RunError(f"{path}: not valid JSON: {error}") from error
    if optional and content is None:
        return None
    _check(content, _SHAPES[path.name], f"{path}:")
    return content


def _check(value: Any, shape: Any, where: str) -> None:
    """Holds `value` against a shape: a type, a mapping of fields to shapes, or [shape of every item]."""
    if isinstance(shape, dict):
        _check(value, dict, where)
        for field, inner in shape.items():
            if field not in value:
                raise RunError(f"{where} {field} is missing; expected fields: {', '.join(shape)}")
            _check(value[field], inner, f"{where} {field}")
    elif isinstance(shape, list):
        _check(value, list, where)
        for index, item in enumerate(value):
            _check(item, shape[0], f"{where}[{index}]")
    elif not _is_kind(value, shape):
        raise RunError(f"{where} expected {_KIND_NAMES.get(shape, 'an object')}, got {value!r:.60}")


def _is_kind(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _check_series(path: Path, record: dict[str, Any], names: Sequence[str]) -> None:
    """Every series of a recording is as long as its time, every belief as wide as its names."""
    belief, samples = record["belief"], len(record["time"])
    series = {name: record[name] for name in names} | {f"belief.{k}": belief[k] for k in ("mean", "std")}
    for name, values in series.items():
        if len(values) != samples:
            raise RunError(f"{path}: {record['name']}: {name} has {len(values)} samples, time has {samples}")
    width = len(belief["names"])
    rows = (belief["units"], *belief["mean"], *belief["std"])
    if any(len(row) != width for row in rows):
        raise RunError(f"{path}: {record['name']}: belief: not one unit, mean and std for each of its names")


def compact(value: Any, digits: int = 5) -> Any:
    """The same JSON with floats at so many significant digits, and null where a number is not finite."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: compact(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [compact(item, digits) for item in value]
    return value


def thin(samples: Sequence[Any], limit: int) -> list[Any]:
    """Every k-th sample, so that no more than `limit` remain."""
    return list(samples[:: max(1, math.ceil(len(samples) / limit))])
