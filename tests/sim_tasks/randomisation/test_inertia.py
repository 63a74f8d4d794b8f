"""Mass, centre of mass and inertia: accelerations under 1 N and 1 N m are those of the new body."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.randomisation import BodyDistance, BodyInertia, BodyMass, ComOffset, TotalMass
from tests.sim_tasks.randomisation.bench import CART, acceleration, put, simulate

CART_BODY = 1


def test_a_mass_resists_force_and_its_inertia_torque():
    sim = put(simulate(CART, BodyMass("cart")), 4.0, 1.0)
    # 1 N / 4 kg and 1 N / 1 kg; the inertia of 0.25 kg m^2 at 2 kg doubles and halves.
    np.testing.assert_allclose(acceleration(sim, 1, 0, 0), [0.25, 1.0], rtol=1e-12)
    np.testing.assert_allclose(acceleration(sim, 0, 1, 0, dof=1), [1 / 0.5, 1 / 0.125], rtol=1e-12)


def test_the_total_mass_is_on_every_body():
    sim = put(simulate(CART, TotalMass()), 1.5, 0.5)
    np.testing.assert_allclose(acceleration(sim, 1, 0, 0), [1 / 3, 1.0], rtol=1e-12)
    # The other body: 3 kg times 1.5 and 0.5.
    np.testing.assert_allclose(acceleration(sim, 0, 0, 1, dof=2), [1 / 4.5, 1 / 1.5], rtol=1e-12)
    np.testing.assert_allclose(sim.field("body_inertia")[0, CART_BODY], [0.15, 0.3, 0.375], rtol=1e-12)


def test_a_total_mass_multiplies_a_mass_that_was_set_before():
    sim = put(simulate(CART, BodyMass("cart"), TotalMass()), (4.0, 0.5), (2.0, 1.0))
    # 4 kg halved are 2 kg again, and so is the inertia.
    np.testing.assert_allclose(acceleration(sim, 1, 0, 0), [0.5, 0.5], rtol=1e-12)
    np.testing.assert_allclose(acceleration(sim, 0, 1, 0, dof=1), [4.0, 4.0], rtol=1e-12)


def test_a_centre_of_mass_off_the_axis_resists_turning():
    sim = put(simulate(CART, ComOffset("cart", "y")), 0.3, 0.0)
    # About the axis: 0.25 + 2 kg * 0.3^2 = 0.43 kg m^2. Pushing along x turns it too: coupled equations
    #   2 a - 0.6 w' = 0,  -0.6 a + 0.43 w' = 1   =>   w' = 1 / (0.43 - 0.6^2 / 2) = 1 / 0.25.
    np.testing.assert_allclose(acceleration(sim, 0, 1, 0, dof=1), [4.0, 4.0], rtol=1e-12)
    np.testing.assert_allclose(sim.qvel[:, 0], 0.01 * np.array([0.6 / 2 * 4.0, 0.0]), atol=1e-12)
    # The mass matrix has the 0.43.
    model, data = sim.get_model(0), sim.get_data(0)
    mujoco.mj_forward(model, data)
    full = np.zeros((3, 3))
    mujoco.mj_fullM(model, data, full)
    assert full[1, 1] == pytest.approx(0.43, abs=1e-12)


def test_offsets_along_several_axes_add_up():
    sim = put(
        simulate(CART, ComOffset("cart", "x"), ComOffset("cart", "z"), ComOffset("cart", "x")),
        (0.1, -0.2, 0.3),
        (0.0, 0.0, 0.0),
    )
    np.testing.assert_allclose(sim.field("body_ipos")[:, CART_BODY], [[0.4, 0, -0.2], [0, 0, 0]], atol=1e-15)


def test_an_inertia_without_axis_scales_all_moments():
    sim = put(simulate(CART, BodyInertia("cart")), 2.0, 0.5)
    np.testing.assert_allclose(acceleration(sim, 0, 1, 0, dof=1), [1 / 0.5, 1 / 0.125], rtol=1e-12)
    np.testing.assert_allclose(acceleration(sim, 1, 0, 0), [0.5, 0.5], rtol=1e-12)


def test_an_inertia_along_an_axis_stretches_the_body():
    sim = put(simulate(CART, BodyInertia("cart", "x")), 2.0, 1.0)
    # Second moments of (0.1, 0.2, 0.25): x (0.2 + 0.25 - 0.1) / 2 = 0.175, y 0.075, z 0.025. The first doubled,
    # I_x = y + z = 0.1, I_y = 0.35 + 0.025 = 0.375, I_z = 0.35 + 0.075 = 0.425.
    np.testing.assert_allclose(sim.field("body_inertia")[0, CART_BODY], [0.1, 0.375, 0.425], rtol=1e-12)
    np.testing.assert_allclose(acceleration(sim, 0, 1, 0, dof=1), [1 / 0.425, 4.0], rtol=1e-12)


def test_whatever_is_drawn_is_the_inertia_of_some_body():
    targets = [BodyInertia("cart", axis) for axis in ("x", "y", "z")]
    sim, factors = (
        simulate(CART, *targets, robots=500),
        np.exp(np.random.default_rng(0).normal(0, 2, (500, 3))),
    )
    sim.set_parameters(np.arange(500), factors)
    moments = sim.field("body_inertia")[:, CART_BODY]
    assert (moments > 0).all()
    # No moment is larger than the other two together.
    assert (2 * moments.max(axis=1) <= moments.sum(axis=1) * (1 + 1e-12)).all()
    assert (2 * moments.max(axis=1) / moments.sum(axis=1)).max() > 0.99  # close to a rod or a plate it may be


def test_a_distance_moves_the_body_along_its_direction():
    sim = put(simulate(CART, BodyDistance("other")), 2.0, 7.0)
    np.testing.assert_array_equal(sim.field("body_pos")[:, 2], [[2, 0, 0], [7, 0, 0]])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (BodyMass("trunk"), "p0: unknown body 'trunk'; valid: world, cart, other"),
        (BodyMass("world"), "p0: body 'world' has no mass; a Payload gives it one"),
        (BodyDistance("cart"), "p0: body 'cart' sits at its parent's origin"),
        (ComOffset("cart", "w"), "p0: unknown axis 'w'; valid: x, y, z"),  # pyright: ignore[reportArgumentType]
        (BodyInertia("base"), "p0: unknown body 'base'; valid: world, cart, other"),
    ],
)
def test_what_the_model_lacks_is_named(target, message):
    with pytest.raises(TaskError, match=message):
        simulate(CART, target)
