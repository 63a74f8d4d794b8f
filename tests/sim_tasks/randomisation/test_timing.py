"""Delay, jitter and lag of commands."""

from __future__ import annotations

import numpy as np
import pytest

from robots import load_robot
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.plant import robot_plant
from sim_tasks.randomisation import ActionDelay, ControlJitter, MotorLag, Parameter
from tests.sim_tasks.randomisation.bench import ROTOR, put, simulate

LEFT, RIGHT = 0, 1
LAGGING = ROTOR.replace(
    '<motor name="motor" joint="left" forcerange="-2 3" nsample="8" interp="linear"/>',
    '<general name="motor" joint="left" dyntype="filterexact" dynprm="0.05" actearly="true"/>',
)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.07])
def test_a_delayed_step_acts_exactly_then(delay):
    sim = put(simulate(ROTOR, ActionDelay("motor")), delay, 0.0)
    speeds = []
    for _ in range(12):
        sim.step(np.tile([0.0, 1.0], (2, 1)))
        speeds.append(sim.qvel[:, LEFT].copy())
    # 1 N m on 0.02 kg m^2 for each whole time step of 10 ms after the delay: 0.5 rad/s each.
    steps = np.arange(1, 13)
    np.testing.assert_allclose(
        np.array(speeds)[:, 0], 0.5 * np.maximum(steps - round(delay / 0.01), 0), atol=1e-12
    )
    np.testing.assert_allclose(np.array(speeds)[:, 1], 0.5 * steps, atol=1e-12)


def test_a_delay_between_two_steps_is_on_a_straight_line():
    sim = put(simulate(ROTOR, ActionDelay("motor")), 0.025, 0.02)
    for _ in range(5):
        sim.step(np.tile([0.0, 1.0], (2, 1)))
    # After 25 ms of 50: half of the third step and the fourth, fifth; after 20 ms three whole ones.
    np.testing.assert_allclose(sim.qvel[:, LEFT], [0.5 * 2.5, 0.5 * 3], atol=1e-12)


def test_all_motors_are_delayed_unless_one_is_named():
    sim = put(simulate(ROTOR, ActionDelay(), ActionDelay("servo")), (0.03, 0.05), (0.0, 0.0))
    np.testing.assert_array_equal(sim.field("actuator_delay"), [[0.05, 0.03], [0.0, 0.0]])


@pytest.mark.parametrize("xml", [ROTOR, ROTOR.replace('kv="1"', 'kv="1" timeconst="0.05"')])
def test_before_the_first_command_arrives_a_servo_holds_its_joint(xml):
    sim = simulate(xml, ActionDelay("servo"), joints=("right", "left"))
    put(sim, 0.05, 0.0)
    start = np.array([[0.0, 0.7], [0.0, -0.4]])
    sim.reset(np.arange(2), start, np.zeros((2, 2)))
    for _ in range(20):
        sim.step(np.column_stack([start[:, RIGHT], np.zeros(2)]))
    np.testing.assert_allclose(sim.qpos, start, atol=1e-12)


def test_a_servos_first_command_comes_after_its_delay():
    sim = put(simulate(ROTOR, ActionDelay("servo"), joints=("right", "left")), 0.05, 0.0)
    sim.reset(np.arange(2), np.tile([0.0, 0.7], (2, 1)), np.zeros((2, 2)))
    for step in range(1, 8):
        sim.step(np.tile([0.8, 0.0], (2, 1)))
        assert (sim.qvel[0, RIGHT] != 0) == (step > 5)
        assert sim.qvel[1, RIGHT] != 0


def test_a_lag_approaches_exponentially():
    sim = put(simulate(LAGGING, MotorLag("motor")), 0.02, 0.1)
    force = sim.bind("actuator_force")
    for step in range(1, 6):
        sim.step(np.tile([0.0, 1.0], (2, 1)))
        # 1 - exp(-t / time constant), t = 10 ms * step.
        np.testing.assert_allclose(force[:, 1], 1 - np.exp(-0.01 * step / np.array([0.02, 0.1])), rtol=1e-12)


def test_no_lag_is_at_once():
    sim = put(simulate(LAGGING, MotorLag("motor")), 0.0, 0.1)
    force = sim.bind("actuator_force")
    sim.step(np.tile([0.0, 1.0], (2, 1)))
    assert force[0, 1] == 1.0


def test_jitter_delays_by_a_part_of_its_own_and_never_adds_up():
    sim = put(simulate(ROTOR, ActionDelay(), ControlJitter()), (0.01, 0.02), (0.02, 0.0))
    for _ in range(3):
        sim.jitter(np.array([0.25, 0.75]))
        # 0.01 + 0.25 * 0.02 s; no jitter in the second.
        np.testing.assert_allclose(sim.field("actuator_delay"), [[0.015, 0.015], [0.02, 0.02]], rtol=1e-12)


@pytest.mark.parametrize("target", [ActionDelay(), ControlJitter()])
def test_a_delay_longer_than_the_buffer_says_how_to_get_a_longer_one(target):
    with pytest.raises(
        TaskError, match=r"delay: draws from 0 to 0\.08 s .*; valid: 0 to 0\.07; .*max_delay="
    ):
        BatchSim(simulate(ROTOR).plant, [Parameter("delay", "s", target, 0.0, 0.08, ood="none")], 1)


def test_delay_and_jitter_have_to_fit_in_together():
    parameters = [
        Parameter("delay", "s", ActionDelay(), 0.0, 0.05, ood="none"),
        Parameter("jitter", "s", ControlJitter(), 0.0, 0.03, ood="none"),
    ]
    with pytest.raises(TaskError, match=r"delay and jitter: together up to 0\.08 s; valid: 0\.07 s"):
        BatchSim(simulate(ROTOR).plant, parameters, 1)


def test_a_robot_without_a_buffer_gets_one_when_asked():
    parameter = Parameter("delay", "s", ActionDelay(), 0.0, 0.04, ood="none")
    spec = load_robot("go2")
    with pytest.raises(TaskError, match=r"delay: .*; valid: 0 to 0; .*robot_plant\(\.\.\., max_delay="):
        BatchSim(robot_plant(spec), [parameter], 1)
    sim = BatchSim(robot_plant(spec, max_delay=0.04), [parameter], 1)
    sim.set_parameters(np.array([0]), np.array([[0.04]]))


def test_a_lag_needs_a_filter():
    with pytest.raises(TaskError, match="p0: actuator 'servo': it has no filter; give robot_plant"):
        simulate(ROTOR, MotorLag())
