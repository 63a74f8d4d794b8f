"""The page of results says what the kept figures say, and figures come from evaluated runs alone."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adapt.errors import RunError
from adapt.learners import LEARNERS
from adapt.options import learner_config
from sim_tasks.families import load_family
from tests import results_page


def test_the_page_is_what_the_kept_figures_say():
    assert results_page.PAGE.read_text(encoding="utf-8") == results_page.page(
        results_page.records(), results_page.experts()
    )


@pytest.mark.parametrize(
    "record", results_page.records(), ids=lambda r: f"{r['family']}-{r['learner']}-{r['seed']}"
)
def test_what_is_kept_says_where_it_comes_from(record):
    assert record["learner"] in LEARNERS
    assert load_family(record["family"])
    assert {"seed", "commit", "versions", "machine", "hyperparameters"} <= record.keys()
    assert not record["commit"].endswith("dirty")
    assert record["frames"] > 0 < record["minutes"]
    assert record["tasks"] >= 256
    for stage in record["stages"]:
        low, high = stage["interval"]
        assert low <= stage["mean"] <= high
        assert stage["cvar5"] <= stage["mean"]


@pytest.mark.parametrize("family", results_page.PUBLISHED)
def test_published_figures_are_of_families_that_there_are(family):
    assert load_family(family)


def test_a_curve_is_drawn_at_even_distances_as_far_as_it_reaches():
    curve = {"frames": [10.0, 20.0, 30.0, 40.0, 50.0], "values": [1.0, 2.0, 3.0, 4.0, 5.0]}
    # 25 points over 100 frames: one every 4; the last within 1 % of 50 is at 48.
    drawn = list(results_page._resampled(curve, 100))
    assert len(drawn) == 12
    assert (drawn[0], drawn[-1]) == (1.0, 5.0)


def test_a_run_that_was_not_evaluated_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(results_page, "compare", lambda runs: {"runs": [{"stages": []}]})
    with pytest.raises(RunError, match="evaluate it first: adapt evaluate"):
        results_page.kept(tmp_path)


def test_a_row_names_its_figures():
    record = json.loads(
        '{"learner": "x", "seed": 3, "frames": 1200, "minutes": 2.5, "tasks": 256, "cvar5": -20.04, "score": null,'
        '"stages": [{"name": "episode 1", "mean": -10.04, "interval": [-11.0, -9.0], "cvar5": -20.0}]}'
    )
    expected = "| x | 3 | 1,200 | 2.5 | 256 | episode 1: -10.0 [-11.0, -9.000] | -20.0 |  |  |  |"
    assert results_page._row(record) == expected
    beyond = {"mean": -30.0, "interval": [-31.0, -29.0], "score": {"mean": 0.5, "interval": [0.4, 0.6]}}
    narrow = record | {"ood": beyond, "success": 0.5, "training": {"width": 0.5, "task": None}}
    row = results_page._row(narrow)
    none = record | {"score": {"mean": -1.5, "interval": [-2.0, -1.0]}, "bounds_apart": False}
    assert results_page._row(none).endswith("| none: the oracle is not above DR for certain |  |")
    assert row.startswith("| x, width 0.5 | 3 |")
    assert row.endswith("| 50.0 % |  | -30.0 [-31.0, -29.0]; score 0.500 [0.400, 0.600] |")


def test_experts_are_told_with_the_control_steps_that_they_needed():
    expert = {"returns": [-12.0], "frames": 3000, "frames_to_reach": None}
    task = {"task": 0, "adaptive": [-11.0], "experts": {"a": expert, "b": expert | {"frames_to_reach": 2000}}}
    result = {"learner": "x", "episode_steps": 200, "trials": 256, "tasks": [task]}
    lines = list(results_page._experts(result))
    assert lines[1] == "| task | x | a | b |"
    assert lines[3] == "| 0 | -11.0 | never of 3,000 (-12.0) | 2,000 of 3,000 (-12.0) |"


def test_the_command_names_a_teacher_that_is_not_the_oracle():
    own = dataclasses.asdict(learner_config("rma", "pendulum_swingup"))
    row = {"learner": "rma", "family": "pendulum_swingup", "seed": 0, "hyperparameters": own}
    usual = "adapt train rma pendulum_swingup --seed 0"
    assert results_page._command(row | {"teacher": "oracle"}) == usual
    assert results_page._command(row | {"teacher": "dr"}) == f"{usual} --teacher runs/pendulum_swingup/dr"


def test_the_command_names_what_is_not_usual():
    usual = dataclasses.asdict(learner_config("varibad", "half_cheetah_vel"))
    own = usual | {
        "frames": 1000,
        "hidden": [8, 9],
        "hears_reward": False,
        "ppo": usual["ppo"] | {"huber": False},
    }
    narrow = {"width": 0.5, "task": None}
    row = {
        "learner": "varibad",
        "family": "half_cheetah_vel",
        "training": narrow,
        "seed": 4,
        "hyperparameters": own,
    }
    assert results_page._command(row) == (
        "adapt train varibad half_cheetah_vel --seed 4 --width 0.5 --frames 1000 --hidden 8 9 --no-hears-reward "
        "--ppo.no-huber"
    )
