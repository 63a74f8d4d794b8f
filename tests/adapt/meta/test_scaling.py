"""Sizes of sets of training environments beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.meta.run import read_run
from adapt.meta.scaling import environments_of, scaling, summary
from adapt.report.rules import scaling_figure

SMALL = ["--agents", "2", "--trajectories", "8", "--updates", "2", "--rollout", "4", "--steps", "1", "--json"]


def discovered(out: Path, *more: str) -> Path:
    assert main(["discover", *more, "--out", str(out), *SMALL]) == 0
    return out


def test_scores_by_hand() -> None:
    """Two sizes with two discoveries each: means 0.1 and 0.5, two doublings apart, so 0.2 for each."""
    score = np.array([[0.0, 0.0], [0.2, 0.2], [0.4, 0.4], [0.6, 0.6]])
    runs = [Path(name) for name in "abcd"]
    found = summary(runs, [1, 1, 4, 4], ["one", "other"], [score, score])
    assert found["sizes"]["1"]["score"] == pytest.approx(0.1)
    assert found["sizes"]["4"]["runs"] == pytest.approx({"c": 0.4, "d": 0.6})
    assert found["sizes"]["4"]["environments"]["other"]["score"] == pytest.approx(0.5)
    assert found["gain"]["mean"] == pytest.approx(0.2)
    low, high = found["gain"]["interval"]
    assert low == pytest.approx(0.1)  # 0.2 and 0.4, as they may be drawn
    assert high == pytest.approx(0.3)  # 0 and 0.6
    assert found["sizes"]["1"]["interval"] == pytest.approx([0.0, 0.2])


def test_runs_are_counted_judged_and_held_to_one_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = discovered(tmp_path / "one", "grid:fork", "--worlds", "1")
    more = discovered(tmp_path / "more", "grid:fork+grid:fall", "--worlds", "3", "--seed", "1")
    assert [environments_of(read_run(run)) for run in (one, more)] == [1, 6]
    out = tmp_path / "scaling.json"
    capsys.readouterr()
    rules = ["--rule", str(one), "--rule", str(more), "--agents", "4", "--updates", "40"]
    assert main(["scaling", "catch:4x3", *rules, "--out", str(out), "--json"]) == 0
    found = json.loads(out.read_text())
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == found
    assert found["sizes"].keys() == {"1", "6"}
    rewards = found["rewards"]["catch:4x3"]
    assert rewards.keys() == {
        *("one", "more", "random weights 0", "random weights 1", "actor_critic"),
    }
    zero = np.mean([rewards["random weights 0"], rewards["random weights 1"]])
    by_hand = (np.mean(rewards["more"]) - zero) / (np.mean(rewards["actor_critic"]) - zero)
    assert found["sizes"]["6"]["score"] == pytest.approx(by_hand)
    titles = [note.text for note in scaling_figure(found).layout.annotations]
    assert titles == ["mean of all held-out ones", "catch:4x3"]

    unlimited = discovered(tmp_path / "unlimited", "grid:fork")
    with pytest.raises(AdaptError, match="a new world for every life"):
        environments_of(read_run(unlimited))
    other = discovered(tmp_path / "other", "grid:fork", "--worlds", "1", "--entropy", "0.1")
    with pytest.raises(AdaptError, match="other: outer "):
        scaling([one, other], ["catch:4x3"], 1, 1, (1e-2,), 0, out)
    capsys.readouterr()
    assert main(["scaling", "catch", "--out", str(out)]) == 2
    assert "--rule: none" in capsys.readouterr().err
