"""`Payload`: body and point mass together, by hand and by MuJoCo's own compiler."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.randomisation import BodyMass, ComOffset, Payload, TotalMass
from sim_tasks.randomisation.payload import quaternion, with_point_mass
from tests.sim_tasks.randomisation.bench import CART, acceleration, put, simulate

SHORT = """<mujoco><worldbody><body name="ball"><freejoint/>
  <inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body></worldbody></mujoco>"""
FUSED = """<mujoco><compiler fusestatic="true"/><worldbody><body name="body"><freejoint/>
  <inertial pos="{com}" quat="{quat}" mass="{mass}" diaginertia="{moments}"/>
  <body name="load" pos="{at}"><inertial pos="0 0 0" mass="{added}" diaginertia="1e-15 1e-15 1e-15"/></body>
</body></worldbody></mujoco>"""


def tensor(moments: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Inertia in the body's axes. Shape (3, 3)."""
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, frame)
    axes = matrix.reshape(3, 3)
    return axes @ np.diag(moments) @ axes.T


def test_a_payload_along_an_axis():
    sim = put(simulate(CART, Payload("cart", (0.3, 0.0, 0.0))), 1.0, 0.0)
    # 2 kg at 0 and 1 kg at 0.3 m: 3 kg at 0.1 m. About it 2 * 1 / 3 * 0.3^2 = 0.06 kg m^2 more about y and z.
    assert sim.field("body_mass")[0, 1] == 3.0
    np.testing.assert_allclose(sim.field("body_ipos")[0, 1], [0.1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(sim.field("body_inertia")[0, 1], [0.1, 0.26, 0.31], rtol=1e-12)
    np.testing.assert_allclose(acceleration(sim, 1, 0, 0), [1 / 3, 1 / 2], rtol=1e-12)
    # About the joint's axis: 0.25 + 1 kg * 0.3^2 = 0.34 kg m^2.
    np.testing.assert_allclose(acceleration(sim, 0, 1, 0, dof=1), [1 / 0.34, 1 / 0.25], rtol=1e-12)


def test_a_payload_off_the_axes_turns_the_principal_frame():
    sim = put(simulate(CART, Payload("cart", (0.3, 0.3, 0.0))), 1.0, 0.0)
    # d = (0.3, 0.3, 0): 2/3 (|d|^2 1 - d d^T) = [[0.06, -0.06, 0], [-0.06, 0.06, 0], [0, 0, 0.12]].
    expected = [[0.16, -0.06, 0.0], [-0.06, 0.26, 0.0], [0.0, 0.0, 0.37]]
    moments, frame = sim.field("body_inertia")[0, 1], sim.field("body_iquat")[0, 1]
    np.testing.assert_allclose(tensor(moments, frame), expected, atol=1e-14)


def test_a_payload_adds_to_what_came_before():
    sim = put(
        simulate(CART, BodyMass("cart"), Payload("cart"), TotalMass()), (4.0, 1.0, 2.0), (2.0, 0.0, 1.0)
    )
    # 4 kg + 1 kg at the centre of mass, twice. The inertia: twice for the mass, nothing for the payload, twice again.
    np.testing.assert_allclose(sim.field("body_mass")[:, 1], [10.0, 2.0], rtol=1e-15)
    np.testing.assert_allclose(sim.field("body_inertia")[0, 1], [0.4, 0.8, 1.0], rtol=1e-12)


def test_a_payload_sits_on_the_moved_centre_of_mass():
    sim = put(simulate(CART, ComOffset("cart", "x"), Payload("cart", (0.3, 0, 0))), (0.3, 1.0), (0.0, 0.0))
    # Both at 0.3 m: no more inertia about it.
    np.testing.assert_allclose(sim.field("body_ipos")[0, 1], [0.3, 0, 0], atol=1e-15)
    np.testing.assert_allclose(sorted(sim.field("body_inertia")[0, 1]), [0.1, 0.2, 0.25], rtol=1e-12)


def random_bodies(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    sides = rng.uniform(0.05, 1.0, (count, 3)) ** 2
    moments = np.stack(
        [sides[:, 1] + sides[:, 2], sides[:, 0] + sides[:, 2], sides[:, 0] + sides[:, 1]], axis=1
    )
    frame = rng.normal(size=(count, 4))
    frame /= np.linalg.norm(frame, axis=1, keepdims=True)
    return (
        rng.uniform(0.5, 5, count),
        rng.normal(0, 0.2, (count, 3)),
        moments,
        frame,
        rng.uniform(0, 3, count),
    )


def text(vector: np.ndarray) -> str:
    return " ".join(f"{value:.17g}" for value in vector)


def test_it_is_what_mujocos_compiler_makes_of_two_bodies_that_it_fuses():
    at, bodies = np.array([0.2, -0.1, 0.3]), random_bodies(20)
    total, com, moments, frame = with_point_mass(*bodies, at)
    for i in range(20):
        mass, own, inertia, quat, added = (array[i] for array in bodies)
        xml = FUSED.format(
            com=text(own), quat=text(quat), mass=mass, moments=text(inertia), at=text(at), added=added
        )
        model = mujoco.MjModel.from_xml_string(xml)
        assert model.nbody == 2
        assert total[i] == pytest.approx(model.body_mass[1], rel=1e-12)
        np.testing.assert_allclose(com[i], model.body_ipos[1], atol=1e-12)
        np.testing.assert_allclose(
            tensor(moments[i], frame[i]), tensor(model.body_inertia[1], model.body_iquat[1]), atol=1e-10
        )


def test_each_body_is_computed_as_if_alone():
    at, bodies = np.array([0.2, -0.1, 0.3]), random_bodies(50)
    together = with_point_mass(*bodies, at)
    for i in range(50):
        mass, com, moments, frame, added = (array[i : i + 1] for array in bodies)
        alone = with_point_mass(mass, com, moments, frame, added, at)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[i])


def test_quaternions_of_rotations_of_every_kind():
    # Half turns about the axes have w = 0: each of the four ways to solve is needed.
    frames = np.vstack([np.eye(4), np.random.default_rng(1).normal(size=(200, 4))])
    frames /= np.linalg.norm(frames, axis=1, keepdims=True)
    matrices = np.zeros((len(frames), 9))
    for matrix, frame in zip(matrices, frames, strict=True):
        mujoco.mju_quat2Mat(matrix, frame)
    found = quaternion(matrices.reshape(-1, 3, 3))
    # q and -q are the same rotation.
    np.testing.assert_allclose(np.abs((found * frames).sum(axis=1)), 1.0, atol=1e-14)


def test_no_payload_changes_nothing_but_the_names_of_the_axes():
    bodies = random_bodies(30)
    total, com, moments, frame = with_point_mass(*bodies[:4], np.zeros(30), np.array([0.5, 0, 0]))
    np.testing.assert_array_equal(total, bodies[0])
    np.testing.assert_array_equal(com, bodies[1])
    for i in range(30):
        np.testing.assert_allclose(
            tensor(moments[i], frame[i]), tensor(bodies[2][i], bodies[3][i]), atol=1e-14
        )


@pytest.mark.parametrize("target", [Payload("ball"), ComOffset("ball", "x")])
def test_a_body_that_the_compiler_has_simplified_is_refused(target):
    with pytest.raises(TaskError, match="body 'ball': its centre of mass is fixed; give it simple=\"false\""):
        simulate(SHORT, target)
    sim = simulate(SHORT.replace('name="ball"', 'name="ball" simple="false"'), target)
    put(sim, 0.1, 0.2)
