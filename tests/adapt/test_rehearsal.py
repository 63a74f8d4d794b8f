"""Adaptation by gradients from a bundle to simulated robots, and what the command says of it."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from adapt.cli import main
from adapt.errors import RunError
from adapt.rehearsal import RehearsalRequest, rehearse, report_lines
from adapt.runs import export_run
from adapt.train import TrainRequest, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Hardly trained, and exported with windows of one episode."""
    from dataclasses import replace

    from adapt.learners import learner_kind

    folder = tmp_path_factory.mktemp("run") / "maml"
    config = replace(learner_kind("maml").config, tasks=2, rollouts=1, hidden=(8,), later_steps=4)
    train(TrainRequest("maml", "pendulum_swingup", folder, config=config, iterations=1, threads=1))
    export_run(folder)
    return folder


def nothing(name: str, done: int, total: int) -> None: ...


def course(robot: dict[str, Any]) -> dict[str, Any]:
    """All but how long the computer took."""
    return robot | {"events": [event["event"] for event in robot["events"]]}


FIXED = {"encoder_offset": 0.0}


@pytest.fixture(scope="module")
def result(run, tmp_path_factory) -> dict[str, Any]:
    """Two robots for a minute."""
    out = tmp_path_factory.mktemp("out") / "r.json"
    path, result = rehearse(run, RehearsalRequest(2, 1.0, fixed=FIXED, out=out), nothing)
    assert json.loads(path.read_text()) == json.loads(json.dumps(result))
    return result


def test_a_rehearsal_has_every_episode_and_event(result):
    assert result["fixed"] == FIXED
    for robot in result["robots"]:
        assert len(robot["true"]) == len(robot["measured"]) == 10
        names = [event["event"] for event in robot["events"]]
        assert names.count("window collected") >= 3
        assert names.count("kept") == robot["kept"]
        # Without an offset the measured reward is the true one, but for noise; the first step of an episode has none.
        np.testing.assert_allclose(robot["measured"], robot["true"], atol=0.35)
    first = np.mean([robot["true"][:5] for robot in result["robots"]])
    assert result["true"]["first"]["mean"] == pytest.approx(first, abs=0.01)


def test_the_command_says_the_same_with_the_same_seed(run, result, tmp_path, capsys):
    out = tmp_path / "again.json"
    options = ["--robots", "2", "--minutes", "1", "--fix", "encoder_offset=0", "--out", str(out)]
    assert main(["rehearse", str(run), *options]) == 0
    again = json.loads(out.read_text())["robots"]
    assert [course(robot) for robot in again] == [course(robot) for robot in result["robots"]]
    said = capsys.readouterr().out
    assert all(line in said for line in report_lines(result))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fix", "nonsense=1"), "unknown parameter 'nonsense'; valid: payload_mass"),
        (("--fix", "payload_mass"), "--fix payload_mass: expected NAME=VALUE"),
        (("--robots", "1"), "robots: 1; valid: 2 or more"),
        (("--minutes", "0.5"), "minutes: 0.5; valid: 1 or more, 10 episodes"),
        (("--minutes", "nan"), "minutes: nan; valid: above 0"),
        (("--exploration", "2"), "exploration: 2"),
    ],
)
def test_what_is_not_valid_is_named(run, capsys, arguments, message):
    assert main(["rehearse", str(run), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_other_bundles_are_refused(run, belief_bundle, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    shutil.rmtree(other / "bundle")
    with pytest.raises(RunError, match="has no bundle yet: adapt export"):
        rehearse(other, RehearsalRequest(), nothing)
    shutil.copytree(belief_bundle.path, other / "bundle")
    with pytest.raises(RunError, match="adapts by 'belief'; expected 'gradient'"):
        rehearse(other, RehearsalRequest(), nothing)


@pytest.mark.slow
def test_robots_earn_more_by_what_they_measure(tmp_path):
    """Of 16 robots after 12 M control steps of training: 82 [63, 102]. Here half of the training and of the robots."""
    run = tmp_path / "maml"
    train(TrainRequest("maml", "pendulum_swingup", run, iterations=100))
    export_run(run)
    request = RehearsalRequest(8, 6.0, fixed={"encoder_offset": 0.0})
    _, result = rehearse(run, request, nothing)
    assert result["measured"]["gain"]["interval"][0] > 20
    assert result["true"]["gain"]["interval"][0] > 20
