"""`go2_velocity`: rewards and ends worked out by hand, goals, loads and faults, and a robot that stands for its pay."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.families.go2_rewards import REWARD, base_velocity, fallen, on_target
from sim_tasks.families.go2_velocity import FEET, GOAL, PARAMETERS
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.row_random import RowRandom
from sim_tasks.trial_env import TrialVecEnv

MASS = 15.017
"""Of the unchanged robot in [kg]; see tests of the robot."""
PERIOD = 0.02


@pytest.fixture(scope="module")
def family() -> TaskFamily:
    return load_family("go2_velocity")


def turned(axis: int, angle: float) -> np.ndarray:
    """Quaternion of a turn by `angle` [rad] about x, y or z: 0, 1 or 2."""
    out = np.zeros(4)
    out[0], out[1 + axis] = np.cos(angle / 2), np.sin(angle / 2)
    return out


def moving(
    velocity=(0.0, 0.0, 0.0),
    rate=(0.0, 0.0, 0.0),
    goal=(0.0, 0.0, 0.0),
    attitude=(1.0, 0.0, 0.0, 0.0),
    change: float = 0.0,
    height: float = 0.3,
) -> Motion:
    """One robot; `velocity` in the world, `rate` in the base's frame, all twelve actions changed by `change`."""
    qpos, qvel = np.zeros((1, 19)), np.zeros((1, 18))
    qpos[0, 2], qpos[0, 3:7] = height, attitude
    qvel[0, :3], qvel[0, 3:6] = velocity, rate
    return Motion(
        qpos,
        qvel,
        np.full((1, 12), change),
        goal=np.array([goal]),
        previous_action=np.zeros((1, 12)),
        period=PERIOD,
    )


def per_second(name: str, motion: Motion) -> float:
    return float(REWARD.terms[name](motion)[0]) / PERIOD


def nominal(family: TaskFamily, count: int = 1, **values: float) -> np.ndarray:
    """The robot as it is built, but for some parameters. Shape (count, P)."""
    out = np.tile([p.target.default(family.model) for p in family.parameters], (count, 1))
    for name, value in values.items():
        out[:, family.parameter_index(name)] = value
    return out


def standing(family: TaskFamily, values: np.ndarray) -> BatchSim:
    """Robots with the parameters `values`, in the pose in which they stand."""
    sim, ids = BatchSim(family.plant, family.parameters, len(values), 1), np.arange(len(values))
    sim.set_parameters(ids, values)
    sim.reset(ids, np.tile(family.model.key("home").qpos, (len(values), 1)), np.zeros((len(values), 18)))
    return sim


def test_all_that_is_asked_for_pays_two_and_a_tenth_a_second():
    # 1 + 0.5 + 0.2 + 0.2 + 0.2 = 2.1 per second, 0.042 per control step of 0.02 s.
    perfect = moving(velocity=(0.7, -0.3, 0.0), rate=(0.0, 0.0, 0.4), goal=(0.7, -0.3, 0.4))
    assert REWARD(perfect)[0] == pytest.approx(0.042, abs=1e-12)
    assert on_target(perfect)[0]


def test_velocity_is_meant_in_the_frame_of_the_base():
    # Turned left by a quarter, forward is the world's y and left its -x.
    quarter = turned(2, np.pi / 2)
    forward, left = base_velocity(moving(velocity=(0.2, 0.5, 0.0), attitude=quarter))
    assert (forward[0], left[0]) == (pytest.approx(0.5), pytest.approx(-0.2))
    # Nose up by 30 deg (a turn by -30 deg about y), 0.8 m/s straight up are 0.8 sin 30 = 0.4 m/s forwards.
    climbing = moving(velocity=(0.0, 0.0, 0.8), attitude=turned(1, -np.pi / 6))
    assert base_velocity(climbing)[0][0] == pytest.approx(0.4)


def test_critics_are_told_what_no_sensor_says(family):
    env = TrialVecEnv(family, 3, seed=0, threads=1)
    env.step(np.zeros((3, family.action_size)))
    task = len(family.belief_names)
    assert env.told.shape == (3, task + 3)
    assert env.told.dtype == np.float32
    np.testing.assert_array_equal(env.told[:, :task], env.context)
    forward, left = base_velocity(env.motion)
    np.testing.assert_allclose(env.told[:, task:].T, [forward, left, env.motion.qpos[:, 2]], rtol=1e-6)


def test_tracking_terms_by_hand():
    # 0.3 and 0.4 m/s away are 0.5 m/s: exp(-0.25 / 0.25) = exp(-1).
    assert per_second("velocity", moving(goal=(0.3, -0.4, 0.0))) == pytest.approx(np.exp(-1))
    # 0.5 rad/s away: 0.5 exp(-1); 1 rad/s: 0.5 exp(-4).
    assert per_second("turning", moving(rate=(0.0, 0.0, 0.5))) == pytest.approx(0.5 * np.exp(-1))
    assert per_second("turning", moving(goal=(0.0, 0.0, -1.0))) == pytest.approx(0.5 * np.exp(-4))


