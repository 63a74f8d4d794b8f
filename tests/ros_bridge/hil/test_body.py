"""Faults of the body do in physics what they say, and leave nothing behind. Numbers are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import mujoco
import numpy as np
import pytest
from mujoco.batch import MODEL_FIELDS

from ros_bridge.errors import BridgeError
from ros_bridge.hil.body import BodyFaults
from ros_bridge.hil.schedule import BODY, JOINTS, KINDS, Fault, possible_on
from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.motors import Motors
from sim_tasks.plant import robot_plant
from sim_tasks.row_random import RowRandom
from sim_tasks.sensors import SensorModel

FAMILIES = ("pendulum_swingup", "double_pendulum_swingup", "go2_velocity", "ur5e_reach")
BODY_KINDS = tuple(name for name, kind in KINDS.items() if kind.targets == (BODY,))
MAGNITUDES = {
    "weak": 0.5,
    "payload": 1.5,
    "friction": 5.0,
    "slippery": 0.2,
    "encoder_offset": -0.05,
    "sag": 0.6,
    "push": 20.0,
    "slope": 0.2,
}
ONE = np.zeros(1, dtype=int)
G = 9.81


@cache
def family(name: str) -> TaskFamily:
    return load_family(name)


class Robot:
    """One simulated robot, and its faults."""

    def __init__(self, name: str, task: int = 0, made: TaskFamily | None = None):
        self.family = made or family(name)
        self.spec = self.family.robot
        self.sim = BatchSim(self.family.plant, self.family.parameters, 1, threads=1)
        self.sim.set_parameters(ONE, self.family.sample("test", 1, 0, first=task))
        qpos, qvel = self.family.start(RowRandom([3], 1).all, 1)
        self.sim.reset(ONE, qpos, np.zeros_like(qvel))
        self.body = BodyFaults(self.family, self.sim, self.spec)
        self.time = 0.0

    def set(self, **values: float) -> None:
        """Parameters by name."""
        changed = self.sim.values.copy()
        for name, value in values.items():
            changed[0, self.family.parameter_index(name)] = value
        self.sim.set_parameters(ONE, changed)

    def step(self, command: Any, seconds: float = 0.0) -> None:
        for _ in range(max(round(seconds / self.spec.period), 1)):
            self.body.step(self.time)
            self.sim.step(np.broadcast_to(command, (1, len(self.spec.joints))))
            self.time += self.spec.period

    @property
    def model(self) -> mujoco.MjModel:
        return self.sim.get_model(0)

    def torque(self) -> np.ndarray:
        """What motors give to their joints in this state. Shape (J,)."""
        model, data = self.model, self.sim.get_data(0)
        mujoco.mj_forward(model, data)
        return data.qfrc_actuator[self.family.plant.qvel].copy()

    def momentum(self) -> tuple[np.ndarray, np.ndarray]:
        """Linear [kg m/s] and angular, about the common centre of mass [kg m^2/s]."""
        model, data = self.model, self.sim.get_data(0)
        mujoco.mj_forward(model, data)
        mujoco.mj_subtreeVel(model, data)
        return model.body_subtreemass[0] * data.subtree_linvel[0], data.subtree_angmom[0].copy()


def fault(kind: str, **more: Any) -> Fault:
    values: dict[str, Any] = {"magnitude": MAGNITUDES.get(kind, 0.0)} | more
    return Fault(kind, BODY, 0.0, 1.0, **values)


def fields(robot: Robot) -> dict[str, np.ndarray]:
    """Everything in which its physics could differ."""
    model = robot.model
    found = {
        name: np.array(getattr(model.opt, name[4:]) if name.startswith("opt.") else getattr(model, name))
        for name in MODEL_FIELDS
        if hasattr(model, name) or name.startswith("opt.")
    }
    for kind in ("offset", "noise"):
        store = robot.sim.channels(kind)
        found[kind] = np.zeros(1) if store is None else store.copy()
    return found | {"force": robot.sim.bind("xfrc_applied").copy()}


@pytest.mark.parametrize("kind", BODY_KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_diverges_and_nothing_is_left_after_the_end(name, kind):
    robot = Robot(name)
    why = possible_on(robot.spec, kind, BODY)
    if why is not None:
        with pytest.raises(BridgeError, match="fixed to the world"):
            robot.body.begin(0, fault(kind))
        return
    before = fields(robot)
    ramp = 0.3 * KINDS[kind].ramps
    robot.body.begin(0, fault(kind, ramp=ramp, seed=4))
    robot.body.begin(1, fault(kind, ramp=0.0, seed=5))
    low, high = robot.spec.command_limits
    random = np.random.default_rng(1)
    for _ in range(5):
        robot.step(random.uniform(low, high), 0.1)
    during = fields(robot)
    # A push is in the state, an encoder in the sensors; all others are in the model.
    assert any(not np.array_equal(before[field], during[field]) for field in before)
    for index in (0, 1):
        robot.body.end(index)
    after = fields(robot)
    assert [field for field in before if not np.array_equal(before[field], after[field])] == []
    assert robot.sim.diverged == 0
    assert np.isfinite(robot.sim.qpos).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_weak_motor_gives_half_of_its_torque_where_it_is_saturated_and_others_all(name):
    robot = Robot(name, task=1)
    low, high = robot.spec.command_limits
    servo = robot.spec.interface == "position"
    robot.step(low if servo else high, 0.1)
    whole = robot.torque()
    joint = int(np.argmax(np.abs(whole) / robot.spec.effort_limit))
    assert abs(whole[joint]) > 0.5 * robot.spec.effort_limit[joint]
    robot.body.begin(0, fault("weak", joints=(robot.spec.joint_names[joint],)))
    half = robot.torque()
    assert half[joint] == pytest.approx(whole[joint] / 2)
    others = np.arange(len(whole)) != joint
    assert half[others] == pytest.approx(whole[others])


def test_a_weak_servo_is_soft_as_well():
    # Torque = 0.9 to 1.1 times 40 N m/rad times the angle that is missing: far from its limit of 23.7 N m.
    robot = Robot("go2_velocity")
    robot.set(faulty_joint=-1.0)
    start = robot.sim.position[0]
    robot.sim.qvel[:] = 0.0
    robot.sim._ctrl[:] = 0.0
    robot.sim.bind("history")[:] = 0.0
    robot.sim.reset(ONE, robot.sim.qpos.copy(), np.zeros((1, robot.sim.model.nv)))
    robot.step(start + 0.1)
    whole = robot.torque()
    robot.body.begin(0, fault("weak", magnitude=0.25))
    assert robot.torque() == pytest.approx(0.25 * whole, rel=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_locked_joint_stays_within_a_milliradian_whatever_drives_it(name):
    for joint in {0, len(family(name).robot.joints) - 1}:
        robot = Robot(name)
        low, high = robot.spec.command_limits
        robot.step(high, 0.2)  # it is in motion when it locks
        robot.body.begin(0, fault("locked", joints=(robot.spec.joint_names[joint],)))
        stood, worst = robot.sim.position[0, joint], 0.0
        for turn in range(6):
            robot.step((high, low)[turn % 2], 0.3)
            worst = max(worst, abs(robot.sim.position[0, joint] - stood))
            robot.sim.push(
                ONE, np.ones((1, robot.sim.model.nv))
            )  # as what changes in mid-run knocks at joints
        assert worst < 1e-3
        robot.body.end(0)
        robot.step(high, 0.3)
        assert abs(robot.sim.position[0, joint] - stood) > 1e-2


def test_a_joint_that_jams_hands_its_momentum_to_the_rest_of_the_robot():
    robot = Robot("go2_velocity")
    robot.sim.qpos[0, 2] = 5.0  # in the air
    robot.sim.qvel[0] = np.random.default_rng(0).uniform(-3, 3, robot.sim.model.nv)
    linear, angular = robot.momentum()
    robot.body.begin(0, fault("locked", joints=("FL_calf_joint", "RR_hip_joint")))
    places = [robot.spec.joint_names.index(name) for name in ("FL_calf_joint", "RR_hip_joint")]
    assert robot.sim.velocity[0, places] == pytest.approx([0.0, 0.0], abs=1e-12)
    robot.body.end(0)  # momentum without the rotors that lock
    after = robot.momentum()
    assert after[0] == pytest.approx(linear, abs=1e-9)
    assert after[1] == pytest.approx(
        angular, abs=2e-2
    )  # MuJoCo's armature has no angular momentum of its own
    assert np.linalg.norm(angular) > 0.5


@pytest.mark.parametrize("name", FAMILIES)
def test_a_free_joint_has_no_torque_whatever_it_is_told(name):
    robot = Robot(name, task=1)
    high = robot.spec.command_limits[1]
    robot.step(high)
    whole = robot.torque()
    joint = int(np.argmax(np.abs(whole)))
    robot.body.begin(0, fault("free", joints=(robot.spec.joint_names[joint],)))
    free = robot.torque()
    others = np.arange(len(whole)) != joint
    assert free[joint] == 0.0
    assert free[others] == pytest.approx(whole[others])
    assert np.abs(whole[joint]) > 0.1


def test_a_free_pendulum_swings_as_one_with_a_tenth_of_the_friction():
    model, data = raw("pendulum_swingup")
    model.actuator_gainprm[:] = 0.0
    model.dof_frictionloss[:] *= 0.1
    model.dof_damping[:] *= 0.1
    robot = Robot("pendulum_swingup")
    robot.body.begin(0, fault("free"))
    same(robot, model, data, np.array([2.5]))


@pytest.mark.parametrize(
    ("name", "mass"), [("go2_velocity", 4.0), ("ur5e_reach", 2.0), ("pendulum_swingup", 0.4)]
)
def test_a_payload_weighs(name, mass):
    robot = Robot(name)
    if name == "go2_velocity":
        robot.set(faulty_joint=-1.0, slope_x=0.0, slope_y=0.0)
        robot.step(robot.spec.default_position, 2.0)
        before = ground(robot)
        robot.body.begin(0, fault("payload", magnitude=mass))
        robot.step(robot.spec.default_position, 3.0)
        assert ground(robot) - before == pytest.approx(mass * G, rel=0.02)
        return
    # Weight at the arm's end pulls at the joint with m g times the horizontal distance.
    if name == "pendulum_swingup":
        robot.set(payload_distance=0.5)
    joint = {"ur5e_reach": 1, "pendulum_swingup": 0}[name]
    distance = {"ur5e_reach": 0.425 + 0.3922, "pendulum_swingup": 0.5}[name]
    robot.sim.qpos[:] = 0.0 if name == "ur5e_reach" else np.pi / 2  # stretched out level, both
    before = bias(robot)[joint]
    robot.body.begin(0, fault("payload", magnitude=mass))
    assert abs(bias(robot)[joint] - before) == pytest.approx(mass * G * distance, rel=1e-3)


def ground(robot: Robot) -> float:
    """What keeps the base up over a second, in the mean: the feet's contact forces in [N]."""
    force, heard = robot.sim.bind("qfrc_constraint"), list[float]()
    for _ in range(50):
        robot.step(robot.spec.default_position)
        heard.append(float(force[0, 2]))
    return float(np.mean(heard))


