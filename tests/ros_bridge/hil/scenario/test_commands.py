"""`adapt hil run`, `list`, `new` and `soak`, as far as no run is started."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from adapt.bundle import PolicyBundle
from adapt.cli import _parsed, main
from adapt.commands.hil import Run, exit_code, outcome_lines
from robots.errors import UserError
from ros_bridge.hil.judging.expectations import EXPECTATIONS
from ros_bridge.hil.kinds import KINDS
from ros_bridge.hil.scenario import reading, template
from ros_bridge.hil.scenario.bundles import bundle_folder, check_bundle
from ros_bridge.hil.scenario.families import deployable_names, family_named
from ros_bridge.hil.scenario.vocabulary import Vocabulary
from tests.ros_bridge.hil.scenario.written import UNCHECKED, write


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("adapt: ")
    return err.removeprefix("adapt: ")


def checked(*arguments: str):
    """What `adapt hil run` would run."""
    command = _parsed(["hil", "run", *arguments]).what
    assert isinstance(command, Run)
    return command.checked()


@pytest.mark.parametrize("family", deployable_names())
def test_new_files_are_valid_and_show_every_key(tmp_path, family, monkeypatch):
    monkeypatch.setattr(template, "check_bundle", lambda folder, family: None)
    (tmp_path / "some").mkdir()
    (tmp_path / "some/manifest.json").write_text("{}")
    out = template.new_scenario("mine", family, "some", tmp_path / "deep/mine.yaml", UNCHECKED)
    text = out.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["bundle"] == "../some"
    for key in (*reading.NEEDED, *reading.OPTIONAL):
        assert re.search(rf"^(# )?{key}:", text, re.MULTILINE), key
    # What is off is valid as well, but for what stands there in place of something else.
    on = re.sub(r"^( *)# (- \{|says|adapted_within|fallback)", r"\1\2", text, flags=re.MULTILINE)
    on = re.sub(r"^task: .*\n# task", "task", on, flags=re.MULTILINE)
    on = re.sub(r"^seeds: .*\n# repetitions", "repetitions", on, flags=re.MULTILINE)
    on = re.sub(r"^- \{at: 0 s, forward.*\n", "", on, flags=re.MULTILINE)
    assert on.count("\n# ") < text.count("\n# ")
    (tmp_path / "on.yaml").write_text(on)
    scenario = reading.read_scenario(tmp_path / "on.yaml", UNCHECKED)
    assert (len(scenario.faults), len(scenario.expect), len(scenario.seeds)) == (3, 6, 3)
    assert scenario.task.values
    assert bool(scenario.goal) == (family_named(family).goal is not None)


def test_new_never_writes_over_a_file(capsys, tmp_path, bundle: PolicyBundle):
    arguments = ("hil", "new", "mine", "--family", "pendulum_swingup", "--bundle", str(bundle.path))
    assert main(list(arguments)) == 0
    assert capsys.readouterr().err == "mine.yaml\n"
    Path("mine.yaml").write_text("mine")
    assert complaint(capsys, *arguments).startswith("mine.yaml: is there already")
    assert Path("mine.yaml").read_text() == "mine"
    assert "no bundle 'nowhere'" in complaint(
        capsys, *arguments[:5], "--bundle", "nowhere", "--out", "b.yaml"
    )
    assert not Path("b.yaml").exists()


def test_new_leaves_nothing_behind_where_the_name_is_none(capsys, bundle: PolicyBundle):
    options = ("--family", "pendulum_swingup", "--bundle", str(bundle.path), "--out", "x.yaml")
    assert "name: expected a word" in complaint(capsys, "hil", "new", "a/b", *options)
    assert not Path("x.yaml").exists()


def test_list_says_what_a_file_is(capsys, bundle: PolicyBundle, tmp_path):
    faults = "faults: [{kind: nan, target: joints, at: 1}]\ntags: [own]\nprotects: finite\n"
    write(tmp_path, faults, bundle=str(bundle.path))
    assert main(["hil", "list", "trial.yaml", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["scenarios"]
    expected = {
        "name": "trial",
        "robot": "simulated",
        "duration_s": 10.0,
        "seeds": [0],
        "faults": ["joints nan"],
    }
    assert row.items() >= (expected | {"protects": "finite", "tags": ["own"], "about": "A test."}).items()
    assert main(["hil", "list", "trial.yaml", "--tag", "own"]) == 0
    shown = capsys.readouterr().out
    assert {"trial", "finite", "10"} <= set(shown.split())
    assert "(joints nan)" in shown


def test_list_names_all_kinds_and_expectations(capsys):
    assert main(["hil", "list", "--kinds", "--expectations", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["kind"] for row in listed["kinds"]] == list(KINDS)
    assert [row["expectation"] for row in listed["expectations"]] == list(EXPECTATIONS)
    bias = next(row for row in listed["kinds"] if row["kind"] == "bias")
    # 1 rad and 10 rad/s are the most that is drawn; ten times that is the most that a file may say.
    assert [each["valid"] for each in bias["magnitudes"][:2]] == [[-10.0, 10.0], [-100.0, 100.0]]
    assert bias["magnitudes"][1]["usual"] == [0.1, 10.0]
    assert main(["hil", "list", "--kinds"]) == 0
    assert set(KINDS) <= set(capsys.readouterr().out.split())


def test_a_bundle_has_to_be_there_and_to_fit(capsys, bundle: PolicyBundle, tmp_path):
    write(tmp_path, bundle="nowhere")
    assert complaint(capsys, "hil", "run", "trial.yaml").startswith(
        "trial.yaml:3: bundle: no bundle 'nowhere' in"
    )
    write(tmp_path, bundle=str(bundle.path), family="double_pendulum_swingup")
    told = complaint(capsys, "hil", "run", "trial.yaml")
    assert "drives pendulum, which is not the robot of double_pendulum_swingup" in told


def test_a_bundle_is_relative_to_its_file_and_shipped_ones_come_by_name(bundle: PolicyBundle, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "own").symlink_to(bundle.path)
    path = write(tmp_path / "deep", "node: {fallback: own}\n", bundle="../own")
    scenario = reading.read_scenario(path, Vocabulary(bundles=tmp_path))
    assert scenario.bundle == str(bundle.path.resolve())
    assert scenario.node.fallback == scenario.bundle
    assert bundle_folder("own", shipped=tmp_path) == bundle.path.resolve()


def test_a_policy_that_is_told_something_else_is_refused(bundle: PolicyBundle):
    family = family_named("pendulum_swingup")
    check_bundle(bundle.path, family)
    other = replace(family, goal=family_named("ur5e_reach").goal)
    with pytest.raises(UserError, match="its policy is told nothing; pendulum_swingup tells target_x"):
        check_bundle(bundle.path, other)


def test_other_bundles_take_the_place_of_the_scenario_s_own(capsys, bundle: PolicyBundle, tmp_path):
    write(tmp_path, bundle="nowhere")
    scenarios, bundles = checked("trial.yaml", "--bundle", f"a={bundle.path}", "--bundle", f"b={bundle.path}")
    assert bundles == {"a": str(bundle.path.resolve()), "b": str(bundle.path.resolve())}
    assert [scenario.bundle for scenario in scenarios] == ["nowhere"]
    for given, said in (
        ("rma", "--bundle 'rma': expected LABEL=FOLDER"),
        ("a/b=x", "--bundle 'a/b=x': expected LABEL=FOLDER"),
        ("a=nowhere", "no bundle 'nowhere'"),
    ):
        assert said in complaint(capsys, "hil", "run", "trial.yaml", "--bundle", given)
    twice = ("--bundle", f"a={bundle.path}", "--bundle", "a=other")
    assert "label 'a' is that of" in complaint(capsys, "hil", "run", "trial.yaml", *twice)


def test_seeds_and_lock_step_of_the_command_line(capsys, bundle: PolicyBundle, tmp_path):
    write(tmp_path, bundle=str(bundle.path))
    (scenario,), none = checked("trial.yaml", "--seed", "3", "--seed", "1", "--seed", "3", "--lock-step")
    assert (scenario.seeds, scenario.pace, none) == ((3, 1), "lock_step", None)
    assert "--seed -1: valid: 0 to" in complaint(capsys, "hil", "run", "trial.yaml", "--seed", "-1")
    assert "--parallel 0: valid: 1 or more" in complaint(
        capsys, "hil", "run", "trial.yaml", "--parallel", "0"
    )


def test_a_real_robot_needs_somebody_at_its_emergency_stop(capsys, bundle: PolicyBundle, tmp_path):
    write(tmp_path, "robot: real\n", bundle=str(bundle.path))
    assert "say --i-am-at-the-emergency-stop" in complaint(capsys, "hil", "run", "trial.yaml")
    there = ("trial.yaml", "--i-am-at-the-emergency-stop")
    assert checked(*there)[0][0].robot == "real"
    assert "of which there is one" in complaint(capsys, "hil", "run", *there, "--parallel", "2")
    assert "a real robot waits for nobody" in complaint(capsys, "hil", "run", *there, "--lock-step")


def result(*outcomes: str, **more) -> dict:
    run = {"scenario": "one", "label": "rma", "reason": "late"}
    return {
        "runs": [run | {"outcome": each, "seed": seed} for seed, each in enumerate(outcomes)],
        "stopped_early": False,
    } | more


def test_exit_codes():
    assert exit_code(result("passed", "passed")) == 0
    assert exit_code(result("passed", "invalid", "failed", "error")) == 1
    assert exit_code(result("passed", "invalid")) == exit_code(result("error")) == exit_code(result()) == 2
    assert exit_code(result("passed", "failed", stopped_early=True)) == 130
    lines = outcome_lines(result("passed", "failed", "passed"))
    assert lines == ["failed: one rma-1: late", "3 runs: 2 passed, 1 failed"]


def test_soak_is_said_as_before():
    options = ["--minutes", "2", "--robot", "r", "--seed", "3", "--no-kills", "--out", "o", "--json"]
    soak = _parsed(["hil", "soak", "pendulum_swingup", "b", *options]).what
    assert (soak.family, soak.bundle, soak.minutes, soak.robot) == ("pendulum_swingup", Path("b"), 2.0, "r")
    assert (soak.seed, soak.kills, soak.out, soak.json) == (3, False, Path("o"), True)
    bare = _parsed(["hil", "soak", "pendulum_swingup", "b"]).what
    assert (bare.minutes, bare.robot, bare.seed, bare.kills) == (60.0, None, 0, True)
    assert (bare.out, bare.json) == (Path("runs/soak"), False)
