"""Strength, gains and limits of motors: torques as calculated, on wheels of 0.02 and 0.03 kg m^2."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.randomisation import EffortLimit, MotorGain, MotorStrength, ServoKd, ServoKp
from tests.sim_tasks.randomisation.bench import ROTOR, acceleration, put, simulate

LEFT, RIGHT = 0, 1
MUSCLE = ROTOR.replace(
    '<motor name="motor" joint="left" forcerange="-2 3"',
    '<muscle name="motor" joint="left" lengthrange="0.1 1"',
)
UNLIMITED = ROTOR.replace('forcerange="-2 3"', "")


def servo_torque(sim, command: float, speed: float) -> np.ndarray:
    """Torque of the servo at position 0 and a speed; its wheel has no damping of its own here. Shape (N,)."""
    sim.field("dof_damping")[:] = 0.0
    sim.qvel[:, RIGHT] = speed
    return 0.03 * acceleration(sim, command, 0.0, dof=RIGHT)


def test_a_gain_is_torque_per_command():
    sim = put(simulate(ROTOR, MotorGain("motor")), 1.5, 0.5)
    np.testing.assert_allclose(acceleration(sim, 0.0, 1.0), [75.0, 25.0], rtol=1e-12)


def test_kp_and_kd_of_a_servo():
    sim = put(simulate(ROTOR, ServoKp("servo"), ServoKd("servo")), (20.0, 0.5), (30.0, 1.0))
    # 20 * 0.1 - 0.5 * 2 = 1 N m; 30 * 0.1 - 1 * 2 = 1 N m.
    np.testing.assert_allclose(servo_torque(sim, 0.1, 2.0), [1.0, 1.0], rtol=1e-12)
    sim = put(simulate(ROTOR, ServoKp("servo"), ServoKd("servo")), (20.0, 0.5), (30.0, 1.0))
    # 20 * -0.1 - 0.5 = -2.5; -3 - 1 = -4.
    np.testing.assert_allclose(servo_torque(sim, -0.1, 1.0), [-2.5, -4.0], rtol=1e-12)


def test_a_servo_of_other_stiffness_rests_where_it_should():
    sim = put(simulate(ROTOR, ServoKp("servo")), 10.0, 60.0)
    for _ in range(2000):
        sim.step(np.tile([0.4, 0.0], (2, 1)))
    # No load: kp (0.4 - q) = 0 whatever kp is.
    np.testing.assert_allclose(sim.qpos[:, RIGHT], 0.4, atol=1e-6)


def test_strength_is_on_the_whole_torque_of_a_servo():
    sim = put(simulate(ROTOR, MotorStrength()), 0.5, 1.0)
    # 30 * 0.1 - 1 * 2 = 1 N m; half of it.
    np.testing.assert_allclose(servo_torque(sim, 0.1, 2.0), [0.5, 1.0], rtol=1e-12)


def test_strength_is_on_the_motor_too_and_on_top_of_its_gain():
    sim = put(simulate(ROTOR, MotorGain("motor"), MotorStrength("left")), (2.0, 0.5), (1.0, 0.8))
    np.testing.assert_allclose(acceleration(sim, 0.0, 1.0), [50.0, 40.0], rtol=1e-12)
    assert (sim.field("actuator_gainprm")[:, 0, 0] == 30.0).all()  # the servo's


def test_strength_leaves_the_limit():
    sim = put(simulate(ROTOR, MotorStrength("servo")), 0.5, 1.0)
    # 30 * 1 N m at half strength and whole are both beyond 5 N m.
    np.testing.assert_allclose(servo_torque(sim, 1.0, 0.0), [5.0, 5.0], rtol=1e-12)


def test_a_limit_cuts_off_to_both_sides():
    for command, expected in ((1.0, [2.0, 4.0]), (-1.0, [-2.0, -4.0]), (0.05, [1.5, 1.5])):
        sim = put(simulate(ROTOR, EffortLimit("servo")), 2.0, 4.0)
        np.testing.assert_allclose(servo_torque(sim, command, 0.0), expected, rtol=1e-12)


def test_a_factor_on_limits_keeps_their_sides():
    sim = put(simulate(ROTOR, EffortLimit(factor=True)), 0.5, 1.0)
    np.testing.assert_allclose(sim.field("actuator_forcerange")[0], [[-2.5, 2.5], [-1.0, 1.5]], rtol=1e-15)
    np.testing.assert_allclose(acceleration(sim, 0.0, -9.0), [-1.0 / 0.02, -2.0 / 0.02], rtol=1e-12)


def test_an_actuator_goes_by_its_joints_name_too():
    one, two = (put(simulate(ROTOR, MotorGain(name)), 1.5, 0.5) for name in ("motor", "left"))
    np.testing.assert_array_equal(one.field("actuator_gainprm"), two.field("actuator_gainprm"))


@pytest.mark.parametrize(
    ("xml", "target", "message"),
    [
        (ROTOR, ServoKp("motor"), "p0: actuator 'motor': no position servo, it has no kp and kd"),
        (ROTOR, ServoKd(), "p0: actuator 'motor': no position servo"),
        (ROTOR, MotorGain("engine"), "p0: unknown actuator 'engine'; valid: servo, motor"),
        (
            ROTOR,
            EffortLimit("motor"),
            "p0: actuator 'motor': its forcerange is not symmetric; give factor=True",
        ),
        (UNLIMITED, EffortLimit("motor"), "p0: actuator 'motor': its torque has no limit"),
        (MUSCLE, MotorStrength(), "p0: actuator 'motor': its force is not gain times control plus bias"),
        (ROTOR[: ROTOR.index("<actuator>")] + "</mujoco>", MotorStrength(), "p0: the model has no actuator"),
    ],
)
def test_what_the_model_lacks_is_named(xml, target, message):
    with pytest.raises(TaskError, match=message):
        simulate(xml, target)
