"""What a simulation does depends on nothing but its seed, its number and its actions: to the last bit.

Neither the number of threads nor the simulations beside it may show.
"""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.everything import everything
from tests.sim_tasks.playing import eventful, play, random_actions, same

STEPS, EPISODE = 32, 10
"""Control steps played; of one episode. Trials are of two: three boundaries, one of them the end of a trial."""
SUITE = ("dm_control:cartpole/swingup", "dm_control:pendulum/swingup")
"""Of dm_control's suite, one that is stepped in a batch and one that is not."""
NAMES = (*family_names(), *SUITE, "everything")


def robots(family: TaskFamily) -> int:
    return 256 if family.batched else 12


def environment(family: TaskFamily, count: int, threads: int, split: str) -> TrialVecEnv:
    return TrialVecEnv(family, count, 5, stream=3, split=split, episodes=2, threads=threads)


@pytest.fixture(params=NAMES, scope="module")
def family(request) -> TaskFamily:
    made = everything() if request.param == "everything" else load_family(request.param)
    return eventful(made, EPISODE)


@pytest.fixture(scope="module")
def crowd(family) -> dict[str, np.ndarray]:
    """What many simulations do side by side, on two threads."""
    env = environment(family, robots(family), 2, "train")
    return play(env, random_actions(family, STEPS, robots(family)))


def test_enough_happens(family, crowd):
    assert crowd["new_episode"].sum(axis=0).min() >= 2
    assert crowd["done"].any(axis=0).all()
    rewards = [len(np.unique(column)) for column in crowd["reward"].T]
    if family.disjoint:  # not only a choice of a few
        assert len(np.unique(crowd["values"][0], axis=0)) == robots(family)
    assert max(rewards) > 1, "a reward that is always the same shows nothing"
    if family.goal is not None:
        assert (crowd["goal"][1:] != crowd["goal"][:-1]).any(axis=0).all()
    if family.change is not None:  # in mid-trial
        changed = (crowd["values"][1:] != crowd["values"][:-1]).any(axis=2)
        assert (changed & (crowd["elapsed"][1:] > 0)).any(axis=0).all()


def test_one_thread_and_two(family, crowd):
    env = environment(family, robots(family), 1, "train")
    same(play(env, random_actions(family, STEPS, robots(family))), crowd)


@pytest.mark.parametrize("place", [0, -3])
def test_alone_and_in_a_crowd(family, crowd, place):
    row = place % robots(family)
    streams = environment(family, robots(family), 1, "train").random.state()["keys"]
    env = environment(family, 1, 1, "train")
    env.random.restore({"keys": streams[row : row + 1], "counters": np.zeros(1, np.int64)})
    env.reset(np.array([0]))
    actions = random_actions(family, STEPS, robots(family))[:, row : row + 1]
    same(play(env, actions), crowd, rows=[row])
