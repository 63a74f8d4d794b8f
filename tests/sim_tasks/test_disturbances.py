"""`Disturbances`: pushes, changes and jitter come when they should, and have the size that they should have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest

from sim_tasks.batch_sim import BatchSim
from sim_tasks.disturbances import Disturbances
from sim_tasks.family import Change, Pushes, TaskFamily
from sim_tasks.plant import model_plant
from sim_tasks.randomisation import (
    CELLS,
    TEST_EVERY,
    ActionDelay,
    BodyMass,
    ControlJitter,
    Parameter,
    PushSpeed,
)
from sim_tasks.row_random import RowRandom
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.slider import MODEL, PERIOD, slider

MASS = Parameter("mass", "kg", BodyMass("block"), 0.5, 2.0, distribution="log_uniform")
PUSH = Parameter("push", "m/s", PushSpeed(), 0.0, 0.8, ood="none")
DELAY = Parameter("delay", "s", ActionDelay(), 0.0, 0.1, ood="none")
JITTER = Parameter("jitter", "s", ControlJitter(), 0.0, 0.2, ood="none")
BUFFERED = MODEL.replace("<motor ", '<motor nsample="8" interp="linear" ')
TRIAL = 200


def family(*parameters: Parameter, **changes: Any) -> TaskFamily:
    plant = model_plant("slider", mujoco.MjModel.from_xml_string(BUFFERED), substeps=1, joints=("rail",))
    return replace(slider(), plant=plant, parameters=parameters, episode_seconds=TRIAL * PERIOD, **changes)


def begun(
    family: TaskFamily, robots: int, seed: int = 0, first: int = 0, split: str = "train"
) -> tuple[Disturbances, BatchSim, RowRandom]:
    sim = BatchSim(family.plant, family.parameters, robots, threads=1)
    random = RowRandom([seed], robots, first)
    disturbances = Disturbances(family, sim, TRIAL, split, changes=True)
    disturbances.begin_trial(np.arange(robots), random.all)
    return disturbances, sim, random


def pushes(
    disturbances: Disturbances, sim: BatchSim, random: RowRandom, steps: int = TRIAL
) -> tuple[np.ndarray, np.ndarray]:
    """Changes of velocity after each step, shape (T, N), and whether there was one."""
    jumps = []
    for step in range(1, steps + 1):
        sim.qvel[:] = 0.0
        disturbances.push(np.full(sim.robots, step), random)
        jumps.append(sim.qvel[:, 0].copy())
    return np.array(jumps), np.array(jumps) != 0


def test_pushes_are_as_far_apart_as_the_family_says():
    chosen = family(MASS, pushes=Pushes(every=(0.5, 1.5), speed=0.4, dofs=(0,)))
    jumps, pushed = pushes(*begun(chosen, 300))
    gaps = np.concatenate([np.diff(np.flatnonzero(row), prepend=-1) for row in pushed.T])
    # 5 to 15 control steps of 0.1 s, uniform but for rounding; of some 5900 gaps the mean is good to 2.9 / 77.
    assert gaps.min() == 5
    assert gaps.max() == 15
    assert gaps.mean() == pytest.approx(10.0, abs=4 * 2.9 / 77)
    sizes = jumps[pushed]
    # Uniform in +-0.4: standard deviation 0.4 / sqrt 3.
    assert np.abs(sizes).max() <= 0.4
    assert sizes.std() == pytest.approx(0.4 / np.sqrt(3), rel=0.03)
    assert abs(sizes.mean()) < 4 * 0.231 / np.sqrt(len(sizes))


def test_a_parameter_sets_the_push_of_each_simulation():
    chosen = family(MASS, PUSH, pushes=Pushes(every=(0.1, 0.1), speed=99.0, dofs=(0,)))
    disturbances, sim, random = begun(chosen, 3)
    sim.set_parameters(np.arange(3), np.array([[1, 0.0], [1, 0.2], [1, 0.8]]))
    jumps, _ = pushes(disturbances, sim, random)
    # 200 draws reach beyond 95 % of the range but for a chance of 0.95^200 = 4e-5.
    largest = np.abs(jumps).max(axis=0)
    assert largest[0] == 0.0
    assert 0.19 < largest[1] <= 0.2
    assert 0.76 < largest[2] <= 0.8


def test_a_simulation_alone_is_pushed_as_among_others():
    chosen = family(MASS, pushes=Pushes(every=(0.3, 2.0), speed=0.4, dofs=(0,)))
    together, _ = pushes(*begun(chosen, 40))
    for robot in (0, 17, 39):
        alone, _ = pushes(*begun(chosen, 1, first=robot))
        np.testing.assert_array_equal(alone[:, 0], together[:, robot])


def test_changes_come_as_often_as_said_after_the_first_quarter_and_draw_their_parameter_alone():
    chosen = family(MASS, PUSH, change=Change("mass", probability=0.6, knock=0.5))
    disturbances, sim, random = begun(chosen, 2000)
    happens = disturbances.change_step <= TRIAL
    # 2000 trials at 0.6: standard deviation 0.011; four times that.
    assert happens.mean() == pytest.approx(0.6, abs=0.044)
    moments = disturbances.change_step[happens]
    assert moments.min() >= TRIAL // 4
    # Uniform from 50 to 200: mean 125, good to 43 / sqrt(1200).
    assert moments.mean() == pytest.approx(125, abs=4 * 43 / np.sqrt(1200))
    before = sim.values.copy()
    ids, values = disturbances.new_physics(disturbances.change_step.copy(), random)
    np.testing.assert_array_equal(ids, np.arange(2000))
    assert (values[:, 0] != before[:, 0]).all()
    assert ((values[:, 0] >= 0.5) & (values[:, 0] <= 2.0)).all()
    np.testing.assert_array_equal(values[:, 1], before[:, 1])
    knocks = sim.qvel[:, 0]
    assert 0.49 < np.abs(knocks).max() <= 0.5
    assert knocks.std() == pytest.approx(0.5 / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize(("split", "held_out"), [("train", False), ("test", True)])
def test_a_changed_task_is_of_the_same_split(split, held_out):
    """The mass keeps the splits apart: every eighth of its 1024 cells, in the logarithm of 0.5 to 2, is held out."""
    chosen = family(MASS, change=Change("mass", probability=1.0))
    disturbances, _, random = begun(chosen, 500, split=split)
    _, values = disturbances.new_physics(disturbances.change_step.copy(), random)
    cells = np.floor(np.log(values[:, 0] / 0.5) / np.log(4.0) * CELLS + 1e-6)
    assert ((cells % TEST_EVERY == TEST_EVERY - 1) == held_out).all()


def test_staggered_trials_are_not_all_pushed_at_once():
    often = Pushes(every=(0.5, 1.5), speed=0.4, dofs=(0,))
    chosen = replace(slider(), pushes=often, change=None, episode_seconds=TRIAL * PERIOD)
    env = TrialVecEnv(chosen, 300, 0, threads=1)
    env.stagger()
    assert env.elapsed.max() > 100  # of 200
    speeds = []
    for _ in range(20):
        env.step(np.zeros((300, chosen.action_size)))
        speeds.append(env.sim.qvel[:, 0].copy())
    pushed = np.abs(np.diff(speeds, axis=0, prepend=speeds[0][None])) > 1e-3
    # Waits are 5 to 15 control steps: nobody is pushed before, and a tenth or so of them in any step after.
    assert not pushed[:4].any()
    assert pushed[4:15].mean(axis=1).max() < 0.25


def test_nothing_changes_before_its_moment():
    disturbances, sim, random = begun(family(MASS, change=Change("mass", probability=1.0, knock=0.5)), 50)
    disturbances.change_step[:] = 60
    for step in (1, 59, 61, TRIAL):
        ids, values = disturbances.new_physics(np.full(50, step), random)
        assert values.shape == (len(ids), 1) == (0, 1)
    assert not sim.qvel.any()


def test_jitter_is_uniform_up_to_its_own_size_on_top_of_the_delay():
    chosen = family(DELAY, JITTER)
    disturbances, sim, random = begun(chosen, 400)
    values = np.tile([0.1, 0.2], (400, 1))
    values[200:] = [0.05, 0.0]
    sim.set_parameters(np.arange(400), values)
    delays = []
    for _ in range(50):
        disturbances.before_step(random.all)
        delays.append(sim.field("actuator_delay")[:, 0].copy())
    delays = np.array(delays)
    extra = delays[:, :200] - 0.1
    # 10,000 draws of U(0, 0.2): mean 0.1 good to 0.0577 / 100.
    assert extra.min() >= 0
    assert 0.199 < extra.max() < 0.2
    assert extra.mean() == pytest.approx(0.1, abs=4 * 0.000577)
    assert extra.std() == pytest.approx(0.2 / np.sqrt(12), rel=0.03)
    assert abs(np.corrcoef(extra[1:].ravel(), extra[:-1].ravel())[0, 1]) < 4 / np.sqrt(9800)
    np.testing.assert_allclose(delays[:, 200:], 0.05, atol=1e-15)


def test_a_jittered_command_arrives_that_much_later():
    disturbances, sim, random = begun(family(DELAY, JITTER), 1)
    sim.set_parameters(np.array([0]), np.array([[0.1, 0.2]]))
    disturbances.before_step(random.all)
    delay = sim.field("actuator_delay")[0, 0]
    for _ in range(4):
        sim.step(np.ones((1, 1)))
    # 1 N on 1 kg from `delay` on, between time steps of 0.1 s on a straight line.
    assert sim.qvel[0, 0] == pytest.approx(0.4 - delay, abs=1e-12)


def test_without_jitter_nothing_is_drawn():
    disturbances, _, random = begun(family(DELAY), 3)
    before = random.counters.copy()
    disturbances.before_step(random.all)
    np.testing.assert_array_equal(random.counters, before)


def test_disturbances_go_on_from_a_saved_state():
    chosen = family(
        MASS, pushes=Pushes(every=(0.3, 2.0), speed=0.4, dofs=(0,)), change=Change("mass", probability=0.5)
    )
    disturbances, sim, random = begun(chosen, 20)
    pushes(disturbances, sim, random, 30)
    saved, streams = disturbances.state(), random.state()
    expected, _ = pushes(disturbances, sim, random)
    other, fresh, again = begun(chosen, 20, seed=8)
    other.restore({name: array.tolist() for name, array in saved.items()})
    again.restore(streams)
    np.testing.assert_array_equal(pushes(other, fresh, again)[0], expected)
    np.testing.assert_array_equal(other.change_step, saved["change_step"])
