"""Options of learners: where each comes from, and what is refused."""

from __future__ import annotations

import os
import re
import shlex
import signal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.learners import LEARNERS
from adapt.learners.bounds import BoundConfig, BoundLearner
from adapt.learners.ppo import PPOConfig
from adapt.learners.rma import RMALearner
from adapt.options import for_cores, learner_config, overlay
from adapt.train import read_run
from sim_tasks.discrete import names
from sim_tasks.families import load_family
from tests.adapt.small import differences
from tests.adapt.test_train import learnt
from tests.small_bundle import FAMILY

PRESETS = sorted(
    (folder.name, file.name.removesuffix(".yaml"))
    for folder in (resources.files("adapt") / "presets").iterdir()
    for file in folder.iterdir()
)


@pytest.mark.parametrize(("learner", "family"), PRESETS, ids="-".join)
def test_every_preset_that_is_shipped_is_of_a_learner_and_a_family_and_changes_something(learner, family):
    if not (LEARNERS[learner].discrete and any(name.startswith(family) for name in names())):
        assert load_family(family)
    assert learner_config(learner, family) != LEARNERS[learner].config


def test_each_place_goes_over_the_one_before(tmp_path):
    usual = LEARNERS["dr"].config
    preset = learner_config("dr", "half_cheetah_vel")
    assert (usual.normalise, preset.normalise, preset.robots, preset.ppo.huber) == (False, True, 256, True)
    assert preset.ppo.max_grad_norm == usual.ppo.max_grad_norm, "what a preset does not name stays"
    file = tmp_path / "mine.yaml"
    file.write_text("robots: 64\nppo:\n  learning_rate: 1e-3\n")  # YAML 1.1 takes 1e-3 for text
    mine = learner_config("dr", "half_cheetah_vel", file)
    assert (mine.robots, mine.ppo.learning_rate, mine.ppo.huber, mine.horizon) == (64, 1e-3, True, 50)
    assert learner_config("dr", "half_cheetah_vel@roml") == preset, "a protocol has its family's preset"


def test_what_was_recorded_stands_in_the_place_of_presets():
    assert learner_config("dr", "half_cheetah_vel", None, {"robots": 8}) == overlay(
        LEARNERS["dr"].config, {"robots": 8}, "here"
    )


def test_values_become_what_their_fields_are():
    values = {"hidden": [8, 9], "std": 1, "frames": 2.0e3, "ppo": {"clip": "2e-1"}}
    config = overlay(BoundConfig(), values, "here")
    assert config == BoundConfig(hidden=(8, 9), std=1.0, frames=2000, ppo=PPOConfig(clip=0.2))
    assert isinstance(config.std, float)
    assert isinstance(config.frames, int)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("robot: 3", r"unknown field 'robot'; valid: frames, robots, horizon"),
        ("ppo:\n  gama: 1", r"mine.yaml: ppo: unknown field 'gama'; valid: gamma"),
        ("robots: many", r"robots: 'many'; expected int, such as 1024"),
        ("robots: 2.5", r"robots: 2.5; expected int"),
        ("robots: true", r"robots: True; expected int"),
        ("std: .nan", r"std: nan; expected float"),
        ("std: .inf", r"std: inf; expected float"),
        ("normalise: 1", r"normalise: 1; expected bool"),
        ("hidden: 64", r"hidden: 64; expected tuple"),
        ("ppo: 3", r"ppo: expected fields with values, got 3"),
        ("- 1", r"expected fields with values, got \[1\]"),
        ("a: [", r"not valid YAML"),
        ("!!python/object/apply:os.system ['true']", r"not valid YAML"),
    ],
)
def test_what_a_learner_cannot_have_is_refused_by_name(text, said, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(AdaptError, match=said):
        learner_config("dr", FAMILY, file)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(content, tmp_path):
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AdaptError, match=r"mine.yaml: cannot be read"):
        learner_config("dr", FAMILY, file)


@pytest.mark.usefixtures("small")
def test_the_command_line_goes_over_the_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("horizon: 5\nppo:\n  gamma: 0.5\n")
    out = tmp_path / "run"
    given = [
        "train",
        "dr",
        FAMILY,
        "--out",
        str(out),
        f"--config={file}",
        "--ppo.gamma",
        "0.9",
        "--frames",
        "80",
    ]
    assert main(given) == 0
    recorded = read_run(out)
    options = recorded["hyperparameters"]
    assert (options["horizon"], options["ppo"]["gamma"], options["frames"]) == (5, 0.9, 80)
    assert recorded["iterations"] == 2  # 80 control steps, 8 robots x 5 steps at a time


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("name", "learner"), [("dr", BoundLearner), ("rma", RMALearner)])
def test_the_command_that_a_stop_names_goes_on_with_all_options_of_the_run(
    name, learner, tmp_path, monkeypatch, capsys
):
    options = ["--seed", "3", "--iterations", "5", "--ppo.gamma", "0.9", "--threads", "1"]
    whole, out = tmp_path / "whole", tmp_path / "stopped"
    if LEARNERS[name].needs_teacher:
        teacher = tmp_path / "elsewhere"
        assert main(["train", "oracle", FAMILY, "--out", str(teacher), "--threads", "1"]) == 0
        options += ["--teacher", str(teacher)]
    assert main(["train", name, FAMILY, "--out", str(whole), *options]) == 0
    update, calls = learner.update, []

    def stopped(self: Any) -> dict[str, float]:
        calls.append(self)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    monkeypatch.setattr(learner, "update", stopped)
    capsys.readouterr()
    assert main(["train", name, FAMILY, "--out", str(out), *options]) == 2
    assert learnt(out)["iteration"] == 2
    named = re.search(r"go on with: adapt (.*)", capsys.readouterr().err)
    assert named
    assert main(shlex.split(named[1])) == 0
    assert differences(learnt(whole), learnt(out)) == []


@pytest.mark.usefixtures("small")
def test_another_option_is_refused_where_a_run_goes_on(tmp_path, capsys):
    out = ["--out", str(tmp_path / "run"), "--threads", "1"]
    assert main(["train", "dr", FAMILY, *out, "--seed", "3"]) == 0
    assert main(["train", "dr", FAMILY, *out, "--resume", "--ppo.gamma", "0.5"]) == 2
    assert "hyperparameters was" in capsys.readouterr().err
    assert main(["train", "oracle", FAMILY, *out, "--resume"]) == 2
    assert "learner was 'dr', now 'oracle'" in capsys.readouterr().err
    assert not Path(tmp_path / "run" / "oracle").exists()


@pytest.mark.parametrize(("cores", "robots"), [(1, 128), (2, 256), (16, 2048)])
def test_simulations_can_follow_the_cores(cores, robots):
    family = "half_cheetah_vel@roml"
    asked = overlay(learner_config("varibad", family), {"robots": 0}, "here")
    assert for_cores(asked, "varibad", family, cores) == overlay(asked, {"robots": robots}, "here")
    usual = learner_config("varibad", family)
    assert for_cores(usual, "varibad", family, cores) == usual, "a number that is given stands"


def test_a_run_records_how_many_simulations_the_cores_gave(tmp_path, small):
    assert main(["train", "dr", FAMILY, "--out", str(tmp_path), "--robots", "0", "--iterations", "1"]) == 0
    usual = learner_config("dr", FAMILY).robots
    robots = read_run(tmp_path)["hyperparameters"]["robots"]
    assert robots == usual * len(os.sched_getaffinity(0)) // 2
