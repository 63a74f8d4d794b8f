"""The demo's own logic: nothing of another seed is lost or mixed in, and the summary has what others read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapt import provenance
from adapt.demo import _make_room, _summary
from adapt.errors import AdaptError
from adapt.train_all import LEARNERS_IN_ORDER
from robots import load_robot


def trained(out: Path, seed: int, commit: str) -> Path:
    for learner in LEARNERS_IN_ORDER:
        (out / learner).mkdir(parents=True)
        config = {"seed": seed, "commit": commit, "iterations": 1, "hyperparameters": {}}
        (out / learner / "config.json").write_text(json.dumps(config))
    return out


def test_the_same_seed_and_commit_go_on(tmp_path):
    out = trained(tmp_path / "demo", 3, provenance.commit())
    _make_room(out, 3)
    assert (out / "rma" / "config.json").is_file()


@pytest.mark.parametrize(("seed", "commit"), [(4, provenance.commit()), (3, "another")])
def test_another_seed_or_commit_is_moved_aside_and_kept(tmp_path, seed, commit):
    (tmp_path / "demo.1").mkdir()  # taken already
    out = trained(tmp_path / "demo", seed, commit)
    _make_room(out, 3)
    assert not out.exists()
    assert (tmp_path / "demo.2" / "rma" / "config.json").is_file()


def test_the_summary_counts_robots_and_takes_means(tmp_path):
    out = trained(tmp_path / "demo", 0, "c")
    training = {"steps": 10, "seconds": 2.0, "steps_per_s": 5.0, "peak_memory_mib": 1.0, "runs": {}}
    policies = {
        name: {"mean": mean, "cvar5": mean / 2}
        for name, mean in (("dr", 1.0), ("oracle", 3.0), ("learner", 2.0))
    }
    score = {"mean": 0.5, "interval": [0.4, 0.6]}
    evaluation = {"policies": policies, "score": score, "oracle_over_dr": score, "n_tasks": 256}
    robots = [
        {"upright_first": up, "recovered": again}
        for up, again in ((True, True), (True, False), (False, None))
    ]
    ros = {"robots": robots, "latency_ms": [1.0, 2.0, 3.0], "echo_latency_ms": [0.5]}
    replay = {
        "files": [{"prior_error": 1.0, "adapted_error": 0.5}, {"prior_error": 3.0, "adapted_error": 1.5}]
    }
    summary = _summary(out, 0, load_robot("pendulum"), training, evaluation, ros, replay)
    assert {"seed", "commit", "versions", "config", "train", "evaluate", "ros", "replay"} <= set(summary)
    assert summary["train"] == {
        key: training[key] for key in ("steps", "seconds", "steps_per_s", "peak_memory_mib")
    }
    wanted = {"dr": 1.0, "oracle": 3.0, "learner": 2.0, "score": 0.5, "cvar5": 1.0, "n_tasks": 256}
    assert {key: summary["evaluate"][key] for key in wanted} == wanted
    counts = ("robots", "upright_first_episode", "recovered_after_change")
    assert [summary["ros"][key] for key in counts] == [3, 2, 1]
    # The 99th percentile of 1, 2, 3 lies 0.98 of the way from 2 to 3.
    assert summary["ros"]["latency_ms"] == pytest.approx({"p50": 2.0, "p99": 2.98})
    assert summary["ros"]["echo_latency_ms"] == {"p50": 0.5, "p99": 0.5}
    assert summary["replay"] == {"files": 2, "prior_error": 2.0, "adapted_error": 1.0}


def test_without_robots_there_is_no_demo(tmp_path):
    from adapt.demo import demo

    with pytest.raises(AdaptError, match="robots: 0"):
        demo(tmp_path / "demo", 0, [], 0)
