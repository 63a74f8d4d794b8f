"""`adapt tune`, `adapt choose` and their pictures, small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.tuning import figure
from adapt.tuning.comparison import default_rule
from adapt.update_rules.self_tuning import values
from adapt.update_rules.self_tuning_weights import load_start


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuning") / "tuning.json"
    sizes = "--trials 16 --tasks 1 --repeats 1 --held-out 2 --updates 5"
    assert main(["tune", "catch:5x5", *sizes.split(), "--out", str(out), "--json"]) == 0
    return out


def test_tune_writes_what_it_prints(tuned: Path):
    result = json.loads(tuned.read_text())
    assert result["budget"] == {"trials": 16, "tasks": 1, "repeats": 1, "held_out": 2}
    assert set(result["candidates"]) == {
        "default", "searched", "meta_trained", "meta_trained_moving", "self_tuning",
    }  # fmt: skip
    assert result["search"][0]["frames"] == 16 * result["frames_of_a_lifetime"] == 16 * 5 * 128
    assert result["meta_training"][0]["frames"] == result["search"][0]["frames"]
    assert {"commit", "versions", "machine", "seed"} <= set(result)


def test_what_was_found_is_a_file_to_begin_with(tuned: Path):
    training = json.loads(tuned.read_text())["meta_training"][0]
    weights = tuned.with_name(training["weights"])
    assert values(load_start(weights, default_rule(), training["sha256"])) == training["found"]


def test_choose_names_the_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "choice.json"
    sizes = "--lifetimes 2 --pulls 6 --controllers 3 --updates 5"
    assert main(["choose", "catch:5x5", *sizes.split(), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    result = json.loads(out.read_text())
    assert f"best single rule: {result['single_rule']}" in shown
    assert set(result["scores"]["catch:5x5"]) == {"actor_critic", "actor_critic_fast", "self_tuning"}
    assert len(figure.regrets(result).to_dict()["data"]) == 3  # a band and two lines


def test_what_cannot_be_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["tune", "grid:nowhere", "--out", str(tmp_path / "x.json")]) == 2
    assert "unknown kind 'nowhere'" in capsys.readouterr().err
    short = ["--updates", "5", "--trials", "16", "--tasks", "1", "--repeats", "1"]
    assert main(["tune", "point_robot", *short, "--out", str(tmp_path / "x.json")]) == 2
    assert "updates: no episode of agent 0 ended" in capsys.readouterr().err
    assert main(["choose", "catch:5x5", "--disco", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err


def test_pictures_show_what_moved(tuned: Path, tmp_path: Path):
    result = json.loads(tuned.read_text())
    shown = {title["text"] for title in figure.eta(result).to_dict()["layout"]["annotations"]}
    assert {"return", "discount", "trace", "entropy_weight", "rate/torso0/w"} <= shown
    assert "value_weight" not in shown
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(AdaptError, match="not a result of"):
        figure.draw(other, tmp_path / "x.png")