def test_posture_terms_by_hand():
    # Tilted by 30 deg: sin^2 = 0.25, 0.2 exp(-0.25 / 0.2); the same to all sides, and a turn about z is no tilt.
    for axis in (0, 1):
        tilted = moving(attitude=turned(axis, np.pi / 6))
        assert per_second("upright", tilted) == pytest.approx(0.2 * np.exp(-1.25))
    assert per_second("upright", moving(attitude=turned(2, 1.0))) == pytest.approx(0.2)
    # 2 * 0.3^2 + 0.05 (1^2 + 1^2) = 0.28: 0.2 / (1 + 0.28 / 0.2) = 0.2 / 2.4
    restless = moving(velocity=(0.0, 0.0, 0.3), rate=(1.0, -1.0, 0.0))
    assert per_second("steady", restless) == pytest.approx(0.2 / 2.4)
    # Twelve actions changed by 0.5: 12 * 0.25 = 3, 0.2 / (1 + 3) = 0.05
    assert per_second("smooth", moving(change=0.5)) == pytest.approx(0.05)


def test_no_motion_costs_so_that_falling_never_pays(family):
    rng = np.random.default_rng(0)
    qpos = rng.normal(size=(2000, 19))
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    wild = Motion(
        qpos,
        rng.normal(0, 10, (2000, 18)),
        rng.uniform(-1, 1, (2000, 12)),
        goal=rng.uniform(-1, 1, (2000, 3)),
        previous_action=rng.uniform(-1, 1, (2000, 12)),
        period=PERIOD,
    )
    for name, term in family.reward.terms.items():
        value = term(wild)
        assert value.shape == (2000,), name
        assert value.min() >= 0, name
    assert family.reward(wild).max() <= 0.042


@pytest.mark.parametrize(
    ("motion", "over"),
    [
        (moving(height=0.121), False),
        (moving(height=0.119), True),
        (moving(attitude=turned(0, np.radians(69))), False),
        (moving(attitude=turned(0, np.radians(71))), True),
        (moving(attitude=turned(1, np.radians(-71))), True),
        (moving(attitude=turned(2, np.radians(170))), False),
        (moving(attitude=turned(0, np.pi)), True),
    ],
)
def test_an_episode_ends_on_the_belly_or_beyond_seventy_degrees(motion, over):
    assert fallen(motion).tolist() == [over]


def test_on_target_is_within_a_quarter_of_both():
    assert on_target(moving(goal=(0.24, 0.0, 0.24))).tolist() == [True]
    assert on_target(moving(goal=(0.26, 0.0, 0.0))).tolist() == [False]
    assert on_target(moving(goal=(0.2, 0.2, 0.0))).tolist() == [False]  # 0.28 m/s
    assert on_target(moving(goal=(0.0, 0.0, -0.26))).tolist() == [False]


def test_goals_fill_their_range_and_a_tenth_asks_to_stand():
    goals = GOAL.draw(RowRandom([3], 5000).all, 5000)
    still = (goals == 0).all(axis=1)
    # 5000 draws: 0.1 +- 0.0042
    assert still.mean() == pytest.approx(0.1, abs=0.02)
    np.testing.assert_allclose(np.abs(goals).max(axis=0), [1.0, 0.5, 1.0], rtol=0.01)
    assert (np.abs(goals) <= [1.0, 0.5, 1.0]).all()
    np.testing.assert_allclose(goals.mean(axis=0), 0.0, atol=0.05)


def test_a_goal_is_seen_and_lasts_three_to_eight_seconds(family):
    env = TrialVecEnv(family, 24, seed=0, threads=1, changes=False)
    columns, scale = family.observation.columns("goal")
    goal = env.goal
    assert goal is not None
    changes, before = [], goal.copy()
    for step in range(410):
        env.step(np.zeros((24, 12)))
        np.testing.assert_allclose(env.observation[:, columns], scale * goal, rtol=1e-6)
        fresh = (goal != before).any(axis=1) & (env.episode_step > 0)
        changes += [(step + 1, robot) for robot in np.flatnonzero(fresh)]
        before = goal.copy()
    first = {}
    for step, robot in changes:
        first.setdefault(robot, step)
    # 3 s are 150 control steps, 8 s are 400. Who stands by the old and the new goal shows no change.
    assert 150 <= min(first.values()) <= max(first.values()) <= 401
    assert len(first) >= 20


def test_noise_is_that_of_the_uniform_one_in_the_literature():
    # Uniform on [-a, a] has the variance a^2 / 3: 0.01 rad become 0.00577, 1.5 rad/s 0.866, 0.2 rad/s 0.115.
    highest = {p.name: p.high for p in PARAMETERS}
    assert highest["position_noise"] == pytest.approx(0.005774, abs=1e-6)
    assert highest["velocity_noise"] == pytest.approx(0.866025, abs=1e-6)
    assert highest["gyro_noise"] == pytest.approx(0.115470, abs=1e-6)
    assert highest["gravity_noise"] == pytest.approx(0.028868, abs=1e-6)


