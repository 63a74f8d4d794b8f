"""The controller: robots do not mix, bad readings teach nothing, and what is forgotten when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.controller import AdaptiveController, ControlStep
from adapt.online.kinds import make_adapter
from adapt.types import Belief
from robots import RobotSpec, SensorFrame
from robots.observation import ObservationLayout, ObservationTerm
from robots.safety import Reason

PERIOD, LIMIT = 0.02, 2.5


class Recorder:
    """An adapter that asks for what it is given to ask, and keeps what it was told."""

    def __init__(self, robots: int = 1):
        self.action = np.zeros((robots, 1), np.float32)
        self.forgotten: list[object] = []
        self.told: list[tuple[np.ndarray, ...]] = []

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        self.forgotten.append(ids)

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        inputs = (observation, previous_action, previous_reward, new_episode, listen)
        self.told.append(tuple(array.copy() for array in inputs))
        return self.action

    def belief(self) -> Belief | None:
        return None


def one(position: float = 0.1, velocity: float = 0.5, time: float = 0.0) -> SensorFrame:
    return SensorFrame(np.array([time]), np.array([[position]]), np.array([[velocity]]))


def row(frame: SensorFrame, index: int) -> SensorFrame:
    here = slice(index, index + 1)
    return SensorFrame(frame.stamp[here], frame.position[here], frame.velocity[here])


def controller(bundle: PolicyBundle, robot: RobotSpec, robots: int = 1) -> AdaptiveController:
    made = AdaptiveController(robot, bundle.observation, make_adapter(bundle, robots), robots)
    made.reset()
    return made


def stand_in(robot: RobotSpec, robots: int = 1) -> tuple[AdaptiveController, Recorder]:
    adapter = Recorder(robots)
    layout = ObservationLayout([ObservationTerm("position"), ObservationTerm("velocity")], robot)
    return AdaptiveController(robot, layout, adapter, robots), adapter


def believed(step: ControlStep) -> np.ndarray:
    """All of a belief in one array. Shape (N, ...)."""
    assert step.belief is not None
    return np.concatenate([*vars(step.belief).values()], axis=1)


@pytest.mark.parametrize("index", [0, 4])
def test_one_robot_alone_is_the_same_as_among_many(belief_bundle, robot, frames, index):
    many, alone = controller(belief_bundle, robot, 5), controller(belief_bundle, robot)
    differs = 0.0
    for t, frame in enumerate(frames):
        if t == 20:
            many.begin_episode(np.array([index]))
            alone.begin_episode()
        steps = many.step(frame), alone.step(row(frame, index))
        np.testing.assert_allclose(steps[0].command[index], steps[1].command[0], atol=1e-5)
        np.testing.assert_allclose(steps[0].requested[index], steps[1].requested[0], atol=1e-5)
        np.testing.assert_allclose(believed(steps[0])[index], believed(steps[1])[0], rtol=1e-4, atol=1e-5)
        assert steps[0].reasons[index] == steps[1].reasons[0]
        differs = max(differs, float(np.ptp(steps[0].command)))
    assert differs > 0.05, "robots that all do the same would hide a mix-up"


def test_a_step_of_the_loop_worked_out_by_hand(robot):
    loop, adapter = stand_in(robot)
    loop.reset()
    adapter.action[:] = 0.8
    first = loop.step(one(position=0.1, velocity=0.5))
    # Soft start of 0.2 s at 0.02 s: a tenth of 0.8 x 2.5 N m = 2 N m is sent, and next told as 0.2 / 2.5 = 0.08.
    assert first.requested[0, 0] == pytest.approx(2.0)
    assert first.command[0, 0] == pytest.approx(0.2)
    assert first.reasons[0] == Reason.SOFT_START
    loop.step(one())
    observation, previous_action, previous_reward, new_episode, listen = adapter.told[0]
    np.testing.assert_allclose(observation, [[0.1, 0.5]])
    assert previous_action[0, 0] == 0.0
    assert (previous_reward[0, 0], new_episode[0, 0], listen[0]) == (0.0, 1.0, True)
    assert adapter.told[1][1][0, 0] == pytest.approx(0.08)
    assert adapter.told[1][3][0, 0] == 0.0, "the episode has begun"


@pytest.mark.parametrize("reading", [(np.nan, 0.5), (0.1, np.nan), (np.inf, 0.5), (0.1, -np.inf)])
def test_a_bad_reading_is_not_heard_and_the_command_is_safe(belief_bundle, robot, frames, reading):
    loop = controller(belief_bundle, robot)
    before = [loop.step(row(frame, 0)) for frame in frames[:15]][-1]
    bad = loop.step(one(*reading))
    assert bad.reasons[0] & Reason.SENSOR_NOT_FINITE
    assert np.isfinite(bad.command).all()
    assert np.abs(bad.command).max() <= LIMIT
    np.testing.assert_array_equal(believed(bad), believed(before))
    after = [loop.step(row(frame, 0)) for frame in frames[15:]][-1]
    assert after.reasons[0] & Reason.SENSOR_NOT_FINITE == 0
    assert np.isfinite(believed(after)).all()
    assert (believed(after) != believed(before)).any()


def test_a_reading_that_is_not_heard_leaves_no_trace_in_the_memory(belief_bundle):
    """An adapter that was told something else in between, without listening, goes on as one that was not."""
    readings = np.random.default_rng(0).uniform(-1, 1, (10, 2, 3)).astype(np.float32)
    heard, spared = make_adapter(belief_bundle, 2), make_adapter(belief_bundle, 2)
    zero = np.zeros((2, 1), np.float32)
    for t, seen in enumerate(readings):
        first, second = (adapter.act(seen, zero, zero, zero, np.ones(2, bool)) for adapter in (heard, spared))
        np.testing.assert_array_equal(first, second)
        if t == 5:
            heard.act(-seen, zero + 1, zero, zero, np.zeros(2, bool))
    listening = make_adapter(belief_bundle, 2)
    listening.act(-readings[-1], zero + 1, zero, zero, np.ones(2, bool))
    belief, other = heard.belief(), listening.belief()
    assert belief is not None
    assert other is not None
    assert (belief.mean != other.mean).any()


def test_one_robots_bad_reading_is_nothing_to_the_others(belief_bundle, robot, frames):
    sound, broken = controller(belief_bundle, robot, 5), controller(belief_bundle, robot, 5)
    others = np.array([0, 1, 3, 4])
    taught = []
    for t, frame in enumerate(frames[:20]):
        expected = sound.step(frame)
        position = frame.position.copy()
        if t in (5, 6):
            position[2] = np.nan
        step = broken.step(SensorFrame(frame.stamp, position, frame.velocity))
        np.testing.assert_array_equal(step.command[others], expected.command[others])
        np.testing.assert_array_equal(believed(step)[others], believed(expected)[others])
        taught.append((believed(step)[2] != believed(expected)[2]).any())
    assert not any(taught[:5])
    assert all(taught[5:])


def test_weights_that_are_not_finite_never_reach_the_motor(belief_bundle, robot):
    loop, adapter = stand_in(robot)
    adapter.action[:] = np.nan
    steps = [loop.step(one(0.01 * k, 0.5, 0.02 * k)) for k in range(3)]
    assert all(step.reasons[0] & Reason.POLICY_NOT_FINITE for step in steps)
    assert not any(np.isfinite(step.requested).any() for step in steps)
    # Safe mode of an effort-commanded robot: damping, -0.15 x 0.5 rad/s, as soon as three positions tell that speed.
    assert [step.command[0, 0] for step in steps] == pytest.approx([0.0, 0.0, -0.075])
    loop.step(one(0.03, 0.5, 0.06))
    assert adapter.told[3][1][0, 0] == pytest.approx(-0.075 / LIMIT), "what was sent, not what was asked"


@pytest.mark.parametrize(("age", "heard"), [(0.0, True), (0.06, True), (0.061, False), (np.nan, False)])
def test_old_readings_are_not_heard(robot, age, heard):
    loop, adapter = stand_in(robot)  # stale after 0.06 s
    loop.step(one(position=0.1))
    step = loop.step(one(position=0.2), age)
    assert adapter.told[1][4][0] == heard
    assert adapter.told[1][0][0, 0] == pytest.approx(0.2 if heard else 0.1), (
        "the last reading that was trusted"
    )
    assert bool(step.reasons[0] & Reason.SENSOR_STALE) is not heard


def test_ages_are_per_robot(robot):
    loop, adapter = stand_in(robot, 3)
    frame = SensorFrame(np.zeros(3), np.zeros((3, 1)), np.zeros((3, 1)))
    loop.step(frame, np.array([0.0, 1.0, 0.02]))
    assert adapter.told[0][4].tolist() == [True, False, True]


def test_an_episode_begins_with_the_first_reading_that_is_heard(robot):
    loop, adapter = stand_in(robot)
    loop.reset()
    for age in (1.0, 1.0, 0.0, 0.0):
        loop.step(one(), age)
    assert [told[3][0, 0] for told in adapter.told] == [1.0, 1.0, 1.0, 0.0]


def test_reset_forgets_and_begin_episode_does_not(belief_bundle, robot, frames):
    def after(begin) -> tuple[np.ndarray, np.ndarray]:
        loop = controller(belief_bundle, robot, 5)
        for frame in frames:
            loop.step(frame)
        begin(loop)
        step = loop.step(frames[0])
        return believed(step), step.reasons

    fresh = believed(controller(belief_bundle, robot, 5).step(frames[0]))
    forgotten, _ = after(lambda loop: loop.reset())
    np.testing.assert_array_equal(forgotten, fresh)
    kept, reasons = after(lambda loop: loop.begin_episode())
    assert (np.abs(kept - fresh).max(axis=1) > 1e-3).all()
    assert (reasons & Reason.SOFT_START != 0).all()
    one_of_them, _ = after(lambda loop: loop.reset(np.array([3])))
    np.testing.assert_array_equal(one_of_them[3], fresh[3])
    assert (np.abs(one_of_them - fresh)[[0, 1, 2, 4]].max(axis=1) > 1e-3).all()


def test_after_a_reset_nothing_is_believed_until_something_is_heard(belief_bundle, robot, frames):
    """A robot must not be shown the belief about the one before it."""
    loop = controller(belief_bundle, robot, 5)
    known = [loop.step(frame).belief for frame in frames][-1]
    loop.reset(np.array([1, 2]))
    belief = loop.step(frames[0], np.array([0.0, 1.0, 0.0, 1.0, 0.0])).belief
    assert belief is not None
    assert known is not None
    assert np.isnan(belief.parameters[1]).all(), "reset, and nothing heard since"
    assert np.isfinite(belief.parameters[2]).all(), "reset, and heard"
    np.testing.assert_array_equal(belief.parameters[3], known.parameters[3])  # neither
    assert np.isfinite(known.parameters).all(), "beliefs that were handed out do not change"


def test_reset_reaches_the_adapter_and_begin_episode_does_not(robot):
    loop, adapter = stand_in(robot)
    loop.step(one())
    loop.begin_episode()
    assert adapter.forgotten == []
    loop.reset()
    assert len(adapter.forgotten) == 1
    adapter.action[:] = 1.0
    loop.step(one())
    loop.begin_episode()
    loop.step(one())
    assert adapter.told[-1][1][0, 0] == 0.0, "what was sent before an episode is not told in it"
    assert adapter.told[-1][3][0, 0] == 1.0


def test_in_shadow_mode_the_adapter_is_told_what_somebody_else_sent(robot):
    loop, adapter = stand_in(robot)
    adapter.action[:] = 1.0
    for sent in (1.25, -2.5):
        loop.step(one(), sent=np.array([[sent]]))
    # Half the limit of 2.5 N m, then all of it downwards; not the certified command of the step before.
    assert [told[1][0, 0] for told in adapter.told] == [0.5, -1.0]


def test_stop_needs_no_reading(robot):
    loop, adapter = stand_in(robot)
    adapter.action[:] = 1.0
    step = [loop.step(one()) for _ in range(20)][-1]
    assert step.command[0, 0] == pytest.approx(LIMIT)
    assert loop.stop()[0, 0] == 0.0
    loop.step(one())
    assert adapter.told[-1][1][0, 0] == 0.0


def test_whatever_happens_the_command_is_within_its_limits(belief_bundle, dr_bundle, robot):
    rng = np.random.default_rng(1)
    for bundle in (belief_bundle, dr_bundle):
        loop, last = controller(bundle, robot, 3), np.zeros((3, 1))
        for _ in range(300):
            readings = rng.normal(0, 10.0 ** rng.integers(-1, 4), (2, 3, 1))
            readings[rng.random(readings.shape) < 0.05] = np.nan
            step = loop.step(SensorFrame(np.zeros(3), *readings), rng.choice([0.0, 0.1], 3))
            assert np.isfinite(step.command).all()
            assert np.abs(step.command).max() <= LIMIT
            assert np.abs(step.command - last).max() <= robot.command_rate[0] * PERIOD + 1e-9
            last = step.command


def test_the_bundle_needs_no_folder_once_it_is_loaded(belief_bundle, robot, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"read {path}"))
    assert np.isfinite(controller(belief_bundle, robot).step(one()).command).all()


def test_frozen_it_learns_nothing_and_acts_on(belief_bundle, robot, frames):
    made = controller(belief_bundle, robot)
    for frame in frames[:10]:
        made.step(row(frame, 0))
    made.frozen, known = True, made.adapter.state()
    commands = [made.step(row(frame, 0)).command[0, 0] for frame in frames[10:20]]
    for name, array in made.adapter.state().items():
        np.testing.assert_array_equal(array, known[name])
    assert len(set(commands)) > 1
    made.frozen = False
    made.step(row(frames[20], 0))
    assert not np.array_equal(made.adapter.state()["hidden"], known["hidden"])


def test_what_was_understood_goes_to_another_controller(belief_bundle, robot, frames):
    """As over a restart of the process: from there on both believe the same."""
    first, second = controller(belief_bundle, robot), controller(belief_bundle, robot)
    for frame in frames[:15]:
        first.step(row(frame, 0))
    second.adapter.restore(first.adapter.state())
    for made in (first, second):
        made.begin_episode()
    for frame in frames[15:30]:
        one, two = (made.step(row(frame, 0)) for made in (first, second))
        np.testing.assert_array_equal(believed(one), believed(two))
        np.testing.assert_array_equal(one.command, two.command)


BROKEN_STATES = {
    "hidden: none; expected float32": lambda state: state.pop("hidden"),
    r"hidden: float32 of shape \(1, 1\); expected": lambda state: state.update(hidden=state["hidden"][:, :1]),
    "mean: float64": lambda state: state.update(mean=state["mean"].astype(float)),
    "log_std: not all numbers are finite": lambda state: state["log_std"].fill(np.nan),
    "weights: unknown; valid: hidden, mean": lambda state: state.update(weights=state["mean"]),
}


@pytest.mark.parametrize("message", BROKEN_STATES)
def test_a_state_of_another_adapter_is_refused_and_changes_nothing(belief_bundle, robot, frames, message):
    made = controller(belief_bundle, robot)
    for frame in frames[:5]:
        made.step(row(frame, 0))
    known, broken = made.adapter.state(), made.adapter.state()
    BROKEN_STATES[message](broken)
    with pytest.raises(AdaptError, match=message):
        made.adapter.restore(broken)
    for name, array in made.adapter.state().items():
        np.testing.assert_array_equal(array, known[name])


def test_a_state_before_anything_was_heard_can_be_restored(belief_bundle, robot):
    made = controller(belief_bundle, robot)
    made.adapter.restore(made.adapter.state())


def test_forgetting_begins_a_trial_but_no_soft_start(robot, frames):
    made, adapter = stand_in(robot)
    made.reset()
    for frame in frames[:20]:
        made.step(row(frame, 0))
    assert adapter.told[-1][3].tolist() == [[0.0]]
    made.forget()
    step = made.step(row(frames[20], 0))
    assert adapter.told[-1][3].tolist() == [[1.0]]
    assert not step.reasons[0] & Reason.SOFT_START


def test_a_policy_that_says_infinity_asks_for_nothing(robot, frames):
    made, adapter = stand_in(robot)
    made.reset()
    adapter.action = np.full((1, 1), np.inf, np.float32)
    step = made.step(row(frames[0], 0))
    assert np.isnan(step.requested).all()
    assert step.reasons[0] & Reason.POLICY_NOT_FINITE
    assert abs(step.command[0, 0]) < LIMIT


def test_a_policy_that_takes_too_long_answers_a_reading_that_is_stale(robot, frames):
    made, _ = stand_in(robot)
    made.reset()
    ages = iter((0.0, robot.safety.stale_after + 0.001))
    step = made.step(row(frames[0], 0), age=lambda: next(ages))
    assert step.reasons[0] & Reason.SENSOR_STALE
    assert next(ages, None) is None, "asked before the policy and after it"
