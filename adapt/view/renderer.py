"""`python -m adapt.view.renderer JOB_FOLDER FILE`: the child process in which `video` renders."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adapt.report.theme import BLUE, INK, MUTED
from adapt.view.camera import FIELD_OF_VIEW
from adapt.view.dress import clear_sky, dress, mark_target

_WIDTH, _HEIGHT = 320, 240
"""Of one task's picture, in [px]."""
_FINER = 2
"""Rendered so many times finer along each side and averaged: smooth edges."""
_GAP, _LINE = 10, 17
_COLUMNS = 3


def main(folder: Path, path: Path) -> None:
    """Renders the job that `video` has written into a folder."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "motion.npz", allow_pickle=False) as motion:
        qpos, look_at, reward, target = (motion[name] for name in ("qpos", "look_at", "reward", "target"))
    logs = [abs(math.log(ratio)) for task in job["tasks"] for ratio in task["masses"].values()]
    view, texts, tiles = job["camera"] | {"strongest": max(logs, default=0.0)}, [], []
    for index, task in enumerate(job["tasks"]):
        path_of_target = target[:, index] if target.size else None
        tiles.append(
            _tile(folder / f"{index}.mjb", qpos[:, index], look_at[index], path_of_target, view, task)
        )
        texts.append(task["texts"])
        print(index, flush=True)
    frames = [_sheet([tile[t] for tile in tiles], texts, reward[t]) for t in range(len(qpos))]
    _save(frames, path, 1000 * job["period"])


def _tile(
    model_file: Path,
    qpos: np.ndarray,
    look_at: np.ndarray,
    target: np.ndarray | None,
    view: dict[str, Any],
    task: dict[str, Any],
) -> list[Image.Image]:
    """One task's pictures."""
    model = mujoco.MjModel.from_binary_path(str(model_file))
    dress(model, view["distance"], task["masses"], view["strongest"])
    model.vis.global_.fovy = FIELD_OF_VIEW
    size = model.vis.global_.offwidth, model.vis.global_.offheight = _FINER * _WIDTH, _FINER * _HEIGHT
    data, camera = mujoco.MjData(model), mujoco.MjvCamera()
    camera.azimuth, camera.elevation, camera.distance = view["azimuth"], view["elevation"], view["distance"]
    pictures = []
    with mujoco.Renderer(model, size[1], size[0]) as renderer:
        for frame, (positions, middle) in enumerate(zip(qpos, look_at, strict=True)):
            data.qpos[:], camera.lookat[:] = positions, middle
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera)
            _stand_upright(renderer.scene, middle, np.array(task["up"]))
            clear_sky(renderer.scene, view["distance"])
            if target is not None:
                mark_target(renderer.scene, target[frame], view["distance"])
            pictures.append(
                Image.fromarray(renderer.render()).resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)
            )
    return pictures


def _stand_upright(scene: mujoco.MjvScene, target: np.ndarray, up: np.ndarray) -> None:
    """Turns the cameras about what they look at, shape (3,), so that `up`, shape (3,), is up in the picture."""
    if np.allclose(up, (0, 0, 1)):
        return
    axis, turn = np.cross((0.0, 0.0, 1.0), up), np.zeros(4)
    mujoco.mju_axisAngle2Quat(turn, axis / np.linalg.norm(axis), math.acos(np.clip(up[2], -1, 1)))
    for camera in scene.camera:
        for vector, origin in ((camera.pos, target), (camera.forward, 0.0), (camera.up, 0.0)):
            turned = np.zeros(3)
            mujoco.mju_rotVecQuat(turned, vector - origin, turn)
            vector[:] = turned + origin


def _sheet(pictures: list[Image.Image], texts: list[list[list[str]]], reward: np.ndarray) -> Image.Image:
    """One moment of all tasks, side by side, with their parameters and returns so far."""
    columns = min(_COLUMNS, len(pictures))
    text_height = _LINE * max(map(len, texts)) + _LINE + 14
    cell = _WIDTH + _GAP, _HEIGHT + text_height + _GAP
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * cell[0] + _GAP, rows * cell[1] + _GAP), "white")
    brush = ImageDraw.Draw(sheet)
    for index, picture in enumerate(pictures):
        x, y = _GAP + index % columns * cell[0], _GAP + index // columns * cell[1]
        sheet.paste(picture, (x, y))
        heading = [f"Task {index + 1}", f"return {reward[index]:.1f}"]
        for line, (name, value) in enumerate([heading, *texts[index]]):
            _write(brush, x, y + _HEIGHT + 6 + line * _LINE, name, value, heading=line == 0)
    return sheet


def _write(brush: ImageDraw.ImageDraw, x: int, y: int, name: str, value: str, heading: bool) -> None:
    font = ImageFont.load_default(14 if heading else 13)
    brush.text((x + 2, y), name, INK if heading else MUTED, font)
    brush.text((x + _WIDTH - 2, y), value, BLUE if heading else INK, font, anchor="ra")


def _save(frames: list[Image.Image], path: Path, period: float) -> None:
    """`period` in [ms]."""
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": period, "loop": 0}
    if path.suffix.lower() == ".gif":
        palette = frames[len(frames) // 2].quantize(255, kmeans=2)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        options |= {"append_images": frames[1:], "optimize": False}
    elif path.suffix.lower() == ".webp":
        options |= {"quality": 80, "method": 2}
    frames[0].save(path, **options)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    os._exit(0)  # PyOpenGL's own clean-up fails at exit on some drivers, after the file is written