def test_a_payload_adds_its_mass_on_the_back(family):
    sim = standing(family, np.concatenate([nominal(family), nominal(family, payload=3.0)]))
    bare, loaded = sim.get_model(0), sim.get_model(1)
    assert bare.body_mass.sum() == pytest.approx(MASS, abs=1e-9)
    assert loaded.body_mass.sum() == pytest.approx(MASS + 3.0, abs=1e-9)
    base = loaded.body("base").id
    # (6.921 * -0.005366 + 3 * 0.08) / 9.921 = 0.02045 m above the base's origin
    assert loaded.body_ipos[base, 2] == pytest.approx(0.020448, abs=1e-5)
    # 10 % more of everything: 1.1 * 15.017
    heavy = standing(family, nominal(family, link_mass=1.1)).get_model(0)
    assert heavy.body_mass.sum() == pytest.approx(1.1 * MASS, abs=1e-9)


def test_a_weak_joint_gives_its_share_of_the_torque_and_no_other_does(family):
    # Joint 5 is FR_calf.
    healthy = nominal(family)
    weak = nominal(family, faulty_joint=5.0, fault_strength=0.4)
    sim = standing(family, np.concatenate([healthy, weak]))
    force = sim.bind("actuator_force")
    sim.step(np.tile(family.robot.default_position + 0.1, (2, 1)), substeps=1)
    # 0.1 rad from a servo of 40 N m/rad that is at rest: 4 N m, of which 0.4 are left: 1.6 N m.
    np.testing.assert_allclose(force[0], 4.0, atol=1e-9)
    np.testing.assert_allclose(force[1], [1.6 if joint == 5 else 4.0 for joint in range(12)], atol=1e-9)


def test_a_locked_joint_stays_where_it_is(family):
    locked = nominal(family, faulty_joint=5.0, fault_strength=1.0, fault_friction=60.0)
    sim = standing(family, np.concatenate([nominal(family), locked]))
    command = np.tile(family.robot.default_position, (2, 1))
    command[:, 4:6] += (0.2, -0.4)
    for _ in range(50):
        assert not sim.step(command).any()
    moved = sim.position[:, 5] - (-1.5)
    # The healthy calf follows its command but for what the servo gives under load; the locked one stays.
    assert moved[0] < -0.25
    assert abs(moved[1]) < 0.01
    assert sim.position[1, 4] - 0.8 > 0.1, "the thigh above it still moves"


def test_authority_tells_of_each_joint_how_much_is_left(family):
    weak = nominal(family, faulty_joint=5.0, fault_strength=0.4, motor_strength=0.9)
    locked = nominal(family, faulty_joint=0.0, fault_friction=60.0, fault_strength=0.7)
    named = family.named(np.concatenate([weak, locked, nominal(family)]))
    # 0.9 * 0.4 = 0.36; locked counts as 0.1; all others have the motor's strength.
    np.testing.assert_allclose(named["authority_FR_calf"], [0.36, 1.0, 1.0])
    np.testing.assert_allclose(named["authority_FL_hip"], [0.9, 0.1, 1.0])
    np.testing.assert_allclose(named["authority_RR_calf"], [0.9, 1.0, 1.0])


def test_a_slope_turns_gravity_and_leaves_the_ground(family):
    sim = standing(family, nominal(family, slope_y=0.1))
    # About y by 0.1 rad: 9.81 sin 0.1 = 0.979 along -x, 9.81 cos 0.1 = 9.761 down.
    np.testing.assert_allclose(sim.field("opt.gravity")[0], [-0.97937, 0.0, -9.76099], atol=1e-4)


def test_starts_stand_on_the_ground_whichever_way_they_look(family):
    qpos, qvel = family.start(RowRandom([1], 200).all, 200)
    np.testing.assert_allclose(np.linalg.norm(qpos[:, 3:7], axis=1), 1.0)
    assert np.abs(qvel[:, :6]).max() <= 0.3
    assert not qvel[:, 6:].any()
    data, lowest = mujoco.MjData(family.model), []
    for row in qpos:
        data.qpos[:] = row
        mujoco.mj_kinematics(family.model, data)
        lowest.append(min(data.geom(foot).xpos[2] for foot in FEET) - 0.022)
    # Never deep in the ground, and never a fall of more than a hand.
    assert -0.03 < min(lowest) < max(lowest) < 0.06
    forward = 1 - 2 * (qpos[:, 5] ** 2 + qpos[:, 6] ** 2)
    assert forward.min() < -0.9
    assert forward.max() > 0.9


def test_a_healthy_robot_that_is_asked_to_stand_is_paid_for_it(family):
    still = replace(GOAL, draw=lambda rng, count: np.zeros((count, 3)))
    env = TrialVecEnv(replace(family, goal=still), 8, seed=0, threads=1, changes=False)
    quiet = {p.name: p.low for p in family.parameters if p.name.endswith("_noise")}
    env.reset(np.arange(8), nominal(family, 8, **quiet))
    rewards = []
    for _ in range(150):
        transition = env.step(np.zeros((8, 12)))
        assert not transition.terminated.any()
        rewards.append(transition.reward)
    # Of 0.042: it stands after the soft start of 1 s.
    assert np.mean(rewards[75:]) > 0.98 * 0.042
    assert family.success(env.motion).all()
