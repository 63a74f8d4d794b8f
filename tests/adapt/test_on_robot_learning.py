"""What becomes of proposals that a test writes: kept, rejected, rolled back, frozen, forgotten, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.gradient import KEPT, NOISE_BOUND, GradientAdapter
from adapt.online.learning import OnRobotLearning
from adapt.online.proposal import Proposal
from robots.safety import Reason
from tests.gradient_learning import Driven, ScriptedUpdates, proposal

Made = Callable[..., Driven]


@pytest.fixture
def start(gradient_bundle: PolicyBundle) -> np.ndarray:
    return gradient_bundle.start


def near(start: np.ndarray, step: float = 0.01) -> Proposal:
    return proposal(start + np.float32(step))


def rejected() -> Proposal:
    gates = [{"name": "trust region", "value": 0.3, "limit": 0.25, "passed": False}]
    return Proposal(None, {"passed": False, "scale": 0.125, "gates": gates, "seconds": 0.1})


def test_a_window_a_trial_and_it_is_kept(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start, 0.01), near(start, 0.02), near(start, 0.03))
    driven.turn(driven.steps)
    assert driven.names == []  # the last reward is still to come
    driven.turn()
    assert (driven.phase, driven.names) == ("COMPUTING", ["window collected"])
    (asked,) = driven.updates.asked
    assert (asked["parameters"] == start).all()
    assert asked["step"] == 0
    assert asked["alive"].all()
    driven.turn()
    assert driven.phase == "TRIAL"
    assert driven.adapter.on_trial
    driven.turn(driven.steps + 1)
    assert driven.names[1:] == ["trial begins", "kept", "window collected"]
    assert driven.updates.asked[1]["step"] == 1
    np.testing.assert_array_equal(driven.updates.asked[1]["parameters"], start + np.float32(0.01))
    driven.until("DONE")
    assert driven.learning.kept == 3
    assert driven.names[-2:] == ["kept", "adapted"]
    np.testing.assert_array_equal(driven.adapter.parameters[0], start + np.float32(0.03))
    driven.turn(2 * driven.steps)
    assert len(driven.updates.asked) == 3
    assert driven.adapter.exploration == 0.0
    assert not driven.adapter.on_trial


def test_the_window_on_trial_is_wholly_the_trial_s(gradient_bundle, start):
    """Its steps are those acted by the proposal; so are those of the window after a trial that was rolled back."""
    driven = Driven(gradient_bundle, near(start, 0.5), near(start, 0.5))
    driven.until("TRIAL")
    began = len(driven.acted)
    driven.turn(driven.steps)
    assert driven.learning._window.count == driven.steps
    assert all((each == start + np.float32(0.5)).all() for each in driven.acted[began:])
    driven.turn(reward=-100.0)  # the last step of the trial
    assert (driven.phase, driven.names[-1]) == ("COLLECTING", "rolled back")
    assert driven.learning._window.count == 0, "the step that was acted by the proposal belongs to nothing"
    driven.turn(driven.steps + 1)
    assert all((each == start).all() for each in driven.acted[-driven.steps - 1 :])
    asked = driven.updates.asked[1]
    assert (asked["parameters"] == start).all()
    assert len(np.unique(asked["mean"])) == 1


def test_what_did_not_pass_is_collected_for_again_and_given_up_at_last(gradient_bundle, start):
    driven = Driven(gradient_bundle, rejected(), rejected(), rejected(), near(start))
    driven.until("GAVE_UP")
    assert driven.names == ["window collected", "rejected"] * 3 + ["gave up"]
    assert driven.learning.status()["learning"] == "gave up"
    assert driven.learning.rejected == 3
    assert driven.events[1]["gates"][0]["name"] == "trust region"
    assert driven.events[-1]["failures"] == 3
    driven.turn(2 * driven.steps)
    assert len(driven.updates.asked) == 3
    assert driven.adapter.exploration == 0.0
    assert driven.learning.rollback() == "nothing to roll back: there are no older parameters"


def test_failures_count_one_after_the_other(gradient_bundle, start):
    driven = Driven(gradient_bundle, rejected(), rejected(), near(start), rejected(), rejected(), near(start))
    driven.until("GAVE_UP", most=20 * driven.steps)
    assert driven.names[-1] == "gave up"
    assert driven.learning.kept == 2
    assert driven.learning.rejected == 7  # two, two, and at last three that nobody scripted
    assert driven.names.count("kept") == 2


@pytest.mark.parametrize("fall", [0.1, 1.0, 1e6])
def test_a_trial_whose_return_falls_ends_early(gradient_bundle, start, fall):
    driven = Driven(gradient_bundle, near(start))
    driven.until("TRIAL", reward=1.0)
    driven.turn()  # its first step; the reward of this one comes with the next
    driven.turn(driven.steps // 5 - 1, reward=1.0 - fall)
    assert driven.phase == "TRIAL"
    driven.turn(reward=1.0 - fall)
    assert driven.phase == "COLLECTING"
    event = driven.events[-1]
    assert (event["event"], event["why"], event["before"]) == ("rolled back", "the return falls", 1.0)
    assert event["after"] == pytest.approx(1.0 - fall, rel=1e-6)
    assert (driven.adapter.parameters[0] == start).all()
    assert driven.learning.rolled_back == 1


def test_a_trial_whose_return_falls_at_the_end_is_rolled_back(gradient_bundle, start):
    """Before: blocks of 0, 2, 0, 2, 1, so that a fall by less than 0.6 is scatter. After: worse in the last block."""
    block = Driven(gradient_bundle).steps // 5
    scattered = [0.0, 2.0, 0.0, 2.0, 1.0]
    driven = Driven(gradient_bundle, near(start))
    driven.until("TRIAL", reward=lambda step: scattered[min(max(step, 0) // block, 4)])
    began = len(driven.acted)
    driven.turn(driven.steps + 1, reward=lambda step: -6.0 if step - began >= 4 * block else 1.0)
    assert (driven.phase, driven.events[-1]["why"]) == ("COLLECTING", "the return falls")
    assert driven.events[-1]["after"] == pytest.approx((4 * 1.0 - 6.0) / 5)
    assert driven.events[-1]["control_step"] == began + driven.steps + 1


def test_a_trial_that_scatter_explains_is_kept(gradient_bundle, start):
    block = Driven(gradient_bundle).steps // 5
    scattered = [0.0, 2.0, 0.0, 2.0, 1.0]
    driven = Driven(gradient_bundle, near(start))
    driven.until("TRIAL", reward=lambda step: scattered[min(max(step, 0) // block, 4)])
    driven.turn(driven.steps + 1, reward=0.7)
    assert "kept" in driven.names


def test_a_trial_in_which_the_safety_filter_intervenes_more_often_is_rolled_back(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start))
    driven.until("TRIAL", reasons=0)
    driven.turn(driven.steps // 5 + 1, reasons=int(Reason.RATE_LIMIT))
    event = driven.events[-1]
    assert (event["event"], event["why"]) == ("rolled back", "the safety filter intervenes more often")
    assert (event["before"], event["after"]) == (0.0, 1.0)


def test_an_action_that_is_not_finite_ends_a_trial_at_once(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start))
    driven.until("TRIAL")
    driven.turn(3)
    driven.turn(reasons=int(Reason.POLICY_NOT_FINITE))
    assert (driven.names[-1], driven.events[-1]["why"]) == ("rolled back", "an action was not finite")
    assert (driven.adapter.parameters[0] == start).all()
    assert driven.learning._window.count == 0


def test_an_action_that_was_not_finite_before_the_trial_is_not_the_trial_s(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start))
    driven.until("COMPUTING")
    driven.turn(reasons=int(Reason.POLICY_NOT_FINITE))  # a proposal comes in the same step
    assert driven.phase == "TRIAL"


def test_a_trial_of_which_too_little_counts_is_rolled_back(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start))
    driven.until("TRIAL")
    driven.turn(driven.steps + 1, reward=lambda step: np.nan if step % 3 == 0 else 1.0)
    assert driven.names[-2:] == ["window dropped", "rolled back"]
    assert driven.events[-1]["why"] == "too few control steps count"


@pytest.mark.parametrize(
    "parameters",
    [
        np.full(82, np.nan, np.float32), np.full(82, np.inf, np.float32), np.zeros(81, np.float32),
        np.zeros((82, 1), np.float32), np.zeros(82, np.float64), np.zeros(82, np.int32), np.float32(1.0),
    ],
    ids=["nan", "inf", "too few", "another shape", "float64", "whole", "one number"],
)  # fmt: skip
def test_parameters_that_cannot_act_never_do(gradient_bundle, start, parameters):
    """Whatever the gates have said of them."""
    for by_itself in (True, False):
        driven = Driven(gradient_bundle, Proposal(parameters, {}), by_itself=by_itself)
        if by_itself:
            driven.until("COMPUTING")
            driven.turn()
        else:
            driven.until("WAITING")
            said = driven.learning.accept()
            assert said is not None, "whoever accepted it hears that it does not act"
            assert said.startswith("rejected: parameters: ")
        assert driven.names[-1] == "rejected"
        assert driven.phase == "COLLECTING"
        assert (driven.adapter.parameters[0] == start).all()
        json.dumps(driven.events, allow_nan=False)


def test_by_hand_a_proposal_waits_until_it_is_accepted_and_kept(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start), by_itself=False)
    assert driven.learning.accept() == "nothing to accept: collecting"
    driven.until("WAITING")
    driven.turn(2 * driven.steps)
    assert (driven.phase, driven.names[-1]) == ("WAITING", "proposal waits")
    assert (driven.adapter.parameters[0] == start).all()
    assert driven.adapter.exploration == 0.0
    assert driven.learning.accept() is None
    assert driven.events[-1]["why"] == "by a person"
    driven.turn(5)
    assert driven.phase == "TRIAL"
    assert driven.learning.accept() is None
    assert (driven.phase, driven.learning.kept) == ("COLLECTING", 1)
    assert (driven.names[-1], driven.events[-1]["why"]) == ("kept", "by a person")
    driven.turn(2)
    assert driven.learning.rollback() is None
    assert (driven.learning.kept, driven.phase) == (0, "COLLECTING")
    assert (driven.adapter.parameters[0] == start).all()
    assert driven.learning.rollback() is not None


def test_by_hand_a_proposal_that_waits_or_is_on_trial_is_dropped(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start), near(start), by_itself=False)
    driven.until("WAITING")
    assert driven.learning.rollback() is None
    assert (driven.phase, driven.names[-1], driven.learning.rejected) == ("COLLECTING", "rejected", 1)
    driven.until("WAITING")
    driven.learning.accept()
    driven.turn(3)
    assert driven.learning.rollback() is None
    assert (driven.phase, driven.names[-1], driven.learning.rolled_back) == ("COLLECTING", "rolled back", 1)
    assert (driven.adapter.parameters[0] == start).all()


def test_rolling_back_while_one_computes_makes_its_answer_stale(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start, 0.1), near(start, 0.2), near(start, 0.3), delay=5)
    driven.until("TRIAL")
    driven.until("COMPUTING")
    assert driven.learning.kept == 1
    assert driven.learning.rollback() is None
    assert (driven.phase, driven.learning.kept) == ("COLLECTING", 0)
    driven.until("TRIAL")
    np.testing.assert_array_equal(driven.adapter.parameters[0], start + np.float32(0.3))
    assert driven.updates.asked[-1]["step"] == 0


@pytest.mark.parametrize("phase", ["COLLECTING", "COMPUTING", "TRIAL"])
def test_frozen_nothing_is_collected_tried_or_explored(gradient_bundle, start, phase):
    driven = Driven(gradient_bundle, near(start))
    driven.until(phase)
    if phase != "COMPUTING":
        driven.turn(10)
    count, before = driven.learning._window.count, driven.adapter.parameters.copy()
    driven.turn(3 * driven.steps, listens=False)
    assert driven.phase == phase
    assert driven.learning._window.count == count
    assert (driven.adapter.parameters == before).all()
    assert driven.adapter.exploration == 0.0
    driven.until("TRIAL")
    driven.until("COMPUTING")
    assert driven.learning.kept == 1


def test_from_the_very_step_on_in_which_it_is_frozen_nothing_is_explored(gradient_bundle):
    driven = Driven(gradient_bundle)
    driven.turn(10)
    assert driven.adapter.exploration == 1.0
    assert driven.adapter.newest is not None
    assert (driven.adapter.newest.action != driven.adapter.newest.mean).any()
    driven.turn(listens=False)
    assert (driven.adapter.newest.action == driven.adapter.newest.mean).all()


@pytest.mark.parametrize("phase", ["COLLECTING", "COMPUTING", "WAITING", "TRIAL", "DONE", "GAVE_UP"])
def test_reset_begins_anew_from_every_phase(gradient_bundle, start, phase):
    answers = [rejected()] * 3 if phase == "GAVE_UP" else [near(start)] * 4
    driven = Driven(gradient_bundle, *answers, near(start), by_itself=phase != "WAITING")
    driven.until(phase)
    driven.adapter.reset()  # as a controller does
    driven.learning.reset()
    assert (driven.phase, driven.names[-1]) == ("COLLECTING", "reset")
    assert driven.learning.kept == 0
    assert driven.learning._window.count == 0
    assert (driven.adapter.parameters[0] == start).all()
    assert driven.learning.accept() == "nothing to accept: collecting"
    asked = len(driven.updates.asked)
    driven.turn(driven.steps + 1)
    assert len(driven.updates.asked) == asked + 1
    assert driven.updates.asked[-1]["step"] == 0


def test_windows_that_are_of_no_use_end_in_giving_up_not_in_exploring_for_ever(gradient_bundle):
    driven = Driven(gradient_bundle)
    driven.turn(10 * driven.steps, reward=np.nan)
    assert driven.phase == "GAVE_UP"
    assert driven.names == ["window dropped"] * 3 + ["gave up"]
    assert driven.adapter.exploration == 0.0


def test_exploration_is_bounded_and_as_wide_as_said(gradient_bundle):
    for share in (1.0, 0.25):
        driven = Driven(gradient_bundle, exploration=share)
        noise = []
        for _ in range(150):
            driven.turn()
            acted = driven.adapter.newest
            assert acted is not None
            noise.append((acted.action - acted.mean) / np.exp(acted.log_std))
        assert np.abs(noise[1:]).max() <= share * NOISE_BOUND * (1 + 1e-5)
        assert np.std(noise[1:]) == pytest.approx(share * 0.95, rel=0.15)  # of a normal one, cut at 2


def test_without_exploration_it_acts_by_the_mean(gradient_bundle):
    driven = Driven(gradient_bundle, exploration=0.0)
    driven.turn(50)
    assert driven.adapter.newest is not None
    assert (driven.adapter.newest.action == driven.adapter.newest.mean).all()


def test_one_robot_learns(gradient_bundle):
    with pytest.raises(AdaptError, match="2 robots; one at a time"):
        OnRobotLearning(gradient_bundle, GradientAdapter(gradient_bundle, 2), updates=ScriptedUpdates())


def test_status_says_what_is_going_on(gradient_bundle, start):
    driven = Driven(gradient_bundle, near(start), rejected())
    driven.turn(driven.steps // 4)
    assert driven.learning.status() == {
        "learning": "collecting (25 %)", "proposals kept": "0 of 3", "proposals rejected": "0",
        "proposals rolled back": "0",
    }  # fmt: skip
    driven.until("COMPUTING")
    assert driven.learning.status()["learning"] == "computing"
    driven.until("TRIAL")
    assert driven.learning.status()["learning"] == "on trial (0 %)"


def test_closing_ends_the_updates(gradient_bundle):
    driven = Driven(gradient_bundle)
    driven.learning.close()
    assert driven.updates.closed


# The adapter by itself.


def test_nothing_grows_with_the_number_of_proposals(gradient_bundle, start):
    adapter = GradientAdapter(gradient_bundle)
    for step in range(3 * KEPT):
        adapter.propose((start + np.float32(step))[None])
        assert adapter.accept()
    assert adapter.steps == 3 * KEPT
    backwards = 0
    while adapter.rollback():
        backwards += 1
    assert backwards == KEPT - 1
    assert adapter.steps == 2 * KEPT + 1
    np.testing.assert_array_equal(adapter.parameters[0], start + np.float32(2 * KEPT))


def test_what_is_kept_over_restarts_knows_how_far_it_has_come(gradient_bundle, start):
    adapter, other = GradientAdapter(gradient_bundle), GradientAdapter(gradient_bundle)
    for step in (1, 2):
        adapter.propose((start + np.float32(step))[None])
        adapter.accept()
    adapter.propose((start + np.float32(9))[None])  # on trial: has not proven itself
    other.restore(adapter.state())
    assert other.steps == 2
    np.testing.assert_array_equal(other.parameters[0], start + np.float32(2))
    assert other.rollback(), "the start can be gone back to"
    assert (other.parameters[0] == start).all()
    assert other.steps == 0
    assert not other.rollback()


def test_what_was_adapted_before_a_restart_is_not_adapted_further_than_it_was_made_for(
    gradient_bundle, start
):
    driven = Driven(gradient_bundle, near(start))
    state = {"parameters": (start + np.float32(1))[None], "steps": np.array([3.0], np.float32)}
    driven.adapter.restore(state)
    driven.learning.reset()
    assert driven.phase == "DONE"
    assert driven.learning.status()["learning"] == "adapted"
    driven.turn(2 * driven.steps)
    assert not driven.updates.asked
    state["steps"][0] = 2.0
    driven.adapter.restore(state)
    driven.learning.reset()
    driven.turn(driven.steps + 1)
    assert driven.updates.asked[0]["step"] == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parameters", np.nan),
        ("parameters", np.inf),
        ("steps", np.nan),
        ("steps", -1.0),
        ("steps", 0.5),
        ("steps", 3e38),
    ],
)
def test_a_saved_state_that_is_not_sound_is_refused_and_nothing_has_changed(gradient_bundle, name, value):
    adapter = GradientAdapter(gradient_bundle)
    state, before = adapter.state(), adapter.parameters.copy()
    state[name].flat[0] = value
    with pytest.raises(AdaptError, match=name):
        adapter.restore(state)
    assert (adapter.parameters == before).all()


def test_robots_are_reset_one_by_one(gradient_bundle, start):
    adapter = GradientAdapter(gradient_bundle, 3)
    adapter.propose(np.stack([start + np.float32(1)] * 3))
    adapter.reset(np.array([1]))
    np.testing.assert_array_equal(adapter.parameters[0], start + np.float32(1))
    np.testing.assert_array_equal(adapter.parameters[1], start)
    assert not adapter.on_trial
