"""docs/results: what was measured of trained learners, and the page that shows it.

python -m tests.results_page add RUN...      keeps the figures of evaluated runs, also out of distribution and against
                                             experts where they are there, and writes the page anew
python -m tests.results_page                 writes the page anew
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adapt.compare import compare
from adapt.errors import RunError
from adapt.files import folder_name
from adapt.options import learner_config
from adapt.results import brief, percent, spread
from adapt.train import read_run

FOLDER = Path(__file__).parents[1] / "docs" / "results"
EXPERTS = FOLDER / "experts"
"""What `adapt experts` has written."""
PAGE = FOLDER / "README.md"
_POINTS = 60
"""Of a learning curve that is kept."""
_DRAWN = 25

PUBLISHED: dict[str, tuple[tuple[str, str], ...]] = {
    "half_cheetah_vel@roml": (
        ("VariBAD, 30 M frames", "-82, CVaR5% -208; -200 at 4.5 M, -100 at 13 M (RobustMetaRL, 30 seeds)"),
    ),
    "half_cheetah_mass@roml": (
        ("VariBAD, 30 M frames", "1,558, CVaR5% 1,080; 950 at 6 M, 1,250 at 11.5 M (RobustMetaRL, 30 seeds)"),
    ),
    "half_cheetah_body@roml": (("VariBAD, 60 M frames", "1,617, CVaR5% 835 (RobustMetaRL, 30 seeds)"),),
    "half_cheetah_dir": (
        ("MAML, after adaptation", "at least 400 in 200-step episodes"),
        ("MAML, 0 / 1 / 2 / 3 gradient steps", "-51 / 293 / 314 / 316 (Finn et al. 2017)"),
    ),
    "half_cheetah_vel@maml": (("MAML, after adaptation", "about -100 in 200-step episodes"),),
    "walker2d_rand_params": (
        ("VariBAD", "just below 1,000; experts per task about 1,300 (Zintgraf et al. 2020)"),
    ),
}
"""Per episode of 200 steps."""


def kept(run: Path) -> dict[str, Any]:
    """What is kept of an evaluated run.

    Raises:
        RunError: it was not evaluated yet; the message says how.
    """
    row = compare([run])["runs"][0]
    if not row["stages"]:
        raise RunError(f"{run}: evaluate it first: {shlex.join(['adapt', 'evaluate', str(run)])}")
    evaluation = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    config = read_run(run)
    curve = {name: _thinned(values) for name, values in row["curves"].items() if values["frames"]}
    names = ("learner", "family", "training", "seed", "commit", "versions", "machine")
    facts = {name: config[name] for name in names}
    return facts | {
        "teacher": _teacher(run, config),
        "frames": row["frames"],
        "minutes": round(row["minutes"], 1),
        "tasks": evaluation["n_tasks"],
        "evaluation_seed": evaluation["seed"],
        "episodes": evaluation["episodes"],
        "stages": row["stages"],
        "cvar5": row["cvar5"],
        "success": row["success"],
        "score": row["score"],
        "bounds_apart": evaluation["bounds_apart"],
        "ood": _ood(run),
        "hyperparameters": config["hyperparameters"],
        "curve": curve,
    }


def _teacher(run: Path, config: dict[str, Any]) -> str | None:
    """What the run's learner learnt from; None where it had no teacher."""
    return read_run(run / config["teacher"])["learner"] if config["teacher"] else None


def _ood(run: Path) -> dict[str, Any] | None:
    """Of `adapt evaluate RUN --split ood`; None where that was not asked."""
    path = run / "evaluation_ood.json"
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    last = result["policies"]["learner"]["stages"][-1]
    return {"mean": last["mean"], "interval": last["interval"], "score": result["score"]}


def add(run: Path) -> Path:
    """Keeps an evaluated run's figures; returns the file."""
    record = kept(run)
    width = record["training"]["width"]
    own = "" if width == 1 else f"-width{width:g}"
    name = f"{folder_name(record['family'])}-{record['learner']}-{record['seed']}{own}.json"
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    experts = run / "experts" / "experts.json"
    if experts.is_file():
        EXPERTS.mkdir(exist_ok=True)
        (EXPERTS / name).write_text(experts.read_text(encoding="utf-8"), encoding="utf-8")
    return FOLDER / name


def page(records: Sequence[dict[str, Any]], experts: Sequence[dict[str, Any]] = ()) -> str:
    """The page of all that is kept."""
    families = sorted({record["family"] for record in records} | set(PUBLISHED))
    parts = [_HEAD]
    for family in families:
        parts += _family(family, [record for record in records if record["family"] == family])
        for held_against in experts:
            if held_against["family"] == family:
                parts += _experts(held_against)
    return "\n".join(parts).rstrip() + "\n"


def records() -> list[dict[str, Any]]:
    """All that is kept."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def experts() -> list[dict[str, Any]]:
    """All that is kept of `adapt experts`."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(EXPERTS.glob("*.json"))]


_HEAD = """# Results

Every learner on every family that was run, on held-out tasks, next to what was published. Written by
`python -m tests.results_page` from the JSON files in this folder, each with its seed, hyperparameters, versions and
commit. Returns are means over tasks with 95 % bootstrap intervals; CVaR5% is the mean of the worst twentieth. A score
is (learner - DR) / (oracle - DR). The policy acts deterministically, through the adapter that the ROS node runs. Out of
distribution are tasks beyond the trained range by up to a quarter of it: return of the last episode, and score. On
target is the share of the last second in which robots were where they should be. A width below 1 is a training on the
middle share of the family alone, which is evaluated on the whole.
"""


