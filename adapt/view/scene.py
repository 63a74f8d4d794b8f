"""From a compiled model to plain data that a browser can draw: its visible geoms, and how its bodies move."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from adapt.view.meshes import simplified

_KINDS = {
    int(mujoco.mjtGeom.mjGEOM_PLANE): ("plane", 2),
    int(mujoco.mjtGeom.mjGEOM_SPHERE): ("sphere", 1),
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): ("capsule", 2),
    int(mujoco.mjtGeom.mjGEOM_ELLIPSOID): ("ellipsoid", 3),
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): ("cylinder", 2),
    int(mujoco.mjtGeom.mjGEOM_BOX): ("box", 3),
    int(mujoco.mjtGeom.mjGEOM_MESH): ("mesh", 0),
}
"""By MuJoCo's type: the name, and how many of `geom_size` it has; radius and half lengths in [m]."""
_SHOWN_GROUPS = 3
"""Geoms of the groups from here on are hidden by MuJoCo's own viewer: collision shapes, as a rule."""
_PLAIN = np.array([0.5, 0.5, 0.5, 1.0], np.float32)
"""Colour of a geom that names none; its material's then holds."""
_DIFFERENT = ("size", "pos", "quat", "rgba")
"""What of a geom may differ between tasks."""
_DECIMALS = 5
"""Lengths are kept to 0.01 mm."""


def describe(model: mujoco.MjModel) -> dict[str, Any]:
    """The model's visible geoms as JSON-able data.

    Returns:
        `bodies`: their names. `geoms`: each with its `name`, `body` (index), `type`, `size` in [m] (radius, half
        lengths; a plane's are 0 where it is infinite), `pos` [m] and `quat` (w x y z) in the body's frame, and
        `rgba` in [0, 1]. `meshes`: by id, `vertices` [m] and `faces` (indices), both flat. `notes`: what is not
        drawn.
    """
    drawn = [geom for geom in visible_geoms(model) if _type(model, geom) in _KINDS]
    left_out = [geom for geom in visible_geoms(model) if _type(model, geom) not in _KINDS]
    used = {int(model.geom_dataid[geom]) for geom in drawn if _KINDS[_type(model, geom)][0] == "mesh"}
    return {
        "bodies": [model.body(body).name for body in range(model.nbody)],
        "geoms": [_geom(model, geom) for geom in drawn],
        "meshes": {str(mesh): _mesh(model, mesh) for mesh in sorted(used)},
        "notes": [f"{_label(model, geom)} is not drawn" for geom in left_out],
    }


def visible_geoms(model: mujoco.MjModel) -> list[int]:
    """Geoms that a viewer shows: those of the first groups, or all where these hold nothing that moves."""
    opaque = [geom for geom in range(model.ngeom) if _colour(model, geom)[3] > 0]
    shown = [geom for geom in opaque if model.geom_group[geom] < _SHOWN_GROUPS]
    moving = any(model.body_weldid[model.geom_bodyid[geom]] for geom in shown)
    return shown if moving else opaque


def geom_changes(base: dict[str, Any], other: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """By geom index, the fields in which a task's `describe` differs from the base's."""
    pairs = enumerate(zip(base["geoms"], other["geoms"], strict=True))
    changes = {
        str(index): {field: new[field] for field in _DIFFERENT if new[field] != old[field]}
        for index, (old, new) in pairs
    }
    return {index: fields for index, fields in changes.items() if fields}


def mass_ratios(base: mujoco.MjModel, model: mujoco.MjModel) -> dict[str, float]:
    """By body index, a task's mass over the base model's, where they differ by more than 1 %."""
    bodies = np.flatnonzero(base.body_mass > 0)
    ratios = model.body_mass[bodies] / base.body_mass[bodies]
    changed = np.abs(ratios - 1) > 0.01
    return {
        str(body): round(float(ratio), 4)
        for body, ratio in zip(bodies[changed], ratios[changed], strict=True)
    }


def up(model: mujoco.MjModel) -> list[float]:
    """Unit vector against gravity: a slope is simulated by tilting gravity, and drawn by tilting the world."""
    gravity = np.array(model.opt.gravity)
    strength = float(np.linalg.norm(gravity))
    return _plain(-gravity / strength) if strength > 0 else [0.0, 0.0, 1.0]


def body_poses(model: mujoco.MjModel, qpos: np.ndarray) -> np.ndarray:
    """Where the bodies are at given joint positions, by MuJoCo's forward kinematics.

    Args:
        model: the task's own model.
        qpos: generalised positions. Shape (T, nq).

    Returns:
        Per body its position [m] and orientation (w x y z) in the world. Shape (T, nbody, 7), float32.
    """
    data = mujoco.MjData(model)
    poses = np.empty((len(qpos), model.nbody, 7), np.float32)
    for frame, positions in enumerate(qpos):
        data.qpos[:] = positions
        mujoco.mj_kinematics(model, data)
        poses[frame, :, :3], poses[frame, :, 3:] = data.xpos, data.xquat
    return poses


def _geom(model: mujoco.MjModel, geom: int) -> dict[str, Any]:
    kind, sizes = _KINDS[_type(model, geom)]
    described = {
        "name": model.geom(geom).name,
        "body": int(model.geom_bodyid[geom]),
        "type": kind,
        "size": _plain(model.geom_size[geom, :sizes]),
        "pos": _plain(model.geom_pos[geom]),
        "quat": _plain(model.geom_quat[geom]),
        "rgba": _plain(_colour(model, geom)),
    }
    return described | ({"mesh": str(model.geom_dataid[geom])} if kind == "mesh" else {})


def _type(model: mujoco.MjModel, geom: int) -> int:
    return int(model.geom_type[geom])


def _colour(model: mujoco.MjModel, geom: int) -> np.ndarray:
    own, material = model.geom_rgba[geom], model.geom_matid[geom]
    return model.mat_rgba[material] if material >= 0 and np.array_equal(own, _PLAIN) else own


def _mesh(model: mujoco.MjModel, mesh: int) -> dict[str, list[Any]]:
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count]
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    vertices, faces = simplified(vertices, model.mesh_face[first : first + count])
    return {"vertices": _plain(vertices.ravel()), "faces": faces.ravel().tolist()}


def _label(model: mujoco.MjModel, geom: int) -> str:
    kind = mujoco.mjtGeom(_type(model, geom)).name.removeprefix("mjGEOM_").lower()
    return f"{kind} {model.geom(geom).name or geom}"


def _plain(values: np.ndarray) -> list[float]:
    """Rounded floats, and no negative zeros, so that equal things compare equal."""
    return (np.round(np.asarray(values, dtype=np.float64), _DECIMALS) + 0.0).tolist()
