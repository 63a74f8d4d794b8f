"""Evaluation: held-out tasks only, the same for everybody; what it says, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from adapt.errors import AdaptError
from adapt.evaluate import MIN_TASKS, HeldOut, default_episodes, summary
from adapt.statistics import cvar
from adapt.trials import Trials
from sim_tasks.families import load_family
from tests.small_bundle import FAMILY


@pytest.mark.parametrize("tasks", [0, 1, MIN_TASKS - 1])
def test_too_few_tasks_are_refused(family, tasks):
    with pytest.raises(AdaptError, match=f"tasks: {tasks}; at least 256"):
        HeldOut(family, tasks=tasks)


@pytest.mark.parametrize("split", ["train", "all"])
def test_only_held_out_tasks_are_evaluated(family, split):
    with pytest.raises(AdaptError, match=f"split: '{split}'; valid: test, ood"):
        HeldOut(family, split=split)


def test_a_trial_has_an_episode(family):
    with pytest.raises(AdaptError, match="episodes: 0; a trial has at least one"):
        HeldOut(family, episodes=0)


def test_tasks_are_held_out_of_training():
    """The target velocity of half_cheetah_vel: no test task is a training task, and every policy gets the same."""
    family = load_family("half_cheetah_vel")
    values = HeldOut(family, seed=3).values
    assert not np.isin(values, family.sample("train", 5000, 3)).any()
    np.testing.assert_array_equal(values, HeldOut(family, seed=3, split="test").values)
    assert (values != HeldOut(family, seed=4).values).any()


def test_robots_are_judged_by_their_first_episode_and_bodies_by_two(family):
    assert default_episodes(family) == 1
    assert default_episodes(load_family("half_cheetah_vel")) == 2


def test_the_same_bundle_twice_gives_the_same_numbers(evaluated):
    policies = evaluated["policies"]
    assert policies["learner"] == policies["dr"]
    assert policies["oracle"]["returns"] != policies["dr"]["returns"]
    assert evaluated["score"] == {"mean": 0.0, "interval": [0.0, 0.0]}


def test_what_an_evaluation_says(evaluated, family):
    assert (evaluated["family"], evaluated["split"], evaluated["seed"]) == (FAMILY, "test", 1)
    assert (evaluated["n_tasks"], evaluated["period"]) == (MIN_TASKS, 0.02)
    for policy in evaluated["policies"].values():
        assert len(policy["returns"]) == MIN_TASKS
        assert policy["mean"] == pytest.approx(np.mean(policy["returns"]), abs=1e-3)
        assert policy["cvar5"] == pytest.approx(cvar(np.array(policy["returns"])), abs=1e-3)
        assert policy["cvar5"] <= policy["mean"]
        low, high = policy["interval"]
        assert low <= policy["mean"] <= high
        assert len(policy["curve"]) == family.episode_steps
        assert sum(policy["curve"]) == pytest.approx(policy["mean"], abs=0.01)
        assert 0 <= policy["success"] <= 1
    belief = evaluated["belief"]
    assert belief["names"] == list(family.belief_names)
    assert np.shape(belief["rmse"]) == (family.episode_steps, len(family.belief_names))
    assert belief["time"][:2] == [0.0, 0.02]
    ratio = evaluated["policies"]["oracle"]["mean"] / evaluated["policies"]["dr"]["mean"] - 1
    assert evaluated["oracle_over_dr"]["mean"] == pytest.approx(ratio)


def hand_made(*returns: tuple[float, float]) -> Trials:
    """Trials whose every episode has two steps; the returns of each episode on the even and on the odd tasks."""
    per_step = np.repeat(np.array(returns), 2, axis=0) / 2
    rewards = np.tile(per_step, (1, MIN_TASKS // 2))
    return Trials(rewards, None, None, {}, episodes=len(returns))


@pytest.fixture
def two_episodes() -> HeldOut:
    return HeldOut(load_family("half_cheetah_vel"), MIN_TASKS, episodes=2)


def test_returns_and_scores_by_episode_worked_out_by_hand(two_episodes):
    learner, dr, oracle = hand_made((1, 3), (8, 8)), hand_made((0, 0), (4, 0)), hand_made((8, 8), (8, 12))
    result = summary(two_episodes, {"learner": [learner], "dr": [dr], "oracle": [oracle]})
    first, second = result["policies"]["learner"]["stages"]
    assert (first["name"], second["name"]) == ("episode 1", "episode 2")
    # Half of the tasks return 1, the others 3; then all 8. The worst 5 % of 256 tasks are all ones.
    assert (first["mean"], first["cvar5"], second["mean"], second["cvar5"]) == (2, 1, 8, 8)
    assert second["interval"] == second["cvar5_interval"] == [8, 8]
    # The mean of 256 ones and threes: standard deviation 1 / sqrt(256).
    assert np.diff(first["interval"])[0] == pytest.approx(2 * 1.96 / 16, rel=0.15)
    # Episode 1: (2 - 0) / (8 - 0). Episode 2: (8 - 2) / (10 - 2). The trial: (10 - 2) / (18 - 2).
    assert [stage["mean"] for stage in result["stage_scores"]] == [0.25, 0.75]
    assert result["score"]["mean"] == 0.5
    assert result["bounds_apart"]
    assert result["policies"]["learner"]["mean"] == 10
    assert result["policies"]["learner"]["curve"] == [1.0, 1.0, 4.0, 4.0]


def test_perfect_knowledge_scores_1_and_none_scores_0(two_episodes):
    dr, oracle = hand_made((0, 0), (4, 0)), hand_made((8, 8), (8, 12))
    perfect = summary(two_episodes, {"learner": [oracle], "dr": [dr], "oracle": [oracle]})
    assert perfect["score"] == {"mean": 1.0, "interval": [1.0, 1.0]}
    none = summary(two_episodes, {"learner": [dr], "dr": [dr], "oracle": [oracle]})
    assert none["score"] == {"mean": 0.0, "interval": [0.0, 0.0]}


def test_intervals_are_over_tasks_and_seeds(two_episodes):
    """Two trainings, one as good as DR, 0, the other as the oracle, 8: tasks alone would give no interval."""
    bad, good = hand_made((0, 0), (0, 0)), hand_made((8, 8), (8, 8))
    result = summary(two_episodes, {"learner": [bad, good], "dr": [bad], "oracle": [good]})
    stage = result["policies"]["learner"]["stages"][0]
    assert (stage["mean"], stage["interval"]) == (4, [0, 8])
    assert result["score"] == {"mean": 0.5, "interval": [0.0, 1.0]}
    learner = result["policies"]["learner"]
    assert (learner["curve_low"][0], learner["curve_high"][0]) == (0, 4)
    assert len(stage["returns"]) == 2 * MIN_TASKS


def test_gradient_steps_are_stages_against_one_episode_of_the_bounds(two_episodes):
    curve = np.stack([np.full(MIN_TASKS, value) for value in (0.0, 2.0, 6.0)])
    bounds = {"dr": [hand_made((0, 0), (4, 4))], "oracle": [hand_made((8, 8), (9, 9))]}
    result = summary(two_episodes, {"learner": [curve], **bounds})
    learner = result["policies"]["learner"]
    assert [stage["name"] for stage in learner["stages"]] == [
        "0 gradient steps", "1 gradient step", "2 gradient steps",
    ]  # fmt: skip
    # Against the first episode of the bounds, 0 and 8.
    assert [stage["mean"] for stage in result["stage_scores"]] == [0.0, 0.25, 0.75]
    assert (learner["mean"], result["score"]["mean"]) == (6, 0.75)
    assert "curve" not in learner


def test_without_a_bound_there_is_no_score(two_episodes):
    one = hand_made((1, 1), (1, 1))
    assert summary(two_episodes, {"learner": [one], "dr": [one]})["score"] is None
    same = summary(two_episodes, {"learner": [one], "dr": [one], "oracle": [one]})
    assert same["score"] is None
    assert not same["bounds_apart"]


def test_a_gradient_learner_gets_its_steps(family):
    class Asked:
        steps = 4

        def adaptation_curve(
            self, tasks: np.ndarray, steps: int, seed: int, split: str = "test"
        ) -> np.ndarray:
            return np.full((steps + 1, len(tasks)), float(seed))

    assert HeldOut(family, MIN_TASKS, seed=2).adapt(Asked()).shape == (5, MIN_TASKS)
