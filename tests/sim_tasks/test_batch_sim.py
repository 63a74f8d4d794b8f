"""`BatchSim` against plain `mj_step`: the same trajectories, delays that delay, and no NaN that goes unseen."""

from __future__ import annotations

import re
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from robots import RobotSpec, load_robot
from sim_tasks.batch_sim import DIVERGED, BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.plant import robot_plant
from sim_tasks.randomisation import (
    ActionDelay,
    BodyDistance,
    BodyMass,
    JointField,
    MotorGain,
    Parameter,
    Sensing,
)
from tests.robots.two_joints import two_joints

PARAMETERS = tuple(
    Parameter(name, unit, target, 1e-3, 0.07, ood="none")
    for name, unit, target in (
        ("mass", "kg", BodyMass("payload")),
        ("distance", "m", BodyDistance("payload")),
        ("damping", "N m s/rad", JointField("pivot", "dof_damping")),
        ("friction", "N m", JointField("pivot", "dof_frictionloss")),
        ("gain", "1", MotorGain("pivot")),
        ("delay", "s", ActionDelay("pivot")),
        ("offset", "rad", Sensing(0, "position_offset")),
        ("position_noise", "rad", Sensing(0, "position_noise")),
        ("velocity_noise", "rad/s", Sensing(0, "velocity_noise")),
    )
)
ROBOTS = np.array(
    [
        [0.546, 0.50, 0.10, 0.08, 1.00, 0.010, 0.0, 0.002, 0.05],
        [0.340, 0.41, 0.01, 0.03, 0.65, 0.017, 0.2, 0.010, 0.10],
        [0.700, 0.55, 0.12, 0.20, 1.20, 0.040, -0.3, 0.005, 0.30],
        [0.600, 0.48, 0.05, 0.10, 0.80, 0.025, 0.1, 0.003, 0.20],
    ]
)
ALL = np.arange(len(ROBOTS))
PENDULUM = robot_plant(load_robot("pendulum"))


def pendulums(values: np.ndarray = ROBOTS, threads: int = 1) -> BatchSim:
    sim = BatchSim(PENDULUM, PARAMETERS, len(values), threads)
    sim.set_parameters(np.arange(len(values)), values)
    return sim


def plain(values: np.ndarray) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """One pendulum with its fields set by hand."""
    model = mujoco.MjModel.from_xml_path(str(load_robot("pendulum").model))
    mass, distance, damping, friction, gain, delay = values[:6]
    model.body("payload").inertia[:] *= mass / 0.546
    model.body("payload").mass[0] = mass
    model.body("payload").pos[2] = -distance
    model.joint("pivot").damping[0] = damping
    model.joint("pivot").frictionloss[0] = friction
    model.actuator("pivot").gainprm[0] = gain
    model.actuator_delay[0] = delay
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    mujoco.mj_resetData(model, data)
    return model, data


def commands(steps: int, robots: int, joints: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2.5, 2.5, (steps, robots, joints))


def run(sim: BatchSim, torques: np.ndarray) -> np.ndarray:
    """Positions and velocities after each step. Shape (T, 2, N, J)."""
    out = []
    for torque in torques:
        assert not sim.step(torque).any()
        out.append([sim.position, sim.velocity])
    return np.array(out)


def test_trajectories_are_those_of_plain_mujoco():
    sim, torques = pendulums(), commands(300, 4)
    start, speed = np.array([[0.5], [-1.0], [3.0], [0.0]]), np.array([[0.0], [2.0], [-4.0], [0.0]])
    sim.reset(ALL, start, speed)
    track = run(sim, torques)[..., 0]
    for i in ALL:
        model, data = plain(ROBOTS[i])
        data.qpos[0], data.qvel[0] = start[i, 0], speed[i, 0]
        for step, torque in enumerate(torques[:, i, 0]):
            data.ctrl[0] = torque
            mujoco.mj_step(model, data, nstep=2)  # 20 ms of 10 ms each
            np.testing.assert_array_equal(track[step, :, i], [data.qpos[0], data.qvel[0]])
        assert sim.time[i] == pytest.approx(6.0, abs=1e-9)


