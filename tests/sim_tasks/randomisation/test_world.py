"""Friction, gravity, slope: a block on a floor."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.randomisation import GeomFriction, GravityTilt, PairFriction, TerrainSlope
from tests.sim_tasks.randomisation.bench import put, simulate

G = 9.81
BLOCK = """<mujoco>
  <option timestep="0.002" cone="elliptic" impratio="10"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" friction="0.2 0 0"/>
    <body name="block" pos="0 0 0.01">
      <freejoint/>
      <geom name="block" type="box" size="0.2 0.2 0.01" mass="2" friction="0.2 0 0"/>
    </body>
  </worldbody>
</mujoco>"""
SLED = BLOCK.replace("<freejoint/>", '<joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>')
"""The block cannot tip, so that nothing but friction changes its speed."""
PAIR = SLED.replace(
    "</worldbody>",
    "</worldbody><contact>"
    '<pair name="sole" geom1="floor" geom2="block" condim="3" friction="0.2 0.2 0 0 0"/></contact>',
)


def friction(sim) -> np.ndarray:
    """Coefficient of friction in 0.2 s of sliding from 4 m/s. Shape (N,).

    Impulse of friction over that of the floor's push, which carries the weight for as long and the change of climb:
    -m dv_x / (m g T + m dv_z). So the block may hop, as MuJoCo's do at speed.
    """
    sim.qvel[:, 0] = 4.0
    before = sim.qvel.copy()
    for _ in range(100):
        sim.step(np.zeros((sim.robots, 0)))
    change = sim.qvel - before
    return -change[:, 0] / (G * 0.2 + change[:, 1])


@pytest.mark.parametrize(
    ("xml", "target"),
    [
        (SLED, GeomFriction("block")),
        (SLED, GeomFriction(("floor", "block"))),
        (SLED, GeomFriction()),
        (PAIR, PairFriction("sole")),
        (PAIR, PairFriction()),
    ],
)
def test_a_sliding_block_slows_down_by_friction_times_its_weight(xml, target):
    # The larger coefficient of two geoms counts: the floor's 0.2 is below both.
    sim = put(simulate(xml, target), 0.3, 0.6)
    np.testing.assert_allclose(friction(sim), [0.3, 0.6], rtol=1e-6)


def test_a_factor_on_all_geoms():
    sim = put(simulate(SLED, GeomFriction(factor=True)), 0.5, 2.0)
    np.testing.assert_allclose(friction(sim), [0.1, 0.4], rtol=1e-6)


def test_friction_across_of_a_pair_follows():
    sim = put(simulate(PAIR, PairFriction("sole")), 0.3, 0.6)
    np.testing.assert_array_equal(sim.field("pair_friction")[:, 0, :2], [[0.3, 0.3], [0.6, 0.6]])


@pytest.mark.parametrize(
    ("axis", "direction"),
    # Counter-clockwise about x, straight down turns towards +y; about y, towards -x.
    [("x", [0.0, np.sin(0.3), -np.cos(0.3)]), ("y", [-np.sin(0.3), 0.0, -np.cos(0.3)])],
)
def test_tilted_gravity_pulls_sideways(axis, direction):
    sim = put(simulate(BLOCK, GravityTilt(axis)), 0.3, 0.0)
    sim.qpos[:, 2] = 5.0  # in free fall
    sim.step(np.zeros((2, 0)))
    np.testing.assert_allclose(sim.qvel[0, :3] / 0.002, G * np.array(direction), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sim.qvel[1, :3] / 0.002, [0, 0, -G], atol=1e-12)


def test_two_tilts_are_one_after_the_other():
    sim = put(simulate(BLOCK, GravityTilt("x"), GravityTilt("y")), (0.2, 0.3), (0.0, 0.0))
    # About x first: (0, sin 0.2, -cos 0.2); about y: z turns towards -x.
    expected = [-np.cos(0.2) * np.sin(0.3), np.sin(0.2), -np.cos(0.2) * np.cos(0.3)]
    np.testing.assert_allclose(sim.field("opt.gravity")[0], G * np.array(expected), rtol=1e-12)


def test_a_block_slides_down_a_slope():
    angle = 0.35
    sim = put(simulate(BLOCK, TerrainSlope("floor", "y")), angle, 0.0)
    # The block lies on the slope, turned like it: half the angle in the quaternion.
    normal = np.array([np.sin(angle), 0.0, np.cos(angle)])
    sim.qpos[0, :3], sim.qpos[0, 3:] = 0.01 * normal, [np.cos(angle / 2), 0, np.sin(angle / 2), 0]
    for _ in range(150):
        sim.step(np.zeros((2, 0)))
    # g (sin a - 0.2 cos a) downhill, which is towards +x, for 0.3 s; along x the cosine of it.
    expected = 0.3 * G * (np.sin(angle) - 0.2 * np.cos(angle)) * np.cos(angle)
    assert sim.qvel[0, 0] == pytest.approx(expected, rel=0.01)
    np.testing.assert_allclose(sim.qvel[1], 0.0, atol=1e-3)


@pytest.mark.parametrize(
    ("xml", "target", "message"),
    [
        (BLOCK, GeomFriction("foot"), "p0: unknown geom 'foot'; valid: floor, block"),
        (BLOCK, PairFriction(), "p0: the model has no contact pair"),
        (PAIR, PairFriction("heel"), "p0: unknown pair 'heel'; valid: sole"),
        (BLOCK, TerrainSlope("block", "y"), "p0: geom 'block': no floor; valid: a plane of the world body"),
    ],
)
def test_what_the_model_lacks_is_named(xml, target, message):
    with pytest.raises(TaskError, match=message):
        simulate(xml, target)
