"""`read_campaign`: what a campaign's folder holds, also one that is unfinished or damaged. Loses no run silently."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ros_bridge.errors import RecordingError
from ros_bridge.hil.judging.trace import Trace

OUTCOMES = ("passed", "failed", "invalid", "error", "unfinished")
"""Of a run on a page: `judging.finding.Outcome`'s, and of one that has left no result."""
_RESULT: dict[str, Any] = {
    **dict.fromkeys(("scenario", "about", "label", "bundle", "robot", "family", "outcome", "reason"), ""),
    **dict.fromkeys(("protects", "pace", "commit", "model"), ""),
    **{key: {} for key in ("task", "truth", "real_time", "latency_ms", "limits", "units", "parameter_units")},
    **{key: [] for key in ("findings", "faults", "events", "violations", "joint_names", "goal_names")},
    **dict.fromkeys(("seconds", "period"), 0.0),
}
"""What a page asks of a result, and what stands for what is missing."""
_FAULT: dict[str, Any] = {
    **dict.fromkeys(("kind", "target", "field", "label"), ""),
    **dict.fromkeys(("magnitude", "begin", "duration"), 0.0),
    "joints": [],
}
_FINDING: dict[str, Any] = {
    **dict.fromkeys(("name", "about", "unit", "detail"), ""),
    "limit": 0.0,
    "at_most": True,
    "passed": False,
}


