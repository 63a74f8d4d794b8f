"""The threshold of familiarity: what it promises, what it is made of, and what being outside the family means."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from adapt.calibration import (
    CERTAINTY,
    FALSE_ALARMS,
    CalibrationRequest,
    allowed_above,
    calibrate,
    interval,
    least_tasks,
    tolerance_limit,
    trial_steps,
    watch,
)
from adapt.cli import main
from adapt.errors import AdaptError, RunError
from adapt.familiarity_report import FamiliarityRequest, judge_bundle, report_lines
from adapt.online.familiarity import Familiarity
from adapt.online.forecast_score import Calibration
from adapt.outside import ENCODER_JUMP, FAULT_TIME, Outside, outside_cases
from robots import SensorFrame
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv


def test_as_few_trials_as_can_show_it():
    # 0.99^298 = 0.05002, 0.99^299 = 0.0495.
    assert least_tasks() == 299
    with pytest.raises(AdaptError, match=r"tasks: 298; at least 299 trials"):
        CalibrationRequest(298)


@pytest.mark.parametrize(("tasks", "allowed"), [(299, 0), (472, 0), (473, 1), (627, 1), (628, 2), (1024, 4)])
def test_how_many_trials_may_lie_above(tasks, allowed):
    """As in the tables for a 99 % content and 95 % confidence: 299, 473 and 628 trials."""
    assert allowed_above(tasks) == allowed


def test_the_threshold_is_that_many_below_the_highest():
    values = np.random.default_rng(0).permutation(np.arange(473.0))
    assert tolerance_limit(values) == 471.0
    assert tolerance_limit(values[:299]) == values[:299].max()


def test_the_promise_holds_whatever_the_distribution():
    """Of many calibrations, about one in twenty at most has a threshold that 1 % or more of all values exceed."""
    rng = np.random.default_rng(1)
    broken = [np.exp(-tolerance_limit(rng.exponential(size=473))) >= FALSE_ALARMS for _ in range(4000)]
    # The exact share is 0.0498; three standard deviations of 4000 draws are 0.0103.
    assert 0.0395 < np.mean(broken) < 1 - CERTAINTY + 0.0103


def test_interval_of_a_share_by_hand():
    # None of 100: 1 - 0.025^(1/100) = 0.0362. All: the mirror image.
    assert interval(0, 100) == pytest.approx([0.0, 0.0362], abs=1e-4)
    assert interval(100, 100) == pytest.approx([0.9638, 1.0], abs=1e-4)
    assert interval(5, 1000) == pytest.approx([0.0016, 0.0116], abs=1e-4)


@pytest.mark.parametrize("seconds", [0.1, 1.5])
def test_where_no_trial_lasts_for_a_window_there_is_nothing_to_calibrate_on(belief_bundle, family, seconds):
    """A window is 2 s; in 0.1 s, all of it soft start, no step counts at all. An export goes on all the same."""
    short = replace(family, episode_seconds=seconds)
    assert calibrate(belief_bundle, short, CalibrationRequest(least_tasks())) is None


def test_what_the_bundle_says_is_what_was_played(belief_bundle, family):
    found = belief_bundle.manifest["familiarity"]
    assert (found["tasks"], found["seed"], found["seconds"]) == (299, 0, 6.0)
    assert found["threshold"] == found["quantiles"][-1]  # of 299 trials none may lie above
    highest, judge = np.zeros(299), Familiarity(belief_bundle, 299)
    values = family.sample("train", 299, 0)
    for _ in watch(belief_bundle, family, values, 0, judge, split="train"):
        highest = np.fmax(highest, judge.judgement().score)
    # Sums were kept in single precision.
    assert highest.max() == pytest.approx(1.0, rel=1e-4)
    assert np.quantile(highest, 0.5) * found["threshold"] == pytest.approx(found["quantiles"][3], rel=1e-4)


def test_calibration_is_the_same_at_every_call(belief_bundle, family):
    again = calibrate(belief_bundle, family, CalibrationRequest(299))
    assert again == belief_bundle.manifest["familiarity"]


def test_a_policy_that_does_not_forecast_is_not_calibrated(dr_bundle, family):
    assert calibrate(dr_bundle, family) is None


def test_long_episodes_are_cut():
    assert trial_steps(load_family("pendulum_swingup")) == 300
    go2 = load_family("go2_velocity")
    assert trial_steps(go2) * go2.period == pytest.approx(min(10.0, go2.episode_seconds))


def test_parameters_lie_that_far_beyond(family):
    values = family.sample("test", 3, 0)
    cases = {case.name: case for case in outside_cases(family, values, (0.5,))}
    column = family.parameter_index("encoder_offset")
    # The range is -0.3 to 0.3 rad: half of it beyond are 0.6 and -0.6.
    low, high = (
        cases[f"encoder_offset {sign}0.6 rad, 50% beyond {end}"] for sign, end in (("-", "low"), ("", "high"))
    )
    assert low.values[:, column].tolist() == pytest.approx([-0.6] * 3)
    assert high.values[:, column].tolist() == pytest.approx([0.6] * 3)
    others = np.delete(high.values, column, axis=1)
    np.testing.assert_array_equal(others, np.delete(values, column, axis=1))
    # On a logarithmic scale: 0.01 x 12^1.5.
    friction = family.parameter_index("viscous_friction")
    case = next(c for name, c in cases.items() if name.startswith("viscous_friction 0.416"))
    assert case.values[0, friction] == pytest.approx(0.01 * 12**1.5)
    assert case.onset == 0.0
    # Coulomb friction below 0.03 - 0.085 N m is none.
    assert not any("coulomb_friction" in name and "low" in name for name in cases)


@pytest.fixture
def env(family) -> TrialVecEnv:
    return TrialVecEnv(family, 2, seed=0, split="test", threads=1, changes=False)


def fault(family, name: str) -> Outside:
    return next(case for case in outside_cases(family, family.sample("test", 2, 0), ()) if case.name == name)


def test_half_and_no_strength_reach_the_joint(family, env):
    before = env.sim.field("actuator_gainprm")[:, 0, 0].copy()
    for name, left in (("motor at half its strength", 0.5), ("motor dead", 0.0)):
        case = fault(family, name)
        assert case.fault is not None
        case.fault(env)
        before = before * left
        np.testing.assert_allclose(env.sim.field("actuator_gainprm")[:, 0, 0], before)


def test_a_locked_joint_does_not_move(family, env):
    case = fault(family, "joint locked")
    assert case.fault is not None
    case.fault(env)
    for _ in range(10):  # it is stopped
        env.apply(np.zeros((2, 1)))
    start = env.sim.position
    for _ in range(50):
        env.apply(np.full((2, 1), 2.5))
    assert np.abs(env.sim.position - start).max() < 0.05  # free, it would turn several times


def test_the_encoder_jumps_at_its_time(family):
    case = fault(family, f"encoder jumps by {ENCODER_JUMP} rad")
    frame = SensorFrame(np.zeros(2), np.array([[0.1], [0.2]]), np.zeros((2, 1)))
    assert case.onset == FAULT_TIME
    assert case.sense(frame, FAULT_TIME - 0.02) is frame
    assert case.sense(frame, FAULT_TIME).position.tolist() == [[0.6], [0.7]]
    assert frame.position.tolist() == [[0.1], [0.2]]


def test_a_report_counts_who_was_noticed(belief_bundle, family, monkeypatch):
    """With a window of one step: everybody by a threshold that everybody exceeds, nobody by one that nobody does."""
    found = Calibration.of(belief_bundle)
    request = FamiliarityRequest(trials=6, outside=4, seed=2, distances=())
    for threshold, share in ((1e-9, 1.0), (1e9, 0.0)):
        strict = replace(found, threshold=threshold, window=0.02)
        monkeypatch.setattr(Calibration, "of", classmethod(lambda cls, bundle, strict=strict: strict))
        result = judge_bundle(belief_bundle, family, request)
        rows = [result["inside"], *result["outside"]]
        assert {row["share"] for row in rows} == {share}
        assert [rows[0]["trials"], rows[1]["trials"]] == [6, 4]
    assert all(row["delay"] is None for row in rows)
    assert report_lines(result)[0].startswith("inside the family: 0 false alarms in 6 trials of 6 s, 0.00%")


def test_the_command_says_what_is_missing(runs, capsys):
    assert main(["familiarity", str(runs / "rl2")]) == 2
    assert f"no bundle yet; make it: adapt export {runs / 'rl2'}" in capsys.readouterr().err


def test_the_command_writes_what_it_says(runs, tmp_path, capsys):
    assert main(["export", str(runs / "rma"), "--out", str(runs / "rma" / "bundle")]) == 0
    out = tmp_path / "familiarity.json"
    few = ["--trials", "4", "--outside", "2", "--distances", "--out", str(out), "--json"]
    assert main(["familiarity", str(runs / "rma"), *few]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert json.loads(out.read_text()) == said
    assert said["inside"]["trials"] == 4
    assert {"motor dead", "joint locked"} <= {row["name"] for row in said["outside"]}


@pytest.mark.parametrize(
    ("options", "words"), [({"trials": 0}, "trials: 0"), ({"distances": (0.0,)}, "distances: 0.0")]
)
def test_requests_that_cannot_be_are_refused(options, words):
    with pytest.raises(RunError, match=words):
        FamiliarityRequest(**options)
