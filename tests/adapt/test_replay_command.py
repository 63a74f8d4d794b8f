"""`adapt replay` from the command line: what it says, what it writes, how it ends."""

from __future__ import annotations

import json

import numpy as np
import pytest

import ros_bridge.bag_replay
from adapt.cli import main
from robots import load_robot
from tests.ros_bridge.recorded import Run
from tests.small_bundle import untrained_bundle

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return untrained_bundle(tmp_path_factory.mktemp("bundle") / "recorded")


@pytest.fixture(scope="module")
def bag(bundle, tmp_path_factory):
    return Run(bundle, load_robot("pendulum"), tmp_path_factory.mktemp("bags")).whole()


def said(capsys) -> tuple[dict, str]:
    captured = capsys.readouterr()
    return json.loads(captured.out.splitlines()[-1]), captured.err


def test_the_recorded_bundle_is_bit_identical_and_there_is_a_page(bag, bundle, tmp_path, capsys):
    assert main(["replay", str(bag), str(bundle.path), "--out", str(tmp_path), "--json"]) == 0
    result, err = said(capsys)
    assert (result["identical"], result["same_policy"]) == (True, True)
    assert "time" not in result
    assert "bit-identical" in err
    kept = json.loads((tmp_path / f"{result['name']}.json").read_text())
    assert len(kept["time"]) == len(kept["certified"]["replayed"]) == kept["steps"]
    page = (tmp_path / f"{result['name']}.html").read_text(encoding="utf-8")
    assert "bit-identical" in page
    for place in ("command-0", "reasons", "belief-0"):
        assert f'data-figure="{place}"' in page
        assert f'"{place}":' in page


def test_a_policy_that_answers_otherwise_is_told_and_fails(bag, bundle, tmp_path, capsys, monkeypatch):
    play = ros_bridge.bag_replay.BagPlayer.play

    def wrong(self, event):
        output = play(self, event)
        if output is not None and event.sequence == 40:
            output.command[0] = np.nextafter(output.command[0], np.inf)
        return output

    monkeypatch.setattr(ros_bridge.bag_replay.BagPlayer, "play", wrong)
    assert main(["replay", str(bag), str(bundle.path), "--out", str(tmp_path)]) == 1
    err = " ".join(capsys.readouterr().err.split())
    assert "not identical: 1 of 208 commands differ, the first one at step 38" in err
    assert "event 40): certified by " in err
    assert "N m, requested by 0 N m" in err


def test_another_bundle_is_compared(bag, tmp_path, capsys):
    other = untrained_bundle(tmp_path / "other", seed=1)
    assert main(["replay", str(bag), str(other.path), "--out", str(tmp_path / "out"), "--json"]) == 0
    result, err = said(capsys)
    assert not result["same_policy"]
    assert result["rms"]["requested"]["pivot"] > 0
    assert "another policy than the one recorded" in err
    page = (tmp_path / "out" / f"{result['name']}.html").read_text(encoding="utf-8")
    assert "would have done" in page


def test_a_log_is_replayed_with_its_columns(bundle, tmp_path, capsys):
    time = np.arange(0, 2.6, 0.02)
    rows = np.stack([1e3 * time, 0.1 * np.sin(time), 0.1 * np.cos(time), 0 * time], axis=1)
    np.savetxt(tmp_path / "log.csv", rows, delimiter=",", header="ms,position,velocity,torque", comments="")
    log, columns = str(tmp_path / "log.csv"), tmp_path / "columns.yaml"
    columns.write_text("time: {column: ms, factor: 0.001}\n")
    command = ["replay", log, str(bundle.path), "--out", str(tmp_path)]
    assert main(command) == 2
    assert "no column time" in capsys.readouterr().err
    assert main([*command, "--columns", str(columns), "--json"]) == 0
    result, _ = said(capsys)
    assert result["adapted_error"] > 0
    assert "time" not in result["commands"]
    assert 'data-figure="forecast"' in (tmp_path / "log.html").read_text(encoding="utf-8")


def test_what_is_no_recording_is_named(bag, bundle, tmp_path, capsys):
    assert main(["replay", "readme.txt", str(bundle.path)]) == 2
    assert capsys.readouterr().err == (
        "adapt: readme.txt: not a recording; valid: a .csv, a .mcap, or a folder with one\n"
    )
    assert main(["replay", str(bag), str(bundle.path), "--columns", "c.yaml"]) == 2
    assert "--columns c.yaml: a bag has no columns" in capsys.readouterr().err