def _family(family: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f"## `{family}`\n"
    if rows:
        yield (
            "| learner | seed | frames | minutes | tasks | return, by episode or gradient steps | CVaR5% "
            "| on target | score | out of distribution |"
        )
        yield "|---|---|---|---|---|---|---|---|---|---|"
        for row in _sorted(rows):
            yield _row(row)
        yield (
            "\nEach row: "
            + "; ".join(f"`{command}`" for command in sorted({_command(r) for r in rows}))
            + (", then `adapt evaluate` on its folder.\n")
        )
        yield from _curves(rows)
    else:
        yield "Not run yet.\n"
    for what, figure in PUBLISHED.get(family, ()):
        yield f"Published, {what}: {figure}.\n"


def _sorted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["learner"], -_width(row), row["seed"]))


def _width(row: dict[str, Any]) -> float:
    return row.get("training", {}).get("width", 1.0)


def _name(row: dict[str, Any]) -> str:
    return row["learner"] if _width(row) == 1 else f"{row['learner']}, width {_width(row):g}"


def _row(row: dict[str, Any]) -> str:
    stages = "; ".join(f"{stage['name']}: {spread(stage)}" for stage in row["stages"])
    score = "" if row["score"] is None else spread(row["score"], 3)
    if row.get("bounds_apart") is False:
        score = "none: the oracle is not above DR for certain"
    cells = [_name(row), row["seed"], f"{row['frames']:,}", row["minutes"], row["tasks"], stages]
    beyond = row.get("ood")
    out = "" if beyond is None else spread(beyond)
    out += "" if beyond is None or beyond["score"] is None else f"; score {spread(beyond['score'], 3)}"
    on_target = "" if row.get("success") is None else percent(row["success"])
    return f"| {' | '.join(map(str, cells))} | {brief(row['cvar5'])} | {on_target} | {score} | {out} |"


def _experts(result: dict[str, Any]) -> Iterator[str]:
    """Adaptation against learning from scratch, on the same held-out tasks."""
    names = list(result["tasks"][0]["experts"])
    yield (
        f"Against learning from scratch, by `adapt experts` on the run of {result['learner']}: return of its first "
        f"episode ({result['episode_steps']} control steps) on held-out tasks, and the control steps after which the "
        "training episodes of an expert for this task alone had the same; in brackets the expert's return after all "
        f"its control steps. Means over {result['trials']} trials.\n"
    )
    yield f"| task | {result['learner']} | {' | '.join(names)} |"
    yield "|---|---|" + "---|" * len(names)
    for row in result["tasks"]:
        cells = [
            f"{'never' if expert['frames_to_reach'] is None else format(expert['frames_to_reach'], ',')} of "
            f"{expert['frames']:,} ({brief(expert['returns'][0])})"
            for expert in row["experts"].values()
        ]
        yield f"| {row['task']} | {brief(row['adaptive'][0])} | {' | '.join(cells)} |"
    yield ""


def _command(row: dict[str, Any]) -> str:
    """What trains it again: with the options that are not what they would be without being named."""
    usual = _flat(dataclasses.asdict(learner_config(row["learner"], row["family"])))
    own = _flat(json.loads(json.dumps(row["hyperparameters"])))
    options = [
        word
        for name, value in own.items()
        if name in usual and json.dumps(usual[name]) != json.dumps(value)
        for word in _option(name, value)
    ]
    narrow = [] if _width(row) == 1 else ["--width", f"{_width(row):g}"]
    return shlex.join(
        [
            *("adapt", "train", row["learner"], row["family"], "--seed", str(row["seed"])),
            *narrow,
            *_taught(row),
            *options,
        ]
    )


def _taught(row: dict[str, Any]) -> list[str]:
    """A teacher that is not the usual one, the oracle beside the run."""
    teacher = row.get("teacher")
    return (
        [] if teacher in (None, "oracle") else ["--teacher", f"runs/{folder_name(row['family'])}/{teacher}"]
    )


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _option(name: str, value: Any) -> list[str]:
    """As on the command line."""
    *groups, last = name.replace("_", "-").split(".")
    if isinstance(value, bool):
        return ["--" + ".".join([*groups, last if value else f"no-{last}"])]
    return ["--" + ".".join([*groups, last]), *map(str, value if isinstance(value, list) else [value])]


def _curves(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Returns of training episodes against frames, each run in the order of the table."""
    drawn = [row for row in _sorted(rows) if "return" in row["curve"] and _width(row) == 1]
    if not drawn:
        return
    most = max(row["frames"] for row in drawn)
    names = ", ".join(f"{row['learner']} (seed {row['seed']})" for row in drawn)
    yield f'```mermaid\nxychart-beta\n  title "training returns: {names}"'
    yield f'  x-axis "million frames" 0 --> {most / 1e6:.3g}'
    for row in drawn:
        yield f"  line [{', '.join(brief(value) for value in _resampled(row['curve']['return'], most))}]"
    yield "```\n"


def _resampled(curve: dict[str, list[float]], most: int) -> Iterator[float]:
    """The curve at evenly spaced frames, as far as it reaches."""
    last = curve["frames"][-1]
    for step in range(1, _DRAWN + 1):
        frames = most * step / _DRAWN
        if frames > last * 1.01:
            return
        yield min(zip(curve["frames"], curve["values"], strict=True), key=lambda p: abs(p[0] - frames))[1]


def _thinned(curve: dict[str, list[float]]) -> dict[str, list[float]]:
    every = max(1, -(-len(curve["frames"]) // _POINTS))
    return {
        "frames": curve["frames"][every - 1 :: every],
        "values": [round(value, 2) for value in curve["values"][every - 1 :: every]],
    }


def main(arguments: Sequence[str]) -> None:
    for run in arguments[1:] if arguments[:1] == ["add"] else ():
        print(add(Path(run)))
    FOLDER.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(records(), experts()), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
