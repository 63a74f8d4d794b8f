"""`SensorModel`: truth, delay, offset, noise, lost samples; each by hand, and none disturbs its neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robots import SensorFrame
from robots.spec import EffortSensor
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.plant import robot_plant
from sim_tasks.randomisation import (
    DroppedSamples,
    EncoderOffset,
    GravityNoise,
    GravityTilt,
    GyroBias,
    GyroNoise,
    ObservationDelay,
    PositionNoise,
    Sensing,
    Target,
    VelocityNoise,
)
from sim_tasks.row_random import RowRandom
from sim_tasks.sensors import SensorModel
from tests.sim_tasks.floating import PERIOD, floating, sensing

NOISES: dict[str, Target] = {
    "position": PositionNoise(),
    "velocity": VelocityNoise(),
    "gyro": GyroNoise(),
    "gravity": GravityNoise(),
}
QUARTER = np.sqrt(0.5)
"""Cosine and sine of half of 90 degrees."""
ALL_ON: dict[str, tuple[Target, float | np.ndarray]] = {
    "offset": (EncoderOffset(1), 0.1),
    "bias": (GyroBias(2), 0.05),
    "position": (PositionNoise(), 0.01),
    "velocity": (VelocityNoise(), 0.2),
    "gyro": (GyroNoise(), 0.1),
    "gravity": (GravityNoise(), 0.05),
    "delay": (ObservationDelay(), 0.03),
    "lost": (DroppedSamples(), 0.3),
}


def readings(frame: SensorFrame) -> dict[str, np.ndarray]:
    """Copies, as frames are live."""
    return {name: value.copy() for name, value in vars(frame).items() if value is not None}


def place(sim: BatchSim, step: float) -> None:
    """Joints, their speeds and the base's turn tell the number of the control step and of the simulation."""
    rows = np.arange(sim.robots)
    sim.qpos[:, 7:] = step + 100 * rows[:, None] + np.array([0.0, 0.5])
    sim.qvel[:, 6:] = -step
    sim.qvel[:, 3:6] = 0.1 * step


def watch(model: SensorModel, random: RowRandom, steps: int) -> dict[str, np.ndarray]:
    """What is sensed while the truth moves on by one a step. Shape (T, N, ...) by name."""
    seen = []
    for step in range(steps):
        place(model.sim, step)
        seen.append(readings(model.sense(random.all)))
    return {name: np.array([frame[name] for frame in seen]) for name in seen[0]}


def test_without_errors_it_is_the_truth(tmp_path):
    spec = floating(tmp_path)
    sim = sensing(spec, 3)
    sim.qpos[:, 7:], sim.qvel[:] = [[0.1, 0.2]], np.arange(24).reshape(3, 8)
    frame = SensorModel(spec, sim).sense(RowRandom([0], 3).all)
    np.testing.assert_array_equal(frame.position, [[0.1, 0.2]] * 3)
    np.testing.assert_array_equal(frame.velocity, sim.qvel[:, 6:])
    np.testing.assert_array_equal(frame.gyro, sim.qvel[:, 3:6])
    np.testing.assert_array_equal(frame.gravity, [[0.0, 0.0, -1.0]] * 3)
    np.testing.assert_array_equal(frame.stamp, 0.0)


@pytest.mark.parametrize(
    ("quaternion", "gravity"),
    [
        # Rolled by 90 degrees about x, the body's y axis points up; pitched about y, its x axis down; about z, level.
        ([QUARTER, QUARTER, 0, 0], [0, -1, 0]),
        ([QUARTER, 0, QUARTER, 0], [1, 0, 0]),
        ([QUARTER, 0, 0, QUARTER], [0, 0, -1]),
        ([0, 1, 0, 0], [0, 0, 1]),
    ],
)
def test_gravity_is_seen_from_the_body(tmp_path, quaternion, gravity):
    spec = floating(tmp_path)
    sim = sensing(spec, 1)
    sim.qpos[0, 3:7] = quaternion
    frame = readings(SensorModel(spec, sim).sense(RowRandom([0], 1).all))
    np.testing.assert_allclose(frame["gravity"], [gravity], atol=1e-12)