def test_the_arms_joints_and_motors_are_not_mixed_up(tmp_path):
    # The MJCF lists the elbow's motor first; the control period is four time steps.
    spec, torques = two_joints(tmp_path), commands(100, 1, joints=2)
    sim = BatchSim(robot_plant(spec), (), robots=1, threads=1)
    model = mujoco.MjModel.from_xml_path(str(spec.model))
    data = mujoco.MjData(model)
    track = run(sim, torques)
    for step, torque in enumerate(torques[:, 0]):
        data.actuator("shoulder").ctrl[0], data.actuator("elbow").ctrl[0] = torque
        mujoco.mj_step(model, data, nstep=4)
        np.testing.assert_array_equal(track[step, 0, 0], data.qpos)
        np.testing.assert_array_equal(track[step, 1, 0], data.qvel)


def test_joints_come_in_the_robots_order_not_the_models(tmp_path):
    spec = two_joints(tmp_path)
    swapped = replace(spec, joints=spec.joints[::-1])
    torques = commands(30, 1, joints=2)
    one = run(BatchSim(robot_plant(spec), (), 1, threads=1), torques)
    two = run(BatchSim(robot_plant(swapped), (), 1, threads=1), torques[..., ::-1])
    np.testing.assert_array_equal(one, two[..., ::-1])


def test_threads_do_not_show():
    torques = commands(60, 4)
    np.testing.assert_array_equal(run(pendulums(threads=1), torques), run(pendulums(threads=2), torques))


def test_some_substeps_at_a_time_make_the_same_period():
    whole, halves, torques = pendulums(), pendulums(), commands(50, 4)
    track = run(whole, torques)
    for torque in torques:
        halves.step(torque, substeps=1)
        halves.step(torque, substeps=1)
    np.testing.assert_array_equal(halves.position, track[-1, 0])


def test_new_parameters_leave_the_motion_as_it_is():
    sim = pendulums()
    run(sim, commands(40, 4))
    position, velocity, time = sim.position, sim.velocity, sim.time.copy()
    sim.set_parameters(ALL, ROBOTS[::-1])
    np.testing.assert_array_equal(sim.position, position)
    np.testing.assert_array_equal(sim.velocity, velocity)
    np.testing.assert_array_equal(sim.time, time)


def test_a_reset_robot_is_like_new_and_the_others_go_on():
    used, fresh, reference = pendulums(), pendulums(), pendulums()
    before, after = commands(40, 4), commands(40, 4, seed=1)
    run(used, before)
    run(reference, before)
    ids, start, speed = np.array([1, 3]), np.array([[0.3], [-0.2]]), np.array([[1.0], [0.0]])
    used.reset(ids, start, speed)
    fresh.reset(ids, start, speed)
    one, new, on = run(used, after), run(fresh, after), run(reference, after)
    np.testing.assert_array_equal(one[:, :, ids], new[:, :, ids])
    np.testing.assert_array_equal(one[:, :, [0, 2]], on[:, :, [0, 2]])
    np.testing.assert_allclose(used.time, [1.6, 0.8, 1.6, 0.8], atol=1e-9)


@pytest.mark.parametrize("delay", [0.01, 0.02, 0.025, 0.04, 0.047])
def test_a_delayed_torque_comes_that_much_later(delay):
    # The published pendulum without damping and friction, its torque delayed.
    sim = pendulums(np.array([[0.546, 0.5, 0.0, 0.0, 1.0, delay, 0.0, 0.0, 0.0]]))
    sim.field("opt.gravity")[:] = 0.0
    inertia = 0.148881  # kg m^2
    for step in range(10):
        sim.step(np.ones((1, 1)), substeps=1)
        # 1 N m from `delay` on: the momentum after t is t - delay, and nothing before.
        momentum = max(0.01 * (step + 1) - delay, 0.0)
        assert sim.velocity[0, 0] * inertia == pytest.approx(momentum, rel=2e-4, abs=1e-12)


