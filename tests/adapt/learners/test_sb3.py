"""stable-baselines3 as learners: what they hear, what of them is saved, what a robot gets, and that they learn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adapt.bundle import PolicyBundle, load_bundle
from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.cli import main
from adapt.errors import AdaptError
from adapt.export import export_learner, make_bundle
from adapt.learners.sb3 import (
    build_sb3_ppo,
    build_sb3_recurrent_ppo,
    build_sb3_sac,
)
from adapt.learners.sb3_env import Watched, normaliser_module
from adapt.learners.sb3_learner import SB3Learner
from adapt.learners.sb3_on_policy import PPOLearner
from adapt.learners.setup import Setup
from adapt.networks.sb3_steps import lstm_cell
from adapt.online.controller import AdaptiveController
from adapt.online.kinds import make_adapter
from adapt.train import load_learner, train
from robots.action import ActionLayout
from sim_tasks.doors.sb3_env import AdaptVecEnv
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.small import SB3_PPO, SB3_RECURRENT_PPO, SB3_SAC, differences, request
from tests.small_bundle import FAMILY, perturb

BUILDS: dict[str, Any] = {
    "sb3_ppo": (build_sb3_ppo, SB3_PPO),
    "sb3_sac": (build_sb3_sac, SB3_SAC),
    "sb3_recurrent_ppo": (build_sb3_recurrent_ppo, SB3_RECURRENT_PPO),
}
every_one = pytest.mark.parametrize("name", BUILDS)
SHORT = dataclasses.replace(load_family(FAMILY), episode_seconds=0.24)
"""Episodes of 12 control steps of 20 ms: they end within a rollout of 10."""


def small(name: str, family: Any = FAMILY, seed: int = 0, **changes: Any) -> Any:
    build, config = BUILDS[name]
    family = load_family(family) if isinstance(family, str) else family
    return build(Setup(family, dataclasses.replace(config, **changes), seed, 1))


def trained(name: str, family: Any = FAMILY, iterations: int = 4, **changes: Any) -> Any:
    """Statistics and networks that are not those of the beginning; decisions that answer visibly to every input."""
    learner = small(name, family, **changes)
    run(learner, iterations)
    perturb(learner.model.policy, size=0.3)
    return learner


def run(learner: SB3Learner, iterations: int) -> list[dict[str, float]]:
    metrics = []
    for _ in range(iterations):
        learner.collect()
        metrics.append(learner.update())
    return metrics


class Theirs:
    """`model.predict(deterministic=True)` as a user of SB3 calls it, memory carried, observations normalised."""

    def __init__(self, learner: SB3Learner):
        self._learner, self._memory = learner, None

    def act(self, heard: np.ndarray, new_episode: np.ndarray) -> np.ndarray:
        """What is heard, shape (N, F), and whether an episode begins, (N,), to actions (N, A)."""
        seen = self._learner.normalised.normalize_obs(heard)
        assert isinstance(seen, np.ndarray)
        action, self._memory = self._learner.model.predict(
            seen, state=self._memory, episode_start=new_episode, deterministic=True
        )
        return action


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, PolicyBundle]]:
    """Trained on pendulums, and the bundle; not to be changed."""

    @lru_cache
    def of(name: str) -> tuple[Any, PolicyBundle]:
        learner = trained(name)
        return learner, export_learner(tmp_path_factory.mktemp(name) / "bundle", learner, {}, "")

    return of


@every_one
@pytest.mark.parametrize("family", [FAMILY, "point_robot"])
def test_the_bundle_does_what_predict_does(name, family, exported):
    """200 steps of 3 robots, episodes beginning on the way; who has a memory hears the reward."""
    if family == FAMILY:
        learner, bundle = exported(name)
    else:
        learner = trained(name, family)
        bundle = make_bundle(learner, {}, "")
    adapter, theirs = make_adapter(bundle, 3), Theirs(learner)
    hears, rng, actions = learner.watched, np.random.default_rng(0), []
    sizes = learner.env.observation.shape[1], learner.env.previous_action.shape[1], 1
    for t in range(200):
        observation, sent, reward = (rng.normal(size=(3, size)).astype(np.float32) for size in sizes)
        begins = (rng.random(3) < 0.1) | (t == 0)
        reward[begins], sent[begins] = 0.0, 0.0
        past = [sent] * hears.hears_past + [reward] * hears.hears_reward
        flag = begins.astype(np.float32)[:, None]
        actions.append(adapter.act(observation, sent, reward, flag, np.ones(3, dtype=bool)))
        wanted = theirs.act(np.concatenate([observation, *past], axis=1), begins)
        np.testing.assert_allclose(actions[-1], wanted, rtol=0, atol=1e-5)
    assert np.std(actions) > 0.05, "actions that are all alike would hide a difference"
    assert hears.hears_reward is (name == "sb3_recurrent_ppo")


def drive(bundle: PolicyBundle, learner: SB3Learner, robots: int = 2) -> np.ndarray:
    """200 control steps of simulated pendulums under the robots' own controller; asks for what SB3 would. Speeds."""
    family = load_family(FAMILY)
    env = TrialVecEnv(family, robots, seed=3, threads=1, changes=False)
    controller = AdaptiveController(
        family.robot, family.observation, make_adapter(bundle, robots), robots, reward=bundle.reward
    )
    controller.reset(position=env.frame.position)
    layout, theirs, speeds = ActionLayout(family.robot), Theirs(learner), []
    for t in range(200):
        past = [env.previous_action] * learner.watched.hears_past
        past += [env.previous_reward[:, None]] * learner.watched.hears_reward
        wanted = theirs.act(np.concatenate([env.observation, *past], axis=1), np.full(robots, t == 0))
        step = controller.step(env.frame, goal=env.goal)
        np.testing.assert_allclose(layout.to_action(step.requested), wanted, rtol=0, atol=1e-5)
        env.apply(step.command)
        speeds.append(env.motion.velocity.copy())
    return np.array(speeds)


