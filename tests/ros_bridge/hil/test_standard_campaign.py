"""The standard campaign: what its files say fits together, and covers what there is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import ros_bridge.hil
from ros_bridge.hil.protections import PROTECTIONS
from ros_bridge.hil.schedule import KINDS
from sim_tasks.families import load_family

FOLDER = Path(ros_bridge.hil.__file__).parent / "campaigns" / "standard"
FILES = sorted(FOLDER.glob("*.yaml"))
BUNDLES = {
    "pendulum_swingup": {f"pendulum_{learner}" for learner in ("dr", "rma", "rl2", "varibad", "maml")},
    "double_pendulum_swingup": {"double_pendulum_rl2"},
    "go2_velocity": {"go2_rl2"},
    "ur5e_reach": {"ur5e_dr"},
}
UNSEEN = {
    "acceleration_limit", "effort_limit", "servo_effort", "giving_up", "guard", "trial", "policy_finite",
    "goal_timeout", "goal_limits",
}  # fmt: skip
"""Protections that no scenario can show yet: of no shipped robot, or of what no fault does. Their tests are
`test_protections` and those of their own rooms."""


@pytest.fixture(scope="module")
def campaign() -> dict[str, dict[str, Any]]:
    return {file.stem: yaml.safe_load(file.read_text()) for file in FILES}


def test_there_are_enough_and_ten_are_quick(campaign):
    assert len(campaign) >= 44
    assert sum("quick" in each["tags"] for each in campaign.values()) == 10
    assert (
        sum(float(each["duration"].split()[0]) for each in campaign.values() if "quick" in each["tags"]) < 75
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_says_what_it_tests(file):
    each = yaml.safe_load(file.read_text())
    assert each["about"].endswith(".")
    assert each["protects"] in PROTECTIONS
    assert each["bundle"] in BUNDLES[each["family"]]
    assert each["expect"]
    family = load_family(each["family"])
    assert family.robot.name in each["tags"]
    assert 3.0 <= float(each["duration"].removesuffix(" s")) <= 12.0
    names = [fault.get("name") for fault in each.get("faults", [])]
    for fault in each.get("faults", []):
        kind = KINDS[fault["kind"]]
        assert fault["target"] in kind.targets
        assert set(fault.get("joints", ())) <= set(family.robot.joint_names)
        assert ("magnitude" in fault) == bool(kind.unit)
    for expectation in each["expect"].values():
        if isinstance(expectation, dict):
            assert expectation.get("fault") in (None, *names)
            assert not {"at_most", "at_least"} <= set(expectation)


def test_it_protects_all_that_a_scenario_can_show(campaign):
    assert {each["protects"] for each in campaign.values()} == set(PROTECTIONS) - UNSEEN


def test_it_has_faults_on_every_side_and_in_every_robot(campaign):
    faults = [fault for each in campaign.values() for fault in each.get("faults", [])]
    kinds = Counter(fault["kind"] for fault in faults)
    assert {fault["target"] for fault in faults} == {
        "joints",
        "imu",
        "goals",
        "commands",
        "body",
        "node",
        "machine",
    }
    body = {"payload", "weak", "locked", "free", "slippery", "encoder_offset", "sag", "push", "slope"}
    system = {"killed", "restarted", "paused", "disk_full", "hogged", "lost", "clock_jump"}
    assert body | system <= set(kinds)
    assert any(fault.get("ramp") for fault in faults)
    assert any(fault.get("probability") for fault in faults)
    assert any(len(each.get("faults", [])) > 1 for each in campaign.values())
    assert any("out_of_family" in each["task"] for each in campaign.values())
    assert {each["family"] for each in campaign.values()} == set(BUNDLES)
    assert set().union(*BUNDLES.values()) == {each["bundle"] for each in campaign.values()}
