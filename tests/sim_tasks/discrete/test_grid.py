"""Grid worlds: kinds differ in what they ask, training and held-out ones in their structure."""

import numpy as np
import pytest

from sim_tasks.discrete.grid import Grid
from sim_tasks.discrete.grid_kinds import KINDS, draw
from sim_tasks.discrete.grid_layout import CELLS, OBJECTS, Layout, cell, distances, walks
from sim_tasks.errors import TaskError

STAY, UP, DOWN, LEFT, RIGHT = range(5)


def worlds(kind: str, split: str, count: int = 200) -> list[Layout]:
    return [draw(kind, split, np.random.default_rng(seed)) for seed in range(count)]


def on(layout: Layout) -> Grid:
    """An environment of one world that is told."""
    env = Grid(1, 0, kind="dense")
    env.play([layout])
    env.reset()
    return env


def run(env: Grid, *actions: int) -> list[tuple[float, bool]]:
    out = []
    for action in actions:
        env.step(np.array([[action]]))
        out.append((round(float(env.reward[0]), 6), bool(env.last[0])))
    return out


def empty(start: int, horizon: int = 10) -> Layout:
    wall = np.zeros(CELLS, bool)
    return Layout(wall, horizon, np.arange(CELLS) == start, walks(wall))


@pytest.mark.parametrize("kind", KINDS)
def test_no_training_world_is_held_out(kind):
    train, test = ({world.key() for world in worlds(kind, split)} for split in ("train", "test"))
    assert len(train) > 40
    assert len(test) > 20
    assert not train & test


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_can_be_solved(kind):
    for world in worlds(kind, "test", 60):
        assert world.start.any()
        assert not (world.start & world.wall).any()
        if kind in ("deepsea", "fall"):
            continue  # see below
        for start in np.flatnonzero(world.start)[:3]:
            away = distances(world.target, int(start))[world.place[world.present]]
            assert (away >= 0).all()
            assert kind in ("chain", "delayed") or (away <= world.horizon).all()


def test_deep_seas_hold_a_treasure_that_only_steps_to_the_right_reach():
    for world in worlds("deepsea", "train", 30):
        env, place, total, last = on(world), 0, 0.0, False
        for _ in range(world.horizon):
            right = np.flatnonzero(world.cost[place] < 0)
            assert 2 <= len(right) <= 3
            place = world.target[place, right[0]]
            ((reward, last),) = run(env, int(right[0]))
            total += reward
        assert last
        assert total == pytest.approx(1.0 - 0.01 * world.horizon / (world.horizon + 1), abs=1e-5)


def test_whoever_falls_lands_in_the_bottom_row_and_chooses_where():
    for world in worlds("fall", "train", 30):
        ends = set()
        for action in range(5):
            env = on(world)
            *before, (_, last) = run(env, *[action] * world.horizon)
            assert last
            assert not any(ended or reward for reward, ended in before)
            ends.add(int(env.cell[0]) // 7)
        assert ends == {world.horizon}
        assert len(np.unique(world.target[cell(0, 2)])) == 3


def test_few_worlds_are_those_that_all_lives_see():
    """Drawn by the seed: another number of tasks plays the same ones."""
    seen = []
    for tasks in (1, 3):
        env = Grid(tasks, 5, kind="chain", tasks=tasks, worlds=2)
        keys = set()
        for _ in range(12):
            env.renew(np.arange(tasks))
            keys |= {world.key() for world in env.layouts}
        seen.append(keys)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2
    with pytest.raises(TaskError, match="worlds: -1; valid: 0 or more"):
        Grid(1, 0, kind="chain", worlds=-1)


def test_a_walk_by_hand():
    world = empty(cell(0, 0))
    world.add(0, cell(0, 2), 0.5)
    world.add(1, cell(1, 2), -1.0, ending=1.0)
    env = on(world)
    assert env.observation[0, 0, 0, 0] == 1.0
    assert env.observation[0, 2, 0, 2] == 1.0
    assert env.observation[0, 6, 3, 3] == 1.0
    assert run(env, LEFT, UP, RIGHT, RIGHT) == [(0.0, False)] * 3 + [(0.5, False)]
    assert not env.observation[0, 2].any()
    assert env.observation[0, 6, 0, 0] == pytest.approx(0.6)
    assert run(env, STAY, DOWN, UP) == [(0.0, False), (-1.0, True), (0.0, False)]
    assert env.observation[0, 0, 0, 0] == 1.0
    assert list(env.returns()) == [-0.5]
    assert run(env, *[STAY] * 10) == [(0.0, False)] * 9 + [(0.0, True)]


def test_late_pay_is_owed_until_the_last_step():
    world = empty(cell(0, 0), horizon=4)
    world.paid_late = True
    world.add(0, cell(0, 1), 0.5)
    world.add(1, cell(0, 2), 1.0)
    env = on(world)
    assert run(env, RIGHT, RIGHT) == [(0.0, False)] * 2
    assert env.observation[0, 3 + OBJECTS, 0, 0] == 1.5
    assert run(env, STAY, STAY) == [(0.0, False), (1.5, True)]
    assert not env.observation[0, 3 + OBJECTS].any()
    assert run(env, STAY) == [(0.0, False)]
    assert not env.observation[0, 3 + OBJECTS].any()


def test_objects_come_back_as_often_as_they_should():
    world = empty(cell(0, 0), horizon=4000)
    world.add(0, cell(0, 0), 1.0, returning=0.25)
    total = sum(reward for reward, _ in run(on(world), *[STAY] * 3999))
    # A wait of 4 steps on average between finds; the one that is back is found in the same step.
    assert 900 < total < 1100


def test_actions_slip_as_often_as_they_should():
    world = empty(cell(0, 0), horizon=10**6)
    world.slip = 0.5
    world.cost[:, RIGHT] = 1.0
    total = sum(reward for reward, _ in run(on(world), *[STAY] * 4000))
    assert 340 < total < 460  # 4,000 x 0.5 / 5


def test_falling_off_the_cliff_costs_one_and_ends():
    for world in worlds("cliff", "train", 20):
        world.wind = 0.0
        env, begin = on(world), int(world.start.argmax())
        along = RIGHT if world.place[0] > begin else LEFT
        assert run(env, along) == [(-1.0, True)]
