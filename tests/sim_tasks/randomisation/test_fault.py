"""`JointFault`: one joint is weak or stiff, another one in every simulation."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.randomisation import JointFault, Parameter
from tests.sim_tasks.randomisation.bench import ROTOR, acceleration, simulate

FAULT = JointFault(("left", "right"))
WHICH = Parameter.choice("which", "index", FAULT.which, (-1.0, 0.0, 1.0))
STRENGTH = Parameter("strength", "1", FAULT.strength, 0.0, 0.7, ood="none")
FRICTION = Parameter("friction", "N m", FAULT.friction, 0.0, 40.0, ood="none")


def faulty(*values: tuple[float, float, float]) -> BatchSim:
    sim = BatchSim(simulate(ROTOR).plant, (WHICH, STRENGTH, FRICTION), len(values), threads=1)
    sim.set_parameters(np.arange(len(values)), np.array(values))
    return sim


def test_only_the_faulty_joints_motor_is_weak():
    sim = faulty((-1, 0.5, 0), (0, 0.5, 0), (1, 0.5, 0))
    # Left: 1 N m on 0.02 kg m^2, or half of it.
    np.testing.assert_allclose(acceleration(sim, 0.0, 1.0), [50.0, 25.0, 50.0], rtol=1e-12)
    # Right: kp and kd of the servo, the first actuator.
    np.testing.assert_array_equal(sim.field("actuator_gainprm")[:, 0, 0], [30.0, 30.0, 15.0])
    np.testing.assert_array_equal(
        sim.field("actuator_biasprm")[:, 0, 1:3], [[-30, -1], [-30, -1], [-15, -0.5]]
    )


def test_a_locked_joint_does_not_follow():
    sim = faulty((-1, 1, 30), (0, 1, 30), (1, 1, 30))
    for _ in range(50):
        sim.step(np.tile([0.4, 1.0], (3, 1)))
    # 1 N m for 0.5 s turns the left wheel by t^2 / 2 * 50 = 6.25 rad, a little more by Euler's steps.
    assert (sim.qpos[[0, 2], 0] > 6.0).all()
    assert (np.abs(sim.qpos[[0, 1], 1] - 0.4) < 0.1).all()
    # Locked, each is held against its motor, and creeps by less than a thousandth of that.
    assert abs(sim.qpos[1, 0]) < 1e-3
    assert abs(sim.qpos[2, 1]) < 1e-3


def test_another_task_has_another_fault_and_the_first_is_mended():
    sim = faulty((0, 0.5, 3), (1, 0.2, 5))
    sim.set_parameters(np.array([0, 1]), np.array([[1, 0.1, 2], [-1, 0.1, 2]]))
    np.testing.assert_array_equal(sim.field("actuator_gainprm")[:, :, 0], [[3.0, 1.0], [30.0, 1.0]])
    np.testing.assert_array_equal(sim.field("dof_frictionloss"), [[0, 2], [0, 0]])


def test_how_weak_comes_after_which():
    sim = BatchSim(simulate(ROTOR).plant, (STRENGTH, WHICH), 1, threads=1)
    with pytest.raises(TaskError, match="comes after the parameter of which joint is faulty"):
        sim.set_parameters(np.array([0]), np.array([[0.5, 0]]))


@pytest.mark.parametrize(
    ("joints", "message"),
    [(("left", "knee"), "unknown joint 'knee'; valid: left, right"), ((), "needs the names of the joints")],
)
def test_joints_that_are_none_are_named(joints, message):
    which = Parameter.choice("which", "index", JointFault(joints).which, (-1.0, 0.0))
    with pytest.raises(TaskError, match=message):
        BatchSim(simulate(ROTOR).plant, (which,), 1, threads=1)


def test_a_joint_number_beyond_the_last_is_refused():
    which = Parameter.choice("which", "index", FAULT.which, (0.0, 2.0))
    with pytest.raises(TaskError, match=r"which: draws from 0 to 2 index .*; valid: -1 to 1"):
        BatchSim(simulate(ROTOR).plant, (which,), 1, threads=1)