def test_an_imu_that_is_mounted_askew(tmp_path):
    # Turned by 90 degrees about z: its x axis is the body's y axis, its y axis the body's -x.
    spec = floating(tmp_path, mount=f"{QUARTER} 0 0 {QUARTER}")
    sim = sensing(spec, 1)
    sim.qpos[0, 3:7], sim.qvel[0, 3:6] = [QUARTER, QUARTER, 0, 0], [0.1, 0.2, 0.3]
    frame = readings(SensorModel(spec, sim).sense(RowRandom([0], 1).all))
    np.testing.assert_allclose(frame["gyro"], [[0.2, -0.1, 0.3]], atol=1e-12)
    # In the body (0, -1, 0), see above.
    np.testing.assert_allclose(frame["gravity"], [[-1.0, 0.0, 0.0]], atol=1e-12)


def test_tilted_gravity_is_what_an_imu_shows(tmp_path):
    spec = floating(tmp_path)
    sim = sensing(spec, 2, tilt=(GravityTilt("x"), np.array([0.2, 0.0])))
    frame = readings(SensorModel(spec, sim).sense(RowRandom([0], 2).all))
    np.testing.assert_allclose(frame["gravity"], [[0, np.sin(0.2), -np.cos(0.2)], [0, 0, -1]], atol=1e-12)


def test_an_imu_sits_on_the_floating_base(tmp_path):
    spec = floating(tmp_path, site="elsewhere")
    with pytest.raises(
        TaskError, match="imu site 'elsewhere' is on body 'lower'; it has to be on the floating"
    ):
        SensorModel(spec, BatchSim(robot_plant(spec), (), 1, threads=1))


def test_offsets_are_of_their_own_channel_and_simulation(tmp_path):
    spec = floating(tmp_path)
    sim = sensing(
        spec, 2, elbow=(EncoderOffset(1), np.array([0.3, 0.0])), gyro=(GyroBias(2), np.array([0.0, 0.05]))
    )
    frame = SensorModel(spec, sim).sense(RowRandom([0], 2).all)
    np.testing.assert_array_equal(frame.position, [[0.0, 0.3], [0.0, 0.0]])
    np.testing.assert_array_equal(frame.gyro, [[0.0, 0.0, 0.0], [0.0, 0.0, 0.05]])
    assert not frame.velocity.any()


@pytest.mark.parametrize("name", NOISES)
def test_noise_has_its_size_on_its_own_sensor_alone(tmp_path, name):
    spec, count, steps = floating(tmp_path), 400, 50
    sim = sensing(spec, count, noise=(NOISES[name], np.where(np.arange(count) < 200, 0.01, 0.02)))
    model, random = SensorModel(spec, sim), RowRandom([0], count)
    ideal = readings(SensorModel(spec, sensing(spec, count)).sense(random.all))
    frames = [readings(model.sense(random.all)) for _ in range(steps)]
    for other in set(NOISES) - {name}:
        np.testing.assert_array_equal(frames[0][other], ideal[other])
    error = np.array([frame[name] - ideal[name] for frame in frames])
    error = error[
        ..., :2
    ]  # gravity's third component is along it: making it a unit vector takes that noise away
    for half, std in ((error[:, :200], 0.01), (error[:, 200:], 0.02)):
        # 50 * 200 * 2 = 20,000 numbers: the std is good to 0.5 %, the mean to std / 141; four times that. A unit
        # vector takes a share of 0.02^2 away.
        assert half.std() == pytest.approx(std, rel=0.02 + 0.0005)
        assert abs(half.mean()) < 4 * std / 141
    # Channels, steps and simulations have nothing in common: 20,000 pairs are correlated to 0.007 by chance.
    pairs = (error[..., 0], error[..., 1]), (error[1:], error[:-1]), (error[:, 1:], error[:, :-1])
    for one, two in pairs:
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4 / np.sqrt(one.size)


def test_noisy_gravity_is_still_a_direction(tmp_path):
    spec = floating(tmp_path)
    model = SensorModel(spec, sensing(spec, 100, noise=(GravityNoise(), 0.3)))
    gravity = readings(model.sense(RowRandom([0], 100).all))["gravity"]
    np.testing.assert_allclose(np.linalg.norm(gravity, axis=1), 1.0, rtol=1e-12)
    assert gravity[:, :2].std() > 0.2


