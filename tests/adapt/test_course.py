"""`adapt course`: the learner's own adaptation curve, with plain steps beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.cli import main
from adapt.course import CourseRequest, take_course
from adapt.errors import RunError
from adapt.learners import learner_kind
from adapt.learners.gradient_meta import GradientMetaLearner
from adapt.train import TrainRequest, load_learner, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of plain steps at first: what they learn begins with the second half."""
    folder = tmp_path_factory.mktemp("run") / "learned_step"
    config = replace(
        learner_kind("learned_step").config, tasks=2, rollouts=1, hidden=(8,), inner_steps=1, episode_units=4,
        memory=3, inner_learning_rate=0.3, later_learning_rate=0.3,
    )  # fmt: skip
    train(TrainRequest("learned_step", "pendulum_swingup", folder, config=config, iterations=1, threads=1))
    return folder


def test_it_is_the_learner_s_curve_and_plain_steps_are_beside_it(run, capsys):
    options = ["--robots", "3", "--steps", "2", "--plain", "0.3", "0.1", "--fix", "encoder_offset=0"]
    assert main(["course", str(run), *options]) == 0
    text = capsys.readouterr().out
    result = json.loads((run / "course.json").read_text())
    own, same, other = (result["courses"][name] for name in ("own", "plain 0.3", "plain 0.1"))
    learner = load_learner(run)
    assert isinstance(learner, GradientMetaLearner)
    tasks = learner.env.family.sample("test", 3, 0)
    tasks[:, learner.env.family.parameter_index("encoder_offset")] = 0.0
    curve = learner.adaptation_curve(tasks, 2, 0)
    np.testing.assert_allclose(own["returns"], curve, atol=1e-3)
    np.testing.assert_allclose(own["mean"], curve.mean(axis=1))
    # An untrained learned step is the plain one, of its own rate and not of another.
    np.testing.assert_allclose(own["returns"], same["returns"], atol=1e-3)
    assert own["returns"][0] == other["returns"][0]
    assert own["returns"][1:] != other["returns"][1:]
    assert result["step_seconds"] == 6.0
    assert f"plain 0.1  {other['mean'][0]:.1f} [" in text
    with torch.no_grad():
        for tensor in learner.meta_params.values():
            tensor += 0.3
    assert not np.allclose(learner.adaptation_curve(tasks, 2, 0)[1:], curve[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--robots", "1"), "robots: 1; valid: 2 or more"),
        (("--steps", "-1"), "steps: -1; valid: 0 to 1000"),
        (("--plain", "0.1", "0"), "plain: 0.1, 0.0; valid: learning rates above 0"),
        (("--plain", "nan"), "plain: nan; valid"),
        (("--seed", "-1"), "seed: -1; valid: 0 or more"),
        (("--fix", "gravity=0"), "gravity"),
        (("--fix", "encoder_offset=nan"), "--fix encoder_offset=nan: expected a finite number"),
    ],
)
def test_what_is_not_valid_is_named(run, capsys, arguments, message):
    assert main(["course", str(run), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_other_learners_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("adapt.course.load_learner", lambda run: object())
    with pytest.raises(RunError, match="does not adapt by gradients; expected a run of maml"):
        take_course(tmp_path, CourseRequest())