@dataclass(frozen=True)
class Run:
    """One run."""

    result: dict[str, Any]
    """As `result.json`, with something in every field that the page needs."""
    folder: Path
    trouble: tuple[str, ...] = ()
    """What of it cannot be read, in words."""
    anchor: str = ""
    """Its place on the page, of its campaign alone."""

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`."""
        return self.result["outcome"]

    @property
    def column(self) -> str:
        """Bundle and seed, as its folder is called."""
        return f"{self.result['label']}-{self.result['seed']}"

    @property
    def name(self) -> str:
        """What tells it from the others of the campaign."""
        without = f", without {self.result['switched_off']}" if self.result["switched_off"] else ""
        return f"{self.result['scenario']}[{self.column}{without}]"

    def trace(self) -> Trace:
        """What was heard.

        Raises:
            RecordingError: there is none, or it cannot be read.
        """
        path = self.folder / "trace.npz"
        try:
            return Trace.load(path)
        except FileNotFoundError as error:
            raise RecordingError("trace.npz is not there") from error
        except Exception as error:  # zip, numpy and zlib each raise their own
            raise RecordingError(f"trace.npz is damaged: {error}") from error


@dataclass(frozen=True)
class Campaign:
    """Runs, in the order in which they were asked for."""

    folder: Path
    runs: tuple[Run, ...]
    facts: dict[str, Any]
    """The rest of `campaign.json`; empty while there is none."""
    trouble: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the runner has come to its end."""
        stopped = self.facts.get("stopped_early", not self.facts)
        return not stopped and all(run.outcome != "unfinished" for run in self.runs)

    def counts(self) -> Counter[str]:
        """How many runs came out how, without those of `adapt hil prove`."""
        return Counter(run.outcome for run in self.runs if not run.result["switched_off"])


def read_campaign(folder: Path) -> Campaign:
    """Reads campaign.json, and the results of runs that it does not name.

    Of `adapt hil prove`'s folder both campaigns are read, and what prove.json says of each run without its protection
    is its result's `proof`.

    Raises:
        RecordingError: the folder holds neither a campaign nor a run.
    """
    found = _single(folder)
    if not found.facts and not found.runs:
        found = _proving(folder)
    if not found.facts and not found.runs:
        raise RecordingError(f"{folder}: no campaign: expected campaign.json, or runs/SCENARIO/LABEL-SEED")
    return replace(found, runs=tuple(_anchored(found.runs)))


def _proving(folder: Path) -> Campaign:
    """The campaigns `with` and `without` protections as one."""
    kept, broken = (_single(folder / name) for name in ("with", "without"))
    report, trouble = _read(folder / "prove.json")
    proofs = {
        (row.get("scenario"), row.get("label"), row.get("seed")): row
        for row in report.get("proofs") or ()
        if isinstance(row, dict)
    }
    for run in broken.runs:
        run.result["proof"] = proofs.get(tuple(run.result[name] for name in ("scenario", "label", "seed")))
    facts = kept.facts or broken.facts
    seconds = [
        of.facts["seconds"] for of in (kept, broken) if isinstance(of.facts.get("seconds"), (int, float))
    ]
    stopped = any(of.facts.get("stopped_early", not of.facts) for of in (kept, broken))
    facts |= (
        {"seconds": sum(seconds), "stopped_early": stopped, "unproven": report.get("unproven")}
        if facts
        else {}
    )
    return Campaign(folder, (*kept.runs, *broken.runs), facts, (*kept.trouble, *broken.trouble, *trouble))


def _single(folder: Path) -> Campaign:
    """One campaign, without anchors; empty where there is none."""
    facts, trouble = _read(folder / "campaign.json")
    listed = facts.pop("runs", [])
    listed = listed if isinstance(listed, list) else []
    runs = [_run(folder, result) for result in listed if isinstance(result, dict)]
    if len(runs) < len(listed):
        trouble += (f"campaign.json: {len(listed) - len(runs)} runs are no objects",)
    known = {run.folder.resolve() for run in runs}
    for path in sorted(path for path in folder.glob("runs/*/*") if path.is_dir()):
        if path.resolve() not in known:
            runs.append(_unlisted(path))
    return Campaign(folder, tuple(runs), facts, trouble)


def _anchored(runs: Iterable[Run]) -> Iterator[Run]:
    """With anchors that are letters and digits; the second of the same is counted."""
    met: Counter[str] = Counter()
    for run in runs:
        name = "run-" + re.sub(r"[^A-Za-z0-9]+", "-", run.name).strip("-").lower()
        met[name] += 1
        yield replace(run, anchor=name if met[name] == 1 else f"{name}--{met[name]}")


def _unlisted(path: Path) -> Run:
    result, trouble = _read(path / "result.json")
    label, _, seed = path.name.rpartition("-")
    place = {"scenario": path.parent.name, "label": label, "seed": int(seed) if seed.isdigit() else seed}
    if not result:
        reason = trouble[0] if trouble else "it has left no result"
        result = {**place, "outcome": "unfinished", "reason": reason}
    return _run(path, {**place, **result}, at=path)


def _run(folder: Path, result: dict[str, Any], at: Path | None = None) -> Run:
    trouble = tuple(
        f"result: {name} is {result[name]!r:.60}"
        for name, empty in _RESULT.items()
        if result.get(name) is not None and not _alike(result[name], empty)
    )
    whole = _filled(result, _RESULT) | {"seed": result.get("seed", 0)}
    whole |= {name: result.get(name) for name in ("switched_off", "bag")}
    if whole["outcome"] not in OUTCOMES:
        trouble += (f"result: outcome {whole['outcome']!r:.60}; expected one of {', '.join(OUTCOMES)}",)
        whole["outcome"] = "error"
    for name, shape in (("faults", _FAULT), ("findings", _FINDING)):
        rows = [row for row in whole[name] if isinstance(row, dict)]
        whole[name] = [row | _filled(row, shape) for row in rows]
    for row in whole["findings"]:
        row |= {name: _number(row.get(name)) for name in ("value", "margin")}
    if at is None:
        at = folder / str(
            result.get("folder") or f"runs/{whole['scenario']}/{whole['label']}-{whole['seed']}"
        )
    return Run(result | whole, at, trouble)


def _filled(row: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] if _alike(row.get(name), empty) else empty for name, empty in shape.items()}


def _alike(value: Any, empty: Any) -> bool:
    if isinstance(empty, float):
        return _number(value) is not None
    return isinstance(value, type(empty))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _read(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """An object, empty where there is none, and what is wrong with the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ()
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        return {}, (f"{path.name} cannot be read: {error}",)
    return (content, ()) if isinstance(content, dict) else ({}, (f"{path.name} is no object",))
