"""Runs side by side: what is read of them, what is said of those that cannot be compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapt.compare import CURVE_POINTS, compare, stages_in_words, table_lines
from adapt.errors import RunError
from adapt.report.comparison import write_comparison


def make_run(out: Path, learner: str = "rl2", seed: int = 0, **changes: Any) -> Path:
    """A run of two iterations; `family`, `metrics`, `success` and `evaluation` can be changed, the last added to."""
    out.mkdir(parents=True)
    config = {
        "learner": learner, "family": changes.get("family", "half_cheetah_vel"), "seed": seed, "iterations": 2,
        "hyperparameters": {}, "teacher": None, "commit": "abc",
    }  # fmt: skip
    metrics = changes.get(
        "metrics",
        [
            {"steps": 1000, "seconds": 30.0, "reward": -1.0, "return": -200.0},
            {"steps": 2000, "seconds": 90.0, "reward": -0.5, "return": -100.0},
        ],
    )
    (out / "config.json").write_text(json.dumps(config))
    (out / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    if "evaluation" in changes:
        stages = [
            {"name": f"episode {k}", "mean": -60.0 / k, "interval": [-65.0, -25.0], "cvar5": -120.0 / k}
            for k in (1, 2)
        ]
        evaluation = {
            "seed": 0, "n_tasks": 512, "episodes": 2, "split": "test",
            "policies": {"learner": {"stages": stages, "success": changes.get("success")}},
            "runs": {"learner": [{"steps": 2000}]},
            "score": {"mean": 0.9, "interval": [0.85, 0.95]},
        } | changes["evaluation"]  # fmt: skip
        (out / "evaluation.json").write_text(json.dumps(evaluation))
    return out


def test_a_run_is_read_from_its_files(tmp_path):
    (run,) = compare([make_run(tmp_path / "a", seed=3, evaluation={})])["runs"]
    assert (run["learner"], run["seed"], run["frames"], run["minutes"]) == ("rl2", 3, 2000, 1.5)
    assert [stage["mean"] for stage in run["stages"]] == [-60, -30]
    assert (run["cvar5"], run["score"]["mean"]) == (-60, 0.9), "of the last episode"
    assert run["curves"]["return"] == {"frames": [1000, 2000], "values": [-200, -100]}


def test_the_table_has_a_line_for_each_run(tmp_path):
    runs = [make_run(tmp_path / "a", success=0.984, evaluation={}), make_run(tmp_path / "b", "dr", 1)]
    header, first, second, note = table_lines(compare(runs))
    assert header.split() == [
        "run", "learner", "seed", "frames", "minutes", "return", "CVaR5%", "on", "target", "score",
        "training",
    ]  # fmt: skip
    assert first.split()[1:5] == ["rl2", "0", "2,000", "1.5"]
    assert "-60.0 / -30.0 (episode 1-2)" in first
    assert re.search(r"-60\.0 +98\.4 % +0\.900 \[0\.850, 0\.950\]", first)
    assert first.endswith("▁█")
    assert "not evaluated" in second
    assert note == f"not evaluated yet: adapt evaluate {tmp_path / 'b'}"


def test_stages_are_said_in_words():
    stages = [{"name": f"{k} gradient steps", "mean": float(k)} for k in range(3)]
    assert stages_in_words(stages) == "0.000 / 1.000 / 2.000 (0-2 gradient steps)"
    assert stages_in_words([{"name": "episode 1", "mean": 12.0}]) == "12.0 (episode 1)"
    assert stages_in_words([]) == "not evaluated"


def test_a_long_curve_is_thinned_by_means(tmp_path):
    metrics = [{"steps": 10 * i, "seconds": 1.0, "reward": float(i % 2)} for i in range(2 * CURVE_POINTS)]
    (run,) = compare([make_run(tmp_path / "a", metrics=metrics)])["runs"]
    curve = run["curves"]["reward"]
    assert curve["values"] == [0.5] * CURVE_POINTS
    assert curve["frames"][:2] == [10, 30]
    assert run["curves"]["return"] == {"frames": [], "values": []}


@pytest.mark.parametrize(
    ("evaluation", "words"),
    [
        ({"seed": 1}, "not on the same trials: seed of the evaluations is 0, 1"),
        ({"episodes": 1}, "not on the same trials: episodes of the evaluations is 1, 2"),
        (
            {"runs": {"learner": [{"steps": 1500}]}},
            "evaluated after 1,500 frames, trained for 2,000: adapt evaluate",
        ),
        ({"score": None}, "no score: it was evaluated without both bounds"),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path, evaluation, words):
    runs = [make_run(tmp_path / "a", evaluation={}), make_run(tmp_path / "b", evaluation=evaluation)]
    (note,) = compare(runs)["notes"]
    assert words in note


def test_runs_on_several_families_are_refused(tmp_path):
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", family="ant_dir")]
    with pytest.raises(RunError, match="compare: runs on ant_dir, half_cheetah_vel"):
        compare(runs)
    with pytest.raises(RunError, match="compare: no runs given"):
        compare([])
    with pytest.raises(RunError, match="nowhere: not a training run"):
        compare([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("content", "words"), [("{", "cannot be read"), ("{}", "not an evaluation of this release")]
)
def test_evaluations_that_cannot_be_used_are_named(tmp_path, content, words):
    run = make_run(tmp_path / "a")
    (run / "evaluation.json").write_text(content)
    with pytest.raises(RunError, match=rf"evaluation\.json: {words}"):
        compare([run])


def test_a_run_that_was_just_begun_and_a_line_that_was_cut_short(tmp_path):
    run = make_run(tmp_path / "a", metrics=[])
    assert compare([run])["runs"][0]["frames"] == 0
    (run / "metrics.jsonl").write_text('{"steps": 10, "seconds": 6.0, "reward": 1.0}\n{"steps": 2')
    assert compare([run])["runs"][0]["frames"] == 10
    (run / "metrics.jsonl").unlink()
    assert compare([run])["runs"][0]["curves"]["reward"]["frames"] == []


def test_the_page_has_a_curve_and_a_bar_for_each_run(tmp_path):
    runs = [make_run(tmp_path / f"<b>{seed}", seed=seed, evaluation={}) for seed in (0, 1)]
    page = write_comparison(compare(runs), tmp_path / "deep" / "compare.html")
    text = page.read_text("utf-8")
    content = json.loads(text.split('id="content">')[1].split("</script>")[0])
    assert set(content["figures"]) == {"return", "reward", "stages"}
    for figure in content["figures"].values():
        assert [trace["name"] for trace in figure["data"]] == ["rl2, seed 0", "rl2, seed 1"]
    assert [trace["line"]["dash"] for trace in content["figures"]["return"]["data"]] == ["solid", "dash"]
    assert "-60.0 / -30.0 (episode 1-2)" in text
    assert "0.850 to 0.950" in text
    assert "<b>0" not in text, "names from outside make no tags"
