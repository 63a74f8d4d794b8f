"""The double pendulum is DFKI's design C.1, and its time step is fine enough."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robots import load_robot

PERIOD = 0.02


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(load_robot("double_pendulum").model))


def inertia(model: mujoco.MjModel, elbow: float) -> np.ndarray:
    """Mass matrix in [kg m^2] at an elbow angle in [rad]. Shape (2, 2)."""
    data = mujoco.MjData(model)
    data.qpos[1] = elbow
    mujoco.mj_forward(model, data)
    columns = np.zeros((2, 2))
    mujoco.mj_solveM(model, data, columns, np.eye(2))
    return np.linalg.inv(columns)


def test_the_mass_matrix_is_the_published_one(model):
    # I1 0.031887, I2 0.050870; m2 l1^2 = 0.625568 * 0.04 = 0.025023; m2 l1 r2 = 0.625568 * 0.2 * 0.255693 = 0.031991;
    # rotors 36 * 6.287204e-5 = 0.002263.
    # Elbow straight: M11 = I1 + I2 + m2 l1^2 + 2 m2 l1 r2 + rotor = 0.174025, M12 = I2 + m2 l1 r2 = 0.082861,
    # M22 = I2 + rotor = 0.053133; elbow at 90 degrees: without the two terms in m2 l1 r2.
    np.testing.assert_allclose(inertia(model, 0.0), [[0.174025, 0.082861], [0.082861, 0.053133]], atol=2e-6)
    np.testing.assert_allclose(
        inertia(model, np.pi / 2), [[0.110043, 0.050870], [0.050870, 0.053133]], atol=2e-6
    )


def test_gravity_pulls_as_published(model):
    data = mujoco.MjData(model)
    data.qpos[:] = np.pi / 2, 0.0
    mujoco.mj_forward(model, data)
    # g (m1 r1 + m2 (l1 + r2)) = 9.81 * (0.104692 + 0.625568 * 0.455693) = 9.81 * 0.389759 = 3.82353 N m
    # g m2 r2 = 9.81 * 0.159953 = 1.56914 N m
    np.testing.assert_allclose(data.qfrc_bias, [3.82353, 1.56914], atol=2e-5)


def test_both_at_zero_hang_and_the_shoulder_at_pi_stands(model):
    data = mujoco.MjData(model)
    for shoulder, place in ((0.0, -0.2556931 - 0.2), (np.pi, 0.2556931 + 0.2)):
        data.qpos[0] = shoulder
        mujoco.mj_forward(model, data)
        assert data.body("lower_link").xipos[2] == pytest.approx(place, abs=1e-9)


def swing(model: mujoco.MjModel, seed: int, seconds: float) -> np.ndarray:
    """Joint positions in [rad] after each control period of random torques. Shape (T, 2)."""
    data, rng = mujoco.MjData(model), np.random.default_rng(seed)
    out = []
    for _ in range(round(seconds / PERIOD)):
        data.ctrl[:] = rng.uniform(-1, 1, 2) * (4, 3)
        mujoco.mj_step(model, data, round(PERIOD / model.opt.timestep))
        out.append(data.qpos.copy())
    return np.array(out)


def test_the_time_step_is_as_good_as_a_twentieth_of_it(model):
    """Over 1 s of random torques, against 0.5 ms. Seen: 1.6 to 6.6 mrad over five seeds; implicitfast: up to 150."""
    fine = mujoco.MjModel.from_xml_path(str(load_robot("double_pendulum").model))
    fine.opt.timestep, fine.opt.iterations = 0.0005, 100
    errors = [np.abs(swing(model, seed, 1.0) - swing(fine, seed, 1.0)).max() for seed in range(3)]
    assert max(errors) < 0.012


def test_without_friction_the_energy_is_kept(model):
    """2 s of a swing from high up, 5.5 J above hanging. Seen: 2.4 mJ."""
    model.dof_damping[:] = 0.0
    model.dof_frictionloss[:] = 0.0
    data = mujoco.MjData(model)
    data.qpos[:] = 2.5, -1.0
    energy = []
    for _ in range(200):
        mujoco.mj_step(model, data)
        mujoco.mj_energyPos(model, data)
        mujoco.mj_energyVel(model, data)
        energy.append(data.energy.sum())
    assert np.ptp(energy) < 0.005