def bias(robot: Robot) -> np.ndarray:
    """Torque that holds the robot as it is, in [N m], without gravity compensation."""
    model, data = robot.model, robot.sim.get_data(0)
    mujoco.mj_forward(model, data)
    return data.qfrc_bias.copy()


def test_a_push_changes_momentum_by_force_times_time():
    for field, axis in (("x", 0), ("y", 1)):
        robot = Robot("go2_velocity")
        robot.set(slope_x=0.0, slope_y=0.0)
        robot.sim.qpos[0, 2] = 10.0  # falls; sideways nothing acts
        robot.body.begin(0, fault("push", magnitude=-120.0, field=field))
        robot.step(robot.spec.default_position, 0.1)
        robot.body.end(0)
        pushed = robot.momentum()[0]
        assert pushed[axis] == pytest.approx(-12.0, rel=2e-3)  # 120 N for 0.1 s
        assert pushed[1 - axis] == pytest.approx(0.0, abs=0.02)
        robot.step(robot.spec.default_position, 0.1)
        fallen = np.array([0.0, 0.0, -robot.model.body_subtreemass[0] * G * 0.1])
        assert robot.momentum()[0] == pytest.approx(pushed + fallen, abs=0.05)


def test_a_push_to_nowhere_in_particular_is_level_and_goes_where_its_seed_says():
    force = {}
    for seed in (1, 2, 1):
        robot = Robot("ur5e_reach")
        robot.body.begin(0, fault("push", magnitude=30.0, seed=seed))
        at = robot.sim.bind("xfrc_applied")[0].sum(axis=0)
        assert np.linalg.norm(at[:3]) == pytest.approx(30.0)
        assert (at[2:] == 0.0).all()
        assert np.array_equal(force.setdefault(seed, at), at)
    assert not np.allclose(force[1], force[2])


