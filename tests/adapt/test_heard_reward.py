"""The reward that is heard: to the bit the same in simulation and in the node's control loop, and never NaN."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.bundle import PolicyBundle, open_bundle
from adapt.errors import BundleError
from adapt.export import export_learner
from adapt.learners.rl2 import RL2Config, build_rl2
from adapt.learners.setup import Setup
from adapt.learners.varibad import VariBADConfig, build_varibad
from adapt.online.controller import AdaptiveController
from adapt.online.kinds import make_adapter
from robots import SensorFrame
from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.conversions import Reading
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import GoalReading
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.damaged import change, read, refused, write
from tests.small_bundle import hearing_policy

FAMILY = "pendulum_swingup"


class Listener:
    """Asks for random actions, and keeps the rewards that it hears."""

    def __init__(self, actions: int, seed: int = 0):
        self.rng, self.actions = np.random.default_rng(seed), actions
        self.heard: list[np.ndarray] = []

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Remembers nothing."""

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        assert (previous_reward.shape, previous_reward.dtype) == ((1, 1), np.float32)
        self.heard.append(previous_reward[0, 0].copy())
        return self.rng.uniform(-1, 1, (1, self.actions)).astype(np.float32)

    def belief(self) -> None:
        return None


def controlled(family: TaskFamily, seed: int = 0) -> tuple[ControlLoop, Listener]:
    """A node's control loop of one robot of this family."""
    adapter = Listener(family.action_size, seed)
    controller = AdaptiveController(family.robot, family.observation, adapter, reward=family.measured_reward)
    goals = family.goal and GoalKeeper(family.goal.layout(family.episode_seconds))
    return ControlLoop(family.robot, controller, goals or None), adapter


def row(frame: SensorFrame, index: int) -> Reading:
    arrays = {name: array[[index]] for name, array in vars(frame).items() if array is not None}
    return Reading(SensorFrame(**arrays), None)


@pytest.mark.parametrize("name", [FAMILY, "double_pendulum_swingup", "ur5e_reach", "ur5e_track"])
def test_simulation_and_control_loop_hear_the_same_to_the_bit(name):
    """Three robots side by side in one simulation, each driven by a control loop of its own."""
    family = load_family(name)
    env = TrialVecEnv(family, 3, 0, threads=1)
    loops = [controlled(family, seed) for seed in range(3)]
    for index, (loop, _) in enumerate(loops):
        earlier = float(env.sim.time[index]) - family.period
        before = dataclasses.replace(row(env.frame, index).frame, stamp=np.array([earlier]))
        loop.hear(Reading(before, None), earlier, earlier)
        loop.start()
    published = []
    for _ in range(150):
        commands, outputs = [], []
        for index, (loop, _) in enumerate(loops):
            time = float(env.sim.time[index])
            if family.goal is not None and env.goal is not None:
                topic = {"tool_position": "goal_pose"}.get(family.goal.kind, "goal")
                loop.hear_goal(GoalReading(env.goal[index].copy(), None, None), topic, time, time)
            output = loop.hear(row(env.frame, index), time, time)
            assert output is not None
            outputs.append(output)
            commands.append(output.command)
        told = np.array([adapter.heard[-1] for _, adapter in loops])
        assert told.tobytes() == env.previous_reward.tobytes()
        published.append([output.reward for output in outputs])
        env.apply(np.array(commands))
    rewards = np.array(published)
    assert np.isnan(rewards[0]).all(), "a trial begins: nothing is measured, and 0 is heard"
    assert np.isfinite(rewards[1:]).all()
    assert (rewards[1:].std(axis=0) > 1e-5).all()
    loop = loops[0][0]
    assert (loop.rewards, loop.reward_sum) == (149, pytest.approx(rewards[1:, 0].sum()))


@pytest.fixture
def driven() -> tuple[ControlLoop, Listener]:
    """A pendulum's control loop after ten steps near the top."""
    loop, adapter = controlled(load_family(FAMILY))
    said(loop, 0)
    loop.start()
    for k in range(1, 11):
        hear(loop, k)
    assert np.array(adapter.heard[1:]).all()
    return loop, adapter


def said(
    loop: ControlLoop, k: int, position: float = 3.0, velocity: float = 0.1, late: float = 0.0
) -> Output | None:
    """What the loop answers to reading number k."""
    time = 0.02 * k
    frame = SensorFrame(np.array([time]), np.array([[position]]), np.array([[velocity]]))
    problem = None if frame.finite[0] else "not finite"
    return loop.hear(Reading(frame, problem), time + late, time + late)


def hear(loop: ControlLoop, k: int, *given: float, **more: float) -> Output:
    """The same, of one that must be answered."""
    output = said(loop, k, *given, **more)
    assert output is not None
    return output


