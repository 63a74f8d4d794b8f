"""Pictures, scores and resumed episodes of Atari games."""

import ale_py
import numpy as np
import pytest
from ale_py import roms

from sim_tasks.discrete import atari
from sim_tasks.discrete.atari import Atari
from sim_tasks.errors import TaskError


def overlaps(into: int, of: int) -> np.ndarray:
    """Shares of `of` pixels in each of `into` larger ones, shape (into, of): rows sum to 1."""
    edges = np.arange(of + 1) * into / of
    low, high = (
        np.maximum(edges[:-1], np.arange(into)[:, None]),
        np.minimum(edges[1:], np.arange(1, into + 1)[:, None]),
    )
    return np.maximum(high - low, 0.0)


class Emulator:
    """The preprocessing of Mnih et al. (2015) on a plain emulator that repeats no actions."""

    def __init__(self, game: str, no_ops: int):
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.loadROM(str(roms.get_rom_path(game)))
        self.actions, self.score = self.ale.getMinimalActionSet(), 0.0
        for _ in range(no_ops):
            self.ale.act(ale_py.Action.NOOP)
        self.rows, self.columns = (np.float32(overlaps(84, of)) for of in (210, 160))
        self.columns = self.columns.T.copy()
        self.frames = [np.zeros((84, 84), np.float32)] * 3 + [self.small(self.ale.getScreenGrayscale())]

    def small(self, picture: np.ndarray) -> np.ndarray:
        return self.rows @ picture.astype(np.float32) @ self.columns

    def step(self, action: int) -> None:
        seen = []
        for _ in range(4):
            self.score += self.ale.act(self.actions[action])
            seen.append(self.ale.getScreenGrayscale())
        self.frames = [*self.frames[1:], self.small(np.maximum(*seen[2:]))]


@pytest.mark.slow
def test_pictures_are_those_of_the_standard_preprocessing():
    env = Atari(1, 2, game="Pong", sticky=0.0, full_actions=False)
    twins = [Emulator("pong", no_ops) for no_ops in range(31)]
    rng, total = np.random.default_rng(0), 0.0
    for step in range(130):
        action = int(rng.integers(6))
        env.step(np.array([[action]]))
        total += env.reward[0]
        for twin in twins:
            twin.step(action)
        twins = [
            twin for twin in twins if np.abs(np.stack(twin.frames) - env.observation).max() <= 0.51
        ]  # rounding
        assert twins, f"no number of no-ops gives the picture of step {step}"
    assert len(twins) == 1
    assert total == twins[0].score < 0.0


@pytest.mark.parametrize("seed_after", [50, 20_000])
def test_observations_are_stacks_as_declared(seed_after, monkeypatch):
    """Of the newest frames of the episode, with zeros before its first; whoever keeps frames alone relies on that."""
    monkeypatch.setattr(atari, "_REPLAY", seed_after)
    monkeypatch.setattr(atari, "EPISODE_STEPS", 40)
    env = Atari(2, 0, game="Breakout", full_actions=False)
    rng, begun, ends = np.random.default_rng(0), np.ones(2, bool), 0
    assert env.stacked == 4
    before = np.zeros_like(env.observation)
    for _ in range(130):
        before[begun] = 0
        assert np.array_equal(env.observation[:, :-1], before[:, 1:])
        assert env.observation[:, -1].any(axis=(1, 2)).all()
        before, begun = env.observation.copy(), env.last.copy()
        ends += begun.sum()
        env.step(rng.integers(0, 4, (2, 1)))
    assert ends >= 6


def test_returns_are_scores_though_rewards_are_clipped():
    whole, cut = (Atari(2, 0, game="SpaceInvaders", clip=clip) for clip in (False, True))
    taken, rewards = np.random.default_rng(0).integers(0, 18, (600, 2, 1)), []
    for action in taken:
        whole.step(action)
        cut.step(action)
        assert np.array_equal(cut.reward, np.clip(whole.reward, -1, 1))
        rewards.append(whole.reward.copy())
    assert np.max(rewards) >= 5.0  # a hit scores 5 at least
    returns = whole.returns()
    assert len(returns)
    assert np.array_equal(returns, cut.returns())
    assert returns.sum() <= np.sum(rewards)


def test_actions_are_all_18_or_those_that_do_something():
    assert Atari(1, 0, game="Pong").actions == 18
    assert Atari(1, 0, game="Pong", full_actions=False).actions == 6


@pytest.mark.parametrize("seed_after", [50, 20_000])
def test_a_state_goes_on_across_ends_and_seeds(seed_after, monkeypatch):
    monkeypatch.setattr(atari, "_REPLAY", seed_after)
    monkeypatch.setattr(atari, "EPISODE_STEPS", 40)
    env, other = (Atari(2, seed, game="Breakout", full_actions=False) for seed in (0, 1))
    taken = np.random.default_rng(0).integers(0, 4, (250, 2, 1))
    ends = 0
    for action in taken[:130]:
        env.step(action)
        ends += env.last.sum()
    assert ends >= 6
    other.restore(env.state())
    for action in taken[130:]:
        env.step(action)
        other.step(action)
        assert np.array_equal(env.observation, other.observation)
        assert np.array_equal(env.last, other.last)
    assert (env.state()["own/length"] < 100).all() == (seed_after == 50)


def test_a_state_of_other_options_is_refused():
    env = Atari(1, 0, game="Pong", full_actions=False, sticky=0.0)
    for step in range(60):
        env.step(np.array([[2 + step // 3 % 2]]))
    with pytest.raises(TaskError, match="lead elsewhere"):
        Atari(1, 0, game="Pong", full_actions=False, sticky=0.9).restore(env.state())
