"""`pendulum_swingup`: its readouts are accelerations that the simulator shows, its reward is about the true upright."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.families.pendulum_swingup import gravity_torque, inertia, upright_error
from sim_tasks.motion import Motion
from sim_tasks.row_random import RowRandom

FAMILY = load_family("pendulum_swingup")
TASKS = 12
IDS = np.arange(TASKS)
TIME_STEP = 0.01
"""[s]"""


def column(name: str) -> int:
    return FAMILY.parameter_index(name)


def simulation(**zeroed: float) -> tuple[BatchSim, dict[str, np.ndarray]]:
    """Twelve drawn pendulums, some of their parameters set; with the readouts that the family gives them."""
    values = FAMILY.sample("train", TASKS, seed=0)
    named = FAMILY.named(values)
    for name, value in zeroed.items():
        values[:, column(name)] = value
    sim = BatchSim(FAMILY.plant, FAMILY.parameters, TASKS, threads=1)
    sim.set_parameters(IDS, values)
    return sim, named


def place(sim: BatchSim, position: float, velocity: float) -> None:
    sim.reset(IDS, np.full((TASKS, 1), position), np.full((TASKS, 1), velocity))


def wait(sim: BatchSim, torque: float = 0.0) -> np.ndarray:
    """Velocities after one time step. Shape (N,)."""
    sim.step(np.full((TASKS, 1), torque), substeps=1)
    return sim.velocity[:, 0]


def test_the_published_pendulum_worked_out_by_hand():
    # Rod 2.7e-3 + 0.130 * 0.24^2 = 0.010188; payload 0.546 * 0.5^2 = 0.1365; rotor 36 * 6.07e-5 = 0.0021852.
    published = {"payload_mass": np.array([0.546]), "payload_distance": np.array([0.5])}
    assert inertia(published)[0] == pytest.approx(0.1488732, abs=1e-9)
    # 9.81 * (0.130 * 0.24 + 0.546 * 0.5) = 9.81 * 0.3042
    assert gravity_torque(published)[0] == pytest.approx(2.984202, abs=1e-9)
    rest = {"motor_gain": 1.0, "viscous_friction": 0.1, "coulomb_friction": 0.08}
    values = np.zeros((1, len(FAMILY.parameters)))
    for name, value in (rest | {name: value[0] for name, value in published.items()}).items():
        values[0, column(name)] = value
    named = FAMILY.named(values)
    assert named["gravity_stiffness"][0] == pytest.approx(20.0453, abs=1e-3)  # 2.984202 / 0.1488732
    assert named["drive_authority"][0] == pytest.approx(6.71713, abs=1e-4)  # 1 / 0.1488732
    assert named["damping_rate"][0] == pytest.approx(0.671713, abs=1e-5)  # 0.1 / 0.1488732
    assert named["stiction"][0] == pytest.approx(0.537370, abs=1e-5)  # 0.08 / 0.1488732


# The formulas leave out the payload's own 1e-5 kg m^2: less than 2e-4 of the smallest inertia.
CLOSE = 2e-4


def test_gravity_stiffness_is_the_fall_from_the_horizontal():
    sim, named = simulation(viscous_friction=0.0, coulomb_friction=0.0)
    place(sim, np.pi / 2, 0.0)
    np.testing.assert_allclose(-wait(sim) / TIME_STEP, named["gravity_stiffness"], rtol=CLOSE)


def test_drive_authority_is_the_acceleration_per_torque():
    sim, named = simulation(viscous_friction=0.0, coulomb_friction=0.0, action_delay=0.01)
    sim.field("opt.gravity")[:] = 0.0
    place(sim, 0.0, 0.0)
    assert (wait(sim, torque=2.0) == 0.0).all()  # the delay of one time step
    np.testing.assert_allclose(wait(sim, torque=2.0) / TIME_STEP / 2.0, named["drive_authority"], rtol=CLOSE)


def test_damping_rate_is_the_relative_loss_of_speed():
    sim, named = simulation(coulomb_friction=0.0)
    sim.field("opt.gravity")[:] = 0.0
    place(sim, 0.0, 3.0)
    after = wait(sim)
    # Implicit in the velocity: v1 = v0 - dt * rate * v1.
    np.testing.assert_allclose((3.0 - after) / (TIME_STEP * after), named["damping_rate"], rtol=CLOSE)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_stiction_is_the_loss_of_speed_of_a_moving_pendulum(direction):
    sim, named = simulation(viscous_friction=0.0)
    sim.field("opt.gravity")[:] = 0.0
    place(sim, 0.0, 3.0 * direction)
    np.testing.assert_allclose((3.0 - direction * wait(sim)) / TIME_STEP, named["stiction"], rtol=CLOSE)


def test_no_torque_of_the_family_holds_the_pendulum_at_the_horizontal():
    # It has to swing: the strongest motor on the lightest, shortest pendulum could lift it, most cannot.
    named = FAMILY.named(FAMILY.sample("train", 2000, seed=0))
    reach = 2.5 * named["drive_authority"] / named["gravity_stiffness"]
    assert np.mean(reach < 1.0) > 0.5
    assert reach.min() > 0.3


def reward(position: float, velocity: float = 0.0, action: float = 0.0) -> float:
    motion = Motion(np.array([[position]]), np.array([[velocity]]), np.array([[action]]))
    return float(FAMILY.reward(motion)[0])


def test_the_reward_is_one_upright_at_rest_without_effort():
    for upright in (np.pi, -np.pi, 3 * np.pi, np.pi + 0.0299):
        # cos(0.0299) = 0.999553: the slope from hanging takes 0.1 * 0.00022.
        assert reward(upright) == pytest.approx(1.0, abs=3e-5)


def test_the_reward_beside_upright():
    # 0.23 rad is the margin of 0.2 beyond 0.03: precise 0.1; raised (1 + cos 0.23) / 2 = (1 + 0.973666) / 2.
    expected = 0.1 * 0.986833 + 0.9 * 0.1
    assert reward(np.pi + 0.23) == pytest.approx(expected, abs=1e-6)
    assert reward(-np.pi - 0.23) == pytest.approx(expected, abs=1e-6)
    # Half of the margin: 0.1^(1/4) = 0.562341; (1 + cos 0.13) / 2 = (1 + 0.991562) / 2.
    assert reward(np.pi - 0.13) == pytest.approx(0.1 * 0.995781 + 0.9 * 0.562341, abs=1e-6)


def test_the_reward_on_the_way_up():
    assert reward(0.0) == pytest.approx(0.0, abs=1e-12)
    # Horizontal: raised 1/2, precise nothing.
    assert reward(np.pi / 2) == pytest.approx(0.05, abs=1e-9)


def test_speed_and_effort_cost_what_they_should():
    # At 4 rad/s the tolerance is 0.1: (1 + 0.1) / 2.
    assert reward(np.pi, velocity=-4.0) == pytest.approx(0.55, abs=1e-9)
    # Effort costs up to a tenth, in the square of the action: (9 + 1 - 1) / 10 and (9 + 1 - 0.25) / 10.
    assert reward(np.pi, action=1.0) == pytest.approx(0.9, abs=1e-9)
    assert reward(np.pi, action=-0.5) == pytest.approx(0.975, abs=1e-9)
    assert reward(np.pi, velocity=4.0, action=1.0) == pytest.approx(0.55 * 0.9, abs=1e-9)


def test_upright_error_is_signed_and_knows_no_turns():
    angles = np.array([np.pi, np.pi + 0.1, np.pi - 0.1, -np.pi, -np.pi + 0.1, 5 * np.pi - 0.2, 0.0])
    expected = [0.0, 0.1, -0.1, 0.0, 0.1, -0.2, -np.pi]
    np.testing.assert_allclose(upright_error(angles), expected, atol=1e-12)


def test_success_is_a_quarter_of_a_radian():
    around = np.array([[np.pi], [np.pi + 0.249], [np.pi - 0.249], [np.pi + 0.251], [-np.pi - 0.251], [0.0]])
    still = np.zeros_like(around)
    assert FAMILY.success is not None
    assert FAMILY.success(Motion(around, still, still)).tolist() == [True, True, True, False, False, False]


def test_training_starts_are_half_anywhere():
    assert FAMILY.training_start is not None
    position, velocity = FAMILY.training_start(RowRandom([0], 8000).all, 8000)
    # Half are uniform in +-pi, of which 1 - 0.6 / pi = 0.809 lie beyond the 0.6 rad of the other half.
    assert np.mean(np.abs(position) > 0.6) == pytest.approx(0.5 * 0.809, abs=0.025)
    assert np.abs(velocity[np.abs(position) > 0.6]).max() > 5.9
    hanging, slow = FAMILY.start(RowRandom([0], 8000).all, 8000)
    assert np.abs(hanging).max() <= 0.6
    assert np.abs(slow).max() <= 1.0