@pytest.mark.parametrize("broken", [{"position": np.nan}, {"velocity": np.inf}, {"velocity": -np.inf}])
def test_of_a_reading_that_is_no_number_nothing_is_heard(driven, broken):
    loop, adapter = driven
    output = hear(loop, 11, **broken)
    assert adapter.heard[-1] == 0.0
    assert np.isnan(output.reward)
    assert loop.rewards == 9, "and nothing is counted: ten steps, of which the first began the trial"
    output = hear(loop, 12)
    assert adapter.heard[-1] == np.float32(output.reward) != 0.0


def test_of_a_huge_reading_nothing_that_is_no_number_is_heard(driven):
    loop, adapter = driven
    hear(loop, 11, velocity=1e300)
    assert np.isfinite(adapter.heard[-1])


def test_of_a_stale_reading_nothing_is_heard(driven):
    loop, adapter = driven
    asked = len(adapter.heard)
    output = hear(loop, 11, late=10 * loop.spec.safety.stale_after)
    assert np.isnan(output.reward)
    assert len(adapter.heard) == asked, "the policy is not asked at all"
    silent = loop.watch(1e6)
    assert silent is not None
    assert np.isnan(silent.reward)
    stale = AdaptiveController(loop.spec, loop.controller.observation, adapter, reward=loop.controller.reward)
    frame = SensorFrame(np.zeros(1), np.array([[3.0]]), np.array([[0.1]]))
    stale.step(frame)
    step = stale.step(frame, age=1.0)
    assert step.reward is not None
    assert np.isnan(step.reward[0])
    assert adapter.heard[-1] == 0.0


def test_a_trial_begins_with_nothing(driven):
    """When somebody asks that the belief be reset, and when control begins anew."""
    loop, adapter = driven
    for begin in (loop.forget, loop.start):
        begin()
        k = 20 if begin == loop.forget else 30
        assert np.isnan(hear(loop, k).reward)
        assert adapter.heard[-1] == 0.0
        assert np.isfinite(hear(loop, k + 1).reward)
        assert adapter.heard[-1] != 0.0


def test_it_is_of_what_was_sent_and_not_of_what_was_asked_for():
    """Full torque is asked for; in the soft start little of it is sent."""
    loop, adapter = controlled(load_family(FAMILY))
    adapter.act = lambda *given, **rest: (
        adapter.heard.append(given[2][0, 0].copy()),
        np.ones((1, 1), np.float32),
    )[1]
    said(loop, 0)
    loop.start()
    hear(loop, 1)
    first, second = hear(loop, 2).reward, hear(loop, 3).reward
    # small_control is (9 + (1 - a^2)) / 10 of the action a that was sent; a tenth of a at first, two tenths then.
    assert second / first == pytest.approx((10 - 0.2**2) / (10 - 0.1**2), rel=1e-9)


def test_what_somebody_else_has_sent_counts_in_shadow_mode():
    loop, _ = controlled(load_family(FAMILY))
    controller, limit = loop.controller, loop.spec.command_limits[1, 0]
    frame = SensorFrame(np.zeros(1), np.array([[3.0]]), np.array([[0.1]]))
    controller.step(frame)
    steps = [controller.step(frame, sent=np.array([[sent]])) for sent in (0.0, limit)]
    none, full = (float(step.reward[0]) for step in steps if step.reward is not None)
    assert full / none == pytest.approx(0.9, rel=1e-9)


def test_who_has_no_reward_hears_zeros_and_says_none():
    family = dataclasses.replace(load_family(FAMILY), measured_reward=None)
    loop, adapter = controlled(family)
    said(loop, 0)
    loop.start()
    outputs = [hear(loop, k) for k in range(1, 5)]
    assert all(np.isnan(output.reward) for output in outputs)
    assert not np.array(adapter.heard).any()
    assert loop.rewards == 0


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> PolicyBundle:
    return hearing_policy(tmp_path_factory.mktemp("hearing") / "bundle", FAMILY)


@pytest.fixture
def folder(original: PolicyBundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original.path, tmp_path / "bundle"))


@pytest.mark.parametrize("name", [FAMILY, "ur5e_reach"])
def test_a_bundle_that_hears_a_reward_says_how_it_is_measured(name, original, tmp_path):
    bundle = original if name == FAMILY else hearing_policy(tmp_path / "bundle", name)
    family = load_family(name)
    assert family.measured_reward is not None
    assert bundle.manifest["reward"] == json.loads(json.dumps(family.measured_reward.manifest()))
    assert bundle.manifest["adapter"]["reward_free"] is False
    opened, _ = open_bundle(bundle.path)
    assert opened.reward is not None
    assert opened.reward.terms == family.measured_reward.terms


@pytest.mark.parametrize("value", ["missing", None])
def test_who_waits_for_a_reward_that_nobody_measures_drives_no_robot(folder, value):
    manifest = read(folder) | {"reward": value}
    if value == "missing":
        del manifest["reward"]
    write(folder, manifest)
    with pytest.raises(
        BundleError, match=r"adapter\.reward_free: the policy adapts on a reward, and the bundle has"
    ):
        open_bundle(folder)


