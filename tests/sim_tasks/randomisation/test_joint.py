"""Damping, dry friction, armature: a wheel of 0.02 kg m^2 slows down and speeds up as calculated."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.randomisation import Armature, FrictionLoss, JointDamping, JointField
from tests.sim_tasks.randomisation.bench import ROTOR, STEP, acceleration, put, simulate

LEFT, RIGHT = 0, 1
SERVO_OFF = 0.0


@pytest.mark.parametrize("target", [Armature("left"), JointField("left", "dof_armature")])
def test_an_armature_adds_to_the_inertia(target):
    sim = put(simulate(ROTOR, target), 0.03, 0.0)
    # 1 N m on 0.02 + 0.03 and on 0.02 kg m^2.
    np.testing.assert_allclose(acceleration(sim, SERVO_OFF, 1.0), [20.0, 50.0], rtol=1e-12)


def test_damping_slows_down():
    sim = put(simulate(ROTOR, JointDamping("left")), 0.5, 0.0)
    sim.qvel[:, LEFT] = 3.0
    # MuJoCo's Euler integrates damping implicitly: v' = v I / (I + h b) = 3 * 0.02 / (0.02 + 0.01 * 0.5) = 2.4.
    acceleration(sim, SERVO_OFF, 0.0)
    np.testing.assert_allclose(sim.qvel[:, LEFT], [2.4, 3.0], rtol=1e-12)


def test_dry_friction_takes_a_constant_torque():
    sim = put(simulate(ROTOR, FrictionLoss("left")), 0.4, 0.0)
    sim.qvel[:, LEFT] = 30.0
    # While it turns: (1 - 0.4) N m / 0.02 kg m^2.
    np.testing.assert_allclose(acceleration(sim, SERVO_OFF, 1.0), [30.0, 50.0], rtol=1e-9)
    # At rest it takes all of a smaller torque but for a tenth: MuJoCo's friction is soft, its impedance 0.9.
    sim.qvel[:] = 0.0
    np.testing.assert_allclose(acceleration(sim, SERVO_OFF, 0.2), [10.0 * 0.1, 10.0], rtol=1e-6)


def test_a_factor_is_on_what_each_joint_has():
    sim = put(simulate(ROTOR, JointDamping(factor=True), Armature(factor=True)), (2.0, 1.5), (1.0, 1.0))
    np.testing.assert_allclose(sim.field("dof_damping"), [[0.0, 0.2], [0.0, 0.1]], rtol=1e-15)
    np.testing.assert_allclose(sim.field("dof_armature"), [[0.0, 0.015], [0.0, 0.01]], rtol=1e-15)


def test_one_value_for_several_joints():
    sim = put(simulate(ROTOR, FrictionLoss()), 0.3, 0.1)
    np.testing.assert_array_equal(sim.field("dof_frictionloss"), [[0.3, 0.3], [0.1, 0.1]])
    # The servo's wheel: kp 30 * 0.1 rad = 3 N m, less 0.3, on 0.03 kg m^2, damped implicitly by 0.1 N m s:
    # h^-1 * h * 2.7 / (0.03 + 0.01 * 0.1).
    sim.qvel[:, RIGHT] = 1e-3
    grown = acceleration(sim, 0.1, 0.0, dof=RIGHT)
    np.testing.assert_allclose(grown, (np.array([2.7, 2.9]) - 1e-3 * (1 + 0.1)) / 0.031, rtol=2e-2)


def test_a_free_body_is_not_among_all_joints():
    xml = ROTOR.replace("</worldbody>", '<body><freejoint/><geom size="0.1"/></body></worldbody>')
    sim = put(simulate(xml, FrictionLoss()), 0.3, 0.1)
    np.testing.assert_array_equal(sim.field("dof_frictionloss")[0], [0.3, 0.3, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("target", [JointDamping(), Armature(("left", "right"))])
def test_joints_that_differ_have_no_common_default(target):
    with pytest.raises(TaskError, match=r"they differ in the model \(0 to 0\.\d+\); .* or give factor=True"):
        simulate(ROTOR, target)


def test_an_unknown_joint_is_named():
    with pytest.raises(TaskError, match="p0: unknown joint 'middle'; valid: left, right"):
        simulate(ROTOR, JointDamping("middle"))


def test_the_time_step_is_what_the_numbers_above_assume():
    assert simulate(ROTOR).plant.period == STEP
