"""The `adapt` command: what it prints where, and that a mistake is one line and exit code 2."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapt import doctor
from adapt import runs as runs_module
from adapt.bundle import load_bundle
from adapt.cli import main
from adapt.evaluate import HeldOut
from adapt.learners import LEARNERS
from adapt.trials import Trials
from sim_tasks.families import family_names
from tests.adapt.small import ITERATIONS, ROOT
from tests.small_bundle import FAMILY

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> None:
    """Default folders are below the working directory."""
    monkeypatch.chdir(tmp_path)


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command complains with."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert err.startswith("adapt: ")
    return err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """The JSON object on the last line of what a command prints."""
    assert main(list(arguments)) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_list_names_everything_that_is_registered(capsys):
    assert answer(capsys, "list", "learners", "--json").keys() == LEARNERS.keys()
    assert answer(capsys, "list", "robots", "--json").keys() >= {"pendulum"}
    families = answer(capsys, "list", "families", "--json")
    assert families.keys() == set(family_names())
    # Three observation terms of one joint; 6 s at 50 Hz.
    told, parameters = families[FAMILY], families[FAMILY]["parameters"]
    assert (told["body"], told["observation_size"], told["action_size"]) == ("pendulum", 3, 1)
    assert (told["control_period_s"], told["episode_steps"]) == (0.02, 300)
    assert [(p["name"], p["unit"]) for p in parameters][:2] == [
        ("payload_mass", "kg"),
        ("payload_distance", "m"),
    ]
    assert (parameters[0]["low"], parameters[0]["high"]) == pytest.approx((0.6 * 0.546, 1.3 * 0.546))


def test_list_tells_of_one_family_and_of_the_speed_of_one_that_is_not_batched(capsys):
    assert main(["list", "families", "half_cheetah_vel@roml", "dm_control:reacher/easy"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"target_velocity +0 to 7 +m/s", told)
    assert re.search(r"one simulation at a time: [\d,]+ control steps/s", told)
    assert "pendulum_swingup" not in told


def test_list_for_people_has_a_line_for_each(capsys):
    assert main(["list", "learners"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(LEARNERS)
    assert all(kind.about in line for kind, line in zip(LEARNERS.values(), lines, strict=True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "dqn", FAMILY], "unknown learner 'dqn'; valid: dr, oracle, rma"),
        (["train", "dr", "cartpole"], "unknown family 'cartpole'; valid: pendulum_swingup"),
        (["train", "dr", FAMILY, "--iterations", "0"], "iterations: expected at least 1, got 0"),
        (["train", "rma", FAMILY], f"runs/{FAMILY}/oracle: not a training run"),
        (["train", "all", FAMILY, "--width", "0.5"], "--width and --task: of one learner, not of `all`"),
        (["train", "dr", FAMILY, "--width", "2"], "width: 2.0; valid: above 0, up to 1"),
        (["experts", "nowhere"], "nowhere: not a training run"),
        (["export", "nowhere"], "nowhere: not a training run"),
        (["evaluate", "nowhere"], "nowhere: not a training run"),
        (["train", "dr", FAMILY, "--out", "file"], "file"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing_behind(capsys, tmp_path, arguments, words):
    (tmp_path / "file").write_text("in the way")
    assert words in mistake(capsys, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_oracle_cannot_be_exported(capsys, runs):
    assert "an oracle cannot be deployed" in mistake(capsys, "export", str(runs / "oracle"))


def test_a_run_in_the_way_and_a_resume_with_another_seed(capsys, runs, tmp_path):
    shutil.copytree(runs / "dr", tmp_path / "dr")
    assert "add --resume" in mistake(capsys, "train", "dr", FAMILY, "--out", "dr")
    other = mistake(capsys, "train", "dr", FAMILY, "--out", "dr", "--resume", "--seed", "3")
    assert "seed was 0, now 3" in other


def test_training_prints_a_line_of_json_per_iteration(capsys, tmp_path):
    assert main(["train", "dr", FAMILY, "--json", "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["iteration"] for row in rows] == list(range(1, ITERATIONS + 1))
    assert all({"reward", "steps", "seconds"} <= row.keys() for row in rows)
    assert f"runs/{FAMILY}/dr" in err
    assert (tmp_path / "runs" / FAMILY / "dr" / "checkpoint.safetensors").is_file()


def test_training_without_json_keeps_standard_output_clean(capsys, runs, tmp_path):
    """The teacher is the folder `oracle` beside the run."""
    shutil.copytree(runs / "oracle", tmp_path / "oracle")
    assert main(["train", "rma", FAMILY, "--out", "rma", "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{ITERATIONS}/{ITERATIONS}  reward" in err


def played(run: Path, held_out: HeldOut) -> Trials:
    """In place of trials: every step of DR gives 0, of RMA 3, of the oracle 4."""
    reward = {"dr": 0.0, "rma": 3.0, "oracle": 4.0}[run.name]
    return Trials(np.full((held_out.env.trial_steps, held_out.tasks), reward), None, None, {})


def test_evaluate_keeps_the_result_and_prints_scores_as_its_last_line(capsys, runs, tmp_path, monkeypatch):
    asked: list[HeldOut] = []
    monkeypatch.setattr(
        runs_module, "_play", lambda run, held_out: asked.append(held_out) or played(run, held_out)
    )
    options = ["--tasks", "300", "--seed", "5", "--split", "ood", "--out", "result.json", "--json"]
    found = answer(capsys, "evaluate", str(runs / "rma"), *options)
    assert [(each.tasks, each.seed, each.split, each.episodes) for each in asked] == [(300, 5, "ood", 1)] * 3
    kept = json.loads((tmp_path / "result.json").read_text())
    assert kept["score"] == found["score"] == {"mean": 0.75, "interval": [0.75, 0.75]}
    # 300 control steps.
    assert found["returns"] == {"learner": 900, "dr": 0, "oracle": 1200}
    assert found["stages"]["learner"] == [900]
    assert (found["file"], found["page"], found["missing"]) == ("result.json", "result.html", [])
    assert "plotly" in (tmp_path / "result.html").read_text("utf-8")


def test_evaluate_says_what_it_has_found(capsys, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(runs_module, "_play", played)
    assert main(["evaluate", str(runs / "rma"), "--tasks", "256", "--out", "result.json"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = [" ".join(line.split()) for line in err.splitlines()]
    assert "rma on pendulum_swingup: 256 held-out tasks (test), 1 episode of 300 steps" in lines
    assert "learner episode 1 return 900.0 [900.0, 900.0] CVaR5% 900.0 [900.0, 900.0]" in lines
    assert "score 0.750 [0.750, 0.750]" in lines
    assert lines[-1] == "open result.html"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rma", "--tasks", "10"], "tasks: 10; at least 256"),
        (["rma", "--episodes", "0"], "episodes: 0; a trial has at least one"),
        (["rma", "dr"], "dr: a run of dr on pendulum_swingup; expected rma on pendulum_swingup"),
        (["rma", "rma"], "runs: rma, rma; expected at least one, each once"),
        (["rma", "--dr", "oracle"], "a run of oracle on pendulum_swingup; expected dr on"),
        (["rma", "--oracle", "nowhere"], "nowhere: not a training run"),
    ],
)
def test_evaluate_says_which_run_is_wrong(capsys, runs, monkeypatch, arguments, words):
    monkeypatch.setattr(runs_module, "_play", played)
    monkeypatch.chdir(runs)
    assert words in mistake(capsys, "evaluate", *arguments)


def test_compare_prints_a_table_and_writes_a_page(capsys, runs, tmp_path):
    assert main(["compare", str(runs / "dr"), str(runs / "oracle"), "--out", "page.html"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [
        ["run", "learner"], [str(runs / "dr"), "dr"], [str(runs / "oracle"), "oracle"],
    ]  # fmt: skip
    assert f"not evaluated yet: adapt evaluate {runs / 'dr'}" in out
    assert "open page.html" in err
    assert "plotly" in (tmp_path / "page.html").read_text("utf-8")
    found = answer(capsys, "compare", str(runs / "dr"), "--json", "--out", "page.html")
    assert [run["learner"] for run in found["runs"]] == ["dr"]


def test_the_training_split_is_not_offered(capsys, runs):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(runs / "rma"), "--split", "train"])
    assert stop.value.code == 2
    assert "test" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["list"], ["train", "dr", FAMILY, "--iterations", "many"]]
)
def test_a_command_that_is_none_has_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err


@pytest.mark.parametrize("command", ["train", "evaluate", "bench", "sim-robot", "demo"])
def test_help_shows_defaults(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "default" in capsys.readouterr().out


def finding(name: str, ok: bool, needed: bool) -> dict:
    return {"name": name, "purpose": "", "ok": ok, "needed": needed, "found": "1.0", "mend": "pip install it"}


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([finding("torch", True, False), finding("ROS 2", True, True)], 0),
        ([finding("torch", False, False), finding("ROS 2", True, True)], 0),
        ([finding("torch", True, False), finding("ROS 2", False, True)], 1),
    ],
)
def test_doctor_fails_only_without_what_a_robot_needs(capsys, monkeypatch, findings, code):
    monkeypatch.setattr(doctor, "diagnose", lambda: findings)
    assert main(["doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"findings": findings}


def test_an_interruption_is_no_traceback(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "diagnose", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "adapt: interrupted\n"


def test_the_installed_command_answers_and_fails_as_main_does():
    command = [Path(sys.executable).with_name("adapt"), "replay", "recording.csv", "nowhere"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "adapt: nowhere: no such bundle (expected a folder with manifest.json)\n"


@pytest.mark.slow
def test_from_training_to_scores_by_commands_alone(capsys, tmp_path):
    for learner in ("dr", "oracle", "rma"):
        assert main(["train", learner, FAMILY, "--out", learner, "--threads", "1", "--json"]) == 0
    found = answer(capsys, "evaluate", "rma", "--tasks", "256", "--json")
    assert found["returns"].keys() == {"dr", "learner", "oracle"}
    assert load_bundle(tmp_path / "rma" / "bundle").manifest["adapter"]["kind"] == "belief"
    assert (tmp_path / "rma" / "evaluation.json").is_file()


def test_robot_check_says_what_is_right_and_what_to_mend(capsys, tmp_path):
    assert main(["robot", "check", "pendulum"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing to mend"
    assert main(["robot", "check", str(tmp_path), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert not finding["ok"]
    assert str(tmp_path) in finding["text"]
