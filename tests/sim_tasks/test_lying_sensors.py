"""Safe mode in closed loop, on sensors that lie: it may not move a robot that would not have moved without it.

True speeds and positions are MuJoCo's; what the safety filter hears is what a fault makes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from robots import RobotSpec, SensorFrame
from robots.safety import SAFE_MODE, SafetyFilter
from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom
from sim_tasks.sensors import SensorModel

PUSHED = 0.2
Lie = Callable[[float, SensorFrame], None]
"""Changes a reading, by the time in [s], in place."""


@dataclass(frozen=True)
class Course:
    """What one robot did. T control steps, J joints."""

    time: np.ndarray
    """In [s]. Shape (T,)."""
    position: np.ndarray
    """The true one in [rad]. Shape (T, J)."""
    velocity: np.ndarray
    """The true one in [rad/s]. Shape (T, J)."""
    safe: np.ndarray
    """Whether the filter was in safe mode. Shape (T,), bool."""


@cache
def family(name: str) -> TaskFamily:
    return load_family(name)


def spec_of(name: str) -> RobotSpec:
    return family(name).robot


def run(
    name: str,
    seconds: float,
    lie: Lie,
    velocity: float | tuple[float, ...] = 0.0,
    safety: SafetyFilter | None = None,
    place: dict[str, float] | None = None,
    push: tuple[float, ...] | None = None,
) -> Course:
    """A robot of a family's default physics that is asked for nothing: no torque, or its pose at the start.

    Robots with torque begin hanging, at a `velocity` in [rad/s], others as the family has it; `place`: joints that
    start elsewhere, in [rad]; `push`: what is added to the speeds from `PUSHED` on, over 0.1 s, in [rad/s].
    """
    made, spec = family(name), spec_of(name)
    sim, ids = BatchSim(made.plant, made.parameters, 1, threads=1), np.zeros(1, dtype=int)
    random = RowRandom([1], 1).rows(ids)
    sim.set_parameters(ids, sim.values[:1])
    sim.begin(ids, made.start, random)
    if spec.interface == "effort":
        sim.qpos[0, made.plant.qpos] = 0.0
        sim.qvel[0, made.plant.qvel] = velocity
    for joint, at in (place or {}).items():
        sim.qpos[0, made.plant.model.joint(joint).qposadr[0]] = at
    sensors, safety = SensorModel(spec, sim), safety or SafetyFilter(spec)
    frame = sensors.restart(ids, random)
    safety.reset(position=frame.position.copy())
    request = frame.position.copy() if spec.interface == "position" else np.zeros((1, len(spec.joints)))
    rows = list[tuple[float, np.ndarray, np.ndarray, bool]]()
    for _ in range(round(seconds / spec.period)):
        heard = sensors.sense(random)
        said = SensorFrame(
            heard.stamp, heard.position.copy(), heard.velocity.copy(), heard.gyro, heard.gravity, heard.effort
        )
        now = float(sim.time[0])
        lie(now, said)
        certified = safety.certify(request, said)
        assert not sim.step(certified.command).any()
        if push is not None and PUSHED <= now < PUSHED + 0.1 - 1e-9:
            sim.qvel[0, made.plant.qvel] += np.array(push) / 5
        safe = bool(certified.reasons[0] & int(SAFE_MODE))
        rows.append((now, sim.position[0], sim.velocity[0], safe))
    time, position, speed, safe = zip(*rows, strict=True)
    return Course(np.array(time), np.array(position), np.array(speed), np.array(safe))


def honest(time: float, said: SensorFrame) -> None:
    """Nothing is wrong."""


def fast(joint: int, bias: float, begin: float, end: float) -> Lie:
    def lie(time: float, said: SensorFrame) -> None:
        if begin <= time < end:
            said.velocity[0, joint] += bias

    return lie


def off(joint: int, bias: float, begin: float, end: float) -> Lie:
    def lie(time: float, said: SensorFrame) -> None:
        if begin <= time < end:
            said.position[0, joint] += bias

    return lie


@pytest.mark.parametrize("bias", [40.0, -40.0])
def test_a_pendulum_is_not_spun_up_by_a_speed_that_it_does_not_have(bias):
    swing = run("pendulum_swingup", 4.5, fast(0, bias, 1.0, 4.0), velocity=2.0)
    under = (swing.time >= 1.1) & (swing.time < 4.0)
    assert swing.safe[under].all()
    assert np.abs(swing.velocity).max() <= 2.0  # that of its start; 26 rad/s by the lie
    assert np.abs(swing.position).max() < 0.6


@pytest.mark.parametrize("velocity", [0.0, 3.0])
@pytest.mark.parametrize("bias", [60.0, -60.0])
def test_a_double_pendulum_is_not_spun_up_either(bias, velocity):
    lied = run("double_pendulum_swingup", 2.5, fast(1, bias, 0.5, 1.5), velocity=velocity)
    told = run("double_pendulum_swingup", 2.5, honest, velocity=velocity)
    assert lied.safe[(lied.time >= 0.6) & (lied.time < 1.5)].all()
    # Safe mode damps what positions bear out, so that there is less motion than with no torque; 70 rad/s by the lie.
    later = lied.time >= 0.5
    assert np.abs(lied.velocity[later]).max() <= np.abs(told.velocity[later]).max() + 0.2


def test_noise_of_position_does_not_lend_a_lying_speed_its_motion():
    """Noise has either sign, and the lie one: half of the steps seem to bear it out."""
    random = np.random.default_rng(0)

    def lie(time: float, said: SensorFrame) -> None:
        if time >= 0.5:
            said.velocity[0] += 40.0
            said.position[0] += random.normal(0.0, 0.005)

    swing = run("pendulum_swingup", 4.0, lie)
    assert np.abs(swing.velocity).max() < 0.3


def test_a_position_that_jumps_to_and_fro_does_not_either():
    def lie(time: float, said: SensorFrame) -> None:
        if time >= 0.5:
            said.velocity[0] += 40.0
            said.position[0] += 0.7 * (round(time / 0.02) % 2)

    swing = run("pendulum_swingup", 4.0, lie)
    assert np.abs(swing.velocity).max() < 1.0


def test_a_speed_of_the_other_sign_drives_nothing():
    def lie(time: float, said: SensorFrame) -> None:
        if time >= 0.1:
            said.velocity[0] *= -20.0

    # Turning at 10 rad/s, it says -200.
    swing = run("pendulum_swingup", 3.0, lie, velocity=10.0)
    assert swing.safe[swing.time >= 0.1][:10].all()
    assert np.abs(swing.velocity).max() <= 10.0


class BeforeFilter(SafetyFilter):
    """Damps whatever speed is reported."""

    def _safe_command(self) -> np.ndarray:
        return -np.asarray(self.spec.safety.damping) * self.reported

    def certify(self, request, frame, age=0.0, elapsed=np.inf, finite=None):
        self.reported = frame.velocity.copy()
        return super().certify(request, frame, age, elapsed, finite)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "push"),
    [
        ("pendulum_swingup", (27.0,)),
        ("pendulum_swingup", (-35.0,)),
        ("double_pendulum_swingup", (0.0, 33.0)),
        ("double_pendulum_swingup", (0.0, -40.0)),
        ("double_pendulum_swingup", (5.0, -36.0)),
        ("double_pendulum_swingup", (-20.0, 45.0)),
    ],
)
def test_what_is_truly_too_fast_is_braked_as_fast_as_by_the_reported_speed(name, push):
    now = run(name, 3.0, honest, push=push)
    before = run(name, 3.0, honest, push=push, safety=BeforeFilter(spec_of(name)))
    assert now.safe.any()
    assert np.abs(now.velocity).max() <= 1.05 * np.abs(before.velocity).max()
    for seconds in (0.5, 1.0, 2.0):
        turned = [_turned(course, seconds) for course in (now, before)]
        assert turned[0] <= 1.1 * turned[1], (seconds, turned)


def _turned(course: Course, seconds: float) -> float:
    """How far all joints have turned in the seconds after the push, to and fro, in [rad]."""
    after = (course.time >= PUSHED) & (course.time < PUSHED + seconds)
    return float(np.abs(course.velocity[after]).sum()) * 0.02


POSITIONS = [
    ("ur5e_reach", "elbow_joint", 3.0),
    ("ur5e_reach", "elbow_joint", -5.0),
    ("go2_velocity", "RR_calf_joint", 2.0),
    ("go2_velocity", "FL_calf_joint", -2.0),
]


@pytest.mark.parametrize(("name", "joint", "bias"), POSITIONS)
def test_an_encoder_that_is_off_by_much_does_not_move_its_joint(name, joint, bias):
    spec = spec_of(name)
    index = spec.joint_names.index(joint)
    course = run(name, 3.5, off(index, bias, 1.5, 2.5))
    under = (course.time >= 1.5) & (course.time < 2.5)
    assert course.safe[under].all()
    # No more than where the encoder says nothing: a Go2 sinks a little, as what is held is where its legs were.
    blind = run(name, 3.5, off(index, np.nan, 1.5, 2.5))
    assert np.abs(course.position - blind.position)[under].max() < 0.02
    later = course.time >= 1.5
    peak, still = (np.abs(each.velocity / spec.velocity_limit)[later].max() for each in (course, blind))
    assert peak <= still + 0.02
    assert still < 0.15


def test_a_joint_that_jumps_within_its_range_while_another_is_beyond_its_own_is_not_moved():
    """Garbage: half of all random doubles are next to 0."""
    spec = spec_of("ur5e_reach")

    def lie(time: float, said: SensorFrame) -> None:
        if time >= 1.5:
            said.position[0] = (0.0, 0.0, 0.0, 0.0, 0.0, 9.0)

    course = run("ur5e_reach", 2.5, lie)
    under = course.time >= 1.5
    assert course.safe[under].all()
    # From its servos' targets to where it was: it was still about to settle.
    assert np.abs(course.velocity[under] / spec.velocity_limit).max() < 0.15
    assert np.abs(course.position[under] - course.position[~under][-1]).max() < 0.06


def test_an_arm_that_is_beyond_its_limit_is_not_pulled_back_faster_than_its_command_may_move():
    spec = spec_of("ur5e_reach")
    course = run("ur5e_reach", 2.0, honest, place={"elbow_joint": 3.3})
    elbow = course.position[:, 2]
    assert np.abs(course.velocity[:, 2]).max() <= spec.velocity_limit[2]
    # To the limit, 0.16 rad away, and not to the pose that it has at rest; the servo gives a little.
    assert elbow[-1] == pytest.approx(3.1416, abs=0.05)
