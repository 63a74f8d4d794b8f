"""`half_cheetah_mass` and `half_cheetah_body`: Gymnasium's cheetah, and what each ratio makes of it, by hand."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.bodies import ASSETS
from sim_tasks.families import load_family
from tests.sim_tasks.families.test_half_cheetah import control, moved
from tests.sim_tasks.families.twin import compare, gym

PUBLISHED = {"as_published": True}


def cheetah(name: str, values: list[float], **options: bool) -> tuple[mujoco.MjModel, mujoco.MjModel]:
    """The model of one cheetah with such ratios, and the unchanged one."""
    family = load_family(name, **options)
    sim = BatchSim(family.plant, family.parameters, 1, threads=1)
    sim.set_parameters(np.array([0]), np.array([values]))
    return sim.get_model(0), family.model


def rebuilt(length: float) -> mujoco.MjModel:
    """The cheetah compiled anew from its file, with a torso of another length. Densities stay: masses do not."""
    edit = mujoco.MjSpec.from_file(str(ASSETS / "half_cheetah.xml"))
    edit.compiler.settotalmass = -1
    edit.geom("torso").fromto = [-0.5 * length, 0, 0, 0.5 * length, 0, 0]
    edit.geom("head").pos = [0.5 * length + 0.1, 0, 0.1]
    edit.body("bthigh").pos = [-0.5 * length, 0, 0]
    edit.body("fthigh").pos = [0.5 * length, 0, 0]
    return edit.compile()


def tensor(model: mujoco.MjModel, body: str) -> np.ndarray:
    """Inertia about the centre of mass in the body's frame, in [kg m^2]. Shape (3, 3)."""
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, model.body(body).iquat)
    turn = matrix.reshape(3, 3)
    return turn @ np.diag(model.body(body).inertia) @ turn.T


@pytest.mark.parametrize("name", ["half_cheetah_mass", "half_cheetah_mass@roml"])
def test_unchanged_mass_against_gymnasium(name):
    def reward(step):
        height = step.qpos[1] if "roml" in name else 0.0
        return step.speed[0] - control(step) + height

    compare(name, gym("HalfCheetah-v5"), [1.0], reward)


def test_changed_mass_against_gymnasium():
    twin = gym("HalfCheetah-v5")
    twin.model.body_mass[:] *= 1.6
    twin.model.body_inertia[:] *= 1.6
    mujoco.mj_setConst(twin.model, twin.data)
    compare("half_cheetah_mass", twin, [1.6], lambda step: step.speed[0] - control(step))


def test_rewards_by_hand():
    # 0.1 m in 0.05 s are 2 m/s; the actions cost 0.075. On its back, half a metre down, the published one loses 0.5.
    for name in ("half_cheetah_mass", "half_cheetah_body"):
        assert load_family(name).reward(moved(0.1, -0.5))[0] == pytest.approx(1.925, abs=1e-12)
        assert load_family(name, **PUBLISHED).reward(moved(0.1, -0.5))[0] == pytest.approx(1.425, abs=1e-12)


def test_mass_carries_its_inertia_and_nothing_else():
    model, plain = cheetah("half_cheetah_mass", [2.0])
    assert plain.body_mass.sum() == pytest.approx(14.0, abs=1e-12)  # half_cheetah.xml: settotalmass="14"
    assert model.body_mass.sum() == pytest.approx(28.0, abs=1e-12)
    np.testing.assert_array_equal(model.body_inertia, 2 * plain.body_inertia)
    np.testing.assert_array_equal(model.geom_size, plain.geom_size)
    # What the engine derives from masses has followed: the inverse weight of the root's slide along x halves.
    assert model.dof_invweight0[0] < 0.9 * plain.dof_invweight0[0]


