"""The Go2 has Unitree's masses and legs, and stands."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robots import RobotSpec, load_robot

LEGS = ("FL", "FR", "RL", "RR")


@pytest.fixture
def spec() -> RobotSpec:
    return load_robot("go2")


@pytest.fixture
def model(spec) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(spec.model))


def home(model: mujoco.MjModel) -> mujoco.MjData:
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_forward(model, data)
    return data


def test_the_joints_are_in_the_order_of_the_urdf(spec, model):
    assert spec.joint_names == tuple(
        f"{leg}_{part}_joint" for leg in LEGS for part in ("hip", "thigh", "calf")
    )
    # In the model, too: nothing needs to be permuted.
    assert [model.joint(name).qposadr[0] for name in spec.joint_names] == list(range(7, 19))


def test_the_masses_are_those_of_the_urdf(model):
    # trunk 6.921 + 4 (hip 0.678 + thigh 1.152 + calf 0.154 + foot 0.04) = 6.921 + 4 * 2.024 = 15.017 kg
    assert model.body_subtreemass[model.body("base").id] == pytest.approx(15.017, abs=1e-9)
    for leg in LEGS:
        assert model.body(f"{leg}_calf").mass[0] == pytest.approx(0.194, abs=1e-12)


def test_calf_and_foot_are_one_body(model):
    # COM z = (0.154 * -0.115 + 0.04 * -0.213) / 0.194 = (-0.01771 - 0.00852) / 0.194 = -0.135206 m
    assert model.body("FR_calf").ipos[2] == pytest.approx(-0.135206, abs=1e-6)
    # Largest principal inertia, about y: calf 0.0011 + 0.154 * (0.0202^2 + 0.0011^2), foot 9.6e-6 + 0.04 *
    # (0.0778^2 + 0.0044^2) = 0.001163 + 0.000252 = 0.001415 kg m^2
    assert model.body("FR_calf").inertia.max() == pytest.approx(0.001415, abs=2e-6)


def test_the_left_is_the_mirrored_right(model):
    data = home(model)
    for front in ("F", "R"):
        left, right = (data.geom(f"{front}{side}").xpos for side in "LR")
        np.testing.assert_allclose(left * (1, -1, 1), right, atol=1e-9)
    for part in ("hip", "thigh", "calf"):
        left, right = (model.body(f"F{side}_{part}") for side in "LR")
        np.testing.assert_allclose(left.ipos * (1, -1, 1), right.ipos, atol=1e-12)
        np.testing.assert_allclose(left.inertia, right.inertia, rtol=1e-9)


def test_a_leg_is_as_long_as_published(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    # Straight down: hip to foot 0.0955 m outwards and 2 * 0.213 m down; the foot 2 mm behind.
    leg = data.geom("FL").xpos - data.body("FL_hip").xpos
    np.testing.assert_allclose(leg, [-0.002, 0.0955, -0.426], atol=1e-12)


def test_it_stands_still_for_five_seconds(spec, model):
    data = home(model)
    data.ctrl[:] = spec.default_position
    for _ in range(round(5.0 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    touching = {model.geom(geom).name for contact in data.contact for geom in contact.geom}
    assert touching == {"floor", *LEGS}
    # Upright within 2 degrees, where it was put, and not moving. Seen: 0.01 rad, 10 mm, 5 mm/s.
    assert np.abs(data.qpos[4:7]).max() < 0.0175
    assert np.abs(data.qpos[:2]).max() < 0.03
    assert np.abs(data.qvel[:6]).max() < 0.01
    # The servos give: a knee carries 15.017 * 9.81 / 4 = 36.8 N at 0.213 sin 0.7 = 0.137 m: 5.1 N m / 40 N m/rad =
    # 0.13 rad, more in front than behind.
    assert np.abs(data.qpos[7:] - spec.default_position).max() == pytest.approx(0.15, abs=0.05)
    assert 0.27 < data.qpos[2] < 0.31


def test_the_feet_carry_its_weight(spec, model):
    data = home(model)
    data.ctrl[:] = spec.default_position
    for _ in range(600):
        mujoco.mj_step(model, data)
    force, total = np.zeros(6), 0.0
    for index in range(data.ncon):
        mujoco.mj_contactForce(model, data, index, force)
        total += force[0]
    # 15.017 kg * 9.81 m/s^2 = 147.3 N
    assert total == pytest.approx(147.3, abs=1.0)


def test_friction_is_that_of_the_foot(model):
    data = home(model)
    for _ in range(100):
        mujoco.mj_step(model, data)
    assert data.ncon == 4
    assert {round(contact.friction[0], 9) for contact in data.contact} == {0.8}