def test_a_ground_that_turns_about_y_makes_forward_downhill_and_the_imu_sees_it():
    robot = Robot("go2_velocity")
    robot.set(slope_x=0.0, slope_y=0.0, gravity_noise=0.0)
    robot.sim.qpos[0, 3:7] = (1.0, 0.0, 0.0, 0.0)
    robot.body.begin(0, fault("slope", magnitude=0.3, field="y"))
    expected = np.array([np.sin(0.3), 0.0, -np.cos(0.3)])
    assert robot.model.opt.gravity == pytest.approx(G * expected)
    sensors = SensorModel(robot.spec, robot.sim)
    gravity = sensors.restart(ONE, RowRandom([1], 1).all).gravity
    assert gravity is not None
    assert gravity[0] == pytest.approx(expected, abs=1e-2)  # and the sensor's own noise


def test_feet_that_hold_on_a_slope_slide_where_it_is_slippery():
    def slides(share: float) -> float:
        robot = Robot("go2_velocity")
        robot.set(faulty_joint=-1.0, slope_x=0.0, slope_y=0.0, foot_friction=0.8)
        robot.body.begin(0, fault("slope", magnitude=0.15, field="y"))
        robot.body.begin(1, fault("slippery", magnitude=share))
        robot.step(robot.spec.default_position, 1.0)
        began = robot.sim.qpos[0, 0]
        robot.step(robot.spec.default_position, 0.5)
        return robot.sim.qpos[0, 0] - began

    assert abs(slides(1.0)) < 0.02  # tan 0.15 = 0.151 < 0.8
    # 0.04 of friction: g (sin 0.15 - 0.04 cos 0.15) = 1.08 m/s^2; from 1.0 to 1.5 s 0.675 m.
    assert slides(0.05) == pytest.approx(0.675, rel=0.15)


