"""`Motors`: delay, lag, friction and torque-speed curve of a plant, and what motors have been told at rest."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robots import load_robot
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.motors import Motors
from sim_tasks.plant import robot_plant
from sim_tasks.randomisation import EffortLimit, NoLoadSpeed, Parameter
from tests.robots.two_joints import two_joints
from tests.sim_tasks.randomisation.bench import ROTOR, acceleration, put, simulate

LEFT, RIGHT = 0, 1
JOINTS = ("right", "left")
"""In the order of the actuators of `ROTOR`: servo (-5 to 5 N m) and motor (-2 to 3 N m)."""


def left_torque(sim: BatchSim, command: float, speed: float) -> np.ndarray:
    """Torque of the left wheel's motor at a speed in [rad/s]. Shape (N,)."""
    sim.qvel[:, LEFT] = speed
    return 0.02 * acceleration(sim, 0.0, command)


@pytest.mark.parametrize(
    ("speed", "forwards", "backwards"),
    # No-load speeds 10 and 40 rad/s, limits 3 and -2 N m: the limit is 3 (1 - v / 10) driving, all of it braking.
    [
        (0.0, [3.0, 3.0], [-2.0, -2.0]),
        (5.0, [1.5, 2.625], [-2.0, -2.0]),
        (10.0, [0.0, 2.25], [-2.0, -2.0]),
        (20.0, [0.0, 1.5], [-2.0, -2.0]),
        (-5.0, [3.0, 3.0], [-1.0, -1.75]),
        (-30.0, [3.0, 3.0], [0.0, -0.5]),
    ],
)
def test_the_torque_of_a_dc_motor_falls_with_speed(speed, forwards, backwards):
    sim = put(simulate(ROTOR, NoLoadSpeed(), joints=JOINTS), 10.0, 40.0)
    np.testing.assert_allclose(left_torque(sim, 9.0, speed), forwards, atol=1e-12)
    np.testing.assert_allclose(left_torque(sim, -9.0, speed), backwards, atol=1e-12)


def test_below_the_curve_the_motor_gives_what_is_asked():
    sim = put(simulate(ROTOR, NoLoadSpeed(), joints=JOINTS), 10.0, 40.0)
    np.testing.assert_allclose(left_torque(sim, 1.2, 5.0), [1.2, 1.2], atol=1e-12)


def test_a_motor_that_drives_itself_ends_at_its_no_load_speed():
    sim = put(simulate(ROTOR, NoLoadSpeed(1), joints=JOINTS), 10.0, np.inf)
    speeds = []
    for _ in range(30):
        sim.step(np.tile([0.0, 9.0], (2, 1)))
        speeds.append(sim.qvel[:, LEFT].copy())
    # v' = v + 0.01 * 3 (1 - v / 10) / 0.02 = v + 1.5 - 0.15 v: 10 (1 - 0.85^n); without a curve 1.5 n.
    n = np.arange(1, 31)
    np.testing.assert_allclose(np.array(speeds), np.stack([10 * (1 - 0.85**n), 1.5 * n], axis=1), rtol=1e-12)


def test_the_curve_starts_from_the_limit_of_each_simulation_and_never_adds_up():
    sim = put(
        simulate(ROTOR, EffortLimit(factor=True), NoLoadSpeed(), joints=JOINTS), (0.5, 10.0), (1.0, 10.0)
    )
    for _ in range(5):
        np.testing.assert_allclose(left_torque(sim, 9.0, 5.0), [0.75, 1.5], atol=1e-12)
    put(sim, (1.0, 20.0), (1.0, 10.0))
    np.testing.assert_allclose(left_torque(sim, 9.0, 5.0), [2.25, 1.5], atol=1e-12)


def test_a_curve_needs_a_limit():
    unlimited = ROTOR.replace('forcerange="-2 3"', "")
    with pytest.raises(TaskError, match="p0: actuator 'motor': its torque has no limit"):
        simulate(unlimited, NoLoadSpeed(), joints=JOINTS)


def test_a_plants_motors_have_their_curve_without_any_parameter(tmp_path):
    spec = two_joints(tmp_path)
    text = spec.model.read_text().replace('<motor name="elbow"', '<motor forcerange="-4 4" name="elbow"')
    spec.model.write_text(text.replace('<motor name="shoulder"', '<motor forcerange="-6 6" name="shoulder"'))
    sim = BatchSim(robot_plant(spec, motors=Motors(no_load_speed=(5.0, 20.0))), (), 1, threads=1)
    sim.qvel[:] = [2.0, 5.0]
    sim.step(np.zeros((1, 2)), substeps=1)
    # 6 (1 - 2 / 5) and 4 (1 - 5 / 20); the model's first actuator is the elbow's.
    np.testing.assert_allclose(sim.field("actuator_forcerange")[0, :, 1], [3.0, 3.6], rtol=1e-12)


