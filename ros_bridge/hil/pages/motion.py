"""`Motion`: where a robot's bodies were, by MuJoCo's forward kinematics, for a page that draws them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from robots import load_robot
from robots.errors import UserError
from ros_bridge.errors import RecordingError
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.pages.campaign import Run

_LENGTH, _TURN = 1e4, 1e4
"""Steps per [m], and per 1 of a quaternion's numbers: a tenth of a millimetre is less than a pixel."""
_MOST_FRAMES = 3000
"""Of one run: a long one has fewer per second."""
_FAR = 1e4
"""Where a simulated robot has gone that has come apart, in [m]; it is not drawn there."""
MOST_RATE = 25.0
"""Of pictures, in [Hz]."""


def scene_of(robot: str) -> dict[str, Any]:
    """The robot's visible geoms, as `adapt.view.scene.describe`.

    Raises:
        RecordingError: there is no such robot, or no MuJoCo.
    """
    from adapt.view import scene

    return scene.describe(_model(robot))


def motion_of(run: Run, trace: Trace, rate: float = MOST_RATE) -> dict[str, Any]:
    """Poses of the bodies that move, in whole steps from the frame before, and a camera. JSON-able.

    From the simulation's `qpos`; without it, as of a real robot, from the measured joints, the base at rest.

    Raises:
        RecordingError: nothing was recorded of where it was, or it is of another model.
    """
    from adapt.view import scene
    from adapt.view.camera import FIELD_OF_VIEW, frame_camera

    model = _model(run.result["robot"])
    time, qpos = _positions(run, trace, model)
    rate = min(rate, _MOST_FRAMES / max(float(time[-1] - time[0]), 1e-3))
    moments = np.arange(time[0], time[-1] + 1e-9, 1.0 / rate)
    rows = np.clip(np.searchsorted(time, moments + 1e-9, side="right") - 1, 0, len(time) - 1)
    poses = scene.body_poses(model, qpos[rows])
    camera = frame_camera(model, poses[None], np.zeros((1, len(rows)), np.int64), 1.0 / rate)
    drawn = sorted({geom["body"] for geom in scene_of(run.result["robot"])["geoms"]})
    moving = [body for body in drawn if np.ptp(poses[:, body], axis=0).max() > 1e-4]
    return {
        "begin": float(time[0]),
        "period": 1.0 / rate,
        "frames": len(rows),
        "moving": moving,
        "rest": _steps(poses[:1])[0].tolist(),
        "poses": np.diff(_steps(poses[:, moving]), axis=0, prepend=0).reshape(len(rows), -1).tolist(),
        "look_at": np.round(camera.look_at[0], 3).tolist(),
        "scale": [_LENGTH, _TURN],
        "camera": {
            "azimuth": camera.azimuth,
            "elevation": camera.elevation,
            "distance": round(camera.distance, 3),
            "field": FIELD_OF_VIEW,
        },
    }


def _steps(poses: np.ndarray) -> np.ndarray:
    """Positions [m] and quaternions, shape (T, bodies, 7), in whole steps."""
    return np.round(poses * np.array([_LENGTH] * 3 + [_TURN] * 4)).astype(np.int64)


@lru_cache(maxsize=16)
def _model(robot: str) -> Any:
    try:
        from sim_tasks.models import load_model

        return load_model(load_robot(robot))
    except ImportError as error:
        raise RecordingError(f"no animation: {error}") from error
    except UserError as error:
        raise RecordingError(f"no animation: {error}") from error


def _positions(run: Run, trace: Trace, model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times, shape (K,), and generalised positions, shape (K, nq); finite, and in order of time."""
    time, qpos = trace.truth_time, trace.qpos
    if not qpos.size and trace.position.size:
        time, qpos = trace.time, _from_joints(run, trace, model)
    if qpos.ndim != 2 or len(qpos) != len(time) or not qpos.size:
        raise RecordingError("no animation: it was not recorded where the robot was")
    if qpos.shape[1] != model.nq:
        raise RecordingError(
            f"no animation: {qpos.shape[1]} positions were recorded, "
            f"the model of {run.result['robot']!r} has {model.nq}"
        )
    known = (np.abs(qpos) < _FAR).all(axis=1) & np.isfinite(time)
    if not known.any():
        raise RecordingError("no animation: no position that was recorded can be")
    time, qpos = time[known], qpos[known]
    order = np.argsort(time, kind="stable")
    return time[order], qpos[order]


def _from_joints(run: Run, trace: Trace, model: Any) -> np.ndarray:
    """Generalised positions with the base at rest. Shape (T, nq)."""
    names, qpos = run.result["joint_names"], np.tile(np.asarray(model.qpos0), (len(trace.position), 1))
    if len(names) != trace.position.shape[1]:
        raise RecordingError(f"no animation: {trace.position.shape[1]} positions of {len(names)} joints")
    for index, name in enumerate(names):
        try:
            qpos[:, int(model.joint(str(name)).qposadr[0])] = trace.position[:, index]
        except KeyError as error:
            raise RecordingError(f"no animation: {error.args[0]}") from error
    return qpos
