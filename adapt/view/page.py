"""`write_page`: several tasks of a family, moving side by side, on one page that loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from adapt.report.document import asset, document
from adapt.report.text import escape, label, number, unit_label
from adapt.report.theme import page_theme
from adapt.view import scene
from adapt.view.camera import FIELD_OF_VIEW
from adapt.view.panel import panel
from adapt.view.recording import Recording

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = (
    "algebra.js",
    "shapes.js",
    "shaders.js",
    "stage.js",
    "painter.js",
    "clip.js",
    "orbit.js",
    "view.js",
)
"""In the order in which they need each other."""
_DECIMALS = 4
"""Of positions [m] and quaternions: a tenth of a millimetre is less than a pixel."""


def write_page(recording: Recording, path: Path) -> Path:
    """Writes the page and returns its path.

    It draws with the browser's own WebGL, and without that, or with `#renderer=canvas` in the address, on a plain
    canvas. The fragment `#t=2.5` opens it at rest, 2.5 s into the recording.
    """
    title = f"{recording.family}: {recording.tasks} tasks side by side"
    scripts = [asset(name, _ASSETS) for name in _SCRIPTS]
    text = document(title, [asset("view.css", _ASSETS)], _body(recording), content(recording), scripts)
    path.write_text(text, encoding="utf-8")
    return path


def content(recording: Recording) -> dict[str, Any]:
    """Everything that the page's scripts draw, JSON-able.

    Positions in [m], quaternions w x y z. Per task: `geoms`, its differences from the shared ones; `masses`, by
    body over the base's; `up`; `look_at` (T, 3); `poses` (T, 7 per moving body, in the order of `moving`);
    `reward` (T,); `episode` (T,); `pieces`, the parameters from a frame on; `goals` (T, G);
    `target` (T, 3).
    """
    base = scene.describe(recording.base)
    moving = _moving(recording, base)
    camera = recording.camera
    return base | {
        "colours": page_theme()["colours"],
        "period": recording.period,
        "frames": len(recording.qpos),
        "wishes": [
            {"name": wish.name.replace("_", " "), "unit": _suffix(wish.unit)} for wish in recording.wishes
        ],
        "camera": {
            "azimuth": camera.azimuth,
            "elevation": camera.elevation,
            "distance": round(camera.distance, _DECIMALS),
            "field": FIELD_OF_VIEW,
            "follows": camera.follows,
        },
        "moving": moving,
        "rest": _rounded(recording.poses[0, 0]),
        "tasks": [_task(recording, base, moving, index) for index in range(recording.tasks)],
    }


def _moving(recording: Recording, base: dict[str, Any]) -> list[int]:
    """Bodies that have geoms, and move or lie elsewhere in another task."""
    drawn = sorted({geom["body"] for geom in base["geoms"]})
    poses = recording.poses[:, :, drawn]
    return [body for body, still in zip(drawn, _still(poses), strict=True) if not still]


def _still(poses: np.ndarray) -> np.ndarray:
    """Which bodies are the same in all tasks and frames; shape (bodies,) of (N, T, bodies, 7)."""
    return np.abs(poses - poses[:1, :1]).max(axis=(0, 1, 3)) < 10.0**-_DECIMALS


def _task(recording: Recording, base: dict[str, Any], moving: list[int], index: int) -> dict[str, Any]:
    model = recording.models[index]
    return {
        "geoms": scene.geom_changes(base, scene.describe(model)),
        "masses": scene.mass_ratios(recording.base, model),
        "up": scene.up(model),
        "look_at": _rounded(recording.camera.look_at[index]),
        "poses": _rounded(recording.poses[index][:, moving].reshape(len(recording.qpos), -1)),
        "reward": _rounded(recording.reward[:, index]),
        "episode": recording.episode[:, index].tolist(),
        "pieces": _pieces(recording, index),
        "goals": [] if recording.goals is None else _rounded(recording.goals[:, index]),
        "target": [] if recording.target is None else _rounded(recording.target[:, index]),
    }


def _pieces(recording: Recording, index: int) -> list[dict[str, Any]]:
    """The parameters as numbers to read and places in their ranges, from the first frame that they hold for."""
    values = recording.values[:, index]
    changed = np.flatnonzero((np.diff(values, axis=0) != 0).any(axis=1)) + 1
    return [
        {
            "frame": int(frame),
            "values": [
                {"text": number(value), "share": round(float(kind.share(value)), 4)}
                for kind, value in zip(recording.quantities, values[frame].tolist(), strict=True)
            ],
        }
        for frame in (0, *changed)
    ]


def _suffix(unit: str) -> str:
    return "" if unit == "1" else f"\N{NO-BREAK SPACE}{unit_label(unit)}"


def _rounded(values: np.ndarray) -> list[Any]:
    return (np.round(np.asarray(values, dtype=np.float64), _DECIMALS) + 0.0).tolist()


def _body(recording: Recording) -> str:
    panels = "\n".join(panel(recording, index) for index in range(recording.tasks))
    notes = "".join(f"<p>{escape(note)}</p>" for note in scene.describe(recording.base)["notes"])
    return (
        asset("view.html", _ASSETS)
        .replace("{eyebrow}", escape(f"{recording.robot} · {recording.split} tasks · seed {recording.seed}"))
        .replace("{title}", escape(_title(recording.family)))
        .replace("{lede}", _lede(recording))
        .replace("{panels}", panels)
        .replace("{notes}", notes)
    )


def _title(family: str) -> str:
    return label(family) if family.isidentifier() else family


def _lede(recording: Recording) -> str:
    count, many = recording.tasks, len(recording.quantities)
    tasks = "One task" if count == 1 else f"{count} tasks"
    drawn = f"{many} physical parameters" if many != 1 else "one physical parameter"
    about = f"{label(recording.about)}. " if recording.about else ""
    return escape(
        f"{about}{tasks} drawn from the family, {number(recording.seconds, 2)} s on one clock. Each robot has its own "
        f"draw of {drawn}; it is driven by {recording.policy}."
    )
