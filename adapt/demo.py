"""`adapt demo`: the whole path from training to a robot over ROS 2, and a report of it.

dr/ oracle/ rma/      training runs; rma/bundle is what the robots are driven with
evaluation.json       held-out tasks in simulation, beside both bounds
hidden/               records and logs of the hidden robots
ros.json              hidden robots over ROS 2
replay.json           recordings of the real robot
summary.json          the figures
report.html           all of it to look at
"""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt import provenance
from adapt.console import StepProgress, TrainingProgress, headline, say
from adapt.errors import AdaptError
from adapt.files import write_json
from adapt.report.page import write_report
from adapt.runs import EvaluationRequest, evaluate_run
from adapt.train_all import LEARNERS_IN_ORDER, train_all
from robots import RobotSpec
from sim_tasks.families import load_family

FAMILY = "pendulum_swingup"
TASKS = 512


def demo(out: Path, seed: int, recordings: Sequence[Path], robots: int, show: bool = False) -> dict[str, Any]:
    """Trains, evaluates, deploys, replays and reports; trainings that are finished in `out` are kept.

    Args:
        out: folder of the demo. What another seed or commit left there is moved aside.
        seed: of everything.
        recordings: CSV files of the real robot; none leaves the replay out.
        robots: hidden robots to drive over ROS 2.
        show: whether to open the report in a browser.

    Returns:
        `summary.json`'s content.

    Raises:
        AdaptError, BridgeError: a recording cannot be used, or a part failed; says which and why.
    """
    from ros_bridge.hidden_robots import Course, drive_hidden_robots
    from ros_bridge.recording import read_recording
    from ros_bridge.replay import replay_files

    if robots < 1:
        raise AdaptError(f"robots: {robots}; expected at least 1")
    spec = load_family(FAMILY).robot
    for path in recordings:
        read_recording(
            path, spec
        )  # a file that cannot be replayed is better known now than after the training
    _make_room(out, seed)
    headline("1  Meta-train on randomised robots")
    with TrainingProgress() as progress:
        try:
            training = train_all(FAMILY, out, seed=seed, resume=True, progress=progress)
        except KeyboardInterrupt:
            say("the same command goes on from here")
            raise
    say(f"{training['steps']:,} control steps in {training['seconds']:.0f} s")
    headline("2  Export, and evaluate on held-out robots")
    request = EvaluationRequest(tasks=TASKS, seed=seed, out=out / "evaluation.json")
    evaluation = evaluate_run(out / "rma", request)
    headline("3  Drive hidden robots over ROS 2")
    bundle = out / "rma" / "bundle"
    with StepProgress("robots") as report:
        ros = drive_hidden_robots(
            bundle, spec.name, Course(FAMILY, seed), robots, out / "hidden", progress=report
        )
    write_json(out / "ros.json", ros)
    headline("4  Replay recordings of the real robot")
    replay = replay_files(bundle, recordings) if recordings else {"files": [], "error_unit": ""}
    if not recordings:
        say("no recordings given: left out (adapt demo --recordings FILE.csv ...)")
    write_json(out / "replay.json", replay)
    summary = _summary(out, seed, spec, training, evaluation, ros, replay)
    write_json(out / "summary.json", summary)
    headline("5  Report")
    page = write_report(out)
    _say_summary(summary)
    say(f"open {page}")
    if show and sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(page.resolve().as_uri())
    return summary


def _make_room(out: Path, seed: int) -> None:
    """Moves a folder that another seed or commit has used aside, so that nothing is lost and nothing is mixed."""
    configs = [out / learner / "config.json" for learner in LEARNERS_IN_ORDER]
    recorded = [json.loads(path.read_text(encoding="utf-8")) for path in configs if path.is_file()]
    if all((run["seed"], run["commit"]) == (seed, provenance.commit()) for run in recorded):
        return
    number = 1
    while (aside := out.with_name(f"{out.name}.{number}")).exists():
        number += 1
    out.rename(aside)
    say(f"{out} holds a demo of another seed or commit: moved to {aside}")


def _summary(
    out: Path,
    seed: int,
    spec: RobotSpec,
    training: dict[str, Any],
    evaluation: dict[str, Any],
    ros: dict[str, Any],
    replay: dict[str, Any],
) -> dict[str, Any]:
    policies, files = evaluation["policies"], replay["files"]
    configs = {
        learner: json.loads((out / learner / "config.json").read_text(encoding="utf-8"))
        for learner in LEARNERS_IN_ORDER
    }
    return {
        "seed": seed,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "config": {
            "commands": [
                f"git checkout {provenance.commit().removesuffix('-dirty')}",
                f"make demo SEED={seed}",
            ],
            "robot": spec.name,
            "family": FAMILY,
            "iterations": {learner: config["iterations"] for learner, config in configs.items()},
            "hyperparameters": {learner: config["hyperparameters"] for learner, config in configs.items()},
        },
        "train": {name: training[name] for name in ("steps", "seconds", "steps_per_s", "peak_memory_mib")},
        "evaluate": {
            **{name: policies[name]["mean"] for name in ("dr", "oracle", "learner")},
            "score": evaluation["score"]["mean"],
            "score_interval": evaluation["score"]["interval"],
            "oracle_over_dr": evaluation["oracle_over_dr"],
            "cvar5": policies["learner"]["cvar5"],
            "n_tasks": evaluation["n_tasks"],
        },
        "ros": {
            "robots": len(ros["robots"]),
            "upright_first_episode": sum(robot["upright_first"] for robot in ros["robots"]),
            "recovered_after_change": sum(bool(robot["recovered"]) for robot in ros["robots"]),
            "latency_ms": _percentiles(ros["latency_ms"]),
            "echo_latency_ms": _percentiles(ros["echo_latency_ms"]),
        },
        "replay": {
            "files": len(files),
            **{
                name: float(np.mean([file[name] for file in files])) if files else None
                for name in ("prior_error", "adapted_error")
            },
        },
    }


def _percentiles(latency: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(latency, [50, 99])
    return {"p50": float(p50), "p99": float(p99)}


def _say_summary(summary: dict[str, Any]) -> None:
    train, score, ros = summary["train"], summary["evaluate"], summary["ros"]
    low, high = score["score_interval"]
    say(
        f"trained    {train['steps'] / 1e6:.1f} M steps in {train['seconds']:.0f} s: {train['steps_per_s']:,.0f}/s"
    )
    say(
        f"score      {score['score']:.3f} [{low:.3f}, {high:.3f}] on {score['n_tasks']} held-out robots "
        f"(DR {score['dr']:.0f} = 0, oracle {score['oracle']:.0f} = 1)"
    )
    say(
        f"over ROS   {ros['upright_first_episode']} of {ros['robots']} hidden robots upright, "
        f"{ros['recovered_after_change']} recovered after the change"
    )
    say(
        f"latency    p50 {ros['latency_ms']['p50']:.2f} ms, p99 {ros['latency_ms']['p99']:.2f} ms "
        f"(bare echo node: {ros['echo_latency_ms']['p50']:.2f} and {ros['echo_latency_ms']['p99']:.2f} ms)"
    )
    if summary["replay"]["files"]:
        replay = summary["replay"]
        say(
            f"real robot {replay['files']} recordings: one-step error {replay['prior_error']:.3f} on the prior, "
            f"{replay['adapted_error']:.3f} on the belief"
        )
