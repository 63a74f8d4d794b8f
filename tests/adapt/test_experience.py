"""A window of experience: what belongs together stays together, and nothing that is not finite gets in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from adapt.online.controller import AdaptiveController
from adapt.online.experience import Window
from adapt.online.gradient import Acted, GradientAdapter
from adapt.online.learning import OnRobotLearning
from adapt.online.trial import BLOCKS, at_a_block, fallen, limited_more
from robots import RobotSpec, SensorFrame
from robots.safety import Reason
from tests.gradient_learning import ScriptedUpdates, fill


def acted(value: float = 0.0, log_std: float = -1.0) -> Acted:
    one = np.full((1, 1), value, np.float32)
    return Acted(np.full((1, 2), value, np.float32), one, one, np.full((1, 1), log_std, np.float32))


def add(window: Window, value: float = 0.0, reasons: int = 0, log_std: float = -1.0) -> None:
    observation = np.full((1, 2), value, np.float32)
    window.add(observation, acted(value, log_std), np.zeros((1, 1), np.float32), reasons)


def test_a_reward_belongs_to_the_step_that_earned_it():
    window = Window(2, 2, 2, 1)
    for step in range(4):
        assert window.hear(step - 1) == (step > 0)  # nothing is awaited before the first step
        add(window, step)
    assert not window.full
    window.hear(3)
    assert window.full
    assert window.reward.tolist() == window.observation[:, 0].tolist() == [0, 1, 2, 3]
    assert not window.hear(9.0)
    assert window.reward.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("reward", [np.nan, np.inf, -np.inf, 1e300])
def test_a_step_whose_reward_is_no_float32_does_not_count_and_leaves_nothing_behind(reward):
    window = Window(1, 3, 2, 1)
    add(window, 5.0)
    window.hear(1.0)
    add(window, 6.0)
    window.hear(reward)
    assert window.alive[:2].tolist() == [1, 0]
    assert window.usable == 0.5
    assert all(not array[1].any() for array in window.arrays().values())
    assert window.rewards(1).tolist() == [1.0]


@pytest.mark.parametrize(("value", "log_std"), [(np.nan, 0.0), (np.inf, 0.0), (0.0, np.nan), (0.0, np.inf)])
def test_a_step_that_is_not_finite_does_not_count(value, log_std):
    window = Window(1, 2, 2, 1)
    add(window, value, log_std=log_std)
    window.hear(1.0)
    assert window.alive[0] == 0
    assert all(np.isfinite(array).all() for array in window.arrays().values())


def test_what_the_safety_filter_did_instead_is_no_action_of_the_policy():
    """Its steps count: what happens in them is a consequence of actions before."""
    window = Window(1, 5, 2, 1)
    for reasons in (0, Reason.STOPPED, Reason.SOFT_START, Reason.RATE_LIMIT, Reason.OVERRUN):
        add(window, 1.0, int(reasons))
        window.hear(1.0)
    assert window.alive.tolist() == [1, 1, 1, 1, 1]
    assert window.own.tolist() == [1, 0, 0, 1, 1]
    assert window.limited.tolist() == [False, True, False, True, False]
    assert window.usable == 1.0
    assert window.driven == pytest.approx(0.6)
    assert window.interventions == pytest.approx(0.4)


def test_means_know_nothing_of_the_window_before_nor_of_a_reward_that_is_still_to_come():
    window = Window(1, 10, 2, 1)
    fill(window, np.full(10, 100.0))
    window.clear()
    assert np.isnan(window.rewards(1)).all()
    for step in range(3):
        window.hear(step)
        add(window)
    assert window.rewards(1).tolist() == [1.5]  # of 1 and 2; the third is not heard yet
    assert window.usable == 1.0


def test_interruptions_end_the_wait_for_a_reward():
    window = Window(1, 2, 2, 1)
    add(window)
    window.hear(np.nan)
    assert not window.hear(5.0)
    assert window.alive[0] == 0


class Counting(GradientAdapter):
    """Its action says which control step it is."""

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        super().act(observation, previous_action, previous_reward, new_episode, listen)
        assert self.newest is not None
        self.count = getattr(self, "count", 0) + 1
        action = np.full((1, 1), self.count / 1024, np.float32)
        self.newest = Acted(self.newest.inputs, action, self.newest.mean, self.newest.log_std)
        return action


def test_through_the_controller_every_action_has_its_own_reward(
    gradient_bundle: PolicyBundle, robot: RobotSpec
):
    """The world pays each control step with the number of its action; some readings are stale, one is not finite."""
    robot = dataclasses.replace(
        robot, safety=dataclasses.replace(robot.safety, recovery=0.0, soft_start=robot.period)
    )
    adapter, updates = Counting(gradient_bundle), ScriptedUpdates()
    learning = OnRobotLearning(gradient_bundle, adapter, updates=updates)
    controller = AdaptiveController(robot, gradient_bundle.observation, adapter, learning=learning)
    controller.reset()
    earned, stale = 0.0, np.random.default_rng(0).random(500) < 0.05
    for step in range(500):
        position = np.nan if step == 77 else 0.1
        frame = SensorFrame(np.array([0.02 * step]), np.full((1, 1), position), np.zeros((1, 1)))
        reward = np.full((1, 1), earned, np.float32)
        controller.step(frame, age=1.0 if stale[step] else 0.0, reward=reward)
        earned = adapter.count / 1024
        if updates.asked:
            break
    (arrays,) = updates.asked
    counted = arrays["alive"] > 0
    assert 0.8 * len(counted) <= counted.sum() < len(counted)
    np.testing.assert_array_equal(arrays["reward"], arrays["action"][:, 0])
    assert (np.diff(arrays["action"][counted, 0]) > 0).all()


def test_without_a_reward_nothing_is_learned(gradient_bundle: PolicyBundle, robot: RobotSpec):
    """Zero is a reward, too: it must not be made up."""
    adapter, updates, events = GradientAdapter(gradient_bundle), ScriptedUpdates(), []
    learning = OnRobotLearning(gradient_bundle, adapter, log=events.append, updates=updates)
    controller = AdaptiveController(robot, gradient_bundle.observation, adapter, learning=learning)
    for step in range(3 * 201):
        controller.step(SensorFrame(np.array([0.02 * step]), np.zeros((1, 1)), np.zeros((1, 1))))
    assert not updates.asked
    assert [event["event"] for event in events] == ["window dropped"] * 3 + ["gave up"]
    assert adapter.exploration == 0.0


def test_a_new_episode_pays_nothing_to_the_one_before(gradient_bundle: PolicyBundle, robot: RobotSpec):
    adapter = GradientAdapter(gradient_bundle)
    learning = OnRobotLearning(gradient_bundle, adapter, updates=ScriptedUpdates())
    controller = AdaptiveController(robot, gradient_bundle.observation, adapter, learning=learning)
    frame = SensorFrame(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)))
    paid, window = np.ones((1, 1), np.float32), learning._window
    for _ in range(30):  # past the soft start
        controller.step(frame, reward=paid)
    controller.begin_episode()
    controller.step(frame, reward=paid)
    assert window.alive[27:29].tolist() == [1, 1]
    assert window.reward[27:29].tolist() == [1, 1]
    assert window.alive[29] == window.reward[29] == 0


def windows(before: Sequence[float], after: Sequence[float]) -> tuple[Window, Window]:
    """Windows of ten steps."""
    made = Window(1, 10, 2, 1), Window(1, 10, 2, 1)
    for window, rewards in zip(made, (before, after), strict=True):
        fill(window, np.array(rewards))
    return made


def test_a_fall_is_one_that_scatter_does_not_explain():
    """Blocks of two: means 0, 1, 2, 1, 1; variance 0.5; standard error of both sqrt(0.5 / 5 + 0.5 / 5) = 0.447."""
    earlier = [0, 0, 1, 1, 2, 2, 1, 1, 1, 1]
    for fall, bad in ((0.0, False), (0.44, False), (0.45, True), (-3.0, False)):
        before, after = windows(earlier, [1 - fall] * 10)
        assert fallen(before, after, BLOCKS, margin=1.0) == bad
    for fall, margin, bad in ((1.18, 1.0, False), (1.19, 1.0, True), (1.19, 2.0, False)):
        before, after = windows(earlier, [1 - fall] * 4)  # two blocks: twice sqrt(0.5 / 5 + 0.5 / 2) = 0.592
        assert fallen(before, after, 2, margin) == bad


def test_of_nothing_is_a_fall():
    before, after = windows([1.0] * 10, [np.nan] * 10)
    assert fallen(before, after, BLOCKS, margin=10.0)
    assert fallen(after, before, BLOCKS, margin=10.0)


def test_blocks_end_where_they_end():
    window = Window(2, 7, 2, 1)  # 14 steps: blocks of 2
    found = []
    for _ in range(14):
        add(window)
        window.hear(1.0)
        found.append(at_a_block(window))
    assert found == [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7]
    assert [at_a_block(w) for w in windows([1.0], [1.0, 1.0])] == [0, 1]
    tiny = Window(1, 2, 2, 1)
    add(tiny)
    assert at_a_block(tiny) == 1


def test_interventions_may_rise_by_so_much():
    before, after = Window(1, 10, 2, 1), Window(1, 10, 2, 1)
    for step in range(10):
        add(before, reasons=int(Reason.RATE_LIMIT) if step < 3 else 0)
        add(after, reasons=int(Reason.RATE_LIMIT) if step < 5 else 0)
    assert limited_more(before, after, BLOCKS, 0.0, 0.19)
    assert not limited_more(before, after, BLOCKS, 0.0, 0.21)
    # Blocks of two before: 1, 0.5, 0, 0, 0; variance 0.2; standard error of both 0.283.
    assert limited_more(before, after, BLOCKS, 0.1, 0.17)
    assert not limited_more(before, after, BLOCKS, 0.1, 0.172)
