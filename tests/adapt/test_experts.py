"""An adaptive policy held against learning from scratch on one held-out task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from adapt import evaluate, experts
from adapt.errors import AdaptError, RunError
from adapt.experts import ExpertsRequest, frames_to_reach, hold_against_experts, parse_learners, table_lines
from adapt.report.evaluation import write_evaluation
from adapt.runs import EvaluationRequest, evaluate_run
from adapt.train import load_learner
from sim_tasks.families import load_family
from tests.small_bundle import FAMILY

STARTS = 6

pytestmark = pytest.mark.usefixtures("few_starts")


@pytest.fixture
def few_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MIN_TASKS", STARTS)
    monkeypatch.setattr(experts, "MIN_TASKS", STARTS)


def adaptive(runs: Path, folder: Path) -> Path:
    return Path(shutil.copytree(runs / "dr", folder / "dr"))


def test_experts_meet_their_task_alone_and_are_trained_once(runs, tmp_path):
    run = adaptive(runs, tmp_path)
    request = ExpertsRequest(run, {"sb3_ppo": 2048}, tasks=2)
    told: list[tuple[str, int, int]] = []
    result = hold_against_experts(request, lambda *each: told.append(each))
    assert [each[1:] for each in told] == [(1, 2), (2, 2)]
    assert result == json.loads((run / "experts" / "experts.json").read_text())
    values = load_family(FAMILY).sample("test", 2, seed=0)
    for number, task in enumerate(result["tasks"]):
        assert list(task["values"].values()) == values[number].tolist()
        expert = load_learner(run / "experts" / "sb3_ppo" / str(number))
        np.testing.assert_array_equal(
            expert.env.sim.values, np.repeat(values[[number]], expert.env.robots, axis=0)
        )
        evaluation = json.loads((run / f"evaluation_task{number}.json").read_text())
        assert evaluation["tasks"]["values"] == [values[number].tolist()] * STARTS
        assert task["adaptive"] == [stage["mean"] for stage in evaluation["policies"]["learner"]["stages"]]
        assert task["experts"]["sb3_ppo"]["frames"] == 2048
        assert np.isfinite(task["experts"]["sb3_ppo"]["returns"]).all()
    lines = list(table_lines(result))
    assert len(lines) == 1 + 2 * 2
    assert "of 2,048" in lines[2]
    evaluation = json.loads((run / "evaluation_task1.json").read_text("utf-8"))
    assert list(evaluation["policies"]) == ["learner"], "bounds say nothing here, and would play for nothing"
    assert evaluation["missing"] == []
    page = write_evaluation(run / "evaluation_task1.json").read_text("utf-8")
    assert f"One task that was held out of its training, from {STARTS} starts." in page
    for other in (
        ExpertsRequest(run, {"sb3_ppo": 4096}, tasks=1),
        ExpertsRequest(run, {"sb3_ppo": 2048}, tasks=1, seed=1),
    ):
        with pytest.raises(RunError, match="an expert with seed 0 and 2,048 control steps is there"):
            hold_against_experts(other)
    told.clear()
    assert hold_against_experts(request, lambda *each: told.append(each)) == result
    assert told == []
    _an_expert_is_evaluated_on_its_own_task_and_is_no_adaptive_policy(
        request.folder / "sb3_ppo" / "1", values[1]
    )


def _an_expert_is_evaluated_on_its_own_task_and_is_no_adaptive_policy(expert: Path, task: np.ndarray) -> None:
    result = evaluate_run(expert, EvaluationRequest(tasks=STARTS), quiet=True)
    assert result["task"] == 1
    assert result["tasks"]["values"] == [task.tolist()] * STARTS
    page = write_evaluation(expert / "evaluation.json").read_text("utf-8")
    assert f"The only task that it was trained on, from {STARTS} starts." in page
    with pytest.raises(AdaptError, match="task: 1 with split: 'ood'"):
        evaluate_run(expert, EvaluationRequest(tasks=STARTS, split="ood"), quiet=True)
    with pytest.raises(RunError, match="an expert itself"):
        hold_against_experts(ExpertsRequest(expert, {"sb3_ppo": 1}))


def test_a_training_that_fails_says_why(runs, tmp_path):
    run = adaptive(runs, tmp_path)
    (run / "experts").write_text("in the way")
    with pytest.raises(RunError, match="training sb3_ppo on task 0 failed"):
        hold_against_experts(ExpertsRequest(run, {"sb3_ppo": 1}, tasks=1))


def test_a_return_is_reached_when_the_mean_of_the_newest_is(monkeypatch):
    monkeypatch.setattr(experts, "NEWEST", 2)
    frames = [10, 20, 30, 40]
    # Means of two: 2, 3, 4.
    assert frames_to_reach(frames, [1.0, 3.0, 3.0, 5.0], 3.0) == 30
    assert frames_to_reach(frames, [1.0, 3.0, 3.0, 5.0], 4.0) == 40
    assert frames_to_reach(frames, [9.0, -9.0, 0.0, 0.0], 1.0) is None, "one lucky iteration is not enough"
    assert frames_to_reach([], [], 0.0) is None


def test_learners_are_named_with_their_control_steps():
    assert parse_learners(["sb3_ppo:300_000", "dr"]) == {"sb3_ppo": 300_000, "dr": None}
    for word in ("sb3_ppo:many", "sb3_ppo:", "sb3_ppo:3__0"):
        with pytest.raises(AdaptError, match=f"'{word}'; valid: NAME or NAME:FRAMES"):
            parse_learners([word])


@pytest.mark.parametrize(
    ("learners", "tasks", "words"),
    [
        ({}, 1, "none given"),
        ({"sb3_ppo": None}, 0, "tasks: 0; at least 1"),
        ({"sb3_ppo": 0}, 1, "sb3_ppo with 0 control steps"),
        ({"dqn": None}, 1, "unknown learner 'dqn'"),
        ({"rma": None}, 1, "rma needs a teacher"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, learners, tasks, words):
    with pytest.raises(AdaptError, match=words):
        ExpertsRequest(tmp_path, learners, tasks)
