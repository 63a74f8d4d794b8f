"""Evaluation of whole runs: every kind of learner, on a robot and on a benchmark's body, by the same protocol."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt import evaluate as evaluate_module
from adapt import runs as runs_module
from adapt.bundle import PolicyBundle, load_bundle
from adapt.errors import RunError
from adapt.export import make_bundle
from adapt.learners import LEARNERS, Learner
from adapt.report.evaluation import write_evaluation
from adapt.runs import EvaluationRequest, evaluate_run, evaluate_runs, export_run
from adapt.train import TrainRequest, train
from sim_tasks.errors import TaskError
from tests.adapt.small import SMALL, shrink
from tests.small_bundle import FAMILY

BODY = "half_cheetah_vel@roml"
TASKS = 6
FEW = EvaluationRequest(tasks=TASKS)

pytestmark = pytest.mark.usefixtures("small", "few_tasks")


@pytest.fixture
def few_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks enough to see that all works; and what was traced once is not traced again, which takes seconds."""
    monkeypatch.setattr(evaluate_module, "MIN_TASKS", TASKS)
    monkeypatch.setattr(runs_module, "make_bundle", _bundle_once)


_bundles: dict[str, PolicyBundle] = {}


def _bundle_once(learner: Learner, training: dict[str, Any], commit: str) -> PolicyBundle:
    key = json.dumps(training)
    if key not in _bundles:
        _bundles[key] = make_bundle(learner, training, commit)
    return _bundles[key]


def trained(learner: str, out: Path, seed: int = 0) -> Path:
    """A run of a moment on a benchmark's body."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        config = SMALL[type(LEARNERS[learner].config)]
        train(TrainRequest(learner, BODY, out, seed, config, iterations=2, threads=1))
    return out


@pytest.fixture(scope="module")
def body_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with runs on a benchmark's body; not to be changed but for evaluations."""
    out = tmp_path_factory.mktemp("body")
    for learner in ("dr", "oracle", "rl2", "varibad"):
        trained(learner, out / learner)
    return out


@pytest.mark.parametrize("learner", ["rl2", "varibad"])
def test_learners_that_hear_the_reward_are_evaluated_on_a_body(body_runs, learner):
    result = evaluate_run(body_runs / learner, FEW)
    assert (result["learner"], result["family"], result["episodes"]) == (learner, BODY, 2)
    assert (result["split"], result["n_tasks"], result["episode_steps"]) == ("test", TASKS, 200)
    for policy in result["policies"].values():
        first, second = policy["stages"]
        assert policy["mean"] == pytest.approx(first["mean"] + second["mean"])
        assert len(first["returns"]) == TASKS
        assert sum(policy["curve"]) == pytest.approx(policy["mean"], abs=0.01)
    means = [[stage["mean"] for stage in policy["stages"]] for policy in result["policies"].values()]
    assert len({tuple(each) for each in means}) == 3, "three policies, three results"
    told = result["score"]["mean"]
    learner_return, dr, oracle = (result["policies"][name]["mean"] for name in ("learner", "dr", "oracle"))
    assert told == pytest.approx((learner_return - dr) / (oracle - dr))
    assert not (body_runs / learner / "bundle").exists()


def test_an_evaluation_says_where_it_comes_from(body_runs):
    result = evaluate_run(body_runs / "rl2", FEW)
    assert result == json.loads((body_runs / "rl2" / "evaluation.json").read_text())
    assert result["tasks"]["names"] == ["target_velocity"]
    assert np.shape(result["tasks"]["values"]) == (TASKS, 1)
    assert result["missing"] == []
    (run,) = result["runs"]["learner"]
    trained = json.loads((body_runs / "rl2" / "config.json").read_text())
    assert {key: run[key] for key in ("seed", "commit", "hyperparameters")} == {
        key: trained[key] for key in ("seed", "commit", "hyperparameters")
    }
    assert run["steps"] == json.loads((body_runs / "rl2" / "result.json").read_text())["steps"]
    assert {"commit", "versions", "machine", "seed"} <= result.keys()
    page = write_evaluation(body_runs / "rl2" / "evaluation.json").read_text("utf-8")
    for place in ("adaptation", "stages", "histogram", "parameter"):
        assert f'data-figure="{place}"' in page
        assert f'"{place}":{{"data"' in page


@pytest.mark.parametrize(("learner", "score"), [("oracle", 1.0), ("dr", 0.0)])
def test_bounds_score_as_they_must(body_runs, learner, score):
    assert evaluate_run(body_runs / learner, FEW)["score"] == {"mean": score, "interval": [score, score]}


def test_perfect_knowledge_of_a_robot_scores_1(runs, tmp_path):
    for name in ("dr", "oracle"):
        shutil.copytree(runs / name, tmp_path / name)
    result = evaluate_run(tmp_path / "oracle", FEW)
    assert result["score"] == {"mean": 1.0, "interval": [1.0, 1.0]}
    assert (result["family"], result["episodes"]) == (FAMILY, 1)
    assert (tmp_path / "dr" / "bundle" / "manifest.json").is_file(), "robots are driven by bundles"