@pytest.mark.parametrize(
    ("delay", "age"),
    # A control step is 20 ms.
    [(0.0, 0.0), (0.02, 1.0), (0.04, 2.0), (0.005, 0.25), (0.03, 1.5), (0.055, 2.75)],
)
def test_a_delayed_reading_is_that_old(tmp_path, delay, age):
    spec = floating(tmp_path)
    model = SensorModel(spec, sensing(spec, 2, delay=(ObservationDelay(), np.array([delay, 0.01]))))
    place(model.sim, 0)
    model.restart(np.arange(2), RowRandom([0], 2).all)
    seen = watch(model, RowRandom([0], 2), 8)
    steps = np.arange(8)
    # The truth is the number of the step; before the first one it had been standing still.
    for robot, old in ((0, age), (1, 0.5)):
        expected = np.maximum(steps - old, 0.0)
        np.testing.assert_allclose(seen["position"][:, robot, 0], expected + 100 * robot, atol=1e-12)
        np.testing.assert_allclose(seen["velocity"][:, robot, 1], -expected, atol=1e-12)
        np.testing.assert_allclose(seen["gyro"][:, robot, 0], 0.1 * expected, atol=1e-12)


def test_after_a_reset_nothing_older_is_seen(tmp_path):
    spec = floating(tmp_path)
    model = SensorModel(spec, sensing(spec, 2, delay=(ObservationDelay(), 0.035)))
    random = RowRandom([0], 2)
    watch(model, random, 7)
    place(model.sim, 50)
    alone = readings(model.restart(np.array([1]), random.all))
    frame = readings(model.frame)
    for name, value in alone.items():
        np.testing.assert_array_equal(value, frame[name][1:])
    # Robot 1 is seen where it was put at once; robot 0 has its last reading: step 6, 1.75 steps old.
    np.testing.assert_allclose(frame["position"][:, 0], [6 - 1.75, 150.0], atol=1e-12)
    place(model.sim, 51)
    frame = readings(model.sense(random.all))
    # 1.75 steps ago robot 1 stood at 50 already. Robot 0 was at 6 one step ago and at 5 two steps ago: at 5.25.
    np.testing.assert_allclose(frame["position"][:, 0], [5.25, 150.0], atol=1e-12)


def test_lost_samples_repeat_the_one_before_as_often_as_said(tmp_path):
    spec, count, steps = floating(tmp_path), 500, 100
    lost = (DroppedSamples(), np.where(np.arange(count) < 250, 0.1, 0.4))
    model = SensorModel(spec, sensing(spec, count, lost=lost, noise=(PositionNoise(), 0.01)))
    seen = watch(model, RowRandom([0], count), steps)
    repeated = (seen["position"][1:] == seen["position"][:-1]).all(axis=2)
    for name in ("velocity", "gyro", "gravity"):
        again = (seen[name][1:] == seen[name][:-1]).all(axis=2)
        assert (again >= repeated).all()
    # 99 * 250 draws: good to 0.2 % and 0.3 %; four times that.
    assert repeated[:, :250].mean() == pytest.approx(0.1, abs=0.008)
    assert repeated[:, 250:].mean() == pytest.approx(0.4, abs=0.0125)
    # Runs of losses are independent: one after another as often as the product says.
    assert (repeated[1:, 250:] & repeated[:-1, 250:]).mean() == pytest.approx(0.16, abs=0.015)


def test_the_same_seed_senses_the_same_and_another_does_not(tmp_path):
    spec = floating(tmp_path)
    one, two, other = (
        watch(SensorModel(spec, sensing(spec, 4, **ALL_ON)), RowRandom([seed], 4), 20) for seed in (1, 1, 2)
    )
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])
    # But for the first samples, where both lose them.
    assert (one["velocity"][5:] != other["velocity"][5:]).all()