def test_a_plants_curve_needs_limits_too(tmp_path):
    plant = robot_plant(two_joints(tmp_path), motors=Motors(no_load_speed=5.0))
    with pytest.raises(TaskError, match="actuator 'shoulder': its torque has no limit"):
        BatchSim(plant, (), 1, threads=1)


def test_delay_lag_and_friction_are_built_into_the_plant(tmp_path):
    motors = Motors(delay=0.03, lag=0.02, friction=0.4, damping=0.7)
    model = robot_plant(two_joints(tmp_path), motors=motors).model
    np.testing.assert_array_equal(model.actuator_delay, 0.03)
    np.testing.assert_array_equal(model.actuator_dynprm[:, 0], 0.02)
    np.testing.assert_array_equal(model.dof_frictionloss, 0.4)
    np.testing.assert_array_equal(model.dof_damping, 0.7)


def test_a_delayed_and_lagging_motor_answers_late_and_slowly(tmp_path):
    sim = BatchSim(robot_plant(two_joints(tmp_path), motors=Motors(delay=0.01, lag=0.02)), (), 1, threads=1)
    force, seen = sim.bind("actuator_force"), []
    for _ in range(5):
        sim.step(np.ones((1, 2)), substeps=1)
        seen.append(force[0, 0])
    # Time steps of 5 ms: two of nothing, then 1 - exp(-5 ms n / 20 ms).
    expected = [0.0, 0.0, *(1 - np.exp(-0.25 * np.arange(1, 4)))]
    np.testing.assert_allclose(seen, expected, atol=1e-12)


def test_ideal_motors_are_the_robots_own():
    own = mujoco.MjModel.from_xml_path(str(load_robot("go2").model))
    model = robot_plant(load_robot("go2")).model
    for name in ("actuator_delay", "actuator_dyntype", "actuator_gainprm", "dof_damping", "dof_frictionloss"):
        np.testing.assert_array_equal(getattr(model, name), getattr(own, name))


def test_a_delayed_quadruped_keeps_standing_when_it_is_reset():
    # Without a past, the first 40 ms of commands would be 0 rad: legs straight, 12 N m at the thighs.
    spec = load_robot("go2")
    delayed, prompt = (
        BatchSim(robot_plant(spec, motors=motors), (), 1, threads=1)
        for motors in (Motors(delay=0.04, lag=0.01), Motors())
    )
    start = delayed.plant.model.key_qpos[:1]
    for sim in (delayed, prompt):
        sim.reset(np.array([0]), start, np.zeros((1, sim.plant.model.nv)))
        for _ in range(5):
            sim.step(spec.default_position[None])
    np.testing.assert_allclose(delayed.qpos, prompt.qpos, atol=1e-3)


@pytest.mark.parametrize(
    ("motors", "message"),
    [
        ({"delay": -0.01}, "motors: delay: -0.01; valid: from 0"),
        ({"lag": 0.0}, "motors: lag: 0.0; valid: above 0"),
        ({"friction": np.nan}, "motors: friction: nan; valid: from 0"),
        ({"damping": np.inf}, "motors: damping: inf; valid: from 0"),
        ({"no_load_speed": (10.0, 0.0)}, r"motors: no_load_speed: \(10.0, 0.0\); valid: above 0"),
    ],
)
def test_impossible_motors_are_refused(motors, message):
    with pytest.raises(TaskError, match=message):
        Motors(**motors)


def test_a_no_load_speed_for_each_joint(tmp_path):
    spec = two_joints(tmp_path)
    assert robot_plant(spec, motors=Motors(no_load_speed=7.0)).no_load_speed == (7.0, 7.0)
    with pytest.raises(TaskError, match="no_load_speed: 3 speeds; valid: one, or one of each of 2 joints"):
        robot_plant(spec, motors=Motors(no_load_speed=(1.0, 2.0, 3.0)))


def test_a_lag_on_top_of_other_dynamics_is_refused(tmp_path):
    spec = two_joints(tmp_path)
    text = spec.model.read_text().replace(
        '<motor name="elbow"', '<general dyntype="integrator" actlimited="true" actrange="-1 1" name="elbow"'
    )
    spec.model.write_text(text)
    with pytest.raises(TaskError, match="motors: lag: actuator 'elbow' has dynamics of its own"):
        robot_plant(spec, motors=Motors(lag=0.02))


def test_parameters_start_from_the_plants_curve(tmp_path):
    spec = two_joints(tmp_path)
    text = spec.model.read_text().replace("<motor ", '<motor forcerange="-4 4" ')
    spec.model.write_text(text)
    elbow = Parameter("elbow", "rad/s", NoLoadSpeed(1), 5.0, 9.0)
    sim = BatchSim(robot_plant(spec, motors=Motors(no_load_speed=20.0)), (elbow,), 2, threads=1)
    sim.set_parameters(np.array([1]), np.array([[6.0]]))
    np.testing.assert_array_equal(sim.property("no_load_speed"), [[20.0, 20.0], [20.0, 6.0]])