@every_one
def test_a_bundle_drives_the_pendulum_as_sb3_would(name, exported):
    learner, bundle = exported(name)
    speeds = drive(bundle, learner)
    assert np.isfinite(speeds).all()
    assert np.abs(speeds).max() > 0.5, "a pendulum that hangs proves nothing"


def test_a_run_of_sb3_ppo_is_exported_by_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(SB3_PPO, learning_rate=0.03)  # actions of a fresh policy are almost nothing
    train(request("sb3_ppo", Path("run"), config=config))
    assert main(["export", "run"]) == 0
    learner = load_learner(Path("run"))
    assert isinstance(learner, PPOLearner)
    speeds = drive(load_bundle(Path("run/bundle")), learner)
    assert np.abs(speeds).max() > 0.1
    assert "sb3_ppo" in Path("run/bundle/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "run/bundle" in capsys.readouterr().err


def test_the_past_is_heard_as_it_was():
    """Against the rewards and actions of the door itself, over the end of an episode."""
    family = dataclasses.replace(load_family("point_robot"), episode_seconds=5.0)  # 5 steps of 1 s
    watched, door = (AdaptVecEnv(family, 2, seed=7, threads=1) for _ in range(2))
    env, rng, total = Watched(watched, hears_past=True), np.random.default_rng(0), 0.0
    np.testing.assert_array_equal(env.reset(), np.concatenate([door.reset(), np.zeros((2, 3))], axis=1))
    for t in range(1, 8):
        asked = rng.uniform(-2, 2, (2, 2)).astype(np.float32)
        heard, reward, done, infos = env.step(asked)
        observation, expected, _, plain = door.step(asked)
        np.testing.assert_array_equal(reward, expected)
        assert done.tolist() == [t == 5] * 2
        last = np.concatenate([np.clip(asked, -1, 1), expected[:, None]], axis=1)
        past = np.zeros((2, 3)) if t == 5 else last
        assert isinstance(heard, np.ndarray)
        np.testing.assert_allclose(heard, np.concatenate([observation, past], axis=1), atol=1e-6)  # type: ignore[list-item]
        for row in np.flatnonzero(done):
            ends = [*plain[row]["terminal_observation"], *last[row]]
            np.testing.assert_allclose(infos[row]["terminal_observation"], ends, atol=1e-6)
        total += float(expected.sum())
    report = env.report()
    assert report["reward"] == pytest.approx(total / 14)
    assert env.report()["return"] == report["return"]


def test_only_a_measurable_reward_is_heard():
    dog = load_family("go2_velocity").observation_size  # it measures none; 12 actions
    for family, size, bare in (
        ("point_robot", 2 + 2 + 1, 2),
        (FAMILY, 3 + 1 + 1, 3),
        ("go2_velocity", dog + 12, dog),
    ):
        for hears, expected in ((True, size), (False, bare)):
            learner = small("sb3_recurrent_ppo", family, hears_past=hears)
            assert learner.model.observation_space.shape == (expected,)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_normaliser_is_vec_normalize(normalise):
    learner = small("sb3_ppo", normalise=normalise)
    run(learner, 3)
    seen = np.random.default_rng(0).normal(0, 30, (50, 3)).astype(np.float32)  # some beyond the clip
    module = normaliser_module(learner.normalised)
    expected = learner.normalised.normalize_obs(seen)
    np.testing.assert_allclose(module(torch.from_numpy(seen)), expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(expected, seen) is not normalise


@torch.no_grad()
def test_an_lstm_cell_is_the_lstm_step_by_step():
    torch.manual_seed(0)
    lstm, inputs = nn.LSTM(3, 5), torch.randn(7, 2, 3)
    wanted, _ = lstm(inputs)
    state = (torch.zeros(2, 5), torch.zeros(2, 5))
    for t in range(7):
        state = lstm_cell(lstm)(inputs[t], state)
        torch.testing.assert_close(state[0], wanted[t])


@every_one
@pytest.mark.parametrize("normalise", [True, False])
def test_a_training_resumes_to_the_last_bit_over_ends_of_episodes(name, normalise, tmp_path):
    whole = small(name, SHORT, normalise=normalise)
    run(whole, 6)
    save_checkpoint(tmp_path / "middle", whole.state())
    metrics = run(whole, 4)
    assert "return" in metrics[0], "an episode has ended"
    resumed = small(name, SHORT, seed=9, normalise=normalise)
    resumed.restore(load_checkpoint(tmp_path / "middle"))
    assert run(resumed, 4) == metrics
    save_checkpoint(tmp_path / "end", whole.state())
    assert differences(load_checkpoint(tmp_path / "end"), resumed.state()) == []


def test_the_replay_buffer_is_saved_while_it_fills_and_after_it_has_turned_over(tmp_path):
    """120 control steps are 15 of 8 robots: full after 15 of 4 x 4 = 16 steps."""
    learner = small("sb3_sac")
    for iterations, stored, position in ((3, 12, 12), (1, 15, 1)):
        run(learner, iterations)
        save_checkpoint(tmp_path / "checkpoint", learner.state())
        saved = load_checkpoint(tmp_path / "checkpoint")["buffer"]
        assert saved["observations"].shape == (stored, 8, 3)
        assert (saved["position"], saved["full"]) == (position, iterations == 1)
        other = small("sb3_sac", seed=5)
        other.restore(load_checkpoint(tmp_path / "checkpoint"))
        for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
            ours, theirs = (getattr(each.model.replay_buffer, name) for each in (learner, other))
            np.testing.assert_array_equal(ours, theirs)


FORGOTTEN = [
    *[("sb3_ppo", part) for part in ("policy", "optimizers", "normaliser", "observation", "torch_rng", "numpy_rng")],
    *[("sb3_recurrent_ppo", part) for part in ("memory", "normaliser", "numpy_rng")],
    *[("sb3_sac", part) for part in ("buffer", "optimizers", "log_entropy_weight", "numpy_rng", "torch_rng")],
    ("sb3_sac", "original_observation"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "part"), FORGOTTEN)
def test_every_part_of_the_state_counts(name, part):
    whole, other = small(name), small(name, seed=5)
    run(whole, 4)
    state = _copied(whole.state())
    metrics = run(whole, 3)
    run(other, 4)
    foreign = _copied(other.state())
    whole.restore(state)
    assert run(whole, 3) == metrics
    whole.restore(state | {part: foreign[part]})
    assert run(whole, 3) != metrics


def test_random_actions_of_the_warm_up_go_on_where_they_were():
    whole, resumed = (small("sb3_sac", seed=seed, warm_up=1000) for seed in (0, 5))
    run(whole, 2)
    state = _copied(whole.state())
    metrics = run(whole, 2)
    assert metrics[0].keys() == {"reward"}, "nothing is learnt yet"
    resumed.restore(state)
    assert run(resumed, 2) == metrics
    resumed.restore(state | {"action_rng": small("sb3_sac", seed=5).state()["action_rng"]})
    assert run(resumed, 2) != metrics


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def test_simulations_of_two_seeds_meet_other_tasks():
    """Of seeds 0 and 1; SB3's own seeding has all but one in common."""
    tasks = [small("sb3_ppo", seed=seed).env.sim.values for seed in (0, 1)]
    assert len(np.unique(np.concatenate(tasks), axis=0)) == 16


@pytest.mark.parametrize(("batch", "words"), [(30, "batch: 30"), (1, "batch: 1;")])
def test_minibatches_that_do_not_divide_the_data_are_refused(batch, words):
    with pytest.raises(AdaptError, match=f"{words}.*divisor, above 1, of robots x horizon = 80"):
        small("sb3_ppo", batch=batch)


@every_one
def test_what_is_not_finite_is_reported_and_raises_nothing(name):
    learner = small(name)
    run(learner, 3)
    learner.collect()
    with torch.no_grad():
        for parameter in learner.model.policy.parameters():
            parameter.fill_(math.nan)
    losses = learner.update()
    assert any(math.isnan(value) for value in losses.values())


def test_the_learning_rate_stays_as_it_is_unless_it_is_told_to_fall():
    for end, expected in ((1.0, 3e-4), (0.0, 1.5e-4)):
        learner = small("sb3_sac", rate_end=end)
        learner.set_progress(0.5)
        run(learner, 2)
        assert [each.param_groups[0]["lr"] for each in learner.optimizers().values()] == [expected] * 3


def test_nothing_is_printed(capfd):
    for name in BUILDS:
        run(small(name, SHORT), 5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "can"), [("sb3_ppo", False), ("sb3_sac", False), ("sb3_recurrent_ppo", True)]
)
def test_only_a_memory_that_hears_the_reward_can_know_a_hidden_goal(name, can):
    """Two points that start alike, with goals at 0.3 and 2.8 rad, which the reward alone tells apart."""
    learner = trained(name, "point_robot")
    env = TrialVecEnv(load_family("point_robot"), 2, seed=0, threads=1)
    env.reset(np.arange(2), np.array([[0.3], [2.8]]))
    adapter, reward, apart = make_adapter(make_bundle(learner, {}, ""), 2), np.zeros((2, 1), np.float32), []
    for _ in range(20):
        action = adapter.act(
            env.observation, env.previous_action, reward, env.new_episode[:, None], np.ones(2, dtype=bool)
        )
        reward = env.step(action).reward[:, None].astype(np.float32)
        apart.append(np.abs(env.observation[0] - env.observation[1]).max())
    assert apart[0] == 0.0
    assert bool(apart[-1] > 0.0) is can
