"""`walker2d_rand_params` and `hopper_rand_params`: Gymnasium's bodies, each factor alone, falls, trials."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.randomisation import FieldElement, Parameter
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.families.twin import compare, gym

NAMES = ("walker2d_rand_params", "hopper_rand_params")
FIELDS = ("body_mass", "body_inertia", "geom_friction", "dof_damping")
TWINS = {
    "walker2d_rand_params": ("Walker2d-v5", "walker2d.xml"),
    "hopper_rand_params": ("Hopper-v5", "hopper.xml"),
}


@pytest.fixture(params=NAMES, scope="module")
def family(request) -> TaskFamily:
    return load_family(request.param)


def body(family: TaskFamily, height: float = 1.25, angle: float = 0.0, moved: float = 0.0) -> Motion:
    """A body that got forward by `moved` [m] in one control step, all actions 0.5."""
    model = family.model
    qpos = np.zeros((1, model.nq))
    qpos[0, :3] = moved, height, angle
    return Motion(
        qpos, np.zeros((1, model.nv)), np.full((1, model.nu), 0.5), np.zeros((1, model.nq)), period=0.016
    )


def falls(family: TaskFamily, motion: Motion) -> bool:
    assert family.terminal is not None
    return bool(family.terminal(motion)[0])


def tumble(family: TaskFamily, sim: BatchSim, angle: float, fall: float, steps: int = 30) -> np.ndarray:
    """All bodies, bent and turned by `angle` [rad], fall at `fall` [m/s] and slide. Where they end, (N, nq)."""
    model = family.model
    qpos, qvel = np.full((sim.robots, model.nq), -0.3), np.zeros((sim.robots, model.nv))
    qpos[:, :3] = 0.0, 1.25 if angle == 0 else 0.3, angle
    qvel[:, :3] = 2.0, -fall, 1.0
    sim.reset(np.arange(sim.robots), qpos, qvel)
    for action in np.random.default_rng(0).uniform(-1, 1, (steps, 1, family.action_size)):
        sim.step(np.repeat(action, sim.robots, axis=0))
    return sim.qpos.copy()


@pytest.mark.parametrize("name", NAMES)
def test_against_gymnasium(name):
    twin, xml = TWINS[name]
    environment = gym(twin, timestep=0.004, xml_file=xml, frame_skip=4)
    family = load_family(name)

    def reward(step):
        return step.speed[0] + 1 - 0.001 * np.sum(step.action**2)

    compare(name, environment, [1.0] * len(family.parameters), reward)


def test_with_random_parameters_against_gymnasium(family):
    twin, xml = TWINS[family.name]
    environment = gym(twin, timestep=0.004, xml_file=xml, frame_skip=4)
    values = family.sample("test", 1, seed=5)[0]
    for parameter, value in zip(family.parameters, values, strict=True):
        getattr(environment.model, parameter.target.field)[parameter.target.index] *= value
    mujoco.mj_setConst(environment.model, environment.data)

    def reward(step):
        return step.speed[0] + 1 - 0.001 * np.sum(step.action**2)

    compare(family.name, environment, list(values), reward)


def test_control_step_and_horizon(family):
    assert family.model.opt.timestep == 0.004
    assert family.model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
    assert family.period == pytest.approx(0.016, abs=1e-15)
    assert family.episode_steps == 200


def test_reward_by_hand(family):
    # 0.032 m in 0.016 s are 2 m/s; alive 1; A actions of 0.5 cost 0.001 * A * 0.25.
    reward = family.reward(body(family, moved=0.032))[0]
    assert reward == pytest.approx(3 - 0.00025 * family.action_size, abs=1e-12)


def test_every_element_that_matters_is_drawn():
    # Walker: 7 masses, 7 inertias, 8 frictions (with the floor's), 6 dampings. Hopper: 4, 4, 5, 3.
    walker, hopper = (load_family(name) for name in NAMES)
    assert len(walker.parameters) == 7 + 7 + 8 + 6
    assert len(hopper.parameters) == 4 + 4 + 5 + 3
    names = [parameter.name for parameter in walker.parameters]
    assert {"torso_mass", "foot_left_inertia", "floor_friction", "leg_friction", "thigh_left_damping"} <= set(
        names
    )


def test_each_parameter_changes_its_element_and_no_other(family):
    count = len(family.parameters)
    sim = BatchSim(family.plant, family.parameters, count, threads=1)
    sim.set_parameters(np.arange(count), 1 + np.eye(count))
    for row, parameter in enumerate(family.parameters):
        own, changed = sim.get_model(row), []
        for field in FIELDS:
            values, default = getattr(own, field), getattr(family.model, field)
            for index in np.argwhere(values != default):
                changed.append((field, tuple(int(i) for i in index)))
                assert values[tuple(index)] == 2 * default[tuple(index)]
        assert changed == [(parameter.target.field, parameter.target.index)], parameter.name


def test_every_parameter_changes_the_motion(family):
    count = len(family.parameters)
    sim = BatchSim(family.plant, family.parameters, count + 1, threads=1)
    sim.set_parameters(np.arange(count + 1), np.vstack([1 + np.eye(count), np.ones(count)]))
    # The leg's capsule is thinner than its neighbours': it touches the floor in hard falls only.
    ends = np.array([tumble(family, sim, angle, fall) for angle in (0.0, 1.5, -1.5) for fall in (0.5, 8.0)])
    moved = np.abs(ends[:, :-1] - ends[:, -1:]).max(axis=(0, 2))
    still = [p.name for p, distance in zip(family.parameters, moved, strict=True) if distance < 1e-6]
    assert not still


def test_elements_that_are_not_drawn_change_nothing(family):
    """Inertia about the two other axes, torsional and rolling friction: the motion stays the same."""
    drawn = {(p.target.field, p.target.index) for p in family.parameters}
    others = [
        FieldElement(field, index)
        for field in ("body_inertia", "geom_friction")
        for index in np.ndindex(getattr(family.model, field).shape)
        if (field, index) not in drawn
    ]
    parameters = [Parameter(str(place), "1", target, 0.5, 2.0) for place, target in enumerate(others)]
    sim = BatchSim(family.plant, parameters, 2, threads=1)
    sim.set_parameters(np.arange(2), np.array([[1.0], [1.9]]) * np.ones(len(others)))
    assert (sim.get_model(1).body_inertia != family.model.body_inertia).sum() == 2 * (family.model.nbody - 1)
    first, second = tumble(family, sim, 1.5, 0.5)
    assert np.abs(first).max() > 0.1
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-9)


def test_factors_are_powers_between_minus_and_plus_three(family):
    values = family.sample("train", 4000, seed=0)
    bases = [1.3 if p.target.field == "dof_damping" else 1.5 for p in family.parameters]
    powers = np.log(values) / np.log(bases)
    assert np.abs(powers).max() <= 3 + 1e-9
    # U(-3, 3): mean 0, standard deviation sqrt(3) = 1.732; of the mean of 4000, 0.027. Independent of each other.
    np.testing.assert_allclose(powers.mean(axis=0), 0.0, atol=0.14)
    np.testing.assert_allclose(powers.std(axis=0), 1.732, atol=0.06)
    assert np.abs(np.corrcoef(powers.T) - np.eye(powers.shape[1])).max() < 0.09
    narrow = load_family(family.name, spread=1.0).sample("train", 500, seed=0)
    assert (np.abs(np.log(narrow) / np.log(bases)) <= 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("height", "angle", "down"),
    [
        (0.8, 0.0, True), (0.801, 0.0, False), (1.999, 0.0, False), (2.0, 0.0, True), (1.2, 1.0, True),
        (1.2, 0.999, False), (1.2, -1.0, True), (1.2, -0.999, False), (np.nan, 0.0, True),
    ],
)  # fmt: skip
def test_when_a_walker_has_fallen(height, angle, down):
    family = load_family("walker2d_rand_params")
    assert falls(family, body(family, height, angle)) is down


@pytest.mark.parametrize(
    ("height", "angle", "down"),
    [
        (0.7, 0.0, True), (0.701, 0.0, False), (9.0, 0.0, False), (1.2, 0.2, True), (1.2, 0.199, False),
        (1.2, -0.2, True),
    ],
)  # fmt: skip
def test_when_a_hopper_has_fallen(height, angle, down):
    family = load_family("hopper_rand_params")
    assert falls(family, body(family, height, angle)) is down


def test_a_hopper_that_spins_has_fallen():
    family = load_family("hopper_rand_params")
    for array, index in (("qvel", 4), ("qpos", 5), ("qvel", 0)):
        motion = body(family)
        getattr(motion, array)[0, index] = -100.0
        assert falls(family, motion)
        getattr(motion, array)[0, index] = -99.9
        assert not falls(family, motion)


def test_observations_clip_velocities(family):
    motion = body(family)
    motion.qvel[0, :2] = 12.0, -30.0
    seen = family.interface.observe(motion)[0]
    assert seen.shape == (family.observation_size,) == (2 * family.model.nq - 1,)
    assert seen[family.model.nq - 1 :][:2].tolist() == [10.0, -10.0]
    assert seen[:2].tolist() == [1.25, 0.0]


def test_starts_are_near_the_rest_position(family):
    env = TrialVecEnv(family, 200, seed=0, threads=1)
    assert np.abs(env.motion.qpos[:, 1] - 1.25).max() <= 0.005
    assert np.abs(env.motion.qpos[:, [0, *range(2, family.model.nq)]]).max() <= 0.005
    assert 0.004 < np.abs(env.motion.qvel).max() <= 0.005


def test_a_trial_goes_on_after_a_fall_on_the_same_body(family):
    env = TrialVecEnv(family, 4, seed=0, episodes=2, threads=1)
    task, rng = env.sim.values[0].copy(), np.random.default_rng(0)
    paid, step = env.step(rng.uniform(-1, 1, (4, family.action_size))), 1
    while not paid.terminated[0]:
        paid, step = env.step(rng.uniform(-1, 1, (4, family.action_size))), step + 1
    assert 3 < step < 100  # a random policy falls in some 10 steps
    assert not paid.done[0]
    assert not paid.truncated[0]
    # The step that ends the episode still pays for being alive: speed + 1 - 0.001 |a|^2, and speeds are a few m/s.
    assert np.isfinite(paid.reward[0])
    assert (env.episode[0], env.episode_step[0], env.new_episode[0], env.elapsed[0]) == (1, 0, 1.0, step)
    np.testing.assert_array_equal(env.sim.values[0], task)
    assert np.abs(env.motion.qpos[0, 1] - 1.25) <= 0.005
    for _ in range(200):
        paid = env.step(rng.uniform(-1, 1, (4, family.action_size)))
        np.testing.assert_array_equal(env.sim.values[0], task)
        if paid.done[0]:
            break
    assert paid.terminated[0] or paid.truncated[0]


def test_bad_options_are_named():
    with pytest.raises(TaskError, match="spread: 0; valid: a positive, finite number"):
        load_family("walker2d_rand_params", spread=0)
