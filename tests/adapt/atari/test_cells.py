"""Cells of the Atari table: run once, gone on with, refused where they are others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from adapt.atari import cells
from adapt.atari.cells import CELL, AtariRequest, read_cells, run_cells
from adapt.errors import AdaptError, RunError
from adapt.learners import LEARNERS
from sim_tasks.errors import TaskError

SMALL = AtariRequest(("Boxing",), ("actor_critic",), frames=400, episodes=2)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Trainings and evaluations that took place, none of which is a real one."""
    calls: list[Any] = []

    def train(request, progress):
        calls.append(request)
        return {"steps": request.config.frames}

    def evaluate(runs, request, quiet):
        calls.append(request)
        scores = {"learner": {"returns": [4.0, 8.0]}, "random": {"returns": [0.0, 1.0]}}
        return runs[0], {"policies": scores}

    monkeypatch.setattr(cells, "train", train)
    monkeypatch.setattr(cells, "evaluate_discrete", evaluate)
    return calls


def test_a_cell_says_what_was_scored_and_is_not_run_again(played, tmp_path):
    request = dataclasses.replace(SMALL, out=tmp_path, seeds=(0, 3), threads=2)
    files = run_cells(request)
    assert [path.relative_to(tmp_path) for path in files] == [
        Path("Boxing/actor_critic") / seed / CELL for seed in ("0", "3")
    ]
    assert len(played) == 4
    training, evaluation = played[2:]
    assert (training.family, training.seed, training.config.frames) == ("atari:Boxing", 3, 100)
    assert training.resume
    assert evaluation.envs == 2
    assert training.threads == evaluation.threads == 2
    cell = json.loads(files[1].read_text())
    assert (cell["game"], cell["learner"], cell["seed"], cell["frames"]) == ("Boxing", "actor_critic", 3, 400)
    assert cell["human_normalised"] == pytest.approx((6.0 - 0.1) / (12.1 - 0.1))  # of 4 and 8
    assert run_cells(request) == files
    assert len(played) == 4


@pytest.mark.parametrize(("changes", "named"), [({"episodes": 3}, "episodes"), ({"frames": 404}, "frames")])
def test_a_cell_of_other_settings_is_refused(played, tmp_path, changes, named):
    request = dataclasses.replace(SMALL, out=tmp_path)
    run_cells(request)
    with pytest.raises(AdaptError, match=f"run with other {named}: .* choose another --out"):
        run_cells(dataclasses.replace(request, **changes))


def test_a_cell_of_other_hyperparameters_is_refused(played, tmp_path, monkeypatch):
    request = dataclasses.replace(SMALL, out=tmp_path)
    run_cells(request)
    changed = dataclasses.replace(LEARNERS["actor_critic"].config, batch=17)
    monkeypatch.setattr(cells, "learner_config", lambda learner, environment: changed)
    with pytest.raises(AdaptError, match="run with other hyperparameters"):
        run_cells(request)


def test_seeds_of_other_hyperparameters_are_no_row(played, tmp_path):
    request = dataclasses.replace(SMALL, out=tmp_path, seeds=(0, 3))
    cell = run_cells(request)[1]
    assert len(read_cells(tmp_path)) == 2
    content = json.loads(cell.read_text())
    content["hyperparameters"]["batch"] = 17
    cell.write_text(json.dumps(content))
    with pytest.raises(
        AdaptError, match="actor_critic on Boxing with other hyperparameters in seed 3 than in seed 0"
    ):
        read_cells(tmp_path)


def test_a_training_that_was_stopped_leaves_no_cell(tmp_path, monkeypatch):
    def stopped(request, progress):
        raise RunError("stopped")

    monkeypatch.setattr(cells, "train", stopped)
    with pytest.raises(RunError):
        run_cells(dataclasses.replace(SMALL, out=tmp_path))
    with pytest.raises(AdaptError, match="no cells"):
        read_cells(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"learners": ("dr",)}, AdaptError, "dr: has no discrete actions; valid: disco, actor_critic"),
        ({"learners": ("magic",)}, AdaptError, "unknown learner 'magic'"),
        ({"games": ("Pnog",)}, TaskError, "unknown Atari game 'Pnog'; near it: Pong"),
        ({"games": ("Pacman",)}, TaskError, "no human score of 'Pacman'"),
        ({"frames": 0}, AdaptError, "frames: 0; valid: 1 or more"),
        ({"episodes": 0}, AdaptError, "episodes: 0; valid: 1 or more"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_before_anything_runs(
    played, tmp_path, changes, error, message
):
    with pytest.raises(error, match=message):
        run_cells(dataclasses.replace(SMALL, out=tmp_path, **changes))
    assert not played


@pytest.mark.parametrize("content", ["", "[]", "7", '{"game": "Pong"}', "\x00"])
def test_a_damaged_cell_is_named(tmp_path, content):
    path = tmp_path / "Pong" / "disco" / "0" / CELL
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(AdaptError, match=str(path)):
        read_cells(tmp_path)
