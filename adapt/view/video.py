"""`write_video`: several tasks of a family in one moving picture, rendered by MuJoCo where there is OpenGL."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO

import mujoco
import numpy as np

from adapt.errors import AdaptError
from adapt.report.text import label, quantity
from adapt.view import scene
from adapt.view.offscreen import INSTALL, environment, find_backend
from adapt.view.play import Progress
from adapt.view.recording import Recording

FORMATS = (".gif", ".webp", ".png")
"""GIF, WebP and animated PNG: what Pillow writes."""
_RATE = 25.0
"""Pictures per second at most; browsers slow a GIF down that asks for more than 50."""
_PATIENCE = 900.0
"""Rendering that takes longer, in [s], is stopped."""
_LINES = 8
"""Parameters printed under a picture at most."""

_PLAIN = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ", "²": "^2", "³": "^3"})


def check_format(path: Path) -> None:
    """Raises `AdaptError` where a file's ending names no format that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise AdaptError(f"{path}: cannot write a video as {path.suffix!r}; valid: {', '.join(FORMATS)}")


def write_video(
    recording: Recording, path: Path, backend: str | None = None, progress: Progress | None = None
) -> Path:
    """Renders in a child process, whose crash would be an error and not the end, and returns the path.

    Args:
        recording: what to show.
        path: a file that ends in one of `FORMATS`.
        backend: as `offscreen.find_backend` gives it; None: the first that works.
        progress: called after each task.

    Raises:
        AdaptError: another ending than `FORMATS`; no renderer works here; rendering failed.
    """
    check_format(path)
    backend = backend or find_backend()
    if backend is None:
        raise AdaptError(f"no OpenGL for offscreen rendering: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="view-video-") as folder:
        _write_job(recording, Path(folder))
        with open(Path(folder) / "trouble.txt", "w+", encoding="utf-8") as trouble:
            code = _render(Path(folder), path, backend, trouble, progress, recording.tasks)
            trouble.seek(0)
            words = (trouble.read().strip().splitlines() or ["without a word"])[-1]
    if code or not path.is_file():
        raise AdaptError(f"{path}: rendering with {backend} failed ({code}): {words}")
    return path


def _render(
    folder: Path, path: Path, backend: str, trouble: IO[str], progress: Progress | None, tasks: int
) -> int:
    """The child process, which says a word for each task that is done; returns its exit code."""
    command = [sys.executable, "-m", "adapt.view.renderer", str(folder), str(path.resolve())]
    env = environment(backend)
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=trouble, text=True) as process:
        stop = threading.Timer(_PATIENCE, process.kill)
        stop.start()
        assert process.stdout is not None
        try:
            for done, _ in enumerate(process.stdout, start=1):
                if progress is not None:
                    progress("tasks rendered", done, tasks)
        except BaseException:
            process.kill()
            raise
        finally:
            stop.cancel()
    return process.returncode


def _write_job(recording: Recording, folder: Path) -> None:
    """What `renderer` needs: models, motion and texts."""
    for index, model in enumerate(recording.models):
        mujoco.mj_saveModel(model, str(folder / f"{index}.mjb"), None)
    stride = max(1, round(1.0 / (_RATE * recording.period)))
    camera = asdict(recording.camera)
    look_at = camera.pop("look_at")[:, ::stride]
    target = recording.target if recording.target is not None else np.zeros((len(recording.qpos), 0, 3))
    np.savez(
        folder / "motion.npz",
        qpos=recording.qpos[::stride],
        look_at=look_at,
        reward=recording.reward[::stride],
        target=target[::stride],
    )
    tasks = [
        {
            "texts": _texts(recording, index),
            "masses": scene.mass_ratios(recording.base, model),
            "up": scene.up(model),
        }
        for index, model in enumerate(recording.models)
    ]
    job = {"camera": camera, "period": stride * recording.period, "tasks": tasks}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def _texts(recording: Recording, index: int) -> list[tuple[str, str]]:
    """Names and values of a task's parameters at first, in the characters of Pillow's own font."""
    pairs = zip(recording.quantities, recording.values[0, index].tolist(), strict=True)
    lines = [(label(kind.name), quantity(value, kind.unit).translate(_PLAIN)) for kind, value in pairs]
    return (
        lines if len(lines) <= _LINES else [*lines[: _LINES - 1], (f"and {len(lines) - _LINES + 1} more", "")]
    )
