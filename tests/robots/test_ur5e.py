"""The UR5e has Universal Robots' links, and its servos carry what they are told of and bend under what they are not."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robots import RobotSpec, load_robot

GRAVITY = 9.81


@pytest.fixture
def spec() -> RobotSpec:
    return load_robot("ur5e")


@pytest.fixture
def model(spec) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(spec.model))


def hold(model: mujoco.MjModel, command: np.ndarray, seconds: float) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = command
    data.ctrl[:] = command
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)
    return data


def test_the_masses_are_published(model):
    # 3.761 + 8.058 + 2.846 + 1.37 + 1.3 + 0.365 = 17.7 kg, and the payload of 0.5 kg
    assert model.body_subtreemass[model.body("shoulder").id] == pytest.approx(17.7 + 0.5, abs=1e-9)


def test_centres_of_mass_are_published(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    # Stretched along -x. Upper arm: a2 + 0.2125 = -0.2125; forearm: a2 + a3 + 0.15 = -0.6672 m (frames of the DH table
    # sit at the links' far ends). Both are 0.1625 m up; to the side by 0.11336 and 0.0265 m.
    np.testing.assert_allclose(data.body("upper_arm").xipos, [-0.2125, -0.11336, 0.1625], atol=1e-9)
    np.testing.assert_allclose(data.body("forearm").xipos, [-0.6672, -0.0265, 0.1625], atol=1e-9)
    # Wrist 3: 0.001159 m before the flange at d4 + d6 = 0.2329 m to the side.
    np.testing.assert_allclose(data.body("wrist_3").xipos, [-0.8172, -0.2329 + 0.001159, 0.0628], atol=1e-9)


def test_the_arm_itself_does_not_bend_the_servos(spec, model):
    model.body("payload").mass[0] = 1e-6
    mujoco.mj_setConst(model, mujoco.MjData(model))
    data = hold(model, spec.default_position, 2.0)
    assert np.abs(data.qpos - spec.default_position).max() < 1e-4


def test_a_payload_bends_the_shoulder_by_its_torque_over_the_gain(spec, model):
    model.dof_frictionloss[:] = 0.0
    model.body("payload").mass[0] = 5.0
    mujoco.mj_setConst(model, mujoco.MjData(model))
    data = hold(model, spec.default_position, 5.0)
    # Horizontal distance from the shoulder's axis: a3 + d5 = 0.3922 + 0.0997 = 0.4919 m.
    # 5 * 9.81 * 0.4919 / 2000 = 0.01206 rad
    sag = data.qpos - spec.default_position
    assert sag[1] == pytest.approx(5 * GRAVITY * 0.4919 / 2000, rel=0.02)
    assert abs(sag[0]) < 1e-6


def test_a_target_is_reached_without_overshoot(spec, model):
    target = spec.default_position + np.array([0.4, 0.3, -0.3, 0.4, 0.4, 0.4])
    data = mujoco.MjData(model)
    data.qpos[:] = spec.default_position
    data.ctrl[:] = target
    travel = []
    for _ in range(300):
        mujoco.mj_step(model, data)
        travel.append((data.qpos - spec.default_position) / (target - spec.default_position))
    assert np.max(travel) < 1.03
    # 1.5 s at 21 rad/s: all but what 0.5 kg and 0.5 N m of friction hold back, 0.003 of 0.3 rad.
    np.testing.assert_allclose(travel[-1], 1.0, atol=0.02)
