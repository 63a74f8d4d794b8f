"""What the viewer draws: a model as plain data, its bodies' motion, and a camera that has them in view."""

from __future__ import annotations

import copy
import json
import math

import mujoco
import numpy as np
import pytest

from adapt.view import scene
from adapt.view.camera import FIELD_OF_VIEW, frame_camera
from adapt.view.meshes import simplified
from adapt.view.target import target_of

TWO_BODIES = """
<mujoco>
  <compiler autolimits="true"/>
  <asset>
    <material name="steel" rgba="0.2 0.3 0.4 1"/>
    <hfield name="hill" nrow="2" ncol="2" size="1 1 0.1 0.1" elevation="0 1 1 0"/>
  </asset>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <geom name="hill" type="hfield" hfield="hill" pos="5 5 0"/>
    <body name="arm" pos="0 0 1">
      <joint name="shoulder" type="hinge" axis="0 -1 0"/>
      <geom name="rod" type="capsule" fromto="0 0 0 0 0 -0.4" size="0.02" material="steel"/>
      <geom name="hull" type="box" size="1 1 1" group="3" mass="0"/>
      <body name="hand" pos="0 0 -0.4">
        <geom name="ball" type="sphere" size="0.05" rgba="1 0 0 1" mass="2"/>
        <geom name="ghost" type="sphere" size="0.5" rgba="1 1 1 0" mass="0"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(TWO_BODIES)


def test_description_of_two_bodies(model: mujoco.MjModel) -> None:
    described = scene.describe(model)
    assert described["bodies"] == ["world", "arm", "hand"]
    # The hull is in group 3 and the ghost is fully transparent: no viewer shows them. The hill is noted.
    assert [geom["name"] for geom in described["geoms"]] == ["floor", "rod", "ball"]
    assert described["notes"] == ["hfield hill is not drawn"]
    floor, rod, ball = described["geoms"]
    assert (floor["body"], floor["type"], floor["size"]) == (0, "plane", [0.0, 0.0])
    # The capsule lies from 0 to -0.4 along z: its middle is at -0.2, its half length 0.2, its axis z or -z.
    assert (rod["body"], rod["type"], rod["size"], rod["pos"]) == (1, "capsule", [0.02, 0.2], [0, 0, -0.2])
    assert abs(rod["quat"][0]) + abs(rod["quat"][1]) + abs(rod["quat"][2]) == pytest.approx(1, abs=1e-4)
    assert rod["rgba"] == [0.2, 0.3, 0.4, 1.0], "the material's colour"
    assert (ball["body"], ball["type"], ball["size"], ball["pos"]) == (2, "sphere", [0.05], [0, 0, 0])
    assert ball["rgba"] == [1, 0, 0, 1]
    json.dumps(described, allow_nan=False)


def test_collision_shapes_are_drawn_where_there_is_nothing_else(model: mujoco.MjModel) -> None:
    model.geom_group[:] = 3
    names = [model.geom(geom).name for geom in scene.visible_geoms(model)]
    assert names == ["floor", "hill", "rod", "hull", "ball"]


def test_changes_are_the_fields_that_differ(model: mujoco.MjModel) -> None:
    base = scene.describe(model)
    other = copy.copy(model)
    other.geom("ball").size[0] = 0.08
    other.geom("ball").pos[:] = (0, 0, 0.1)
    changes = scene.geom_changes(base, scene.describe(other))
    assert changes == {"2": {"size": [0.08], "pos": [0, 0, 0.1]}}, "the ball is the third geom that is drawn"
    assert scene.geom_changes(base, base) == {}


def test_masses_are_relative_to_the_base(model: mujoco.MjModel) -> None:
    heavier = copy.copy(model)
    heavier.body("hand").mass[0] = 3.0  # 3 kg instead of 2 kg
    assert scene.mass_ratios(model, heavier) == {"2": 1.5}
    assert scene.mass_ratios(model, model) == {}


def test_up_is_against_gravity(model: mujoco.MjModel) -> None:
    assert scene.up(model) == [0, 0, 1]
    slope = math.radians(30)  # gravity of a slope that rises along x pulls back: (-sin, 0, -cos)
    model.opt.gravity[:] = (-9.81 * math.sin(slope), 0, -9.81 * math.cos(slope))
    assert scene.up(model) == pytest.approx([0.5, 0, 0.86603])
    model.opt.gravity[:] = 0
    assert scene.up(model) == [0, 0, 1], "without gravity, up is z"


def test_poses_of_a_raised_arm(model: mujoco.MjModel) -> None:
    poses = scene.body_poses(model, np.array([[0.0], [math.pi / 2]]))
    assert poses.shape == (2, 3, 7)
    # Hanging: the hand is 0.4 m below the shoulder at z = 1. A quarter turn about -y takes -z to +x.
    np.testing.assert_allclose(poses[0, 2], [0, 0, 0.6, 1, 0, 0, 0], atol=1e-6)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(poses[1, 2], [0.4, 0, 1, half, 0, -half, 0], atol=1e-6)


def test_poses_are_those_of_mj_kinematics_with_the_tasks_own_fields(model: mujoco.MjModel) -> None:
    longer = copy.copy(model)
    longer.body("hand").pos[2] = -0.7
    angles = np.linspace(-2, 2, 7)[:, None]
    poses, data = scene.body_poses(longer, angles), mujoco.MjData(longer)
    for angle, pose in zip(angles, poses, strict=True):
        data.qpos[:] = angle
        mujoco.mj_kinematics(longer, data)
        np.testing.assert_array_equal(pose[:, :3], data.xpos.astype(np.float32))
        np.testing.assert_array_equal(pose[:, 3:], data.xquat.astype(np.float32))
    assert np.linalg.norm(poses[0, 2, :3] - poses[0, 1, :3]) == pytest.approx(0.7, rel=1e-6)


def test_small_meshes_stay_as_they_are() -> None:
    vertices, faces = np.eye(3), np.array([[0, 1, 2]])
    kept = simplified(vertices, faces)
    assert kept[0] is vertices
    assert kept[1] is faces


def test_large_meshes_are_thinned_within_their_outline() -> None:
    # A height field of 61 x 61 points: 2 x 60 x 60 = 7200 faces, on a unit square.
    axis = np.linspace(0, 1, 61)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    vertices = np.stack([x, y, 0.1 * np.sin(6 * x)], axis=-1).reshape(-1, 3)
    first = (np.arange(60)[:, None] * 61 + np.arange(60)).ravel()
    faces = np.concatenate(
        [np.stack([first, first + 61, first + 1], 1), np.stack([first + 1, first + 61, first + 62], 1)]
    )
    thin, kept = simplified(vertices, faces, most=3000)
    assert 1000 < len(kept) <= 3000
    assert kept.max() < len(thin)
    assert len(np.unique(kept, axis=0)) == len(kept)
    # Means of points in cells of 1/32 of the width lie within the outline, less than a cell from its edge.
    assert (thin.min(axis=0) >= vertices.min(axis=0)).all()
    assert (thin.max(axis=0) >= vertices.max(axis=0) - 1 / 32).all()


@pytest.mark.parametrize(
    ("names", "values", "place"),
    [
        (("mass", "target_z", "target_x", "target_y"), (9.0, 3.0, 1.0, 2.0), (1, 2, 3)),
        (("goal_x", "goal_y"), (1.0, 2.0), (1, 2, 0)),
        # 2 m from the origin at a right angle to x: on the y axis.
        (("goal_radius", "goal_angle"), (2.0, math.pi / 2), (0, 2, 0)),
        (("goal_angle",), (math.pi,), (-1, 0, 0)),
    ],
)
def test_target_is_told_from_the_names(
    names: tuple[str, ...], values: tuple[float, ...], place: tuple[float, ...]
) -> None:
    target = target_of(names, np.array(values)[None, None])
    assert target is not None
    np.testing.assert_allclose(target, np.array(place)[None, None], atol=1e-12)


def test_no_target_where_the_names_say_of_none() -> None:
    assert target_of(("target_velocity", "goal_x"), np.zeros((1, 1, 2))) is None


def _camera(model: mujoco.MjModel, qpos: np.ndarray, episodes: np.ndarray | None = None):
    poses = scene.body_poses(model, qpos)[None]
    labels = np.zeros(len(qpos), int) if episodes is None else episodes
    return frame_camera(model, poses, labels[None], period=0.1)


def test_what_swings_in_a_plane_is_seen_from_the_side(model: mujoco.MjModel) -> None:
    camera = _camera(model, np.linspace(-1, 1, 20)[:, None])
    # The axis is y; azimuth 90 looks along it, 12 degrees more show depth.
    assert (camera.azimuth, camera.elevation) == (102.0, -8.0)
    assert camera.follows == ""


def test_camera_has_everything_in_view(model: mujoco.MjModel) -> None:
    qpos = np.linspace(-math.pi, math.pi, 60)[:, None]
    camera = _camera(model, qpos)
    a, e = math.radians(camera.azimuth), math.radians(camera.elevation)
    forward = np.array([math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)])
    right = np.array([math.sin(a), -math.cos(a), 0])
    seen = scene.body_poses(model, qpos)[:, 2, :3] - camera.look_at[0]
    depth = seen @ forward + camera.distance
    slope = math.tan(math.radians(FIELD_OF_VIEW / 2))
    heights = seen @ np.cross(right, forward) / (depth * slope)
    widths = seen @ right / (depth * slope * 4 / 3)
    assert 0.6 < np.abs(heights).max() < 1, "1 is the picture's edge"
    assert np.abs(widths).max() < 1


CART = """<mujoco><worldbody><body name="cart"><joint type="slide" axis="1 0 0"/><geom size="0.1"/>{}</body>
</worldbody></mujoco>"""
POLE = """<body name="pole"><joint axis="0 1 0"/><geom type="capsule" fromto="0 0 0 0 0 0.5" size="0.02"/></body>"""


def test_a_lone_body_is_watched_from_above_with_its_whole_way_in_view() -> None:
    camera = _camera(mujoco.MjModel.from_xml_string(CART.format("")), np.linspace(0, 4, 50)[:, None])
    assert (camera.azimuth, camera.elevation, camera.follows) == (90.0, -65.0, "")
    # The middle of 0 to 4 m, and 4 % of the outermost moments on both sides left out.
    np.testing.assert_allclose(camera.look_at[0, :, 0], 2.0, atol=0.02)


def test_camera_follows_what_moves_freely_but_never_across_episodes() -> None:
    model = mujoco.MjModel.from_xml_string(CART.format(POLE))
    # A metre per frame, then an episode that begins again at 0 and stays there.
    x = np.concatenate([np.arange(20.0), np.zeros(20)])
    qpos = np.stack([x, np.zeros(40)], axis=1)
    camera = _camera(model, qpos, np.repeat([0, 1], 20))
    assert camera.follows == "cart"
    x = camera.look_at[0, :, 0]
    np.testing.assert_allclose(x[20:], x[20], atol=1e-9)
    # In the middle of the ramp the mean over 6 frames, 3 before and 2 after with its own, lags by half a frame.
    assert x[10] - x[20] == pytest.approx(9.5)