def test_an_encoder_is_off_and_the_joint_is_not():
    robot = Robot("double_pendulum_swingup")
    robot.set(position_noise=0.0005)
    sensors = SensorModel(robot.spec, robot.sim)
    before, truth = read(sensors), robot.sim.position
    robot.body.begin(0, fault("encoder_offset", magnitude=-0.25, joints=("elbow",)))
    assert read(sensors) - before == pytest.approx(np.array([[0.0, -0.25]]), abs=0.005)
    assert np.array_equal(robot.sim.position, truth)
    robot.body.end(0)
    assert read(sensors) == pytest.approx(before, abs=0.005)


def read(sensors: SensorModel) -> np.ndarray:
    return sensors.sense(RowRandom([1], 1).all).position.copy()


def test_sagging_voltage_cuts_the_highest_torque_and_leaves_small_ones():
    robot = Robot("double_pendulum_swingup")
    robot.set(motor_strength=1.0)
    robot.body.begin(0, fault("sag", magnitude=0.4))
    for command, expected in ((10.0, 4.0), (-7.0, -4.0), (3.0, 3.0)):  # of 10 N m
        robot.step(command, 0.2)
        assert robot.torque() == pytest.approx([expected, expected])


def test_sagging_voltage_lowers_the_no_load_speed_of_motors_that_have_one():
    made = family("go2_velocity")
    made = replace(made, plant=robot_plant(made.robot, 0.0375, motors=Motors(no_load_speed=20.0)))
    robot = Robot("", made=made)
    robot.sim.qvel[:] = 4.0
    robot.body.begin(0, fault("sag", magnitude=0.5))
    robot.body.step(0.0)
    robot.sim._limit_torque(robot.sim.property("no_load_speed"))
    # Half of 23.7 N m at rest, none at half of 20 rad/s: at 4 rad/s 11.85 (1 - 4 / 10).
    assert robot.model.actuator_forcerange[0, 1] == pytest.approx(7.11)
    robot.body.end(0)
    robot.sim._limit_torque(robot.sim.property("no_load_speed"))
    assert robot.model.actuator_forcerange[0, 1] == pytest.approx(18.96)  # 23.7 (1 - 4 / 20)


