"""Pictures of robots, rendered offscreen.

All of the documentation's: `MUJOCO_GL=egl python -c "from sim_tasks.portrait import *; save_portraits('docs/robots')"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mujoco
import numpy as np

from robots import RobotSpec, load_robot, robot_names
from sim_tasks.models import load_model

POSES: dict[str, dict[str, float]] = {
    "pendulum": {"pivot": 2.5},
    "double_pendulum": {"shoulder": 2.3, "elbow": 0.9},
}
"""Joint positions in [rad] that show a robot better than its pose at rest."""
_OVERSAMPLING = 2


def portrait(spec: RobotSpec, size: int = 400, pose: Mapping[str, float] | None = None) -> np.ndarray:
    """A robot in its keyframe `home`, or at rest, seen by its camera `front`, or by MuJoCo's default one.

    Args:
        spec: the robot.
        size: width and height in pixels.
        pose: joint positions in [rad], by name, that differ from it.

    Returns:
        RGB from 0 to 255. Shape (size, size, 3), uint8.
    """
    model = load_model(spec)
    data = _posed(model, spec, pose or {})
    pixels = _OVERSAMPLING * size
    model.vis.global_.offwidth = model.vis.global_.offheight = pixels
    cameras = [model.camera(index).name for index in range(model.ncam)]
    with mujoco.Renderer(model, pixels, pixels) as renderer:
        renderer.update_scene(data, camera="front" if "front" in cameras else -1)
        image = renderer.render().astype(float)
    blocks = image.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def save_portraits(folder: str | Path) -> list[Path]:
    """Writes a PNG of every robot that comes with this package; returns their paths."""
    from PIL import Image

    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = [Path(folder) / f"{name}.png" for name in robot_names()]
    for path in paths:
        picture = portrait(load_robot(path.stem), pose=POSES.get(path.stem))
        Image.fromarray(picture).save(path, optimize=True)
    return paths


def _posed(model: mujoco.MjModel, spec: RobotSpec, pose: Mapping[str, float]) -> mujoco.MjData:
    data = mujoco.MjData(model)
    if "home" in [model.key(index).name for index in range(model.nkey)]:
        mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    else:
        for joint in spec.joints:
            data.joint(joint.name).qpos[0] = joint.default_position
    for name, position in pose.items():
        data.joint(name).qpos[0] = position
    mujoco.mj_forward(model, data)
    return data