def test_mass_as_published_thickens_the_limbs_and_keeps_the_inertia():
    model, plain = cheetah("half_cheetah_mass", [2.0], **PUBLISHED)
    assert model.body_mass.sum() == pytest.approx(28.0, abs=1e-12)
    np.testing.assert_array_equal(model.body_inertia, plain.body_inertia)
    np.testing.assert_allclose(model.geom_size[1:, 0], 0.092, rtol=1e-12)  # all limbs have 0.046 m
    np.testing.assert_array_equal(model.geom_size[0], plain.geom_size[0])  # the floor
    # Spheres about the limbs, for the search for contacts, have grown too: half length 0.5 and radius 0.092.
    assert model.geom("torso").rbound[0] == pytest.approx(0.592, abs=1e-12)


def test_damping_alone():
    model, plain = cheetah("half_cheetah_body", [1.0, 0.5, 1.0])
    # half_cheetah.xml: 6, 4.5, 3 behind and 4.5, 3, 1.5 in front; the root has none.
    np.testing.assert_allclose(model.dof_damping, [0, 0, 0, 3, 2.25, 1.5, 2.25, 1.5, 0.75], rtol=1e-12)
    np.testing.assert_array_equal(model.body_mass, plain.body_mass)


def test_a_longer_torso_moves_legs_and_head_by_hand():
    model, plain = cheetah("half_cheetah_body", [1.0, 1.0, 2.0])
    # Half the length grows from 0.5 to 1 m: the thighs go to +-1 m, the head, 0.1 m before the end, to 1.1 m.
    assert model.geom("torso").size[1] == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(model.body("bthigh").pos, [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(model.body("fthigh").pos, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(model.geom("head").pos, [1.1, 0, 0.1], atol=1e-12)
    np.testing.assert_array_equal(model.body_mass, plain.body_mass)
    np.testing.assert_array_equal(model.geom("head").size, plain.geom("head").size)
    # Volumes of capsules go with 2 h + 4 r / 3 = 2 + 0.06133 (torso) and 0.3 + 0.06133 (head): the head has
    # 0.36133 / 2.42267 = 0.14915 of the mass. The centre lies at 0.14915 * (1.1, 0.1).
    np.testing.assert_allclose(model.body("torso").ipos, [0.164061, 0.0, 0.014915], atol=2e-6)


@pytest.mark.parametrize("length", [0.5, 0.8, 1.0, 2.0])
@pytest.mark.parametrize("mass", [1.0, 1.7])
def test_a_torso_of_any_length_is_the_one_that_mujoco_would_build(length, mass):
    model, plain = cheetah("half_cheetah_body", [mass, 1.0, length])
    reference = rebuilt(length)
    scale = mass * plain.body("torso").mass[0] / reference.body("torso").mass[0]
    np.testing.assert_allclose(model.body("torso").ipos, reference.body("torso").ipos, atol=1e-9)
    np.testing.assert_allclose(
        tensor(model, "torso"), scale * tensor(reference, "torso"), rtol=1e-7, atol=1e-9
    )
    assert model.geom("torso").rbound[0] == pytest.approx(reference.geom("torso").rbound[0], abs=1e-12)
    np.testing.assert_allclose(model.geom_aabb, reference.geom_aabb, atol=1e-12)


def test_body_as_published_changes_the_head():
    model, plain = cheetah("half_cheetah_body", [1.0, 1.0, 2.0], **PUBLISHED)
    changed = np.argwhere(model.geom_size != plain.geom_size)
    assert changed.tolist() == [[2, 1]]  # geom 2 is the head: floor, torso, head
    assert plain.geom(2).name == "head"
    assert model.geom("head").size[1] == pytest.approx(0.3, abs=1e-12)
    np.testing.assert_array_equal(model.body_pos, plain.body_pos)


def test_ratios_are_log_uniform_between_a_half_and_two():
    for name in ("half_cheetah_mass", "half_cheetah_body", "half_cheetah_body@roml"):
        powers = np.log2(load_family(name).sample("train", 4000, seed=0))
        assert powers.min() >= -1
        assert powers.max() <= 1
        # U(-1, 1): mean 0, standard deviation 1 / sqrt(3) = 0.577; of the mean of 4000, 0.009.
        np.testing.assert_allclose(powers.mean(axis=0), 0.0, atol=0.04)
        np.testing.assert_allclose(powers.std(axis=0), 0.577, atol=0.02)