def raw(name: str) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """MuJoCo's own model and state of a robot, to be changed by hand."""
    robot = Robot(name)
    return robot.model, robot.sim.get_data(0)


def same(robot: Robot, model: mujoco.MjModel, data: mujoco.MjData, command: np.ndarray) -> None:
    """The robot goes as MuJoCo itself steps the model that was changed by hand."""
    mujoco.mj_setConst(model, mujoco.MjData(model))
    for _ in range(40):
        robot.step(command)
        for _ in range(robot.family.plant.substeps):
            data.ctrl[robot.family.plant.ctrl] = command
            mujoco.mj_step(model, data)
    assert robot.sim.qpos[0] == pytest.approx(data.qpos, abs=1e-9)


def test_three_faults_together_go_as_a_model_that_was_changed_by_hand():
    model, data = raw("ur5e_reach")
    elbow = model.joint("elbow_joint")
    model.body_mass[model.body("payload").id] += 1.5
    model.dof_frictionloss[elbow.dofadr[0]] *= 6.0
    model.dof_damping[elbow.dofadr[0]] *= 6.0
    data.xfrc_applied[model.body("payload").id, 1] = 25.0
    robot = Robot("ur5e_reach")
    robot.body.begin(5, fault("friction", magnitude=3.0, joints=("elbow_joint",)))
    robot.body.begin(2, fault("payload", magnitude=1.5))
    robot.body.begin(9, fault("friction", magnitude=2.0, joints=("elbow_joint",)))
    robot.body.begin(7, fault("push", magnitude=25.0, field="y"))
    same(robot, model, data, robot.spec.default_position + 0.2)


def test_slippery_goes_as_a_model_that_was_changed_by_hand():
    model, data = raw("go2_velocity")
    model.geom_friction[:, 0] *= 0.3
    robot = Robot("go2_velocity")
    robot.body.begin(0, fault("slippery", magnitude=0.3))
    same(robot, model, data, robot.spec.default_position)


def test_faults_end_in_any_order_and_the_others_stay():
    robot = Robot("double_pendulum_swingup")
    robot.set(motor_strength=1.0)
    robot.body.begin(0, fault("weak", magnitude=0.5))
    robot.body.begin(1, fault("weak", magnitude=0.8))
    robot.body.begin(1, fault("weak", magnitude=0.8))  # said twice
    shares = []
    for ended in (None, 0, 1):
        if ended is not None:
            robot.body.end(ended)
        robot.step(10.0, 0.1)
        shares.append(robot.torque()[0] / 10.0)
    assert shares == pytest.approx([0.4, 0.8, 1.0])


def test_a_ramp_goes_on_with_time_and_faults_stay_when_the_robot_changes():
    robot = Robot("double_pendulum_swingup")
    robot.set(motor_strength=1.0)
    robot.step(0.0, 1.0)
    robot.body.step(robot.time)
    robot.body.begin(0, fault("weak", magnitude=0.5, ramp=0.5))
    gains = []
    for _ in range(4):
        robot.body.step(robot.time)
        gains.append(robot.model.actuator_gainprm[0, 0])
        robot.time += 0.25
    assert gains == pytest.approx([1.0, 0.75, 0.5, 0.5])
    robot.set(motor_strength=1.2)
    robot.body.step(robot.time)
    assert robot.model.actuator_gainprm[0, 0] == pytest.approx(0.6)


def test_what_the_robot_has_not_is_refused_in_words():
    robot = Robot("pendulum_swingup")
    for wrong, words in (
        (Fault("off", JOINTS, 0.0, 1.0), "not one of the body; valid: weak"),
        (fault("weak", joints=("knee",)), "knee: not a joint of pendulum; valid: pivot"),
        (fault("slope"), "no ground that could be tilted"),
    ):
        with pytest.raises(BridgeError, match=words):
            robot.body.begin(0, wrong)
    pair = BatchSim(robot.family.plant, robot.family.parameters, 2, threads=1)
    with pytest.raises(BridgeError, match="2 robots; faults of a body are in one"):
        BodyFaults(robot.family, pair, robot.spec)