def test_a_push_adds_to_the_speed():
    sim = pendulums()
    run(sim, commands(5, 4))
    before = sim.velocity
    sim.push(np.array([2, 0]), np.array([[1.5], [-0.5]]))
    np.testing.assert_allclose((sim.velocity - before)[:, 0], [-0.5, 0.0, 1.5, 0.0], atol=1e-12)


@pytest.mark.parametrize("push", [np.nan, np.inf, -np.inf, 1e12, 2 * DIVERGED])
def test_a_simulation_that_diverges_is_reset_counted_and_reported(push):
    sim, reference, torques = pendulums(), pendulums(), commands(40, 4)
    run(sim, torques)
    run(reference, torques)
    sim.push(np.array([1]), np.array([[push]]))
    with np.errstate(invalid="raise"):
        assert sim.step(torques[0]).tolist() == [False, True, False, False]
    assert sim.diverged == 1
    reference.step(torques[0])
    # At rest as the model has it, ready to go on like a new one; the neighbours never noticed.
    assert (sim.position[1, 0], sim.velocity[1, 0], sim.time[1]) == (0.0, 0.0, 0.0)
    fresh, after = pendulums(), commands(30, 4, seed=1)
    one, on, new = run(sim, after), run(reference, after), run(fresh, after)
    np.testing.assert_array_equal(one[:, :, [0, 2, 3]], on[:, :, [0, 2, 3]])
    np.testing.assert_array_equal(one[:, :, 1], new[:, :, 1])


def test_a_position_that_is_nan_is_seen_at_the_first_step_too():
    sim = pendulums()
    sim.reset(np.array([0, 3]), np.array([[np.nan], [np.nan]]), np.zeros((2, 1)))
    assert sim.step(np.zeros((4, 1))).tolist() == [True, False, False, True]
    assert sim.diverged == 2
    assert np.isfinite(sim.position).all()


def test_fast_but_sound_is_not_diverged():
    sim = pendulums()
    sim.push(ALL, np.full((4, 1), 0.9 * DIVERGED))
    assert not sim.step(np.zeros((4, 1)), substeps=1).any()
    assert sim.diverged == 0


def test_a_restored_simulation_goes_on_bit_by_bit():
    sim, torques = pendulums(), commands(60, 4)
    run(sim, commands(37, 4, seed=2))
    saved = sim.state()
    track = run(sim, torques)
    other = BatchSim(PENDULUM, PARAMETERS, 4, threads=2)
    for later in (sim, other):  # into itself, moved on, and into one that knows nothing
        later.set_parameters(ALL, ROBOTS[[2, 3, 1, 0]])
        later.restore(saved)
        np.testing.assert_array_equal(run(later, torques), track)
        np.testing.assert_array_equal(later.values, ROBOTS)


@pytest.mark.parametrize("period", [0.0125, 0.002, 0.0201])
def test_a_period_of_no_whole_time_steps_is_refused(tmp_path, period):
    spec: RobotSpec = replace(two_joints(tmp_path), period=period)
    message = f"two_joints: control period {period} s is not a multiple of the model's time step 0.005 s"
    with pytest.raises(TaskError, match=re.escape(message)):
        robot_plant(spec)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_parameter_that_is_no_number_is_refused(bad):
    sim, values = pendulums(), ROBOTS.copy()
    values[2, 0] = bad
    with pytest.raises(TaskError, match=f"mass: {bad} kg; valid: 1e-06 to inf"):
        sim.set_parameters(ALL, values)
    np.testing.assert_array_equal(sim.values, ROBOTS)


@pytest.mark.parametrize(
    "target", [BodyMass("lower"), JointField("elbow", "dof_armature"), ActionDelay("elbow")]
)
def test_the_arms_parameters_move_it_otherwise(tmp_path, target):
    parameter = Parameter("p", "1", target, 0.01, 0.02, ood="none")
    sim = BatchSim(robot_plant(two_joints(tmp_path)), (parameter,), robots=2, threads=1)
    torques = np.repeat(commands(20, 1, joints=2), 2, axis=1)
    sim.set_parameters(np.array([1]), 1.5 * sim.values[:1])
    track = run(sim, torques)
    assert np.abs(track[-1, 0, 0] - track[-1, 0, 1]).max() > 1e-4
