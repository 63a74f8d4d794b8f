"""Where hyperparameters start, as a file: what is written is read, and nothing else is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.cli import main
from adapt.errors import AdaptError, RunError
from adapt.learners import LEARNERS, DiscreteSetup
from adapt.learners.rules import SelfTuningConfig
from adapt.train import TrainRequest, load_learner, read_run, train
from adapt.update_rules.self_tuning import SelfTuning, own_judge, values
from adapt.update_rules.self_tuning_weights import load_start
from adapt.update_rules.weights_file import digest, save_weights
from tests.adapt.small import SMALL, save_arrays

RULE = SelfTuning()


def start() -> dict[str, torch.Tensor]:
    first = RULE.initial_meta_params(torch.Generator())
    return {name: value + 0.1 * (1 + index) for index, (name, value) in enumerate(first.items())}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_weights(tmp_path / "start.npz", start())
    return tmp_path / "start.npz"


def test_what_is_written_is_read(weights: Path):
    found = load_start(weights, RULE, digest(weights.read_bytes()))
    assert found.keys() == start().keys()
    assert all(torch.equal(found[name], value) for name, value in start().items())
    assert [path.name for path in weights.parent.iterdir()] == ["start.npz"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("trace"), r"not hyperparameters of 'self_tuning': trace: missing, expected \(\)"),
        (lambda a: a.update(tracer=np.zeros((), np.float32)), r"tracer: \(\), expected none"),
        (lambda a: a.update({"rate/head/w": np.zeros((), np.float32)}), r"rate/head/w: \(\), expected none"),
        (lambda a: a.update(rate=np.zeros(1, np.float32)), r"rate: \(1,\), expected \(\)"),
        (lambda a: a.update(rate=np.array(np.nan, np.float32)), "rate: not all numbers are finite"),
        (lambda a: a.update(rate=np.array(-np.inf, np.float32)), "rate: not all numbers are finite"),
        (lambda a: a.update(rate=np.zeros(())), "rate: float64; expected float32"),
        (lambda a: a.clear(), "not hyperparameters of"),
        (lambda a: a.update(rate=np.array(object())), "not a readable .npz file"),
    ],
    ids=["missing", "too many", "a tensor's", "shape", "nan", "infinite", "type", "none", "pickled"],
)  # fmt: skip
def test_other_arrays_are_refused_by_name(change, words, tmp_path: Path):
    arrays = {name: value.numpy() for name, value in start().items()}
    change(arrays)
    save_arrays(tmp_path / "other.npz", arrays)
    with pytest.raises(AdaptError, match=words):
        load_start(tmp_path / "other.npz", RULE)


def test_what_is_no_such_file_is_refused(weights: Path):
    with pytest.raises(AdaptError, match=r"none.npz: No such file.*`adapt tune` writes such files"):
        load_start(weights.with_name("none.npz"), RULE)
    with pytest.raises(AdaptError, match=f"sha256 {digest(weights.read_bytes())}; expected 00"):
        load_start(weights, RULE, "00")
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(AdaptError, match=r"not a readable .npz file"):
        load_start(weights, RULE)


def test_what_was_hashed_is_what_is_read(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Even where another file takes its place at that moment."""
    known, path = weights.read_bytes(), tmp_path / "swapped.npz"
    expected = load_start(weights, SelfTuning())
    save_weights(path, {name: value + 1 for name, value in expected.items()})
    monkeypatch.setattr("adapt.update_rules.weights_file.file_content", lambda *_: known)
    assert load_start(path, SelfTuning(), digest(known)) == expected


def test_numbers_of_any_size_are_valid_hyperparameters(tmp_path: Path):
    extreme = {name: torch.full((), 3e38 * (-1) ** index) for index, name in enumerate(start())}
    save_weights(tmp_path / "far.npz", extreme)
    found = values(load_start(tmp_path / "far.npz", RULE))
    assert found["discount"] == pytest.approx(0.7)
    assert all(np.isfinite(value) for value in found.values())


def test_the_judge_thinks_as_the_rule_starts():
    judge, found = own_judge(RULE, start()).judge, values(start())
    assert (judge.discount, judge.trace) == (found["discount"], found["trace"])
    assert judge.value_weight == found["value_weight"] != RULE.judge.value_weight


def test_a_training_begins_with_them(weights: Path):
    config = dataclasses.replace(SMALL[SelfTuningConfig], weights=str(weights), tuner_rate=0.0)
    made = LEARNERS["self_tuning"].build(DiscreteSetup("catch:4x3", config, 0, 1))
    while not made.life.moments["count"]:
        made.collect()
        made.update()
    assert made._meta_params == start()
    assert made._learning.rule == own_judge(config.rule, start()) != config.rule
    assert not any(value for name, value in made.life.meta_state.items() if name.startswith("eta."))


def test_a_run_keeps_to_the_file_that_it_began_with(weights: Path, tmp_path: Path):
    config = dataclasses.replace(SMALL[SelfTuningConfig], weights=str(weights))
    out = tmp_path / "run"
    train(TrainRequest("self_tuning", "catch:4x3", out, config=config, threads=1))
    recorded = digest(weights.read_bytes())
    assert read_run(out)["hyperparameters"]["sha256"] == recorded
    load_learner(out)
    save_weights(weights, {name: value + 1 for name, value in start().items()})
    with pytest.raises(AdaptError, match=f"expected {recorded}"):
        load_learner(out)
    with pytest.raises(RunError, match="hyperparameters was"):
        train(TrainRequest("self_tuning", "catch:4x3", out, config=config, threads=1, resume=True))


def test_a_file_that_is_missing_begins_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["train", "self_tuning", "catch:4x3", "--weights", str(tmp_path / "none.npz")]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert "none.npz: No such file or directory; `adapt tune` writes such files" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_file_has_no_hash(tmp_path: Path):
    train(TrainRequest("self_tuning", "catch:4x3", tmp_path, config=SMALL[SelfTuningConfig], threads=1))
    assert read_run(tmp_path)["hyperparameters"]["sha256"] == ""
