"""`view`: several tasks of a family side by side, as a page or as a video."""

from __future__ import annotations

import tempfile
from pathlib import Path

from adapt.console import StepProgress, say
from adapt.errors import AdaptError
from adapt.view.offscreen import INSTALL, find_backend
from adapt.view.page import write_page
from adapt.view.play import play
from adapt.view.video import check_format, write_video
from sim_tasks.families import load_family


def view(
    family_name: str,
    out: Path,
    *,
    tasks: int = 6,
    seconds: float | None = None,
    seed: int = 0,
    split: str = "test",
    policy: Path | None = None,
    video: bool = False,
) -> Path:
    """Plays tasks of a family and writes what they look like; returns the path of what was written.

    Args:
        family_name: registered family, such as pendulum_swingup or half_cheetah_vel@roml.
        out: HTML file, or with `video` a .gif, .webp or .png.
        tasks: how many, 1 to 24.
        seconds: how long; None: one episode, of 10 s at most.
        seed: of tasks, starts, noise and the random motion.
        split: train, test or ood.
        policy: folder of a bundle, or of a run that holds one; None: smooth random motion, the same for all tasks.
        video: a moving picture instead of a page; where nothing can render it, the page is written beside it.

    Raises:
        AdaptError: a number out of range, a policy for another family, a place that cannot be written to.
        TaskError: unknown family or split; the message lists the valid ones.
    """
    family = load_family(family_name)
    backend = None
    if video:
        check_format(out)
        backend = find_backend()
        if backend is None:
            out = out.with_suffix(".html")
            say(f"no OpenGL for offscreen rendering ({INSTALL}); the page {out} instead of a video")
    _check_place(out)
    with StepProgress("view") as progress:
        recording = play(
            family, tasks=tasks, seconds=seconds, seed=seed, split=split, policy=policy, progress=progress
        )
        return (
            write_page(recording, out) if backend is None else write_video(recording, out, backend, progress)
        )


def _check_place(out: Path) -> None:
    """Fails before any work where nothing can be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise AdaptError(f"{out}: cannot be written: {error.strerror or error}") from error
    if out.is_dir():
        raise AdaptError(f"{out}: is a folder; name a file in it")
