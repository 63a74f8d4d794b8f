"""What follows from a robot that is unfamiliar: nothing is learnt from it, and a fallback drives it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError, BundleError
from adapt.online.controller import AdaptiveController
from adapt.online.fallback import SOUND_AGAIN, Fallback
from adapt.online.from_bundle import controller_of, open_fallback
from adapt.online.kinds import make_adapter
from robots import RobotSpec, SensorFrame
from robots.safety import Reason
from tests.adapt.test_familiarity import made


class Loud:
    """A familiarity that says what it is told to say."""

    def __init__(self) -> None:
        self.unfamiliar = np.zeros(1, dtype=bool)

    def controller(
        self, bundle: PolicyBundle, spec: RobotSpec, fallback: Fallback | None
    ) -> AdaptiveController:
        judge = made(bundle)
        judge.hear = lambda *told: self.unfamiliar  # type: ignore[method-assign]
        adapter = make_adapter(bundle)
        found = AdaptiveController(spec, bundle.observation, adapter, 1, judge, fallback)
        found.reset(position=np.zeros((1, 1)))
        return found


def frame(t: int) -> SensorFrame:
    return SensorFrame(np.array([0.02 * t]), np.array([[np.sin(0.1 * t)]]), np.array([[np.cos(0.1 * t)]]))


def test_nothing_is_learnt_from_an_unfamiliar_robot(belief_bundle, robot):
    loud = Loud()
    controller = loud.controller(belief_bundle, robot, None)
    beliefs = []
    for t in range(30):
        loud.unfamiliar[:] = 10 <= t < 20
        beliefs.append(controller.step(frame(t)).belief.mean.copy())  # type: ignore[union-attr]
    moved = [not np.array_equal(a, b) for a, b in itertools.pairwise(beliefs)]
    assert moved == [not 10 <= t < 20 for t in range(1, 30)]
    assert not controller.frozen  # that is the user's own


def test_who_freezes_it_by_hand_is_asked_no_less(belief_bundle, robot):
    loud = Loud()
    controller = loud.controller(belief_bundle, robot, None)
    controller.frozen = True
    before = controller.step(frame(0)).belief
    after = controller.step(frame(1)).belief
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before.mean, after.mean)


def test_the_fallback_takes_over_and_hands_back_within_the_soft_start(belief_bundle, dr_bundle, robot):
    loud = Loud()
    fallback = Fallback(dr_bundle, robot)
    controller = loud.controller(belief_bundle, robot, fallback)
    own = loud.controller(belief_bundle, robot, None)
    ramp = round(robot.safety.soft_start / robot.period)
    assert ramp == 10
    shares, last = [], None
    for t in range(60):
        loud.unfamiliar[:] = 20 <= t < 40
        sent = np.array([[0.1]])  # both hear of the same commands, so that their policies ask for the same
        step, alone = controller.step(frame(t), sent=sent), own.step(frame(t), sent=sent)
        assert step.familiarity is not None
        shares.append(step.familiarity.fallback[0])
        if shares[-1] == 0.0:
            np.testing.assert_array_equal(step.requested, alone.requested)
        if last is not None:
            assert np.abs(step.command - last).max() <= robot.command_rate[0] * robot.period + 1e-9
        last = step.command
    by_hand = [0.0] * 20 + [0.1 * k for k in range(1, 11)] + [1.0] * 10 + [1 - 0.1 * k for k in range(1, 11)]
    assert shares == pytest.approx([*by_hand, *[0.0] * 10])


def test_while_it_drives_the_fallback_alone_is_asked(belief_bundle, dr_bundle, robot):
    loud = Loud()
    controller = loud.controller(belief_bundle, robot, Fallback(dr_bundle, robot))
    alone = AdaptiveController(robot, dr_bundle.observation, make_adapter(dr_bundle))
    alone.reset(position=np.zeros((1, 1)))
    loud.unfamiliar[:] = True
    sent, same = np.array([[0.3]]), []
    for t in range(30):
        step, other = controller.step(frame(t), sent=sent), alone.step(frame(t), sent=sent)
        same.append(np.array_equal(step.requested, other.requested))
    assert same == [False] * 9 + [True] * 21  # ten steps of soft start, the last of which is its own


def test_a_broken_policy_does_not_reach_through_its_fallback(dr_bundle, robot):
    fallback = Fallback(dr_bundle, robot)
    nothing, sent = np.full((1, 1), np.nan), np.zeros((1, 1), np.float32)
    fresh, yes = np.ones(1, dtype=bool), np.ones(1, dtype=bool)
    asked = [fallback(nothing, frame(t), None, fresh, sent, yes)[0, 0] for t in range(12)]
    assert np.isnan(asked[0])
    assert np.isfinite(asked[9:]).all()


def test_a_fallback_that_adapts_is_refused(belief_bundle, robot):
    with pytest.raises(AdaptError, match=r"adapter\.kind: 'belief'; a fallback does not adapt: 'none'"):
        Fallback(belief_bundle, robot)


def test_a_fallback_needs_somebody_who_calls_it(belief_bundle, dr_bundle, robot):
    adapter = make_adapter(belief_bundle)
    with pytest.raises(AdaptError, match="a fallback needs a familiarity"):
        AdaptiveController(robot, belief_bundle.observation, adapter, 1, fallback=Fallback(dr_bundle, robot))


class Breaks:
    """An adapter of a bundle that asks for what is not finite when it is told to."""

    def __init__(self, bundle: PolicyBundle):
        self._adapter = make_adapter(bundle)
        self.broken = False

    def __getattr__(self, name: str):
        return getattr(self._adapter, name)

    def act(self, *given, **named) -> np.ndarray:
        action = self._adapter.act(*given, **named)
        return np.full_like(action, np.nan) if self.broken else action


def test_after_a_policy_that_is_not_finite_the_fallback_drives(belief_bundle, dr_bundle, robot):
    """The safety filter sees it once, goes into safe mode, and lets the fallback begin softly out of it."""
    loud, breaks = Loud(), Breaks(belief_bundle)
    controller = loud.controller(belief_bundle, robot, Fallback(dr_bundle, robot))
    controller.adapter = breaks  # type: ignore[assignment]
    back = round(SOUND_AGAIN / robot.period)
    ramp = round(robot.safety.soft_start / robot.period)
    steps = []
    for t in range(300):
        breaks.broken = 100 <= t < 120
        steps.append(controller.step(frame(t)))
        assert np.isfinite(steps[-1].command).all()
    not_finite = [t for t, step in enumerate(steps) if step.reasons[0] & Reason.POLICY_NOT_FINITE]
    assert not_finite == [100]
    shares = [step.familiarity.fallback[0] for step in steps]  # type: ignore[union-attr]
    assert shares[:101] == [0.0] * 101
    # Broken for the last time at step 119: so many sound ones, and then it is blended out.
    assert shares[101 : 120 + back] == [1.0] * (19 + back)
    blended = [1 - k / ramp for k in range(1, ramp + 1)]
    assert shares[120 + back : 120 + back + ramp] == pytest.approx(blended)
    assert shares[120 + back + ramp :] == [0.0] * (300 - 120 - back - ramp)
    assert steps[150].reasons[0] & int(Reason.POLICY_NOT_FINITE | Reason.STOPPED) == 0
    assert np.abs(steps[150].command).max() > 0  # it drives, and does not only hold


def test_a_fallback_that_breaks_too_ends_in_safe_mode(belief_bundle, dr_bundle, robot):
    loud, breaks, fallback = Loud(), Breaks(belief_bundle), Fallback(dr_bundle, robot)
    controller = loud.controller(belief_bundle, robot, fallback)
    controller.adapter, fallback._adapter = breaks, Breaks(dr_bundle)  # type: ignore[assignment]
    breaks.broken = fallback._adapter.broken = True  # type: ignore[attr-defined]
    for t in range(30):
        step = controller.step(frame(t))
        assert step.reasons[0] & Reason.POLICY_NOT_FINITE
        assert np.isfinite(step.command).all()


def test_readings_that_are_not_finite_are_no_fault_of_the_policy(belief_bundle, dr_bundle, robot):
    breaks = Breaks(belief_bundle)
    controller = Loud().controller(belief_bundle, robot, Fallback(dr_bundle, robot))
    controller.adapter = breaks  # type: ignore[assignment]
    breaks.broken = True
    for t in range(30):
        step = controller.step(replace(frame(t), position=np.array([[np.nan]])))
        assert step.familiarity is not None
        assert step.familiarity.fallback[0] == 0.0
        assert np.isnan(step.familiarity.score[0])


def test_without_a_fallback_safe_mode_holds(belief_bundle, robot):
    breaks = Breaks(belief_bundle)
    controller = Loud().controller(belief_bundle, robot, None)
    controller.adapter = breaks  # type: ignore[assignment]
    breaks.broken = True
    assert all(controller.step(frame(t)).reasons[0] & Reason.POLICY_NOT_FINITE for t in range(5))


def test_a_controller_brings_all_that_its_bundle_has(belief_bundle, dr_bundle, robot):
    assert controller_of(dr_bundle, robot).familiarity is None
    assert controller_of(belief_bundle, robot).familiarity is not None
    assert controller_of(belief_bundle, robot, dr_bundle).fallback is not None


def test_a_bundle_without_familiarity_never_calls_a_fallback(belief_bundle, dr_bundle):
    assert open_fallback("", dr_bundle) is None
    with pytest.raises(AdaptError, match=r"fallback .*: .* has no familiarity, which says when"):
        open_fallback(dr_bundle.path, dr_bundle)
    with pytest.raises(BundleError, match="/nowhere"):
        open_fallback("/nowhere", belief_bundle)


def test_a_fallback_of_another_robot_or_goal_is_refused(belief_bundle, dr_bundle, robot):
    other = replace(dr_bundle, manifest=dr_bundle.manifest | {"robot_digest": "0" * 64})
    with pytest.raises(BundleError, match=r"fallback .*: robot_digest does not match robot 'pendulum'"):
        controller_of(belief_bundle, robot, other)
    goal = {"kind": "numbers", "names": ["angle"], "units": ["rad"], "low": [-1.0], "high": [1.0]}
    told = replace(dr_bundle, manifest=dr_bundle.manifest | {"goal": goal})
    with pytest.raises(AdaptError, match=r"goal: numbers \(angle\); valid: nothing, or that of .*: nothing"):
        controller_of(belief_bundle, robot, told)
    with pytest.raises(AdaptError, match=r"fallback .*adapter\.kind: 'belief'; a fallback does not adapt"):
        controller_of(belief_bundle, robot, belief_bundle)