def test_a_bundle_that_was_evaluated_says_how_it_scored(runs, tmp_path):
    """It is exported first, and evaluated then; the graph that was evaluated is the one that stays."""
    shutil.copytree(runs / "dr", tmp_path / "dr")
    before = export_run(tmp_path / "dr")
    result = evaluate_run(tmp_path / "dr", FEW)
    bundle = load_bundle(tmp_path / "dr" / "bundle")
    learner = result["policies"]["learner"]
    assert bundle.manifest["evaluation"] == {
        "split": "test", "tasks": TASKS, "episodes": 1, "score": None,
        "return": {"mean": learner["mean"], "interval": learner["interval"]},
    }  # fmt: skip
    assert f"- {TASKS} held-out tasks (test), 1 episode(s) each" in bundle.files["MODEL_CARD.md"].decode()
    assert bundle.files["step.onnx"] == before.files["step.onnx"]


def test_without_bounds_it_is_said_which_training_is_missing(body_runs, tmp_path):
    shutil.copytree(body_runs / "oracle", tmp_path / "alone")
    result = evaluate_run(tmp_path / "alone", FEW)
    assert result["score"] is None
    assert result["missing"] == [
        {"bound": bound, "command": f"adapt train {bound} {BODY} --seed 0 --out {tmp_path / bound}"}
        for bound in ("dr", "oracle")
    ]
    assert set(result["policies"]) == {"learner"}
    elsewhere = EvaluationRequest(body_runs / "dr", body_runs / "oracle", TASKS)
    assert evaluate_run(tmp_path / "alone", elsewhere)["score"]["mean"] == 1.0


def test_seeds_are_evaluated_together_and_each_for_itself(body_runs, tmp_path):
    shutil.copytree(body_runs / "oracle", tmp_path / "0")
    trained("oracle", tmp_path / "1", seed=1)
    request = EvaluationRequest(body_runs / "dr", body_runs / "oracle", TASKS)
    path, result = evaluate_runs([tmp_path / "0", tmp_path / "1"], request)
    assert path == tmp_path / "evaluation_oracle.json"
    alone = [json.loads((tmp_path / seed / "evaluation.json").read_text()) for seed in ("0", "1")]
    means = [each["policies"]["learner"]["mean"] for each in alone]
    assert means[0] != means[1]
    together = result["policies"]["learner"]
    assert together["mean"] == pytest.approx(np.mean(means))
    assert together["returns"] == [x for each in alone for x in each["policies"]["learner"]["returns"]]
    assert [run["seed"] for run in result["runs"]["learner"]] == [0, 1]
    # Drawing the same training twice has a chance of 1/2: the interval reaches beyond both.
    low, high = together["interval"]
    assert low <= min(means)
    assert high >= max(means)


def test_the_split_ood_does_not_overwrite_the_evaluation(body_runs):
    evaluate_run(body_runs / "oracle", FEW)
    before = (body_runs / "oracle" / "evaluation.json").read_bytes()
    evaluate_run(body_runs / "oracle", EvaluationRequest(tasks=TASKS, split="ood"))
    assert (body_runs / "oracle" / "evaluation.json").read_bytes() == before
    assert json.loads((body_runs / "oracle" / "evaluation_ood.json").read_text())["split"] == "ood"


class Gradient:
    """A learner whose return on task i after k gradient steps is k + i."""

    steps = 3

    def adaptation_curve(self, tasks: np.ndarray, steps: int, seed: int, split: str) -> np.ndarray:
        return np.arange(steps + 1.0)[:, None] + np.arange(len(tasks))


def test_gradient_learners_are_evaluated_after_0_to_3_steps(body_runs, tmp_path, monkeypatch):
    shutil.copytree(body_runs / "dr", tmp_path / "steps")
    monkeypatch.setattr(runs_module, "load_learner", lambda run: Gradient())
    result = evaluate_run(tmp_path / "steps", FEW)
    stages = result["policies"]["learner"]["stages"]
    # Six tasks: the mean of 0 to 5 is 2.5.
    assert [stage["mean"] for stage in stages] == [2.5, 3.5, 4.5, 5.5]
    assert stages[1]["name"] == "1 gradient step"
    page = write_evaluation(tmp_path / "steps" / "evaluation.json").read_text("utf-8")
    assert 'data-figure="gradient"' in page
    assert 'data-figure="adaptation"' not in page


def test_a_learner_that_waits_for_rewards_is_refused_on_a_robot_that_measures_none(runs, monkeypatch):
    learner = runs_module.load_learner(runs / "rl2")
    learner.env.family = dataclasses.replace(learner.env.family, measured_reward=None)
    monkeypatch.setattr(runs_module, "load_learner", lambda run: learner)
    with pytest.raises(RunError, match=f"rl2: {FAMILY}: its reward cannot be measured"):
        evaluate_run(runs / "rl2", FEW)
    with pytest.raises(RunError, match="its reward cannot be measured"):
        export_run(runs / "rl2")


def test_a_learner_that_cannot_act_is_refused(body_runs, monkeypatch):
    class Nothing:
        env: Any = None

    learner = runs_module.load_learner(body_runs / "dr")
    Nothing.env = learner.env
    monkeypatch.setattr(runs_module, "load_learner", lambda run: Nothing())
    monkeypatch.setattr(runs_module, "make_bundle", make_bundle)
    with pytest.raises(RunError, match="dr: Nothing cannot be deployed: it has no control step"):
        evaluate_run(body_runs / "dr", FEW)


def test_a_run_on_a_body_cannot_be_exported(body_runs):
    with pytest.raises(TaskError, match="benchmark's body"):
        export_run(body_runs / "dr")
