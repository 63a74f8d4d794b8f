"""The house's look for MuJoCo's own renderer: pale ground that fades into the sky, bodies coloured by their mass."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from adapt.report.theme import BLUE, ORANGE

_SKY = (0.955, 0.967, 0.976, 1.0)
_TARGET = (0.13, 0.62, 0.42, 1.0)
_MARK = 0.016
_NEUTRAL = np.array([0.80, 0.82, 0.85])
_PALE, _SPREAD = 205, 38
"""Darkest value of a ground's texture, and by how much its brightest is brighter, of 255."""
_FOG = (1.2, 3.5)
"""Where the ground begins to fade and where it has faded, in distances of the camera."""

_WALL = 6.0
"""Where nothing but background is, in distances of the camera."""


def dress(model: mujoco.MjModel, distance: float, masses: Mapping[str, float], strongest: float) -> None:
    """Recolours a model for a camera at `distance` [m].

    Args:
        model: is changed: colours, textures, lights; no physics.
        distance: of the camera from what it looks at, in [m].
        masses: by body index, mass over the base model's; with none, bodies keep their colours.
        strongest: largest absolute logarithm of such a ratio over all tasks; its colour is the full one.
    """
    visual = model.vis
    model.stat.extent = distance
    visual.rgba.fog = _SKY
    visual.map.fogstart, visual.map.fogend, visual.map.zfar = *_FOG, 2 * _WALL
    visual.headlight.ambient, visual.headlight.diffuse = (0.46,) * 3, (0.22,) * 3
    visual.headlight.specular = (0.05,) * 3
    model.light_ambient[:], model.light_specular[:] = 0.0, 0.1
    model.light_diffuse[:] = 0.5 / max(model.nlight, 1)
    for geom in range(model.ngeom):
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
            _pale(model, geom)
        elif strongest > 0 and model.body_weldid[model.geom_bodyid[geom]]:
            _tint(model, geom, masses.get(str(model.geom_bodyid[geom]), 1.0), strongest)


def clear_sky(scene: mujoco.MjvScene, distance: float) -> None:
    """An even background instead of a sky box or of black; call it when the scene's camera stands.

    MuJoCo clears its picture to black, so a wall stands where the fog has become solid.
    """
    scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = 0
    scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = 1
    scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
    eye = scene.camera[0]
    right = np.cross(eye.forward, eye.up)
    wall, half = scene.geoms[scene.ngeom], _WALL * distance
    mujoco.mjv_initGeom(
        wall,
        mujoco.mjtGeom.mjGEOM_BOX,
        np.array([2 * half, 2 * half, 0.01 * half]),
        np.array(eye.pos + half * eye.forward, dtype=np.float64),
        np.stack([right, eye.up, -eye.forward], axis=1).astype(np.float64).ravel(),
        np.array(_SKY, np.float32),
    )
    wall.category, wall.emission, wall.specular = mujoco.mjtCatBit.mjCAT_DECOR, 1.0, 0.0
    scene.ngeom += 1


def mark_target(scene: mujoco.MjvScene, place: np.ndarray, distance: float) -> None:
    """A mark at a place in [m], shape (3,), of a size that suits a camera at `distance` [m]."""
    mujoco.mjv_initGeom(
        scene.geoms[scene.ngeom],
        mujoco.mjtGeom.mjGEOM_SPHERE,
        np.array([_MARK * distance, 0.0, 0.0]),
        place.astype(np.float64),
        np.eye(3).ravel(),
        np.array(_TARGET, np.float32),
    )
    scene.geoms[scene.ngeom].category = mujoco.mjtCatBit.mjCAT_DECOR
    scene.ngeom += 1


def _tint(model: mujoco.MjModel, geom: int, ratio: float, strongest: float) -> None:
    share = min(abs(float(np.log(ratio))) / strongest, 1.0)
    goal = ORANGE if ratio > 1 else BLUE
    colour = np.array([int(goal[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    model.geom_rgba[geom, :3] = _NEUTRAL + share * (colour - _NEUTRAL)
    model.geom_matid[geom] = -1


def _pale(model: mujoco.MjModel, geom: int) -> None:
    """Keeps a ground's pattern, in pale greys."""
    material = int(model.geom_matid[geom])
    model.geom_rgba[geom] = (0.90, 0.92, 0.94, 1.0) if material < 0 else (0.5, 0.5, 0.5, 1.0)
    if material < 0:
        return
    model.mat_rgba[material] = (1.0, 1.0, 1.0, 1.0)
    model.mat_specular[material] = 0.0
    for texture in {int(t) for t in model.mat_texid[material].ravel() if t >= 0}:
        first = model.tex_adr[texture]
        channels = model.tex_nchannel[texture]
        pixels = model.tex_width[texture] * model.tex_height[texture]
        data = model.tex_data[first : first + pixels * channels].reshape(pixels, channels)
        grey = data[:, :3].mean(axis=1)
        span = max(float(np.ptp(grey)), 1.0)
        data[:, :3] = (_PALE + _SPREAD * (grey - grey.min()) / span)[:, None].astype(np.uint8)