def test_a_robot_alone_senses_what_it_senses_among_others(tmp_path):
    spec, count = floating(tmp_path), 33
    delays = np.linspace(0.0, 0.05, count)
    values = ALL_ON | {"delay": (ObservationDelay(), delays)}
    together = watch(SensorModel(spec, sensing(spec, count, **values)), RowRandom([5], count), 30)
    for robot in (0, 13, 32):
        own = ALL_ON | {"delay": (ObservationDelay(), np.array([delays[robot]]))}
        model, random = SensorModel(spec, sensing(spec, 1, **own)), RowRandom([5], 1, robot)
        for step in range(30):
            place(model.sim, step)
            model.sim.qpos[:, 7:] += 100 * robot
            for name, array in readings(model.sense(random.all)).items():
                np.testing.assert_array_equal(array[0], together[name][step, robot], err_msg=name)


def test_a_restored_model_goes_on_bit_by_bit(tmp_path):
    spec = floating(tmp_path)
    model, random = SensorModel(spec, sensing(spec, 4, **ALL_ON)), RowRandom([1], 4)
    watch(model, random, 7)
    saved, streams = model.state(), random.state()
    expected = watch(model, random, 20)
    fresh = SensorModel(spec, sensing(spec, 4, **ALL_ON))
    for later in (model, fresh):
        later.restore({name: np.asarray(value).tolist() for name, value in saved.items()})
        random.restore(streams)
        for name, array in watch(later, random, 20).items():
            np.testing.assert_array_equal(array, expected[name])


def test_sensing_disturbs_no_motion(tmp_path):
    spec = floating(tmp_path)
    sim = sensing(spec, 3, **ALL_ON)
    place(sim, 3)
    before = sim.qpos.copy(), sim.qvel.copy(), sim.time.copy()
    frame = SensorModel(spec, sim).sense(RowRandom([0], 3).all)
    frame.position[:] = frame.stamp[:] = 99.0
    for now, then in zip((sim.qpos, sim.qvel, sim.time), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_channel_beyond_the_last_is_refused(tmp_path):
    with pytest.raises(TaskError, match="position_offset: channel 2; valid: 0 to 1"):
        sensing(floating(tmp_path), 1, offset=(EncoderOffset(2), 0.1))


@pytest.mark.parametrize(
    ("target", "bad"),
    [
        (DroppedSamples(), 1.2),
        (PositionNoise(), -0.1),
        (ObservationDelay(), -0.01),
        (Sensing(0, "gyro_noise"), -1.0),
    ],
)
def test_impossible_sensors_are_refused(tmp_path, target, bad):
    sim = sensing(floating(tmp_path), 1, it=(target, 0.01))
    with pytest.raises(TaskError, match=r"it: .* 1; valid: 0 to"):
        sim.set_parameters(np.array([0]), np.array([[bad]]))


def test_the_control_period_is_what_the_delays_above_assume(tmp_path):
    assert robot_plant(floating(tmp_path)).period == pytest.approx(PERIOD)


def test_torque_is_the_motors_and_starts_at_nothing(tmp_path):
    spec = replace(floating(tmp_path), effort_sensor=EffortSensor(sustained=0.1))
    sim, random = sensing(spec, 3), RowRandom([0], 3)
    model = SensorModel(spec, sim)
    commands = np.array([[0.1, -0.2], [0.3, 0.0], [0.0, 0.0]])
    sim.step(commands)
    frame = readings(model.sense(random.all))
    torque = sim.bind("qfrc_actuator")[:, sim.plant.qvel]
    assert np.abs(frame["effort"]).max() > 0.01
    np.testing.assert_array_equal(frame["effort"], torque)
    saved = model.state()
    begun = model.restart(np.array([1]), random.rows(np.array([1])))
    assert begun.effort is not None
    assert begun.effort.tolist() == [[0.0, 0.0]]
    assert model.frame.effort is not None
    np.testing.assert_array_equal(model.frame.effort[[0, 2]], torque[[0, 2]])
    assert model.frame.effort[1].tolist() == [0.0, 0.0]
    model.restore(saved)
    np.testing.assert_array_equal(model.frame.effort, torque)


def test_a_robot_without_torque_sensors_has_none(tmp_path):
    spec = floating(tmp_path)
    assert SensorModel(spec, sensing(spec, 2)).sense(RowRandom([0], 2).all).effort is None
