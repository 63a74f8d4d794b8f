"""What the simulated robot says of a run."""

from __future__ import annotations

from ros_bridge.sim_robot import verdict


def test_a_verdict_tells_both_judgements_apart():
    said = verdict({"upright_first": True, "recovered": False})
    assert said == "where it should be, for a second: yes; after the change: no"


def test_a_run_without_a_change_is_not_said_to_have_failed():
    assert verdict({"upright_first": False, "recovered": None}).endswith("no; after the change: no change")
