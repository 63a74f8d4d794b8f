"""From where to look: a side view of what moves in a plane, a bird's of what turns flat, a corner's of the rest."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from adapt.view.scene import visible_geoms

FIELD_OF_VIEW = 36.0
"""Vertical, in [deg]."""
_ASPECT = 4 / 3
"""Width over height of a picture."""
_FROM_ABOVE = (90.0, -65.0)
_MARGIN = 1.2
_SMOOTHING = 0.6
"""The camera follows the mean over so many [s], so that it does not shake with the robot."""
_OUTLIERS = 4.0
"""Percentage of moments in which a part may reach out of the picture."""


@dataclass(frozen=True)
class Camera:
    """MuJoCo's free camera: where it looks from, seen from what it looks at. N tasks, T frames."""

    azimuth: float
    """In [deg]; 90 looks along +y."""
    elevation: float
    """In [deg]; negative looks down."""
    distance: float
    """In [m]."""
    follows: str
    """Name of the body that is followed, or empty."""
    look_at: np.ndarray
    """In [m]. Shape (N, T, 3)."""


def frame_camera(
    model: mujoco.MjModel,
    poses: np.ndarray,
    episodes: np.ndarray,
    period: float,
    target: np.ndarray | None = None,
) -> Camera:
    """A camera that has every task in full view.

    Args:
        model: of any of the tasks.
        poses: of the bodies, as `scene.body_poses` gives them. Shape (N, T, nbody, 7).
        episodes: index of the episode that each frame belongs to. Shape (N, T).
        period: between frames, in [s].
        target: what is to be reached, in [m]; in view, too, unless the camera follows a body. Shape (T, N, 3).
    """
    azimuth, elevation = _direction(model)
    body = _followed(model)
    ground = np.zeros((*poses.shape[:2], 3))
    if body:
        width = max(1, round(_SMOOTHING / period))
        ground[..., :2] = [
            _smooth(path, label, width) for path, label in zip(poses[:, :, body, :2], episodes, strict=True)
        ]
    low, high = _extent(model, poses - np.pad(ground, ((0, 0), (0, 0), (0, 4)))[:, :, None])
    if target is not None and not body:
        low, high = np.minimum(low, target.min(axis=(0, 1))), np.maximum(high, target.max(axis=(0, 1)))
    distance = _distance(azimuth, elevation, np.maximum((high - low) / 2, 1e-3))
    centre = (low + high) / 2
    return Camera(azimuth, elevation, distance, model.body(body).name if body else "", ground + centre)


def _followed(model: mujoco.MjModel) -> int:
    """The first body on a free joint or on an unlimited slide that has limbs; 0, the world, where there is none.

    Of a body without limbs there is nothing to see but its way: that needs a camera that stands still.
    """
    for joint in range(model.njnt):
        kind = model.jnt_type[joint]
        sliding = kind == mujoco.mjtJoint.mjJNT_SLIDE and not model.jnt_limited[joint]
        body = int(model.jnt_bodyid[joint])
        limbs = np.count_nonzero((model.body_rootid == body) & (model.body_weldid != body))
        free = kind == mujoco.mjtJoint.mjJNT_FREE
        if (free or sliding) and limbs and model.body_parentid[body] == 0:
            return body
    return 0


def _direction(model: mujoco.MjModel) -> tuple[float, float]:
    """Azimuth and elevation in [deg]: along the axis that all hinges share, if they do, or onto a flat motion."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    hinges = model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE
    free = np.isin(model.jnt_type, (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL))
    axes = np.abs(data.xaxis[hinges])
    if not hinges.any() and not free.any() and np.all(np.abs(data.xaxis[:, 2]) < 0.1):
        return _FROM_ABOVE
    if free.any() or not len(axes) or not np.allclose(axes, axes[0], atol=0.02):
        return 130.0, -20.0
    x, y, z = axes[0]
    return _FROM_ABOVE if z > 0.9 else (float(np.degrees(np.arctan2(y, -x))) + 12.0, -8.0)


def _distance(azimuth: float, elevation: float, half: np.ndarray) -> float:
    """From where a box of half lengths `half` [m], shape (3,), fills the picture but for a margin, in [m]."""
    a, e = np.radians((azimuth, elevation))
    forward = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    right = np.array([np.sin(a), -np.cos(a), 0.0])
    depth, width, height = (float(np.abs(axis) @ half) for axis in (forward, right, np.cross(right, forward)))
    slope = float(np.tan(np.radians(FIELD_OF_VIEW / 2)))
    return _MARGIN * max(height, width / _ASPECT) / slope + depth / 2


def _smooth(path: np.ndarray, episodes: np.ndarray, width: int) -> np.ndarray:
    """Moving average over `width` frames, shape (T, 2), that does not reach across episodes."""
    smooth = np.empty_like(path)
    for episode in np.unique(episodes):
        rows = np.flatnonzero(episodes == episode)
        sums = np.cumsum(np.pad(path[rows], ((1, 0), (0, 0))).astype(np.float64), axis=0)
        first = np.clip(np.arange(len(rows)) - width // 2, 0, None)
        last = np.clip(np.arange(len(rows)) + (width + 1) // 2, None, len(rows))
        smooth[rows] = (sums[last] - sums[first]) / (last - first)[:, None]
    return smooth


def _extent(model: mujoco.MjModel, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a box about the geoms that move, but for outliers. Shape (3,) each."""
    geoms = [g for g in visible_geoms(model) if model.body_weldid[model.geom_bodyid[g]]]
    if not geoms:
        return np.full(3, -0.5), np.full(3, 0.5)
    frames = poses[:, :: max(1, poses.shape[1] // 100)].reshape(-1, model.nbody, 7)
    lows, highs = [], []
    for geom in geoms:
        body = model.geom_bodyid[geom]
        turned = _matrices(frames[:, body, 3:])
        box, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
        own = _matrices(model.geom_quat[None, geom])[0]
        centre = frames[:, body, :3] + turned @ (model.geom_pos[geom] + own @ box)
        reach = np.abs(turned @ own) @ half
        lows.append(centre - reach)
        highs.append(centre + reach)
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    return np.percentile(low, _OUTLIERS, axis=0), np.percentile(high, 100 - _OUTLIERS, axis=0)


def _matrices(quaternions: np.ndarray) -> np.ndarray:
    """Rotations of quaternions (w x y z), shape (n, 4). Shape (n, 3, 3)."""
    w, x, y, z = quaternions.T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
