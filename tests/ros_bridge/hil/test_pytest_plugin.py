"""The pytest plugin: what a test asks for, what it gets, and that a run which says nothing never passes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ros_bridge.hil.pytest_plugin import AdaptHil, HilError
from ros_bridge.hil.scenario.scenario import Scenario

SCENARIO = Scenario(
    name="blind", about="", family="pendulum_swingup", bundle="rma", duration=8.0, seeds=(0, 1)
)


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands for the runner; what it was asked for, and `outcome`, which its runs come to."""
    from ros_bridge.hil.pages import write
    from ros_bridge.hil.running import campaign as running
    from ros_bridge.hil.scenario import campaign as scenarios

    asked: dict[str, Any] = {"outcome": "passed", "stopped_early": False}

    def find(paths: list[Path], *_: Any) -> list[Scenario]:
        return [replace(SCENARIO, name=path.stem) for path in paths]

    def run_campaign(found: list[Scenario], out: Path, **options: Any) -> dict[str, Any]:
        asked.update(options, out=out)
        findings = [{"name": "periods_to_safe", "value": 1.0, "margin": 1.0}]
        return {
            "stopped_early": asked["stopped_early"],
            "runs": [
                {
                    "scenario": scenario.name,
                    "seed": seed,
                    "outcome": asked["outcome"],
                    "reason": "" if asked["outcome"] == "passed" else "late",
                    "findings": findings,
                    "folder": f"runs/{scenario.name}/{seed}",
                }
                for scenario in found
                for seed in scenario.seeds
            ],
        }

    monkeypatch.setattr(scenarios, "find", find)
    monkeypatch.setattr(running, "run_campaign", run_campaign)
    monkeypatch.setattr(write, "write_report", lambda folder: asked.update(page=folder))
    return asked


def test_the_marker_says_what_is_run_and_a_call_goes_before_it(campaign, tmp_path):
    marked = pytest.Mark(
        "adapt_hil", ("one.yaml",), {"bundle": "runs/mine", "seeds": [4], "lock_step": True}, _ispytest=True
    )
    hil = AdaptHil(tmp_path, marked)
    run = hil.run()
    assert (run.result["scenario"], run.result["seed"], run.passed) == ("one", 4, True)
    assert campaign["bundles"] == {"mine": "runs/mine"}
    assert campaign["pace"] == "lock_step"
    assert campaign["page"] == campaign["out"]
    assert campaign["at_the_emergency_stop"] is False
    assert run.value("periods_to_safe") == run.margin("periods_to_safe") == 1.0
    runs = hil.runs("two.yaml", "three.yaml", bundle="runs/other", seeds=[0, 1], lock_step=False)
    assert [(each.result["scenario"], each.result["seed"]) for each in runs] == [
        ("two", 0),
        ("two", 1),
        ("three", 0),
        ("three", 1),
    ]
    assert campaign["bundles"] == {"other": "runs/other"}
    assert campaign["pace"] is None
    assert len({run.folder for run in (*runs, run)}) == 5, "no call writes over another one's files"


def test_what_a_test_does_not_say_is_the_scenarios_own(campaign, tmp_path):
    runs = AdaptHil(tmp_path).runs("one.yaml")
    assert [run.result["seed"] for run in runs] == [0, 1]
    assert campaign["bundles"] is None


@pytest.mark.parametrize("outcome", ["invalid", "error"])
def test_a_run_that_says_nothing_of_the_node_is_an_error_and_one_that_failed_is_for_the_test_to_judge(
    campaign, tmp_path, outcome
):
    campaign["outcome"] = "failed"
    assert not AdaptHil(tmp_path).runs("one.yaml")[0].passed
    campaign["outcome"] = outcome
    with pytest.raises(HilError, match=f"one: {outcome}: late"):
        AdaptHil(tmp_path).runs("one.yaml")


def test_a_campaign_that_was_interrupted_interrupts_the_tests_too(campaign, tmp_path):
    campaign["stopped_early"] = True
    with pytest.raises(KeyboardInterrupt):
        AdaptHil(tmp_path).runs("one.yaml")


def test_too_many_runs_no_scenario_and_no_such_expectation_are_told(campaign, tmp_path):
    hil = AdaptHil(tmp_path)
    with pytest.raises(HilError, match="expected one run, got 2: one 0, one 1"):
        hil.run("one.yaml")
    with pytest.raises(HilError, match="no scenario"):
        hil.run()
    with pytest.raises(KeyError, match=r"'upright': the run has periods_to_safe"):
        hil.run("one.yaml", seeds=[0]).margin("upright")


def test_the_plugin_registers_its_marker_and_refuses_options_that_it_does_not_have(tmp_path):
    test = tmp_path / "test_own.py"
    test.write_text(
        "import sys, pytest\n"
        "@pytest.mark.adapt_hil('one.yaml', bundle='b')\n"
        "def test_known(adapt_hil):\n"
        "    assert 'kept' in str(adapt_hil.out)\n"
        "    assert not {'rclpy', 'mujoco', 'torch'} & set(sys.modules)\n"
        "@pytest.mark.adapt_hil('one.yaml', bundel='b')\n"
        "def test_typo(adapt_hil): pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--strict-markers",
        f"--hil-out={tmp_path / 'kept'}",
        str(test),
    ]
    command += ["--rootdir", str(tmp_path), "-c", "/dev/null"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert "1 passed, 1 error" in ran.stdout, ran.stdout + ran.stderr
    assert "unknown 'bundel'; valid: bundle, seeds, lock_step" in ran.stdout


@pytest.mark.slow
@pytest.mark.ros
def test_a_shipped_scenario_runs_from_a_test_of_ones_own(tmp_path):
    run = AdaptHil(tmp_path).run("campaigns/standard/pendulum_encoder_nan.yaml", lock_step=True)
    assert run.passed, run.reason
    assert run.margin("periods_to_safe") is not None
    assert len(run.trace().command) > 300
    assert (tmp_path / "call_1" / "report.html").exists()