PART = ("reward", "terms", 0, "parts", 0)


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("reward",), 1.5, "reward: expected an object, got 1.5"),
        (("reward", "combine"), "mean", "reward.combine: 'mean'; valid: product, sum"),
        (("reward", "code"), "x", "reward: unknown field 'code'; valid: combine, terms"),
        (("reward", "terms"), [], "reward.terms: expected a list of 1 to 16, got []"),
        (("reward", "terms", 0, "parts"), [], "reward.terms[0].parts: expected a list of 1 to 16"),
        (("reward", "terms", 0, "offset"), float("nan"), "reward.terms[0].offset: expected a number"),
        (("reward", "terms", 0, "name"), 5, "reward.terms[0].name: expected text"),
        ((*PART, "measured"), "reward", "parts[0].measured: 'reward'; valid: sin_position,"),
        ((*PART, "measured"), "gyro", "reward: reward term 'upright': 'gyro' is in rad/s, not in 'rad'"),
        ((*PART, "unit"), "deg", "reward: reward term 'upright': 'position' is in rad, not in 'deg'"),
        ((*PART, "weight"), float("inf"), "parts[0].weight: expected a number"),
        ((*PART, "wrapped"), 1, "parts[0].wrapped: expected true or false, got 1"),
        ((*PART, "target"), "goals", "parts[0].target: 'goals'; valid: goal"),
        ((*PART, "target"), "goal", "reward: reward term 'upright': target: the goal has 0 number(s)"),
        ((*PART, "target"), [1.0, 2.0], "reward: reward term 'upright': target: 2 number(s); expected 1"),
        ((*PART, "target"), [None], "parts[0].target[0]: expected a number"),
        ((*PART, "mix"), [[1.0, 1.0]], "reward: reward term 'upright': mix: 2 number(s); expected 1"),
        ((*PART, "mix"), [[]], "parts[0].mix[0]: expected a list of 1 to 64"),
        ((*PART, "mix"), [1.0], "parts[0].mix[0]: expected a list of 1 to 64"),
        ((*PART, "shape"), "linear", "parts[0].shape: expected an object"),
        ((*PART, "shape"), {"kind": "eval"}, "parts[0].shape.kind: 'eval'; valid: tolerance, linear, square"),
        ((*PART, "shape"), {"kind": "linear", "margin": 1.0}, "parts[0].shape: unknown field 'margin'"),
        ((*PART, "shape", "sigmoid"), "step", "shape.sigmoid: 'step'; valid: gaussian,"),
        ((*PART, "shape", "margin"), -1.0, "shape.margin: expected a number from 0"),
        ((*PART, "shape", "bounds"), [1.0, -1.0], "reward: reward term 'upright': bounds: [1.0, -1.0]"),
        ((*PART, "shape", "bounds"), [0.0], "shape.bounds: expected a list of 2"),
        ((*PART, "shape", "value_at_margin"), 1.0, "reward: reward term 'upright': value_at_margin: 1.0"),
    ],
)
def test_a_reward_that_is_not_as_declared_is_refused(folder, keys, value, words):
    change(folder, *keys, to=value)
    refused(folder, words)


def test_a_reward_is_part_of_what_the_digest_covers(folder):
    change(folder, *PART, "weight", to=0.2, sealed=False)
    refused(folder, "manifest_digest: the manifest was changed after export")


def small_rl2() -> RL2Config:
    return RL2Config(robots=16, horizon=50, episodes=1, hidden=16, embedding=16, layers=(16,))


def small_varibad() -> VariBADConfig:
    return VariBADConfig(
        robots=16, horizon=50, episodes=1, hidden=(16,), latent=2, memory=16, embedding=16, reward_decoder=(16,),
        trials=4, times=5, transitions=6, buffer=32, warm_up=8,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("build", "config"), [(build_rl2, small_rl2()), (build_varibad, small_varibad())], ids=["rl2", "varibad"]
)
def test_a_learner_that_hears_the_reward_is_trained_exported_opened_and_drives(
    build: Any, config: Any, tmp_path
):
    """And answers to the reward: without it, other commands come out."""
    learner = build(Setup(load_family(FAMILY), config, 0, 1))
    for _ in range(8):
        learner.collect()
        assert np.isfinite(list(learner.update().values())).all()
    export_learner(tmp_path / "bundle", learner, {"seed": 0}, "brief")
    bundle, spec = open_bundle(tmp_path / "bundle")
    assert bundle.reward is not None
    commands = {}
    for reward in (bundle.reward, None):
        controller = AdaptiveController(spec, bundle.observation, make_adapter(bundle), reward=reward)
        loop = ControlLoop(spec, controller)
        loop.rehearse()
        said(loop, 0)
        loop.start()
        outputs = [hear(loop, k, 3.0 + 0.1 * np.sin(k / 5)) for k in range(1, 100)]
        commands[reward] = np.array([output.requested for output in outputs])
        assert loop.rewards == (98 if reward else 0)
    assert np.isfinite(commands[bundle.reward]).all()
    assert (commands[bundle.reward][0] == commands[None][0]).all(), "nothing was heard yet"
    assert (commands[bundle.reward][2:] != commands[None][2:]).all()
